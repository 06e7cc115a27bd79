"""Helpers for tests in the Amaranth simulator: feed and drain streams with stalls, watch their protocol, end in time.

    simulate(dut, stream_put(dut.i, items, stalls=0.3, seed=1), stream_get(dut.o, got, 10, stalls=0.5, seed=2),
             monitors=[stream_monitor(dut.i), stream_monitor(dut.o)])
"""
from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from amaranth.lib import stream
from amaranth.lib.wiring import Out
from amaranth.sim import Simulator

__all__ = ["channel_monitor", "monitors_of", "simulate", "stream_get", "stream_monitor", "stream_put"]

Testbench = Callable[[Any], Awaitable[None]]


def stream_put(port: Any, items: Iterable[Any], *, stalls: float = 0.0, seed: int = 0) -> Testbench:
    """A testbench that sends `items`; before each one, every cycle is idle with probability `stalls`."""
    dice = random.Random(f"put {seed}")

    async def testbench(ctx):
        for item in items:
            while dice.random() < stalls:
                await ctx.tick()
            ctx.set(port.payload, item)
            ctx.set(port.valid, 1)
            await ctx.tick().until(port.ready)
            ctx.set(port.valid, 0)
    return testbench


def stream_get(port: Any, got: list, count: int, *, stalls: float = 0.0, seed: int = 0) -> Testbench:
    """A testbench that appends `count` payloads to `got`; ready is low in a cycle with probability `stalls`."""
    dice = random.Random(f"get {seed}")

    async def testbench(ctx):
        while len(got) < count:
            ctx.set(port.ready, dice.random() >= stalls)
            _, _, ready, valid, payload = await ctx.tick().sample(port.ready, port.valid, port.payload)
            if ready and valid:
                got.append(payload)
        ctx.set(port.ready, 0)
    return testbench


def stream_monitor(port: Any, name: str = "stream") -> Testbench:
    """A background testbench: valid, once high, stays high with the same payload until ready."""
    async def testbench(ctx):
        pending = None
        async for _, _, valid, ready, payload in ctx.tick().sample(port.valid, port.ready, port.payload):
            if pending is not None:
                assert valid, f"{name}: valid falls before ready"
                assert payload == pending, f"{name}: payload changes from {pending!r} to {payload!r} before ready"
            pending = payload if valid and not ready else None
    return testbench


def channel_monitor(port: Any, prefix: str, signals: Iterable[str], name: str) -> Testbench:
    """A background testbench for an AXI channel: `<prefix>valid`, once high, stays high with the same payload until
    `<prefix>ready` (AMBA AXI, section on the handshake)."""
    payload = [getattr(port, s) for s in signals]

    async def testbench(ctx):
        pending = None
        watched = (getattr(port, f"{prefix}valid"), getattr(port, f"{prefix}ready"), *payload)
        async for _, _, valid, ready, *values in ctx.tick().sample(*watched):
            if pending is not None:
                assert valid, f"{name}: {prefix}valid falls before {prefix}ready"
                assert values == pending, f"{name}: the payload of {prefix} changes before {prefix}ready"
            pending = values if valid and not ready else None
    return testbench


def monitors_of(dut: Any) -> list[Testbench]:
    """A monitor for every stream and AXI channel that a component drives."""
    out: list[Testbench] = []
    for path, member, _ in dut.signature.flatten(dut):
        name = str(path[-1])
        if not name.endswith("valid") or member.flow is not Out or isinstance(path[-1], int):
            continue
        owner = dut
        for part in path[:-1]:
            owner = owner[part] if isinstance(part, int) else getattr(owner, part)
        members = getattr(getattr(owner, "signature", None), "members", {})
        prefix = name.removesuffix("valid")
        where = ".".join(map(str, path))
        if isinstance(getattr(owner, "signature", None), stream.Signature):
            out.append(stream_monitor(owner, where))
        elif prefix in ("ar", "aw", "w", "r", "b") and f"{prefix}ready" in members:
            signals = [n for n, m in members.items() if m.flow is Out and n.startswith(prefix)
                       and n not in (name, f"{prefix}ready") and (prefix not in ("r", "w", "b") or n[1] != "r")]
            out.append(channel_monitor(owner, prefix, signals, where))
    return out


def simulate(dut: Any, *testbenches: Testbench, monitors: Iterable[Testbench] = (), cycles: int = 100_000,
             vcd: Path | None = None) -> None:
    """Run until every testbench has ended; raises TimeoutError after `cycles` clock cycles.

    Every stream and AXI channel that the component drives is watched as well.
    """
    period = 1e-6

    async def limit(ctx):
        await ctx.delay(cycles * period)
        raise TimeoutError(f"the test is not finished after {cycles} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(period)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    watched = monitors_of(dut) if hasattr(dut, "signature") else []
    for monitor in (*monitors, *watched, limit):
        simulator.add_testbench(monitor, background=True)
    if vcd is None:
        simulator.run()
    else:
        with simulator.write_vcd(str(vcd)):
            simulator.run()
