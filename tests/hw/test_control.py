"""Control registers over AXI4-Lite: every register, strobes, commands, interrupts, errors and the reset sequence."""
from __future__ import annotations

import random

import pytest
from hw_helpers import run, small

from nigiri.spec.config import VERSION
from nigiri.spec.errors import ErrorCode
from nigiri.spec.registers import COUNTERS, PRODUCT_ID, REGISTERS, Control, Interrupt, Status, address
from nigiri_hw.core.control import ControlRegisters

CONFIG = small()
WIDTHS = {"IRQ_ENABLE": 3}
"""Bits of read-write registers narrower than 32."""


class Host:
    """Reads and writes registers, with random waits on every channel."""

    def __init__(self, ctx, dut, *, stalls: float = 0.0):
        self.ctx, self.dut, self.stalls, self.dice = ctx, dut, stalls, random.Random(7)
        self.seen: dict[str, int] = {"start": 0, "fill_start": 0, "clear": 0}

    async def tick(self, count: int = 1) -> None:
        for _ in range(count):
            for name in self.seen:
                self.seen[name] += self.ctx.get(getattr(self.dut, name))
            await self.ctx.tick()

    def go(self) -> bool:
        return self.dice.random() >= self.stalls

    async def write(self, where: str | int, value: int, strobe: int = 15) -> None:
        ctx, axi = self.ctx, self.dut.axi
        ctx.set(axi.awaddr, address(where) if isinstance(where, str) else where)
        ctx.set(axi.wdata, value)
        ctx.set(axi.wstrb, strobe)
        aw = w = b = False
        while not b:
            if not aw:
                ctx.set(axi.awvalid, int(ctx.get(axi.awvalid) or self.go()))
            if not w:
                ctx.set(axi.wvalid, int(ctx.get(axi.wvalid) or self.go()))
            ctx.set(axi.bready, int(self.go()))
            done_aw = bool(ctx.get(axi.awvalid) and ctx.get(axi.awready))
            done_w = bool(ctx.get(axi.wvalid) and ctx.get(axi.wready))
            done_b = bool(ctx.get(axi.bvalid) and ctx.get(axi.bready))
            assert not ctx.get(axi.bvalid) or (aw and w and ctx.get(axi.bresp) == 0)
            await self.tick()
            aw, w, b = aw or done_aw, w or done_w, done_b
            if done_aw:
                ctx.set(axi.awvalid, 0)
            if done_w:
                ctx.set(axi.wvalid, 0)
        ctx.set(axi.bready, 0)

    async def read(self, where: str | int) -> int:
        ctx, axi = self.ctx, self.dut.axi
        ctx.set(axi.araddr, address(where) if isinstance(where, str) else where)
        asked, held = False, None
        while True:
            if not asked:
                ctx.set(axi.arvalid, int(ctx.get(axi.arvalid) or self.go()))
            ctx.set(axi.rready, int(self.go()))
            taken = bool(ctx.get(axi.arvalid) and ctx.get(axi.arready))
            value = ctx.get(axi.rdata) if ctx.get(axi.rvalid) else None
            assert held is None or value == held, "read data changed before it was taken"
            done = value is not None and ctx.get(axi.rready)
            held = value
            assert value is None or (asked and ctx.get(axi.rresp) == 0)
            await self.tick()
            if taken:
                asked = True
                ctx.set(axi.arvalid, 0)
            if done:
                ctx.set(axi.rready, 0)
                return value

    async def ready(self) -> None:
        """Let the power-on reset pass."""
        self.ctx.set(self.dut.quiet, 1)
        while await self.read("STATUS") & Status.RESETTING:
            pass


def bench(stalls: float = 0.0):
    """Run the decorated testbench on a device that has passed its power-on reset."""
    def decorate(testbench):
        dut = ControlRegisters(CONFIG)

        async def started(ctx):
            host = Host(ctx, dut, stalls=stalls)
            await host.ready()
            await testbench(ctx, dut, host)
        run(dut, started)
    return decorate


@pytest.mark.parametrize("stalls", [0, 0.6])
def test_identity_and_read_write_registers(stalls):
    """The three identity registers; every rw register holds what is written; ro ones and holes ignore writes."""
    @bench(stalls)
    async def testbench(ctx, dut, host):
        assert await host.read("PRODUCT_ID") == PRODUCT_ID
        assert await host.read("VERSION") == VERSION[0] << 16 | VERSION[1] << 8 | VERSION[2]
        assert await host.read("CONFIG_DIGEST") == CONFIG.digest()
        model = {r.name: 0 for r in REGISTERS if r.access == "rw"}
        for n in range(2):
            for r in REGISTERS:
                value = host.dice.getrandbits(32) if n else 0xFFFF_FFFF
                if r.access != "wo":
                    await host.write(r.name, value)
                if r.access == "rw":
                    low = 0xFFFF_F000 if r.name == "WINDOW_BASE_LO" else 0xFFFF_FFFF
                    model[r.name] = value & low & (1 << WIDTHS.get(r.name, 32)) - 1
            for hole in (0x02C, 0x03C, 0x05C, 0x07C, 0x0F0, 0xFFC):
                await host.write(hole, 0xFFFF_FFFF)
                assert await host.read(hole) == 0
            for name, value in model.items():
                assert await host.read(name) == value, name
            assert await host.read("CLOCK_KHZ") == CONFIG.clock_khz
            for r in REGISTERS:
                state = r.access == "ro" and address("STATUS") <= r.address < address("CLOCK_KHZ")
                if r.access in ("wo", "w1c") or state:
                    assert await host.read(r.name) == 0, r.name
        assert ctx.get(dut.window_base) == model["WINDOW_BASE_HI"] << 32 | model["WINDOW_BASE_LO"]
        for name in ("window_size", "program_offset", "program_length", "fill_offset", "fill_count", "timeout"):
            assert ctx.get(getattr(dut, name)) == model[name.upper()]
        assert host.seen == {"start": 0, "fill_start": 0, "clear": 1}


