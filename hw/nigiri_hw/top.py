"""The accelerator: all units put together."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, Mux, ResetInserter, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.errors import ErrorCode
from nigiri.spec.registers import COUNTERS
from nigiri_hw.core.control import ControlRegisters
from nigiri_hw.core.counters import Counters
from nigiri_hw.core.datapath import Datapath
from nigiri_hw.core.descriptors import DescriptorQueue
from nigiri_hw.core.dma_read import ReadDMA
from nigiri_hw.core.dma_write import WriteDMA
from nigiri_hw.core.dynbuf import DynamicBuffer
from nigiri_hw.core.fetch import FetchUnit
from nigiri_hw.core.fill import FillEngine
from nigiri_hw.core.loader import Loader
from nigiri_hw.core.pbuf import PersistentBuffer
from nigiri_hw.core.request import Kind
from nigiri_hw.core.residency import ResidencyTable, connect_table
from nigiri_hw.core.sequencer import Sequencer, Slot, Stall
from nigiri_hw.lib.axi import AxiLite, ReadPort, WritePort

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """The whole device of one configuration: AXI4-Lite slave, `ports` AXI4 masters, one interrupt.

    Clock `aclk`, synchronous active-low reset `aresetn`.  Results leave through the first data port.
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        members = {"aclk": In(1), "aresetn": In(1), "s_axi": In(AxiLite(12)), "interrupt": Out(1)}
        for n in range(config.ports):
            members[f"m{n}_axi_r"] = Out(ReadPort(config.port_bits))
            members[f"m{n}_axi_w"] = Out(WritePort(config.port_bits))
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        cfg = self.config
        m.domains.sync = ClockDomain()
        m.domains.plain = ClockDomain(reset_less=True)
        # A registered reset: half the logic depends on it, and nothing of that should hang on a pin.
        reset = Signal(init=1)
        m.d.plain += reset.eq(~self.aresetn)
        m.d.comb += [ClockSignal().eq(self.aclk), ClockSignal("plain").eq(self.aclk), ResetSignal().eq(reset)]

        m.submodules.control = control = ControlRegisters(cfg)
        counters = Counters()
        m.submodules.counters = ResetInserter(control.core_reset)(counters)
        m.submodules.dma_read = dma_read = ReadDMA(cfg)
        m.submodules.dma_write = dma_write = WriteDMA(cfg)
        units = {
            "sequencer": Sequencer(cfg),
            "descriptors": DescriptorQueue(),
            "fetch": FetchUnit(cfg),
            "fill": FillEngine(cfg),
            "loader": Loader(cfg),
            **{f"dynbuf_{n}": DynamicBuffer(cfg) for n in range(cfg.groups)},
            "pbuf": PersistentBuffer(cfg),
            "residency": ResidencyTable(cfg),
            "datapath": Datapath(cfg),
        }
        for name, unit in units.items():
            m.submodules[name] = ResetInserter(control.core_reset)(unit)
        seq, queue, fetch, fill = units["sequencer"], units["descriptors"], units["fetch"], units["fill"]
        loader, pb, table, path = (units[n] for n in ("loader", "pbuf", "residency", "datapath"))
        rings = [units[f"dynbuf_{n}"] for n in range(cfg.groups)]

        connect(m, flipped(self.s_axi), control.axi)
        for n in range(cfg.ports):
            connect(m, flipped(getattr(self, f"m{n}_axi_r")), dma_read.axi[n])
        connect(m, flipped(self.m0_axi_w), dma_write.axi)
        m.d.comb += [
            self.interrupt.eq(control.interrupt),
            dma_read.base.eq(control.window_base),
            dma_write.base.eq(control.window_base),
            dma_read.flush.eq(control.core_reset),
            dma_write.flush.eq(control.core_reset),
            control.quiet.eq(dma_read.idle & dma_write.idle),
            control.clear_busy.eq(rings[0].busy),
        ]

        # Program flow.
        failed = Signal()
        m.d.comb += [
            failed.eq(seq.error != ErrorCode.NONE),
            control.running.eq(seq.running),
            control.done.eq(seq.done),
            control.error.eq(seq.error),
            control.error_index.eq(seq.index),
            seq.start.eq(control.start),
            seq.length.eq(control.program_length),
            seq.window_size.eq(control.window_size),
            queue.start.eq(control.start),
            queue.offset.eq(control.program_offset),
            queue.length.eq(control.program_length),
            queue.window_size.eq(control.window_size),
            queue.halt.eq(failed),
            seq.desc_valid.eq(queue.run_valid),
            seq.desc.eq(queue.run),
            queue.run_pop.eq(seq.desc_pop),
            fetch.start.eq(control.start),
            fetch.halt.eq(failed),
            fetch.reached.eq(seq.running & (seq.index == fetch.index)),
            fetch.window_size.eq(control.window_size),
            fetch.desc_valid.eq(queue.fetch_valid),
            fetch.desc.eq(queue.fetch),
            queue.fetch_pop.eq(fetch.desc_pop),
        ]

        # Weights: rings, persistent buffer, residency.  A place in a ring carries the ring's number in its upper bits.
        bus = dma_read.bus
        transposed = bus.kind == Kind.TRANSPOSED
        dynamic = bus.valid & ((bus.kind == Kind.DYNAMIC) | transposed)
        position = ceil_log2(cfg.ring_words) + 2
        for n, ring in enumerate(rings):
            from_dram, from_pb = Signal(name=f"ring{n}_from_dram"), Signal(name=f"ring{n}_from_pb")
            m.d.comb += [
                from_dram.eq(dynamic & (bus.dest[position:] == n)),
                from_pb.eq(pb.out_valid[n] & ~from_dram),
                pb.out_ready[n].eq(~from_dram),
                ring.clear.eq(control.clear),
                ring.alloc_en.eq(fetch.alloc_en[n]),
                ring.alloc_count.eq(fetch.alloc_count),
                fetch.head[n].eq(ring.head),
                fetch.free[n].eq(ring.free),
                seq.ready[n].eq(ring.ready),
                seq.tail[n].eq(ring.tail),
                ring.release_en.eq(seq.release_en[n]),
                ring.release_count.eq(seq.release_count),
                ring.rd_addr.eq(path.word_addr[n]),
                ring.wr_en.eq(from_dram | from_pb),
                ring.wr_pos.eq(Mux(from_dram, bus.dest, pb.out_pos[n])),
            ]
            for k in range(8):
                column = Cat(bus.data[i][8 * k : 8 * k + 8] for i in range(8))
                arrived = Mux(transposed, column, bus.data[k])
                m.d.comb += ring.wr_data[k].eq(Mux(from_dram, arrived, pb.out_data[n][k]))
            m.d.comb += [path.word[n][k].eq(ring.rd_data[k]) for k in range(8)]
        m.d.comb += [
            pb.run_valid.eq(fetch.copy_valid),
            fetch.copy_ready.eq(pb.run_ready),
            pb.run_addr.eq(fetch.copy_addr),
            pb.run_pos.eq(fetch.copy_pos),
            pb.run_count.eq(fetch.copy_count),
            fetch.copy_busy.eq(pb.busy),
            pb.wr_en.eq(bus.valid & (bus.kind == Kind.PERSISTENT)),
            pb.wr_addr.eq(bus.dest),
        ]
        connect_table(m, table, fetch, fill)
        m.d.comb += [pb.wr_data[n].eq(bus.data[n]) for n in range(8)]
        m.d.comb += [
            fill.start.eq(control.fill_start),
            fill.offset.eq(control.fill_offset),
            fill.count.eq(control.fill_count),
            fill.window_size.eq(control.window_size),
            control.fill_active.eq(fill.active),
            control.fill_done.eq(fill.done),
            control.fill_error.eq(fill.error),
            control.fill_index.eq(fill.index),
        ]

        # The array.
        m.d.comb += [path.slot_word[n].eq(seq.slot_word[n]) for n in range(cfg.groups)]
        m.d.comb += [
            path.layer.eq(seq.layer),
            path.out_w.eq(seq.out_w),
            path.pixels.eq(seq.pixels),
            path.interval.eq(seq.interval),
            path.slot.eq(seq.slot),
            path.slot_last.eq(seq.slot_last),
            path.slot_first.eq(seq.slot_first),
            path.slot_block_first.eq(seq.slot_block_first),
            path.slot_image_first.eq(seq.slot_image_first),
            path.slot_block_end.eq(seq.slot_block_end),
            path.slot_tap.eq(seq.slot_tap),
            path.slot_parity.eq(seq.slot_parity),
            path.slot_base.eq(seq.slot_base),
            path.slot_table.eq(seq.slot_table),
            path.slot_ring.eq(seq.slot_ring),
            path.slot_group.eq(seq.slot_group),
            path.slot_group_last.eq(seq.slot_group_last),
            path.coords_setup.eq(seq.coords_setup),
            seq.coords_busy.eq(path.coords_busy),
            path.layer_start.eq(seq.layer_start),
            seq.tile_done.eq(path.tile_done),
            seq.pool_done.eq(path.pool_done),
        ]

        # LOAD and STORE.
        m.d.comb += [
            loader.start.eq(seq.load_start),
            loader.halt.eq(failed),
            loader.offset.eq(seq.layer.mem_offset),
            loader.words.eq(seq.layer.length >> 3),
            loader.dest.eq(seq.layer.out_base),
            loader.tag.eq(seq.index),
            seq.load_busy.eq(loader.busy),
            path.load_en.eq(loader.load_en),
            path.load_addr.eq(loader.load_addr),
            dma_write.start.eq(seq.store_start),
            dma_write.offset.eq(seq.layer.mem_offset),
            dma_write.take.eq(seq.slot == Slot.STORE),
            seq.store_room.eq(dma_write.room),
            seq.store_busy.eq(dma_write.busy),
            dma_write.word_en.eq(path.store_en),
        ]
        m.d.comb += [path.load_words[n].eq(loader.load_words[n]) for n in range(8)]
        m.d.comb += [dma_write.word[n].eq(path.store_words[n]) for n in range(8)]
        for unit in (queue, fill, loader):
            m.d.comb += [
                unit.bus.valid.eq(bus.valid),
                unit.bus.kind.eq(bus.kind),
                unit.bus.dest.eq(bus.dest),
                unit.bus.tag.eq(bus.tag),
                unit.bus.error.eq(bus.error),
            ]
            m.d.comb += [unit.bus.data[n].eq(bus.data[n]) for n in range(8)]

        # Requests, most urgent first: descriptors, weights, activations, fill.
        blocked = None
        for unit in (queue, fetch, loader, fill):
            free = ~blocked if blocked is not None else 1
            m.d.comb += unit.request.ready.eq(dma_read.request.ready & free)
            with m.If(unit.request.valid & free):
                m.d.comb += [dma_read.request.valid.eq(1), dma_read.request.payload.eq(unit.request.payload)]
            blocked = unit.request.valid if blocked is None else blocked | unit.request.valid

        # Errors.  One that belongs to a later descriptor waits until the sequencer gets there.
        bad_read, bad_tag = Signal(), Signal(16)
        with m.If(bus.valid & bus.error & (bus.kind != Kind.PERSISTENT) & (bus.kind != Kind.ENTRY)):
            with m.If(~bad_read | (bus.tag < bad_tag)):
                m.d.sync += [bad_read.eq(1), bad_tag.eq(bus.tag)]
        with m.If(control.core_reset):
            m.d.sync += bad_read.eq(0)
        idle = Signal(32)
        moving = (
            (seq.slot != Slot.NONE)
            | bus.valid
            | path.coords_busy
            | dma_write.take
            | (self.m0_axi_w.wvalid & self.m0_axi_w.wready)
            | (self.m0_axi_w.bvalid)
        )
        m.d.sync += idle.eq(Mux(seq.running & ~moving, idle + 1, 0))
        late = (control.timeout != 0) & (idle >= control.timeout)
        # A fill may rightly wait for a program that moves.
        filled, expired, fill_idle = Signal(), Signal(), Signal(32)
        m.d.comb += [
            filled.eq(moving | (fill.request.valid & fill.request.ready)),
            fill.late.eq(expired & (fill_idle != 0)),
        ]
        m.d.sync += [
            fill_idle.eq(Mux(fill.active & ~filled, fill_idle + 1, 0)),
            expired.eq((control.timeout != 0) & (fill_idle >= control.timeout)),
        ]
        with m.If(dma_write.error):
            m.d.comb += [seq.abort.eq(1), seq.abort_code.eq(ErrorCode.AXI_WRITE)]
        with m.Elif(bad_read & (bad_tag == seq.index[:16])):
            m.d.comb += [seq.abort.eq(1), seq.abort_code.eq(ErrorCode.AXI_READ)]
        with m.Elif(queue.failed | (fetch.failed & (fetch.index == seq.index))):
            m.d.comb += [seq.abort.eq(1), seq.abort_code.eq(ErrorCode.WINDOW)]
        with m.Elif(late):
            m.d.comb += [seq.abort.eq(1), seq.abort_code.eq(ErrorCode.TIMEOUT)]

        # Counters.
        fired = {
            u: unit.request.valid & unit.request.ready
            for u, unit in (("queue", queue), ("fetch", fetch), ("loader", loader), ("fill", fill))
        }
        stall = {
            "STALL_WEIGHTS": Stall.WEIGHTS,
            "STALL_ACTIVATIONS": Stall.ACTIVATIONS,
            "STALL_REQUANT": Stall.REQUANT,
            "STALL_WRITEBACK": Stall.WRITEBACK,
            "STALL_DESCRIPTOR": Stall.DESCRIPTOR,
        }
        events = {
            "CYCLES": seq.running,
            "BUSY": seq.running & (seq.stall == Stall.NONE),
            **{n: seq.running & (seq.stall == s) for n, s in stall.items()},
            "BYTES_WEIGHTS_DRAM": Mux(fired["fetch"] & ~fetch.request_table, fetch.request.p.count << 6, 0),
            "BYTES_WEIGHTS_PB": Mux(fetch.copy_valid & fetch.copy_ready, fetch.copy_count << 6, 0),
            "BYTES_TABLES": Mux(fired["fetch"] & fetch.request_table, fetch.request.p.count << 6, 0),
            "BYTES_ACT_IN": Mux(fired["loader"], loader.request.p.count << 6, 0),
            "BYTES_ACT_OUT": Mux(dma_write.take, 64, 0),
            "BYTES_DESCRIPTORS": Mux(fired["queue"], 128, 0),
            "BYTES_FILL": Mux(fired["fill"], fill.request.p.count << 6, 0),
        }
        m.d.comb += [counters.start.eq(control.start), counters.fill_start.eq(control.fill_start)]
        for n, (name, _) in enumerate(COUNTERS):
            m.d.comb += [counters.add[n].eq(events[name]), control.counters[n].eq(counters.value[n])]
        return m
