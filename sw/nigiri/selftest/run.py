"""Runs the checks of the self-test one after the other."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from nigiri import bundle
from nigiri.runtime.device import Device
from nigiri.runtime.driver import Driver
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import NigiriError
from nigiri.selftest import checks

__all__ = ["Report", "Result", "run_selftest"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One check: whether it passed, what it saw, and the seconds it took."""

    name: str
    passed: bool
    detail: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """All checks of a device."""

    device: str
    config: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        return all(r.passed for r in self.results)


def run_selftest(device: Device, *, images: int = 2, say: Callable[[str], None] = lambda text: None) -> Report:
    """Check everything that `device` does.

    Parameters
    ----------
    device: any device; what it holds in buffers of others stays untouched, what is cached is lost.
    images: for each SubNet of the shipped bundle.
    say: told what is being done.

    A device that is not ours, or of another release, raises what :class:`~nigiri.runtime.driver.Driver` raises; a check
    that fails is in the report, and the next one goes on after a reset.
    """
    driver = Driver(device)
    compiled = bundle.load(bundle.demo_path()).compiled(device.config)
    results: list[Result] = []

    def check(name: str, body: Callable[[], str]) -> None:
        say(name)
        start = time.perf_counter()
        try:
            passed, detail = True, body()
        except (checks.CheckFailed, NigiriError) as error:
            passed, detail = False, str(error)
            driver.reset()
        results.append(Result(name=name, passed=passed, detail=detail, seconds=time.perf_counter() - start))

    check("registers", lambda: checks.registers(driver))
    check("memory", lambda: checks.memory(driver, 256 * 1024))
    check("DMA", lambda: checks.round_trip(driver))
    with Engine(device, compiled) as engine:
        check("inference", lambda: checks.inference(engine, images, lambda n: say(f"inference: SubNet {n}")))
        check("cache", lambda: checks.subgraph(engine))
        check("interrupt", lambda: checks.interrupt(engine))
        check("clock", lambda: checks.clock(engine, 0.2))
        check("speed", lambda: checks.speed(engine, 8))
    return Report(device=device.name, config=device.config.name, results=tuple(results))
