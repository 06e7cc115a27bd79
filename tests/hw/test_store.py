"""STORE through sequencer and write DMA: a program is done when memory has answered its last word, not before."""
from __future__ import annotations

import pytest
from amaranth.hdl import Module
from hw_helpers import WriteMemory, layer_bits, put, run, small

from nigiri.spec.descriptor import Opcode
from nigiri_hw.core.dma_write import WriteDMA
from nigiri_hw.core.sequencer import Sequencer, Slot

WORD_AT = 5
"""Cycles from a slot to its words."""


@pytest.mark.parametrize("latency", [1, 30])
@pytest.mark.parametrize("words", [1, 2, 17])
def test_done_means_written(words, latency):
    config, m = small(), Module()
    m.submodules.sequencer = seq = Sequencer(config)
    m.submodules.dma = dma = WriteDMA(config)
    m.d.comb += [dma.start.eq(seq.store_start), dma.offset.eq(seq.layer.mem_offset),
                 dma.take.eq(seq.slot == Slot.STORE),
                 seq.store_room.eq(dma.room), seq.store_busy.eq(dma.busy)]

    async def testbench(ctx):
        memory = WriteMemory(dma.axi, 64, latency=latency)
        descriptors = [layer_bits(opcode=Opcode.STORE, length=8 * words, mem_offset=100 * n) for n in range(2)]
        ctx.set(seq.window_size, 1000)
        ctx.set(seq.length, len(descriptors))
        ctx.set(seq.start, 1)
        ctx.set(seq.desc_valid, 1)
        arriving, sent, done = [None] * WORD_AT, 0, False
        while not done:
            index = ctx.get(seq.index)
            ctx.set(seq.desc.as_value(), descriptors[min(index, 1)])
            issued = ctx.get(seq.slot) == Slot.STORE
            arriving.append(sent if issued else None)
            sent += issued
            word = arriving.pop(0)
            ctx.set(dma.word_en, int(word is not None))
            put(ctx, dma.word, [word or 0] * 8)
            memory.drive(ctx)
            done = bool(ctx.get(seq.done))
            if ctx.get(seq.desc_pop):
                assert len(memory.memory) == words * (index + 1) and memory.quiet, f"descriptor {index} ended too early"
            memory.step(ctx)
            await ctx.tick()
            ctx.set(seq.start, 0)
        expected = {100 * n + k: sum(n * words + k << 64 * j for j in range(8)) for n in range(2) for k in range(words)}
        assert memory.memory == expected
    run(m, testbench, cycles=2000)
