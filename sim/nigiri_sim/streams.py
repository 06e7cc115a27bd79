"""Helpers for tests in the Amaranth simulator: feed and drain streams with stalls, watch their protocol, end in time.

    simulate(dut, stream_put(dut.i, items, stalls=0.3, seed=1), stream_get(dut.o, got, 10, stalls=0.5, seed=2),
             monitors=[stream_monitor(dut.i), stream_monitor(dut.o)])
"""
from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from amaranth.sim import Simulator

__all__ = ["simulate", "stream_get", "stream_monitor", "stream_put"]

Testbench = Callable[[Any], Awaitable[None]]


def stream_put(stream: Any, items: Iterable[Any], *, stalls: float = 0.0, seed: int = 0) -> Testbench:
    """A testbench that sends `items`; before each one, every cycle is idle with probability `stalls`."""
    dice = random.Random(f"put {seed}")

    async def testbench(ctx):
        for item in items:
            while dice.random() < stalls:
                await ctx.tick()
            ctx.set(stream.payload, item)
            ctx.set(stream.valid, 1)
            await ctx.tick().until(stream.ready)
            ctx.set(stream.valid, 0)
    return testbench


def stream_get(stream: Any, got: list, count: int, *, stalls: float = 0.0, seed: int = 0) -> Testbench:
    """A testbench that appends `count` payloads to `got`; ready is low in a cycle with probability `stalls`."""
    dice = random.Random(f"get {seed}")

    async def testbench(ctx):
        while len(got) < count:
            ctx.set(stream.ready, dice.random() >= stalls)
            _, _, ready, valid, payload = await ctx.tick().sample(stream.ready, stream.valid, stream.payload)
            if ready and valid:
                got.append(payload)
        ctx.set(stream.ready, 0)
    return testbench


def stream_monitor(stream: Any, name: str = "stream") -> Testbench:
    """A background testbench: valid, once high, stays high with the same payload until ready."""
    async def testbench(ctx):
        pending = None
        async for _, _, valid, ready, payload in ctx.tick().sample(stream.valid, stream.ready, stream.payload):
            if pending is not None:
                assert valid, f"{name}: valid falls before ready"
                assert payload == pending, f"{name}: payload changes from {pending!r} to {payload!r} before ready"
            pending = payload if valid and not ready else None
    return testbench


def simulate(dut: Any, *testbenches: Testbench, monitors: Iterable[Testbench] = (), cycles: int = 100_000,
             vcd: Path | None = None) -> None:
    """Run until every testbench has ended; raises TimeoutError after `cycles` clock cycles."""
    period = 1e-6

    async def limit(ctx):
        await ctx.delay(cycles * period)
        raise TimeoutError(f"the test is not finished after {cycles} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(period)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for monitor in (*monitors, limit):
        simulator.add_testbench(monitor, background=True)
    if vcd is None:
        simulator.run()
    else:
        with simulator.write_vcd(str(vcd)):
            simulator.run()
