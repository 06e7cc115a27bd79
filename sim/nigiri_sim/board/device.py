"""A simulated board as a `pynq.Device`: Overlay, MMIO, allocate, Clocks and Interrupt of the real package run on it."""
from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pynq
import pynq.interrupt
from pynqmetadata.frontends import Metadata

from nigiri.runtime.errors import DeviceError
from nigiri.spec import ip
from nigiri.spec.boards import Board
from nigiri.spec.config import AcceleratorConfig, get_config
from nigiri.spec.registers import Status
from nigiri.spec.registers import address as register
from nigiri_sim.board.buffers import FreedBuffer, SimulatedBuffer, Store
from nigiri_sim.board.bus import AddressMap, Slave, clock_registers
from nigiri_sim.board.hwh import INTC, REGION
from nigiri_sim.board.interrupts import AxiIntc, InterruptLine, LineTable

try:
    from pynqmetadata.views.runtime import RuntimeMetadataParser  # pynq 4
except ImportError:
    from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser

__all__ = ["Core", "SimulatedBoard"]

PUMP, IDLE = 500, 32
"""Cycles that pass at a time while an interrupt is awaited, and with each register access."""
AT_WORK = Status.BUSY | Status.FILL_BUSY | Status.RESETTING


class Core(Protocol):
    """The accelerator inside the board: a device of ours with an interrupt pin."""

    config: AcceleratorConfig
    memory: Any

    @property
    def interrupt(self) -> bool: ...
    def alloc(self, nbytes: int) -> int: ...
    def free(self, address: int) -> None: ...
    def read_register(self, address: int) -> int: ...
    def write_register(self, address: int, value: int) -> None: ...
    def close(self) -> None: ...


