"""Control registers behind AXI4-Lite (nigiri.spec.registers), interrupt, and the reset sequence."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nigiri.spec.config import VERSION, AcceleratorConfig
from nigiri.spec.errors import ErrorCode
from nigiri.spec.registers import COUNTERS, PRODUCT_ID, Control, Interrupt, address
from nigiri_hw.lib.axi import AxiLite

__all__ = ["ControlRegisters"]


class ControlRegisters(wiring.Component):
    """Register file.

    Timing: one read and one write at a time; a read answers two cycles after its address.
    A reset holds `core_reset` until the DMAs have nothing under way, then clears the dynamic buffer.

    Members (selection)
    -------
    start, fill_start: one cycle.  core_reset: resets the core, flushes the DMAs.  clear, clear_busy: dynamic buffer.
    running, done, error, error_index: the sequencer.  fill_*: the fill engine.  counters: 64 bits each, in spec order.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        super().__init__(
            {
                "axi": In(AxiLite(12)),
                "interrupt": Out(1),
                "start": Out(1),
                "fill_start": Out(1),
                "core_reset": Out(1),
                "quiet": In(1),
                "clear": Out(1),
                "clear_busy": In(1),
                "running": In(1),
                "done": In(1),
                "error": In(ErrorCode),
                "error_index": In(32),
                "fill_active": In(1),
                "fill_done": In(1),
                "fill_error": In(ErrorCode),
                "fill_index": In(32),
                "window_base": Out(64),
                "window_size": Out(32),
                "program_offset": Out(32),
                "program_length": Out(32),
                "fill_offset": Out(32),
                "fill_count": Out(32),
                "timeout": Out(32),
                "counters": In(64).array(len(COUNTERS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        axi = self.axi
        resetting = Signal(init=1)
        done, fill_done = Signal(), Signal()
        irq_enable, irq_status = Signal(3), Signal(3)
        failed = self.error != ErrorCode.NONE
        fill_failed = self.fill_error != ErrorCode.NONE
        status = Cat(self.running, done, failed, self.fill_active, fill_done, fill_failed, resetting)

        # Writes: address and data are taken together.
        write = Signal()
        m.d.comb += [write.eq(axi.awvalid & axi.wvalid & ~axi.bvalid), axi.awready.eq(write), axi.wready.eq(write)]
        with m.If(axi.bready):
            m.d.sync += axi.bvalid.eq(0)
        with m.If(write):
            m.d.sync += axi.bvalid.eq(1)
        strobe = Cat(*(s.replicate(8) for s in axi.wstrb))
        plain = {
            "WINDOW_BASE_LO": self.window_base[:32],
            "WINDOW_BASE_HI": self.window_base[32:],
            "WINDOW_SIZE": self.window_size,
            "PROGRAM_OFFSET": self.program_offset,
            "PROGRAM_LENGTH": self.program_length,
            "FILL_OFFSET": self.fill_offset,
            "FILL_COUNT": self.fill_count,
            "TIMEOUT": self.timeout,
            "IRQ_ENABLE": irq_enable,
        }
        command = Signal(3)
        cleared = Signal(3)
        with m.If(write):
            with m.Switch(axi.awaddr[2:]):
                for name, reg in plain.items():
                    with m.Case(address(name) >> 2):
                        m.d.sync += reg.eq((reg & ~strobe) | (axi.wdata & strobe))
                with m.Case(address("CONTROL") >> 2):
                    m.d.comb += command.eq(axi.wdata & strobe)
                with m.Case(address("IRQ_STATUS") >> 2):
                    m.d.comb += cleared.eq(axi.wdata & strobe)

        # The window starts on a page.
        m.d.sync += self.window_base[:12].eq(0)

        # Reads.
        ticks = Signal(32)
        m.d.sync += ticks.eq(ticks + 1)
        values = {
            "PRODUCT_ID": Const(PRODUCT_ID, 32),
            "VERSION": Const(VERSION[0] << 16 | VERSION[1] << 8 | VERSION[2], 32),
            "CONFIG_DIGEST": Const(self._config.digest(), 32),
            "CLOCK_KHZ": Const(self._config.clock_khz, 32),
            "TICKS": ticks,
            "STATUS": status,
            "IRQ_STATUS": irq_status,
            "ERROR_CODE": self.error,
            "ERROR_INDEX": Mux(failed, self.error_index, 0),
            "FILL_ERROR": self.fill_error,
            "FILL_INDEX": Mux(fill_failed, self.fill_index, 0),
            **plain,
        }
        reading = Signal()
        read_addr = Signal(10)
        m.d.comb += axi.arready.eq(~reading & ~axi.rvalid)
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += [reading.eq(1), read_addr.eq(axi.araddr[2:])]
        with m.If(axi.rready):
            m.d.sync += axi.rvalid.eq(0)
        with m.If(reading):
            m.d.sync += [reading.eq(0), axi.rvalid.eq(1), axi.rdata.eq(0)]
            with m.Switch(read_addr):
                for name, value in values.items():
                    with m.Case(address(name) >> 2):
                        m.d.sync += axi.rdata.eq(value)
                for n, (name, _) in enumerate(COUNTERS):
                    with m.Case(address(name) >> 2):
                        m.d.sync += axi.rdata.eq(self.counters[n][:32])
                    with m.Case((address(name) >> 2) + 1):
                        m.d.sync += axi.rdata.eq(self.counters[n][32:])

        # Commands.
        able = ~resetting
        m.d.comb += [
            self.start.eq((command & Control.START).any() & able & ~self.running & ~failed),
            self.fill_start.eq((command & Control.FILL).any() & able & ~self.fill_active),
        ]
        failed_before, fill_failed_before = Signal(), Signal()
        m.d.sync += [failed_before.eq(failed), fill_failed_before.eq(fill_failed)]
        with m.If(self.done):
            m.d.sync += done.eq(1)
        with m.If(self.start):
            m.d.sync += done.eq(0)
        with m.If(self.fill_done):
            m.d.sync += fill_done.eq(1)
        with m.If(self.fill_start):
            m.d.sync += fill_done.eq(0)
        raised = (
            Mux(self.done, Interrupt.DONE, 0)
            | Mux(failed & ~failed_before, Interrupt.ERROR, 0)
            | Mux(self.fill_done | (fill_failed & ~fill_failed_before), Interrupt.FILL, 0)
        )
        m.d.sync += irq_status.eq((irq_status & ~cleared) | raised)
        m.d.comb += self.interrupt.eq((irq_status & irq_enable).any())

        # Reset: power-on starts it as well.
        with m.FSM(init="QUIET"):
            with m.State("READY"):
                with m.If((command & Control.RESET).any()):
                    m.d.sync += resetting.eq(1)
                    m.next = "QUIET"
            with m.State("QUIET"):
                m.d.comb += self.core_reset.eq(1)
                m.d.sync += [done.eq(0), fill_done.eq(0), irq_status.eq(0)]
                with m.If(self.quiet):
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += self.clear.eq(1)
                m.next = "WAIT"
            with m.State("WAIT"):
                with m.If(~self.clear_busy):
                    m.d.sync += resetting.eq(0)
                    m.next = "READY"
        return m