def test_ticks_count_every_cycle():
    @bench()
    async def testbench(ctx, dut, host):
        access = -await host.read("TICKS") + await host.read("TICKS")
        first = await host.read("TICKS")
        await host.tick(1000)
        assert await host.read("TICKS") == first + 1000 + access



def test_byte_strobes():
    @bench()
    async def testbench(ctx, dut, host):
        await host.write("PROGRAM_OFFSET", 0x1122_3344)
        for strobe, expected in ((0b0001, 0x1122_33DD), (0b1000, 0xAA22_33DD), (0b0110, 0xAABB_CCDD), (0, 0xAABB_CCDD)):
            await host.write("PROGRAM_OFFSET", 0xAABB_CCDD, strobe)
            assert await host.read("PROGRAM_OFFSET") == expected
        await host.write("CONTROL", Control.START | Control.FILL, 0b1110)
        assert host.seen["start"] == host.seen["fill_start"] == 0


def test_counters():
    @bench(0.3)
    async def testbench(ctx, dut, host):
        values = [host.dice.getrandbits(64) for _ in COUNTERS]
        for signal, value in zip(dut.counters, values, strict=True):
            ctx.set(signal, value)
        for (name, _), value in zip(COUNTERS, values, strict=True):
            assert await host.read(name) | await host.read(address(name) + 4) << 32 == value, name


def test_a_program_starts_once_and_its_end_interrupts():
    @bench()
    async def testbench(ctx, dut, host):
        await host.write("IRQ_ENABLE", Interrupt.DONE)
        await host.write("CONTROL", Control.START)
        assert host.seen["start"] == 1
        ctx.set(dut.running, 1)
        await host.write("CONTROL", Control.START)
        assert host.seen["start"] == 1, "a start while running"
        assert await host.read("STATUS") == Status.BUSY
        ctx.set(dut.done, 1)
        await host.tick()
        ctx.set(dut.done, 0)
        ctx.set(dut.running, 0)
        await host.tick(2)
        assert await host.read("STATUS") == Status.DONE and ctx.get(dut.interrupt)
        for wrong in (0, Interrupt.ERROR | Interrupt.FILL):
            await host.write("IRQ_STATUS", wrong)
            assert await host.read("IRQ_STATUS") == Interrupt.DONE and ctx.get(dut.interrupt)
        await host.write("IRQ_ENABLE", 0)
        assert not ctx.get(dut.interrupt) and await host.read("IRQ_STATUS") == Interrupt.DONE
        await host.write("IRQ_STATUS", Interrupt.DONE)
        assert await host.read("IRQ_STATUS") == 0 and await host.read("STATUS") == Status.DONE
        await host.write("CONTROL", Control.START)
        assert host.seen["start"] == 2 and await host.read("STATUS") == 0


def test_a_failed_program_needs_a_reset():
    @bench()
    async def testbench(ctx, dut, host):
        ctx.set(dut.error_index, 5)
        assert await host.read("ERROR_INDEX") == 0
        await host.write("IRQ_ENABLE", Interrupt.ERROR)
        ctx.set(dut.error, ErrorCode.WINDOW)
        await host.tick(2)
        assert ctx.get(dut.interrupt) and await host.read("IRQ_STATUS") == Interrupt.ERROR
        assert await host.read("STATUS") == Status.ERROR
        assert await host.read("ERROR_CODE") == ErrorCode.WINDOW and await host.read("ERROR_INDEX") == 5
        await host.write("IRQ_STATUS", Interrupt.ERROR)
        assert await host.read("IRQ_STATUS") == 0, "an error interrupts once"
        await host.write("CONTROL", Control.START)
        assert host.seen["start"] == 0
        await host.write("CONTROL", Control.FILL)
        assert host.seen["fill_start"] == 1, "a fill may run all the same"


