"""The layer sequencer: runs descriptors one after the other and issues the array's slots."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode
from nigiri.spec.errors import ErrorCode
from nigiri_hw.core.check import DescriptorCheck
from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.lib.multiply import scarce, soft_multiply

__all__ = ["Sequencer", "Slot", "Stall"]


class Slot(enum.Enum, shape=3):
    """What a cycle of the array pipeline does."""

    NONE = 0
    STEP = 1
    PARAMS = 2
    RESIDUAL = 3
    TABLE = 4
    STORE = 5
    SCALE = 6


class Stall(enum.Enum, shape=3):
    """Why a cycle did no step."""

    NONE = 0
    WEIGHTS = 1
    ACTIVATIONS = 2
    REQUANT = 3
    WRITEBACK = 4
    DESCRIPTOR = 5


class Sequencer(wiring.Component):
    """Walks the loop nest of nigiri.spec.descriptor: set of output blocks, tile, input block, tap.

    One slot a cycle.  A slot that needs weight words waits until they are present in the rings of its output blocks;
    a tile's last step waits until the requantiser is sure to have drained the previous tile.  Once issued, nothing in
    the pipeline stalls.  During a set's last tile the rings get their words back one by one.

    Members (selection)
    -------
    start, length, done, error, index: a program of `length` descriptors; `index` is the running one.
    desc_valid, desc, desc_pop: the descriptor at `index`.
    abort, abort_code: another unit found an error that belongs to descriptor `index`, or stops the program at once.
    slot, slot_*: the issued slot, registered.  `slot_ring` is the ring of the set's first output block, `slot_group`
        the output block of the set that a PARAMS or RESIDUAL slot is for, `slot_word` a position in every ring.
    ready, tail, release_*: of every ring.
    coords_setup, coords_busy: the address unit counts out the first tile.
    layer_start: the write-back unit starts a layer; tile_done, pool_done: it finished one.
    io_start, io_busy: a LOAD is to be made, is being made; STORE words are issued as slots, `store_room` allows one.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        a, r = ceil_log2(config.ab_words), ceil_log2(config.ring_words)
        count = range(config.ring_words + 1)
        rings = config.groups
        super().__init__(
            {
                "start": In(1),
                "length": In(32),
                "done": Out(1),
                "error": Out(ErrorCode),
                "index": Out(32),
                "running": Out(1),
                "desc_valid": In(1),
                "desc": In(descriptor_layout()),
                "desc_pop": Out(1),
                "abort": In(1),
                "abort_code": In(ErrorCode),
                "window_size": In(32),
                "layer": Out(descriptor_layout()),
                "out_w": Out(10),
                "pixels": Out(20),
                "interval": Out(6),
                "slot": Out(Slot),
                "slot_last": Out(1),
                "slot_first": Out(1),
                "slot_block_first": Out(1),
                "slot_image_first": Out(1),
                "slot_block_end": Out(1),
                "slot_tap": Out(6),
                "slot_parity": Out(1),
                "slot_base": Out(a),
                "slot_word": Out(r).array(rings),
                "slot_table": Out(2),
                "slot_ring": Out(2),
                "slot_group": Out(2),
                "slot_group_last": Out(1),
                "ready": In(count).array(rings),
                "tail": In(r).array(rings),
                "release_en": Out(rings),
                "release_count": Out(3),
                "coords_setup": Out(1),
                "coords_busy": In(1),
                "layer_start": Out(1),
                "tile_done": In(1),
                "pool_done": In(1),
                "load_start": Out(1),
                "load_busy": In(1),
                "store_start": Out(1),
                "store_room": In(1),
                "store_busy": In(1),
                "stall": Out(Stall),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg = self._config
        p, g, a, rings = cfg.lanes, cfg.requant_pixels, ceil_log2(cfg.ab_words), cfg.groups
        d = self.layer
        m.submodules.check = check = DescriptorCheck(cfg)
        m.d.comb += check.layer.eq(d)

        flag = {
            n: Signal(name=f"flag_{n.lower()}")
            for n in ("DEPTHWISE", "MAXIMUM", "STRIDE2", "TABLE", "RESIDUAL", "POLYPHASE", "POOL", "SCALE")
        }
        m.d.comb += [s.eq((d.flags & getattr(Flag, n)).any()) for n, s in flag.items()]
        own_block = flag["DEPTHWISE"] | flag["MAXIMUM"]
        m.d.comb += self.out_w.eq(Mux(flag["STRIDE2"], (d.in_w + 1) >> 1, d.in_w))
        # A row end inside a write group costs the write-back unit a cycle more for each.
        uneven = (self.out_w & (g - 1)) != 0 if g & (g - 1) == 0 else 1
        rows = g
        for n in reversed(range(1, 5)):
            if n + 1 < g:
                rows = Mux(self.out_w >= -(-(g - 1) // n), n + 1, rows)
        m.d.sync += self.interval.eq(Mux(flag["POLYPHASE"] & uneven, rows, 1))
        spacing, drains = Signal(10), Signal(range(max(p // g, 4) + 1))
        tile_pixels = Signal(range(p + 1))
        m.d.comb += [
            drains.eq(Mux(d.split == 2, 4, p // g)),
            tile_pixels.eq(Mux(d.split == 0, p, Mux(d.split == 1, p // 2, p // 4))),
        ]
        area = soft_multiply(self.out_w, d.out_h[:10]) if scarce(cfg) else self.out_w * d.out_h[:10]
        m.d.sync += [self.pixels.eq(area), spacing.eq(soft_multiply(self.interval, drains) - 1)]

        ob, ib, tap, parity = Signal(16), Signal(16), Signal(6), Signal()
        group = Signal(2)
        left = Signal(20)
        word = Signal(range(cfg.ring_words + 1))
        # Addresses: of the set's first image, of the current image, of its current tile and step.
        set_block, set_res, set_scale = (Signal(a, name=f"set_{n}") for n in ("block", "res", "scale"))
        block, res_block, scale_at = (Signal(a, name=n) for n in ("block", "res_block", "scale_at"))
        tile, current, res_tile, res_now = (Signal(a, name=n) for n in ("tile", "current", "res_tile", "res_now"))
        image = Signal(4)
        timer = Signal(10)
        outstanding = Signal(6)
        table_word, table_wait = Signal(2), Signal(4)
        io_left, settle = Signal(32), Signal(4)
        end = Signal(32)

        # The set: how many output blocks it has beyond the first, and which rings hold their words.
        blocks_left, most = Signal(16), Signal(2)
        last_group, ring = Signal(2), Signal(2)
        used = Signal(rings)
        m.d.comb += [
            blocks_left.eq(d.out_blocks - ob - 1),
            most.eq((1 << d.split) - 1),
            last_group.eq(Mux(blocks_left < most, blocks_left, most)),
            ring.eq(ob & (rings - 1)),
        ]
        m.d.comb += [used[n].eq(((n - ring) & (rings - 1))[:2] <= last_group) for n in range(rings)]

        issue_tile = Signal()
        issue_pool = Signal()
        m.d.sync += outstanding.eq(outstanding + issue_tile + issue_pool - self.tile_done - self.pool_done)
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)

        present = Signal()
        m.d.comb += present.eq(Cat(*(~used[n] | (word < self.ready[n]) for n in range(rings))).all())
        last_tap = tap == check.taps - 1
        last_parity = ~(flag["DEPTHWISE"] & flag["STRIDE2"]) | parity
        last_ib = ib == d.in_blocks - 1
        last_step = last_tap & last_parity & last_ib
        last_tile = left <= tile_pixels
        last_set = blocks_left <= most
        last_image = image == d.extra_images
        slot, step_last = Signal(Slot), Signal()
        base = Signal(a)
        m.d.comb += base.eq(current)
        m.d.sync += [
            self.slot.eq(slot),
            self.slot_last.eq(step_last),
            self.slot_first.eq((ib == 0) & (tap == 0) & ~parity),
            self.slot_block_first.eq((left == self.pixels) & (image == 0)),
            self.slot_image_first.eq(left == self.pixels),
            self.slot_block_end.eq(last_tile),
            self.slot_tap.eq(tap),
            self.slot_parity.eq(parity),
            self.slot_base.eq(base),
            self.slot_table.eq(table_word),
            self.slot_ring.eq(ring),
            self.slot_group.eq(group),
            self.slot_group_last.eq(group == last_group),
        ]
        m.d.sync += [self.slot_word[n].eq(self.tail[n] + word) for n in range(rings)]

        def end_tile():
            """The tile's last slot is issued: on to the next tile, set of output blocks or layer."""
            m.d.sync += [
                ib.eq(0),
                tap.eq(0),
                parity.eq(0),
                word.eq(1),
                group.eq(0),
                tile.eq(tile + tile_pixels),
                current.eq(tile + tile_pixels),
                res_tile.eq(res_tile + tile_pixels),
                res_now.eq(res_tile + tile_pixels),
                left.eq(left - tile_pixels),
            ]
            with m.If(last_tile):
                following, residual, gate = Signal(a), Signal(a), Signal(a)
                with m.If(last_image):
                    m.d.comb += [
                        following.eq(set_block + Mux(own_block, d.in_stride, 0)),
                        residual.eq(set_res + (d.res_stride << d.split)),
                        gate.eq(set_scale + 1),
                    ]
                    m.d.sync += [
                        ob.eq(ob + most + 1),
                        image.eq(0),
                        word.eq(0),
                        set_block.eq(following),
                        set_res.eq(residual),
                        set_scale.eq(gate),
                    ]
                    m.next = "PARAMS"
                    with m.If(last_set):
                        m.next = "DRAIN"
                with m.Else():
                    # The next image: the same words once more.
                    m.d.comb += [
                        following.eq(block + d.in_image),
                        residual.eq(res_block + d.res_image),
                        gate.eq(scale_at + d.scale_image),
                    ]
                    m.d.sync += image.eq(image + 1)
                    m.next = "STEP"
                    with m.If(flag["SCALE"]):
                        m.next = "SCALE"
                m.d.comb += issue_pool.eq(flag["POOL"])
                m.d.sync += [
                    left.eq(self.pixels),
                    block.eq(following),
                    tile.eq(following),
                    current.eq(following),
                    res_block.eq(residual),
                    res_tile.eq(residual),
                    res_now.eq(residual),
                    scale_at.eq(gate),
                ]
            with m.Else():
                m.next = "STEP"

        def fail(code):
            m.d.sync += self.error.eq(code)
            m.next = "FAILED"

        m.d.comb += self.stall.eq(Stall.DESCRIPTOR)
        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.comb += self.stall.eq(Stall.NONE)
                with m.If(self.start):
                    m.d.sync += [self.index.eq(0), end.eq(self.length)]
                    m.next = "NEXT"
            with m.State("NEXT"):
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif(self.index == end):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
                with m.Elif(self.desc_valid):
                    m.d.sync += [d.eq(self.desc), settle.eq(0)]
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += settle.eq(settle + 1)
                with m.If(settle == 4):
                    m.d.sync += [
                        ob.eq(0),
                        group.eq(0),
                        image.eq(0),
                        ib.eq(0),
                        tap.eq(0),
                        parity.eq(0),
                        word.eq(0),
                        left.eq(self.pixels),
                        set_block.eq(d.in_base),
                        set_res.eq(d.res_base),
                        set_scale.eq(d.scale_base),
                        block.eq(d.in_base),
                        tile.eq(d.in_base),
                        current.eq(d.in_base),
                        res_block.eq(d.res_base),
                        res_tile.eq(d.res_base),
                        res_now.eq(d.res_base),
                        scale_at.eq(d.scale_base),
                        table_word.eq(0),
                        table_wait.eq(0),
                        io_left.eq(d.length >> 3),
                    ]
                    beyond = (d.mem_offset + (d.length >> 3)) > self.window_size
                    with m.If(~check.ok):
                        fail(ErrorCode.DESCRIPTOR)
                    with m.Elif(d.opcode == Opcode.CONV):
                        m.d.comb += [self.coords_setup.eq(1), self.layer_start.eq(1)]
                        m.next = "SETUP"
                    with m.Elif(beyond):
                        fail(ErrorCode.WINDOW)
                    with m.Elif(d.opcode == Opcode.LOAD):
                        m.d.comb += self.load_start.eq(1)
                        m.next = "LOAD"
                    with m.Else():
                        m.d.comb += self.store_start.eq(1)
                        m.next = "STORE"
            with m.State("SETUP"):
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif(~self.coords_busy):
                    m.next = "PARAMS"
                    with m.If(flag["TABLE"]):
                        m.next = "TABLE"
            with m.State("TABLE"):
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif(table_wait != 0):
                    m.d.sync += table_wait.eq(table_wait - 1)
                with m.Elif(word == 4):
                    m.d.comb += [self.release_en.eq(1), self.release_count.eq(4)]
                    m.d.sync += word.eq(0)
                    m.next = "PARAMS"
                with m.Elif(word < self.ready[0]):
                    m.d.comb += slot.eq(Slot.TABLE)
                    m.d.sync += [word.eq(word + 1), table_word.eq(table_word + 1), table_wait.eq(8)]
                with m.Else():
                    m.d.comb += self.stall.eq(Stall.WEIGHTS)
            with m.State("PARAMS"):
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif(present):
                    m.d.comb += slot.eq(Slot.PARAMS)
                    m.d.sync += group.eq(group + 1)
                    with m.If(group == last_group):
                        m.d.sync += [group.eq(0), word.eq(1)]
                        m.next = "STEP"
                        with m.If(flag["SCALE"]):
                            m.next = "SCALE"
                m.d.comb += self.stall.eq(Stall.WEIGHTS)
            with m.State("SCALE"):
                m.d.comb += [slot.eq(Slot.SCALE), base.eq(scale_at), self.stall.eq(Stall.ACTIVATIONS)]
                m.next = "STEP"
            with m.State("STEP"):
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif(~present):
                    m.d.comb += self.stall.eq(Stall.WEIGHTS)
                with m.Elif(last_step & (timer != 0)):
                    m.d.comb += self.stall.eq(Stall.REQUANT)
                with m.Else():
                    m.d.comb += [
                        slot.eq(Slot.STEP),
                        step_last.eq(last_step),
                        issue_tile.eq(last_step),
                        self.stall.eq(Stall.NONE),
                    ]
                    with m.If(~last_parity):
                        m.d.sync += parity.eq(1)
                    with m.Else():
                        m.d.sync += [parity.eq(0), tap.eq(tap + 1)]
                        with m.If(last_tile & last_image):
                            # The words move to the position instead; the last step also frees the parameter word.
                            m.d.comb += [self.release_en.eq(used), self.release_count.eq(Mux(last_step, 2, 1))]
                        with m.Else():
                            m.d.sync += word.eq(word + 1)
                        with m.If(last_tap):
                            m.d.sync += [tap.eq(0), ib.eq(ib + 1), current.eq(current + d.in_stride)]
                    with m.If(last_step):
                        # A pooled block needs the write port for its one result, and the pool unit 16 cycles.
                        m.d.sync += timer.eq(
                            Mux(flag["POOL"], Mux(last_tile & (spacing < 20), 20, spacing + 1), spacing)
                        )
                        with m.If(flag["RESIDUAL"]):
                            m.next = "RESIDUAL"
                        with m.Else():
                            end_tile()
            with m.State("RESIDUAL"):
                m.d.comb += [slot.eq(Slot.RESIDUAL), base.eq(res_now), self.stall.eq(Stall.ACTIVATIONS)]
                m.d.sync += [group.eq(group + 1), res_now.eq(res_now + d.res_stride)]
                with m.If(group == last_group):
                    end_tile()
            with m.State("DRAIN"):
                m.d.comb += self.stall.eq(Stall.WRITEBACK)
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif((outstanding == 0) & ~issue_tile):
                    m.next = "POP"
            with m.State("LOAD"):
                m.d.comb += self.stall.eq(Stall.ACTIVATIONS)
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif(~self.load_busy):
                    m.next = "POP"
            with m.State("STORE"):
                m.d.comb += self.stall.eq(Stall.ACTIVATIONS)
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif((io_left != 0) & self.store_room):
                    m.d.comb += slot.eq(Slot.STORE)
                    m.d.sync += [io_left.eq(io_left - 1), current.eq(current + 8)]
                with m.Elif((io_left == 0) & ~self.store_busy):
                    m.next = "POP"
            with m.State("POP"):
                m.d.comb += self.desc_pop.eq(1)
                m.d.sync += self.index.eq(self.index + 1)
                m.next = "NEXT"
            with m.State("FAILED"):
                m.d.comb += self.stall.eq(Stall.NONE)
        m.d.comb += self.running.eq(~fsm.ongoing("IDLE") & ~fsm.ongoing("FAILED"))
        self.fsm, self.io_left = fsm, io_left                # proofs look at these
        return m
