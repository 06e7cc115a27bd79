"""One case on the RTL and on the golden model: results, refusals, bytes moved and cycles."""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from nigiri.cycles import predict
from nigiri.model.device import GoldenDevice
from nigiri.runtime.counters import Counters
from nigiri.runtime.driver import Driver
from nigiri.runtime.errors import DeviceError, FillError, ProgramError
from nigiri.spec import get_config, get_memory, residency
from nigiri.spec.errors import ErrorCode
from nigiri_sim.device import RtlDevice
from nigiri_sim.verify.case import WORD, Case

__all__ = ["CYCLES_OFF", "Bench", "Outcome", "execute", "resident"]

TIMEOUT_CYCLES = 20_000
CYCLES_OFF = 0.25, 400
"""Relative error of the cycle model, and cycles, beyond both of which it counts as wrong on the memory of a board; the
mean is far below.  On memories that no board has its error is only counted: what the ends of transfers and the copy
engines of lane groups do to each other is followed less closely."""
NO_BOARD = ("slow", "ideal")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """error: () for none, ("fill" or "program", code, index) for what stopped it."""

    error: tuple[str, int, int] | tuple[()]
    window: bytes
    counters: Counters | None


def execute(driver: Driver, case: Case) -> Outcome:
    """Reset, attach, fill and run; the window afterwards."""
    memory = driver.device.memory  # type: ignore[attr-defined]
    memory.heal()
    driver.reset()
    driver.attach(case.image.size)
    driver.write(0, case.image)
    error: tuple[str, int, int] | tuple[()] = ()
    counters = None
    try:
        for f in case.faults:
            if (f.word + f.words) * WORD <= driver.window_bytes:
                memory.inject(driver.base + WORD * f.word, WORD * f.words, f.kind)
        if case.entries:
            driver.fill(list(case.entries), case.fill_offset)
        counters = driver.run(case.program_offset, case.length)
    except FillError as e:
        error = "fill", int(e.code), e.index
    except ProgramError as e:
        error = "program", int(e.code), e.index
    memory.heal()
    return Outcome(error=error, window=driver.read(0, case.image.size).tobytes(), counters=counters)


def resident(case: Case) -> dict[int, tuple[int, int, int]]:
    """What the case's entries leave in the persistent buffer."""
    boxes: dict[int, tuple[int, int, int]] = {}
    for e in map(residency.unpack, case.entries):
        boxes.pop(e["layer"], None)
        if e["out_blocks"]:
            boxes[e["layer"]] = e["out_blocks"], e["in_blocks"], e["taps"]
    return boxes


def _bytes(counters: Counters) -> Mapping[str, int]:
    return {k: v for k, v in dataclasses.asdict(counters).items() if k.startswith("bytes_")}


class Bench:
    """Devices by configuration, memory and stalls, opened when first needed; `close` gives them back."""

    def __init__(self) -> None:
        self._rtl: dict[tuple[str, str, float], Driver] = {}
        self._golden: dict[str, Driver] = {}
        self.cycles_off: list[float] = []
        self.simulated = 0

    def rtl(self, config: str, memory: str, stalls: float) -> Driver:
        """The RTL, with a watchdog that fits short programs."""
        key = config, memory, stalls
        if key not in self._rtl:
            device = RtlDevice(get_config(config), get_memory(memory), stalls=stalls, seed=1,
                               cycle_limit=3_000_000)
            self._rtl[key] = Driver(device, timeout_cycles=TIMEOUT_CYCLES)
        return self._rtl[key]

    def golden(self, config: str) -> Driver:
        if config not in self._golden:
            self._golden[config] = Driver(GoldenDevice(get_config(config)), timeout_cycles=TIMEOUT_CYCLES)
        return self._golden[config]

    def run(self, case: Case) -> tuple[Outcome, Outcome]:
        """(RTL, golden)."""
        driver = self.rtl(case.config, case.memory, case.stalls)
        before = driver.device.cycles  # type: ignore[attr-defined]
        got = execute(driver, case)
        self.simulated += driver.device.cycles - before  # type: ignore[attr-defined]
        return got, execute(self.golden(case.config), case)

    def afresh(self, case: Case) -> str | None:
        """:meth:`difference` on devices that have run nothing before: activation buffers keep what was in them."""
        self.close()
        self._golden.clear()
        return self.difference(case)

    def difference(self, case: Case) -> str | None:
        """What is wrong, or None."""
        try:
            got, want = self.run(case)
        except DeviceError as error:
            # A device that hangs or breaks the protocol is of no use to the next case.
            broken = self._rtl.pop((case.config, case.memory, case.stalls), None)
            if broken is not None:
                broken.device.close()  # type: ignore[attr-defined]
            return f"{type(error).__name__}: {error}"
        if any(f.kind == "silent" for f in case.faults) and got.error and want.error:
            # A port that does not answer holds up all that waits behind it: the device may name an earlier descriptor.
            early = got.error[2] <= want.error[2]
            return None if got.error[:2] == want.error[:2] and early else f"RTL {got.error}, golden model {want.error}"
        if got.error != want.error:
            return f"RTL stopped with {got.error or 'nothing'}, the golden model with {want.error or 'nothing'}"
        if got.error and got.error[:2] == ("program", ErrorCode.AXI_WRITE):
            # Of a STORE that the memory refused some words may have been written.
            d = case.descriptors()[got.error[2]]
            begin, end = WORD * d["mem_offset"], WORD * d["mem_offset"] + 8 * d["length"]
            got, want = (dataclasses.replace(x, window=x.window[:begin] + bytes(end - begin) + x.window[end:])
                         for x in (got, want))
        if got.window != want.window:
            at = next(n for n, (a, b) in enumerate(zip(got.window, want.window, strict=True)) if a != b)
            count = sum(a != b for a, b in zip(got.window, want.window, strict=True))
            return f"{count} bytes of the window differ, the first at byte {at % WORD} of word {at // WORD}"
        if got.counters is None or want.counters is None:
            return None
        if _bytes(got.counters) != _bytes(want.counters):
            return f"bytes differ: RTL {_bytes(got.counters)}, golden model {_bytes(want.counters)}"
        c = got.counters
        if c.cycles != (c.busy + c.stall_weights + c.stall_activations + c.stall_requant + c.stall_writeback
                        + c.stall_descriptor):
            return f"cycles do not add up: {c}"
        if not case.stalls:
            predicted = predict(case.descriptors(), get_config(case.config), get_memory(case.memory), resident(case),
                                offset=case.program_offset).cycles
            off = predicted - c.cycles
            self.cycles_off.append(off / c.cycles)
            share, cycles = CYCLES_OFF
            if case.memory not in NO_BOARD and abs(off) > share * c.cycles and abs(off) > cycles:
                return f"the cycle model says {predicted} cycles, the RTL took {c.cycles}"
        return None

    def close(self) -> None:
        for driver in self._rtl.values():
            driver.device.close()  # type: ignore[attr-defined]
        self._rtl.clear()