def test_fills():
    @bench()
    async def testbench(ctx, dut, host):
        await host.write("IRQ_ENABLE", Interrupt.FILL)
        await host.write("CONTROL", Control.FILL)
        assert host.seen["fill_start"] == 1 and host.seen["start"] == 0
        ctx.set(dut.fill_active, 1)
        await host.write("CONTROL", Control.FILL)
        assert host.seen["fill_start"] == 1 and await host.read("STATUS") == Status.FILL_BUSY
        ctx.set(dut.fill_done, 1)
        await host.tick()
        ctx.set(dut.fill_done, 0)
        ctx.set(dut.fill_active, 0)
        await host.tick(2)
        assert await host.read("STATUS") == Status.FILL_DONE and await host.read("IRQ_STATUS") == Interrupt.FILL
        assert ctx.get(dut.interrupt)
        await host.write("IRQ_STATUS", 7)
        await host.write("CONTROL", Control.FILL)
        assert host.seen["fill_start"] == 2 and await host.read("STATUS") == 0
        ctx.set(dut.fill_index, 9)
        assert await host.read("FILL_INDEX") == 0
        ctx.set(dut.fill_error, ErrorCode.FILL_OVERLAP)
        await host.tick(2)
        assert await host.read("STATUS") == Status.FILL_ERROR and await host.read("IRQ_STATUS") == Interrupt.FILL
        assert await host.read("FILL_ERROR") == ErrorCode.FILL_OVERLAP and await host.read("FILL_INDEX") == 9
        await host.write("CONTROL", Control.FILL)
        assert host.seen["fill_start"] == 3, "a fill after a failed one"


def test_clearing_an_interrupt_never_loses_a_new_one():
    """The event in the very cycle of the clearing write stays pending."""
    @bench()
    async def testbench(ctx, dut, host):
        axi = dut.axi
        ctx.set(dut.done, 1)
        await host.tick()
        ctx.set(axi.awaddr, address("IRQ_STATUS"))
        ctx.set(axi.wdata, 7)
        ctx.set(axi.wstrb, 15)
        for valid in (axi.awvalid, axi.wvalid):
            ctx.set(valid, 1)
        await host.tick()
        for valid in (axi.awvalid, axi.wvalid):
            ctx.set(valid, 0)
        ctx.set(dut.done, 0)
        ctx.set(axi.bready, 1)
        await host.tick(2)
        assert await host.read("IRQ_STATUS") == Interrupt.DONE


def test_reset_waits_for_the_ports_then_clears_and_keeps_settings():
    """core_reset until quiet, one clear, RESETTING until the buffer is clear; no command acts meanwhile."""
    @bench()
    async def testbench(ctx, dut, host):
        for n, r in enumerate(r for r in REGISTERS if r.access == "rw"):
            await host.write(r.name, 4096 * (n + 1) + 5)
        await host.write("IRQ_ENABLE", 7)
        kept = {r.name: await host.read(r.name) for r in REGISTERS if r.access == "rw"}
        ctx.set(dut.done, 1)
        ctx.set(dut.fill_done, 1)
        await host.tick()
        ctx.set(dut.done, 0)
        ctx.set(dut.fill_done, 0)
        ctx.set(dut.quiet, 0)
        host.seen["clear"] = 0
        await host.write("CONTROL", Control.RESET | Control.START | Control.FILL)
        host.seen |= {"start": 0, "fill_start": 0}
        for _ in range(3):
            assert ctx.get(dut.core_reset) and not host.seen["clear"]
            assert await host.read("STATUS") == Status.RESETTING
            await host.write("CONTROL", Control.START | Control.FILL | Control.RESET)
        ctx.set(dut.clear_busy, 1)
        ctx.set(dut.quiet, 1)
        await host.tick(4)
        assert not ctx.get(dut.core_reset) and host.seen["clear"] == 1
        assert await host.read("STATUS") == Status.RESETTING
        await host.write("CONTROL", Control.START | Control.FILL)
        ctx.set(dut.clear_busy, 0)
        await host.tick(2)
        assert await host.read("STATUS") == 0 and await host.read("IRQ_STATUS") == 0 and not ctx.get(dut.interrupt)
        assert host.seen == {"start": 0, "fill_start": 0, "clear": 1}
        assert kept == {name: await host.read(name) for name in kept}
        await host.write("CONTROL", Control.START)
        assert host.seen["start"] == 1


def test_power_on_is_a_reset():
    dut = ControlRegisters(CONFIG)

    async def testbench(ctx):
        host = Host(ctx, dut)
        await host.tick(3)
        assert ctx.get(dut.core_reset) and await host.read("STATUS") == Status.RESETTING
        await host.ready()
        assert not ctx.get(dut.core_reset) and host.seen["clear"] == 1
    run(dut, testbench)


def test_accesses_back_to_back():
    """With nothing in the way a write takes two cycles and a read three."""
    @bench()
    async def testbench(ctx, dut, host):
        cycles, accesses, tick = 0, 20, host.tick

        async def counted(count: int = 1):
            nonlocal cycles
            cycles += count
            await tick(count)
        host.tick = counted
        for n in range(accesses):
            await host.write("TIMEOUT", n)
        assert cycles == 2 * accesses
        for _ in range(accesses):
            assert await host.read("TIMEOUT") == accesses - 1
        assert cycles == 5 * accesses
