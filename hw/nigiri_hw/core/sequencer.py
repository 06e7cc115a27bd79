"""The layer sequencer: runs descriptors one after the other and issues the array's slots."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode
from nigiri.spec.errors import ErrorCode
from nigiri_hw.core.check import DescriptorCheck
from nigiri_hw.core.layer import descriptor_layout

__all__ = ["Sequencer", "Slot", "Stall"]


class Slot(enum.Enum, shape=3):
    """What a cycle of the array pipeline does."""

    NONE = 0
    STEP = 1
    PARAMS = 2
    RESIDUAL = 3
    TABLE = 4
    STORE = 5


class Stall(enum.Enum, shape=3):
    """Why a cycle did no step."""

    NONE = 0
    WEIGHTS = 1
    ACTIVATIONS = 2
    REQUANT = 3
    WRITEBACK = 4
    DESCRIPTOR = 5


class Sequencer(wiring.Component):
    """Walks the loop nest of nigiri.spec.descriptor: output block, tile, input block, tap.

    One slot a cycle.  A slot that needs a weight word waits until it is present; a tile's last step waits until the
    requantiser is sure to have drained the previous tile.  Once issued, nothing in the pipeline stalls.

    Members (selection)
    -------
    start, length, done, error, index: a program of `length` descriptors; `index` is the running one.
    desc_valid, desc, desc_pop: the descriptor at `index`.
    abort, abort_code: another unit found an error that belongs to descriptor `index`, or stops the program at once.
    slot, slot_*: the issued slot, registered.
    coords_setup, coords_busy: the address unit counts out the first tile.
    layer_start: the write-back unit starts a layer; tile_done, pool_done: it finished one.
    io_start, io_busy: a LOAD is to be made, is being made; STORE words are issued as slots, `store_room` allows one.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        a, r = ceil_log2(config.ab_words), ceil_log2(config.db_words)
        count = range(config.db_words + 1)
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
                "interval": Out(5),
                "slot": Out(Slot),
                "slot_last": Out(1),
                "slot_first": Out(1),
                "slot_block_first": Out(1),
                "slot_block_end": Out(1),
                "slot_tap": Out(6),
                "slot_parity": Out(1),
                "slot_base": Out(a),
                "slot_word": Out(r),
                "slot_table": Out(2),
                "ready": In(count),
                "tail": In(r),
                "release_en": Out(1),
                "release_count": Out(count),
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
        p, g, a = cfg.lanes, cfg.requant_pixels, ceil_log2(cfg.ab_words)
        d = self.layer
        m.submodules.check = check = DescriptorCheck(cfg)
        m.d.comb += check.layer.eq(d)

        flag = {
            n: Signal(name=f"flag_{n.lower()}")
            for n in ("DEPTHWISE", "STRIDE2", "TABLE", "RESIDUAL", "POLYPHASE", "POOL")
        }
        m.d.comb += [s.eq((d.flags & getattr(Flag, n)).any()) for n, s in flag.items()]
        out_h = Signal(10)
        m.d.comb += [
            self.out_w.eq(Mux(flag["STRIDE2"], (d.in_w + 1) >> 1, d.in_w)),
            out_h.eq(Mux(flag["STRIDE2"], (d.in_h + 1) >> 1, d.in_h)),
        ]
        # A row end inside a write group costs the write-back unit a cycle more for each.
        uneven = (self.out_w & (g - 1)) != 0
        m.d.sync += self.interval.eq(Mux(flag["POLYPHASE"] & uneven, Mux(self.out_w >= g - 1, 2, g), 1))
        spacing = Signal(10)
        m.d.sync += [self.pixels.eq(self.out_w * out_h), spacing.eq((p // g) * self.interval - 1)]

        ob, ib, tap, parity = Signal(16), Signal(16), Signal(6), Signal()
        left = Signal(20)
        word = Signal(range(cfg.db_words + 1))
        tile, block, current, res_tile, res_block = (
            Signal(a, name=n) for n in ("tile", "block", "current", "res_tile", "res_block")
        )
        timer = Signal(10)
        outstanding = Signal(6)
        table_word, table_wait = Signal(2), Signal(4)
        io_left, settle = Signal(32), Signal(4)
        end = Signal(32)

        issue_tile = Signal()
        issue_pool = Signal()
        m.d.sync += outstanding.eq(outstanding + issue_tile + issue_pool - self.tile_done - self.pool_done)
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)

        present = word < self.ready
        last_tap = tap == check.taps - 1
        last_parity = ~(flag["DEPTHWISE"] & flag["STRIDE2"]) | parity
        last_ib = ib == d.in_blocks - 1
        last_step = last_tap & last_parity & last_ib
        last_tile = left <= p
        last_ob = ob == d.out_blocks - 1
        slot, step_last = Signal(Slot), Signal()
        m.d.sync += [
            self.slot.eq(slot),
            self.slot_last.eq(step_last),
            self.slot_first.eq((ib == 0) & (tap == 0) & ~parity),
            self.slot_block_first.eq(left == self.pixels),
            self.slot_block_end.eq(last_tile),
            self.slot_tap.eq(tap),
            self.slot_parity.eq(parity),
            self.slot_base.eq(Mux(slot == Slot.RESIDUAL, res_tile, current)),
            self.slot_word.eq(self.tail + word),
            self.slot_table.eq(table_word),
        ]

        def end_tile():
            """The tile's last slot is issued: on to the next tile, output block or layer."""
            m.d.sync += [
                ib.eq(0),
                tap.eq(0),
                parity.eq(0),
                word.eq(1),
                tile.eq(tile + p),
                current.eq(tile + p),
                res_tile.eq(res_tile + p),
                left.eq(left - p),
            ]
            with m.If(last_tile):
                following = block + Mux(flag["DEPTHWISE"], d.in_stride, 0)
                residual = res_block + d.res_stride
                m.d.comb += [
                    self.release_en.eq(1),
                    self.release_count.eq(check.run_words + 1),
                    issue_pool.eq(flag["POOL"]),
                ]
                m.d.sync += [
                    ob.eq(ob + 1),
                    left.eq(self.pixels),
                    word.eq(0),
                    block.eq(following),
                    tile.eq(following),
                    current.eq(following),
                    res_block.eq(residual),
                    res_tile.eq(residual),
                ]
                m.next = "PARAMS"
                with m.If(last_ob):
                    m.next = "DRAIN"
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
                        ib.eq(0),
                        tap.eq(0),
                        parity.eq(0),
                        word.eq(0),
                        left.eq(self.pixels),
                        block.eq(d.in_base),
                        tile.eq(d.in_base),
                        current.eq(d.in_base),
                        res_block.eq(d.res_base),
                        res_tile.eq(d.res_base),
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
                with m.Elif(present):
                    m.d.comb += slot.eq(Slot.TABLE)
                    m.d.sync += [word.eq(word + 1), table_word.eq(table_word + 1), table_wait.eq(8)]
                with m.Else():
                    m.d.comb += self.stall.eq(Stall.WEIGHTS)
            with m.State("PARAMS"):
                with m.If(self.abort):
                    fail(self.abort_code)
                with m.Elif(present):
                    m.d.comb += slot.eq(Slot.PARAMS)
                    m.d.sync += word.eq(1)
                    m.next = "STEP"
                m.d.comb += self.stall.eq(Stall.WEIGHTS)
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
                        m.d.sync += [parity.eq(0), tap.eq(tap + 1), word.eq(word + 1)]
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
                m.d.comb += [slot.eq(Slot.RESIDUAL), self.stall.eq(Stall.ACTIVATIONS)]
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
        return m
