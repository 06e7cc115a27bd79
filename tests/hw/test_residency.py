"""The residency table: two readers, one writer, validity that a reset clears."""
from __future__ import annotations

import random

from amaranth.hdl import ResetInserter, Signal
from amaranth.lib.wiring import Component, In
from hw_helpers import run, small

from nigiri_hw.core.residency import Entry, ResidencyTable


class _Resettable(Component):
    def __init__(self, table):
        self.table = table
        super().__init__({"reset": In(1)})

    def elaborate(self, platform):
        return ResetInserter(self.reset)(self.table)


def test_random_accesses():
    """A read sees what was written up to the cycle before its address came; other entries keep their values."""
    config = small(layers=8)
    table = ResidencyTable(config)
    top, dice = _Resettable(table), random.Random(3)
    size = Signal(Entry).as_value().shape().width

    async def bench(ctx):
        model = [0] * config.layers
        for cycle in range(600):
            looks = [dice.randrange(config.layers) for _ in range(2)]
            write = dice.random() < 0.4
            layer, value = dice.randrange(config.layers), dice.getrandbits(size)
            reset = cycle % 97 == 96
            ctx.set(top.reset, reset)
            ctx.set(table.look_a, looks[0])
            ctx.set(table.look_b, looks[1])
            ctx.set(table.wr_en, write and not reset)
            ctx.set(table.wr_layer, layer)
            ctx.set(table.wr_entry.as_value(), value)
            clash = [write and look == layer for look in looks]
            await ctx.tick()
            for look, entry, racing in zip(looks, (table.entry_a, table.entry_b), clash, strict=True):
                got = ctx.get(entry.as_value())
                if reset:
                    assert not got & 1, "an entry is valid after a reset"
                elif not racing:
                    assert got & 1 == model[look] & 1 and (not model[look] & 1 or got == model[look])
            if reset:
                model = [m & ~1 for m in model]
            elif write:
                model[layer] = value
    run(top, bench)
