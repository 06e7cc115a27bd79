"""The bridge from AXI3 bursts to registers: order, identities, last words, responses, with waits on every channel."""
from __future__ import annotations

import random

import pytest

from nigiri_hw.lib.axi3 import Axi3ToLite
from nigiri_sim.streams import simulate


async def registers(ctx, dut, dice, stalls, store):
    """An AXI4-Lite slave with random waits; addresses from 0x800 on answer SLVERR."""
    lite = dut.lite
    reads, writes, data = [], [], []
    rvalid = bvalid = 0
    while True:
        ready = [int(dice.random() >= stalls) for _ in range(3)]
        for signal, value in zip((lite.arready, lite.awready, lite.wready), ready, strict=True):
            ctx.set(signal, value)
        if reads and not rvalid and dice.random() >= stalls:
            at, rvalid = reads.pop(0), 1
            ctx.set(lite.rdata, store.get(at, 0))
            ctx.set(lite.rresp, 2 if at >= 0x800 else 0)
        if writes and data and not bvalid and dice.random() >= stalls:
            at, (value, strobe), bvalid = writes.pop(0), data.pop(0), 1
            mask = sum(0xFF << 8 * n for n in range(4) if strobe >> n & 1)
            store[at] = store.get(at, 0) & ~mask | value & mask
            ctx.set(lite.bresp, 2 if at >= 0x800 else 0)
        ctx.set(lite.rvalid, rvalid)
        ctx.set(lite.bvalid, bvalid)
        _, _, ar, araddr, aw, awaddr, w, wdata, wstrb, rready, bready = await ctx.tick().sample(
            lite.arvalid, lite.araddr, lite.awvalid, lite.awaddr, lite.wvalid, lite.wdata, lite.wstrb, lite.rready,
            lite.bready)
        reads += [araddr] if ar and ready[0] else []
        writes += [awaddr] if aw and ready[1] else []
        data += [(wdata, wstrb)] if w and ready[2] else []
        rvalid, bvalid = rvalid and not rready, bvalid and not bready


async def give(ctx, dice, stalls, valid, ready, *values):
    """Offer (signal, value) pairs on a channel until they are taken."""
    while dice.random() < stalls:
        await ctx.tick()
    for signal, value in values:
        ctx.set(signal, value)
    ctx.set(valid, 1)
    taken = False
    while not taken:
        _, _, taken = await ctx.tick().sample(ready)
    ctx.set(valid, 0)


async def take(ctx, dice, stalls, valid, ready, *signals):
    """One transfer of a channel."""
    while True:
        go = int(dice.random() >= stalls)
        ctx.set(ready, go)
        _, _, there, *got = await ctx.tick().sample(valid, *signals)
        if there and go:
            ctx.set(ready, 0)
            return tuple(got)


@pytest.mark.parametrize("stalls", [0.0, 0.4])
def test_bursts(stalls):
    dut, dice, store = Axi3ToLite(), random.Random(5), {}

    async def master(ctx):
        axi, model = dut.axi, {}
        for _ in range(60):
            tag, length, at = dice.randrange(4096), dice.randrange(16), 4 * dice.randrange(0x3F0)
            bad = any(at + 4 * n >= 0x800 for n in range(length + 1))
            if dice.random() < 0.5:
                await give(ctx, dice, stalls, axi.awvalid, axi.awready, (axi.awid, tag), (axi.awaddr, at),
                           (axi.awlen, length))
                for n in range(length + 1):
                    value, strobe = dice.getrandbits(32), dice.choice([15, 15, dice.randrange(16)])
                    mask = sum(0xFF << 8 * k for k in range(4) if strobe >> k & 1)
                    model[at + 4 * n] = model.get(at + 4 * n, 0) & ~mask | value & mask
                    await give(ctx, dice, stalls, axi.wvalid, axi.wready, (axi.wdata, value), (axi.wstrb, strobe),
                               (axi.wlast, int(n == length)))
                assert await take(ctx, dice, stalls, axi.bvalid, axi.bready, axi.bid, axi.bresp) == (tag, 2 * bad)
            else:
                await give(ctx, dice, stalls, axi.arvalid, axi.arready, (axi.arid, tag), (axi.araddr, at),
                           (axi.arlen, length))
                for n in range(length + 1):
                    where = at + 4 * n
                    assert await take(ctx, dice, stalls, axi.rvalid, axi.rready, axi.rid, axi.rdata, axi.rresp,
                                      axi.rlast) == (tag, model.get(where, 0), 2 * (where >= 0x800), n == length)
        assert store == model

    async def slave(ctx):
        await registers(ctx, dut, random.Random(6), stalls, store)
    simulate(dut, master, monitors=[slave])