class SimulatedBoard(pynq.Device):
    """A board with the accelerator in its fabric, once a bitstream is loaded.

    Simulated time passes during register accesses and while an interrupt is awaited, so that runs repeat exactly.

    Parameters
    ----------
    board: which one.
    make_core: makes the accelerator of a configuration when a bitstream is loaded.
    config: the configuration that bitstreams for this board hold; the board's own when left out.
    edge: whether the interrupt controller latches rising edges (as our designs set it) or levels.
    iopll_mhz: frequency at which boot firmware has left the PLL of the fabric clocks.
    whole: whether synchronising a part of a buffer synchronises all of it, as pynq does from 3.1 on.
    """

    _probe_priority_ = 1000      # after every real device

    @classmethod
    def _probe_(cls) -> list[pynq.Device]:
        return []                # only made on request

    def __init__(self, board: Board, make_core: Callable[[AcceleratorConfig], Core], *,
                 config: AcceleratorConfig | None = None, edge: bool = True, iopll_mhz: float | None = None,
                 whole: bool = True) -> None:
        super().__init__(f"simulated {board.name}")
        self.board, self.name, self.arch = board, f"Simulated-{board.pynq_name}", board.arch
        self.config = config or get_config(board.config)
        self.capabilities = {"REGISTER_RW": True}
        self.lock = threading.RLock()
        self.accesses = self.interrupts = 0
        self.loaded: list[str] = []
        self._fabric: list[int] = []
        self._edge, self._whole = 0xFFFFFFFF if edge else 0, whole
        self._stores: dict[int, Store] = {}
        self.bus = AddressMap()
        for region in clock_registers(board, iopll_mhz or board.iopll_mhz):
            self.bus.add(*region)
        self.core: Core | None = make_core(self.config)
        self._lines = LineTable()
        self._intc = AxiIntc(self._raise_lines, self._edge)

    def _raise_lines(self, level: bool) -> None:
        for line in dict.values(self._lines):
            line.set_level(level)

    # a bitstream

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> RuntimeMetadataParser:
        """The description beside a bitstream, as pynq's own parser reads it."""
        description = Path(bitfile_name).with_suffix(".hwh")
        if not description.exists():
            raise RuntimeError(f"there is no {description.name} beside {bitfile_name}")
        parser = RuntimeMetadataParser(Metadata(input=str(description)))
        parser.mem_dict["PSDDR"] = {
            "raw_type": 2, "used": 1, "base_address": self.board.memory_base, "size": self.board.memory_bytes,
            "type": "DDR", "streaming": False, "idx": 0, "tag": "PSDDR"}
        parser.refresh_hierarchy_dict()
        return parser

    def download(self, bitstream: pynq.Bitstream, parser: RuntimeMetadataParser | None = None) -> None:
        """Load a bitstream: what its description lists appears on the bus, everything else there is gone."""
        self.loaded.append(bitstream.bitfile_name)
        self.post_download(bitstream, parser, self.name)
        with self.lock:
            for base in self._fabric:
                self.bus.remove(base)
            self._fabric.clear()
            if len(self.loaded) > 1 and self.core:       # the fabric starts anew, buffers stay
                self._reload()
            found = parser.ip_dict if parser else {}
            for name, description in found.items():
                if description["type"] == ip.VLNV:
                    self._place(description["phys_addr"], _CorePort(self))
                elif name == INTC:
                    self._place(description["phys_addr"], self._intc)
            lines = parser.interrupt_controllers.values() if parser else ()
            self._lines = LineTable({line["raw_irq"]: InterruptLine(self.pump) for line in lines})
        pynq.interrupt._InterruptController._controllers.clear()
        pynq.interrupt._InterruptController._uio_devices = self._lines

    def _place(self, base: int, slave: Slave) -> None:
        self.bus.add(base, REGION, slave)
        self._fabric.append(base)

    def _reload(self) -> None:
        assert self.core is not None
        power_cycle = getattr(self.core, "power_cycle", None)
        if power_cycle:
            power_cycle()
        else:
            self.core.write_register(0x00C, 2)

    # registers

    def read_registers(self, address: int, length: int) -> bytes:
        """What pynq.MMIO reads."""
        with self.lock:
            self.accesses += 1
            return self.bus.read(address, length)

    def write_registers(self, address: int, data: bytes) -> None:
        """What pynq.MMIO writes."""
        with self.lock:
            self.accesses += 1
            self.bus.write(address, bytes(data))
        for line in dict.values(self._lines):
            line.wake()

    def after(self, cycles: int) -> None:
        """Let `cycles` pass and bring the interrupt pin to its controller."""
        step = getattr(self.core, "step", None)
        if step and cycles:
            step(cycles)
        self._intc.set_input(0, bool(self.core and self.core.interrupt))

    def pump(self) -> bool:
        """Simulated time while somebody awaits an interrupt, at most until it comes; whether more of it may bring one
        though no register is written."""
        with self.lock:
            run = getattr(self.core, "run_until_interrupt", None)
            if run:
                run(PUMP)
            before = self._intc.read(AxiIntc.ISR)
            self.after(0)
            self.interrupts += bool(self._intc.read(AxiIntc.ISR) & ~before)
            return bool(run and self.core and self.core.read_register(register("STATUS")) & AT_WORK)

    # memory

    def get_memory(self, description: object) -> SimulatedBoard:
        """The only memory."""
        return self

    @property
    def default_memory(self) -> SimulatedBoard:
        return self

    def allocate(self, shape: int | tuple[int, ...], dtype: Any = "u4", **kwargs: object) -> SimulatedBuffer:
        """A buffer, cacheable or not: in either case the host has to flush and invalidate; raises OutOfMemory."""
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        with self.lock:
            assert self.core is not None
            address = self.core.alloc(max(size, 1))
            whole = -(-max(size, 1) // 4096) * 4096
            store = self._stores[address] = Store(address, self.core.memory.host(address, whole))
        buffer = SimulatedBuffer(shape, kind, buffer=store.host[:max(size, 1)] if size else store.host, device=self,
                                 bo=address, device_address=address, coherent=False)
        buffer._owner = self._release
        buffer._span = (buffer.virtual_address, buffer.virtual_address + whole)
        return buffer

    def _release(self, address: int) -> None:
        with self.lock:
            if self._stores.pop(address, None) and self.core:
                self.core.free(address)

    @property
    def buffers(self) -> int:
        """Buffers that have not been given back."""
        return len(self._stores)

    def flush(self, bo: int, offset: int, vaddr: int, nbytes: int) -> None:
        """See :class:`~nigiri_sim.board.buffers.Store`."""
        with self.lock:
            store = self._store(bo)
            store.flush(*((0, store.host.size) if self._whole else (offset, nbytes)))

    def invalidate(self, bo: int, offset: int, vaddr: int, nbytes: int) -> None:
        """See :class:`~nigiri_sim.board.buffers.Store`."""
        with self.lock:
            store = self._store(bo)
            store.invalidate(*((0, store.host.size) if self._whole else (offset, nbytes)))

    def _store(self, bo: int) -> Store:
        if bo not in self._stores:
            raise FreedBuffer(f"the buffer at {bo:#x} has been freed: allocate another one")
        return self._stores[bo]

    def close(self) -> None:
        """End the simulation, and be no longer PYNQ's active device."""
        if getattr(pynq.Device, "_active_device", None) is self:
            pynq.Device.active_device = None
        with self.lock:
            if self.core:
                self._stores.clear()
                self.core.close()
                self.core = None


class _CorePort:
    """The accelerator's register interface on the board's bus."""

    def __init__(self, owner: SimulatedBoard) -> None:
        self._owner = owner

    def _core(self) -> Core:
        if self._owner.core is None:
            raise DeviceError("the simulated board is closed: connect again")
        return self._owner.core

    def read(self, offset: int) -> int:
        value = self._core().read_register(offset) if offset < 0x1000 else 0
        self._owner.after(IDLE)
        return value

    def write(self, offset: int, value: int) -> None:
        self._core().write_register(offset, value)
        self._owner.after(IDLE)
