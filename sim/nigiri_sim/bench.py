"""What every cocotb bench needs: clock, reset, an AXI4-Lite host and one memory behind all data ports.

Imported inside the simulation; the design is the module `bench` of :func:`nigiri_sim.wrapper.id_wrapper`.
"""
from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from nigiri.spec.registers import address

__all__ = ["Bench"]


def _pauses(probability: float, seed: str) -> Iterator[bool]:
    dice = random.Random(seed)
    while True:
        yield dice.random() < probability


def _guarded(access: Callable[[int, Any], Awaitable[Any]], refused: range) -> Callable[[int, Any], Awaitable[Any]]:
    async def guarded(where: int, what: Any) -> Any:
        if where in refused:
            raise ValueError(f"{where:#x} is refused")       # cocotbext-axi makes SLVERR of it
        return await access(where, what)
    return guarded


class Bench:
    """A device under test with its surroundings; create it inside a cocotb test.

    Parameters
    ----------
    ports: data ports of the design.
    memory_bytes: size of the memory, a power of two; addresses wrap.
    """

    def __init__(self, dut: Any, ports: int, memory_bytes: int = 1 << 20):
        self.dut = dut
        Clock(dut.aclk, 10, "ns").start()
        for bus in (f"m{n}_axi" for n in range(ports)):
            getattr(dut, f"{bus}_rvalid").value = 0
            getattr(dut, f"{bus}_bvalid").value = 0
        reset = dict(reset=dut.aresetn, reset_active_level=False)
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **reset)
        self.rams = [AxiRam(AxiBus.from_prefix(dut, "m0_axi"), dut.aclk, **reset, size=memory_bytes)]
        self.rams += [AxiRam(AxiBus.from_prefix(dut, f"m{n}_axi"), dut.aclk, **reset, mem=self.rams[0].mem)
                      for n in range(1, ports)]
        self.memory = self.rams[0]

    def pause(self, probability: float, seed: int) -> None:
        """Withhold every ready and valid of the surroundings with this probability in each cycle."""
        channels = {"aw": self.master.write_if.aw_channel, "w": self.master.write_if.w_channel,
                    "b": self.master.write_if.b_channel, "ar": self.master.read_if.ar_channel,
                    "r": self.master.read_if.r_channel}
        for n, ram in enumerate(self.rams):
            channels |= {f"{n}aw": ram.write_if.aw_channel, f"{n}w": ram.write_if.w_channel,
                         f"{n}b": ram.write_if.b_channel, f"{n}ar": ram.read_if.ar_channel,
                         f"{n}r": ram.read_if.r_channel}
        for name, channel in channels.items():
            channel.set_pause_generator(_pauses(probability, f"{seed} {name}"))

    def refuse(self, reads: range = range(0), writes: range = range(0)) -> None:
        """Answer accesses to these addresses with SLVERR, and all others as before."""
        for ram in self.rams:
            ram.read_if._read = _guarded(type(ram.read_if)._read.__get__(ram.read_if), reads)
            ram.write_if._write = _guarded(type(ram.write_if)._write.__get__(ram.write_if), writes)

    async def reset(self, cycles: int = 8) -> None:
        """Assert aresetn for a few cycles."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, cycles)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def read(self, register: str | int) -> int:
        """A register, by name or address."""
        where = address(register) if isinstance(register, str) else register
        return await self.master.read_dword(where)

    async def write(self, register: str | int, value: int) -> None:
        """Write a register, by name or address."""
        where = address(register) if isinstance(register, str) else register
        await self.master.write_dword(where, value)

    async def interrupt(self, microseconds: float = 1000) -> None:
        """Until the interrupt line is high; raises SimTimeoutError."""
        if not int(self.dut.interrupt.value):
            await with_timeout(RisingEdge(self.dut.interrupt), microseconds, "us")
