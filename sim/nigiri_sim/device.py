"""The accelerator's RTL behind the device interface: model, AXI4-Lite host, memory with a rate and a latency."""
from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from nigiri.runtime.errors import BadAddress, BadArgument, DeviceError, DeviceTimeout, OutOfMemory
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.memory import MemorySetting, default_memory
from nigiri.spec.registers import SPAN, address
from nigiri_sim.build import Trace, build_model
from nigiri_sim.dram import SimulatedMemory
from nigiri_sim.errors import ProtocolError, SimulationError
from nigiri_sim.library import Settings, Statistics, load

__all__ = ["RtlDevice"]

CHUNK = 250_000
"""Cycles between two looks at pending signals (Ctrl-C)."""


def _trace_format(trace: Path | None) -> Trace:
    if trace is None:
        return ""
    if trace.suffix == ".fst":
        return "fst"
    if trace.suffix == ".vcd":
        return "vcd"
    if trace.suffix == ".dat":
        return "coverage"
    raise BadArgument(f"the trace file must end in .vcd, .fst or .dat, not {trace.name!r}")


class RtlDevice:
    """The accelerator as Verilog, cycle by cycle.

    Simulated time passes only in register accesses (a few cycles each), :meth:`wait` and :meth:`step`.

    Parameters
    ----------
    config: what to build.
    memory: the DRAM behind the data ports; the board's when left out.
    trace: waveform of the whole life of the device, .vcd or .fst (the latter needs the lz4 and zlib headers), or which
        lines of the Verilog were reached, .dat; written when the device is closed.
    seed, stalls: each ready, and each new valid, of the harness is withheld in a cycle with probability `stalls`.
    dram_bytes, dram_base: size and address of the memory, multiples of 4096; beyond it the answer is DECERR.
    cycle_limit: longest :meth:`wait`, in cycles, whatever its timeout.
    verilog, top: another design with the same ports, for tests of the simulator.
    defines: Verilog macros for it.

    Raises
    ------
    ToolMissing, BuildError: see :func:`nigiri_sim.build.build_model`.
    BadArgument: a parameter is out of range.
    """

    name = "rtl"

    def __init__(self, config: AcceleratorConfig, memory: MemorySetting | None = None, *, trace: Path | None = None,
                 seed: int = 0, stalls: float = 0.0, dram_bytes: int = 64 << 20, dram_base: int = 0x1000_0000,
                 cycle_limit: int = 200_000_000, verilog: str | None = None, top: str | None = None,
                 defines: tuple[str, ...] = ()):
        self._handle: int | None = None
        if not 0 <= stalls <= 0.95:
            raise BadArgument(f"stalls must be between 0 and 0.95, not {stalls!r}")
        if cycle_limit < 1:
            raise BadArgument(f"cycle_limit must be at least 1, not {cycle_limit!r}")
        kind = _trace_format(trace)
        self.memory = SimulatedMemory(dram_bytes, dram_base)
        if verilog is None:
            from nigiri_sim.source import verilog_of
            verilog = verilog_of(config)
        self.config = config
        self.setting = memory or default_memory(config)
        self.cycle_limit = cycle_limit
        path = build_model(verilog, top=top or f"nigiri_{config.name}", ports=config.ports,
                           port_bits=config.port_bits, trace=kind, defines=defines)
        self._library = load(path)
        efficiency = self.setting.efficiency
        settings = Settings(
            total_rate=self.setting.peak_gbs * 1e3 / config.clock_mhz * efficiency,
            port_rate=config.port_bits / 8 * efficiency, stalls=stalls, seed=seed, dram_base=dram_base,
            dram_size=dram_bytes, latency=self.setting.latency, outstanding=self.setting.outstanding,
            trace=str(trace).encode() if trace else None)
        handle = self._library.nigiri_create(ctypes.byref(settings))
        if not handle:
            raise OutOfMemory(f"the simulated memory of {dram_bytes} bytes cannot be created: ask for less")
        self._handle = handle
        self.memory.attach(self._library, handle)

    # memory

    def alloc(self, nbytes: int) -> int:
        """See :class:`nigiri.runtime.device.Device`."""
        self._live()
        return self.memory.alloc(nbytes)

    def free(self, address: int) -> None:
        """See :class:`nigiri.runtime.device.Device`."""
        self._live()
        self.memory.free(address)

    def write(self, address: int, data: bytes | np.ndarray) -> None:
        """See :class:`nigiri.runtime.device.Device`."""
        self._live()
        raw = np.frombuffer(np.ascontiguousarray(data).tobytes() if isinstance(data, np.ndarray) else data, np.uint8)
        self.memory.host(address, raw.size)[:] = raw

    def read(self, address: int, nbytes: int) -> np.ndarray:
        """See :class:`nigiri.runtime.device.Device`."""
        self._live()
        return self.memory.host(address, nbytes).copy()

    # registers

    def read_register(self, address: int) -> int:
        """See :class:`nigiri.runtime.device.Device`; also raises DeviceError for an AXI error response."""
        self._check_register(address)
        value = ctypes.c_uint32()
        self._access("read of", address, self._library.nigiri_read(self._live(), address, ctypes.byref(value)))
        return value.value

    def write_register(self, address: int, value: int) -> None:
        """See :class:`nigiri.runtime.device.Device`; also raises DeviceError for an AXI error response."""
        self._check_register(address)
        self._access("write to", address, self._library.nigiri_write(self._live(), address, value & 0xFFFFFFFF))

    @staticmethod
    def _check_register(address: int) -> None:
        if not 0 <= address < SPAN or address % 4:
            raise BadAddress(f"register address {address:#x} must be a multiple of 4 below {SPAN:#x}")

    def _access(self, what: str, address: int, result: int) -> None:
        if self._checked(result) > 1:
            raise DeviceError(f"{what} register address {address:#05x} was answered with AXI response {result}: "
                              "there is no such register")

    # time

    @property
    def cycles(self) -> int:
        """Clock cycles since the device was created."""
        return int(self._library.nigiri_cycles(self._live()))

    @property
    def interrupt(self) -> bool:
        """Level of the interrupt line."""
        return bool(self._library.nigiri_interrupt(self._live()))

    def step(self, cycles: int) -> None:
        """Let `cycles` clock cycles pass."""
        while cycles > 0:
            self._checked(self._library.nigiri_run(self._live(), min(cycles, CHUNK)))
            cycles -= CHUNK

    def run_until_interrupt(self, cycles: int) -> bool:
        """Let at most `cycles` clock cycles pass; whether the interrupt is high then."""
        return bool(self._checked(self._library.nigiri_until_interrupt(self._live(), cycles)))

    def wait(self, mask: int, timeout_s: float) -> None:
        """See :class:`nigiri.runtime.device.Device`; `timeout_s` is simulated time, and `cycle_limit` bounds it.

        STATUS is read over AXI4-Lite when the interrupt rises, and every 64 cycles.
        """
        limit = min(int(timeout_s * self.config.clock_mhz * 1e6), self.cycle_limit)
        end = self.cycles + limit
        while not self._checked(self._library.nigiri_wait(self._live(), address("STATUS"), mask,
                                                          max(0, min(CHUNK, end - self.cycles)))):
            if self.cycles >= end:
                status = self.read_register(address("STATUS"))
                raise DeviceTimeout(f"device 'rtl' is not ready after {limit} cycles, STATUS is {status:#x}: "
                                    "reset it, or allow more time (timeout_s, cycle_limit)")

    def power_cycle(self) -> None:
        """Assert aresetn for a few cycles.  The DRAM keeps its contents; what was in flight is lost."""
        self._checked(self._library.nigiri_reset(self._live()))

    # observation

    def statistics(self) -> list[dict[str, int]]:
        """For each data port: bursts and bytes read and written, and the most bursts in flight, since creation."""
        out = []
        for port in range(self.config.ports):
            values = Statistics()
            self._library.nigiri_statistics(self._live(), port, ctypes.byref(values))
            out.append(values.as_dict())
        return out

    def close(self) -> None:
        """See :class:`nigiri.runtime.device.Device`; finishes the trace."""
        if self._handle is not None:
            del self.memory
            self._library.nigiri_destroy(self._handle)
            self._handle = None

    def __enter__(self) -> RtlDevice:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None) is not None:
            self.close()

    def _live(self) -> int:
        if self._handle is None:
            raise DeviceError("the device is closed: create a new one")
        return self._handle

    def _checked(self, result: int) -> int:
        if result < 0:
            text = self._library.nigiri_error(self._live()).decode()
            raise (SimulationError if ", model: " in text else ProtocolError)(text)
        return result
