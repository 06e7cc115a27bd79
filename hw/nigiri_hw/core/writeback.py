"""Write-back: places requantised pixels in the activation buffer, and pools them."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag
from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.lib.multiply import scarce, split_multiply
from nigiri_hw.lib.util import clamp8, half_of, shift_round, tree_sum

__all__ = ["WriteBack"]


class WriteBack(wiring.Component):
    """Takes the groups of pixels that the requantiser drains, in order, and writes them.

    Where the lanes work on several output blocks, a tile is one group for each of them, and each starts at the tile's
    first pixel; groups of blocks beyond the last are dropped.  Plain order: a group goes out in one cycle.  Polyphase
    order: one image row of the group a cycle, even and odd columns to their planes at once.  Pooling sums the valid
    pixels of an output block, requantises the eight sums one after the other and writes one pixel word.

    Members
    -------
    start: a layer begins; `layer`, `out_w`, `out_h`-derived `pixels` are stable from then on.
    valid, group: the next `requant_pixels` pixels of the tile; pixels past the image are dropped.
    wr_*: to the activation buffer.
    tile_done: all pixels of a tile are written.  pool_done: a pooled word is written.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        g, a = config.requant_pixels, ceil_log2(config.ab_words)
        self.half = max(1, g // 2)
        h = self.half
        super().__init__(
            {
                "layer": In(descriptor_layout()),
                "out_w": In(10),
                "pixels": In(20),
                "start": In(1),
                "valid": In(1),
                "group": In(64).array(g),
                "wr_start": Out(a).array(2),
                "wr_count": Out(range(h + 1)).array(2),
                "wr_words": Out(64).array(2, h),
                "tile_done": Out(1),
                "pool_done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, d = self._config, self.layer
        g, h, p = cfg.requant_pixels, self.half, cfg.lanes
        a = ceil_log2(cfg.ab_words)
        polyphase, pool, discard = Signal(), Signal(), Signal()
        m.d.comb += [
            polyphase.eq((d.flags & Flag.POLYPHASE).any()),
            pool.eq((d.flags & Flag.POOL).any()),
            discard.eq((d.flags & Flag.DISCARD).any()),
        ]
        pitch = Signal(10)
        m.d.comb += pitch.eq((self.out_w + 1) >> 1)

        # Arrival: how many pixels of the group are inside the image.
        several, quarter = Signal(), Signal()
        m.d.comb += [several.eq(d.split != 0), quarter.eq(d.split == 2)]
        left, groups = Signal(20), Signal(range(max(p // g, 4) + 1))
        blocks_left, image = Signal(16), Signal(4)
        last_image = image == d.extra_images
        size, count = Signal(range(g + 1)), Signal(range(g + 1))
        inside = Signal(range(g + 1))
        m.d.comb += [
            size.eq(Mux(quarter, g // 2, g)),
            inside.eq(Mux(left >= size, size, left[: ceil_log2(g + 1)])),
            count.eq(Mux(several & (groups >= blocks_left), 0, inside)),
        ]
        last_group = groups == Mux(quarter, 3, p // g - 1)
        block_end = Signal()
        m.d.comb += block_end.eq(self.valid & last_group & (left <= size))
        hold = Signal()
        hold_words = [Signal(64, name=f"hold{n}") for n in range(g)]
        hold_count, hold_first, hold_last = Signal(range(g + 1)), Signal(), Signal()
        hold_end, hold_set_end = Signal(), Signal()
        with m.If(self.valid):
            m.d.sync += groups.eq(Mux(last_group, 0, groups + 1))
            with m.If(~several | last_group):
                m.d.sync += left.eq(left - inside)
        with m.If(self.start):
            m.d.sync += [left.eq(self.pixels), groups.eq(0), blocks_left.eq(d.out_blocks), image.eq(0)]
        with m.Elif(block_end):
            m.d.sync += [left.eq(self.pixels), image.eq(image + 1)]
            with m.If(last_image):
                m.d.sync += [image.eq(0), blocks_left.eq(blocks_left - (1 << d.split))]

        # Placement: `at` is the next pixel of the group, `again` the tile's first, `after` the one after its last.
        state = data.StructLayout({"linear": a, "x": 10, "row_odd": 1, "row": a})
        at, again, after, then = (Signal(state, name=n) for n in ("at", "again", "after", "then"))
        x, row_odd, row = at.x, at.row_odd, at.row
        block, block_first, block_set = Signal(a), Signal(a), Signal(a)
        here = Signal(range(g + 1))
        finished = Signal()
        to_end = self.out_w - x
        m.d.comb += [
            here.eq(Mux(polyphase & (to_end < hold_count), to_end, hold_count)),
            finished.eq(hold & (here == hold_count)),
        ]
        linear = Signal(a)
        m.d.comb += linear.eq(block + at.linear)
        even, odd = Signal(a), Signal(a)
        plane_x = Signal()
        m.d.comb += plane_x.eq(x[0])
        base = Signal(a)
        m.d.comb += [
            base.eq(block + Mux(row_odd, d.out_phase << 1, 0) + row),
            even.eq(base + Mux(plane_x, d.out_phase, 0) + (x >> 1)),
            odd.eq(base + Mux(plane_x, 0, d.out_phase) + ((x + 1) >> 1)),
        ]

        pooled, pool_word, pool_addr = Signal(), Signal(64), Signal(a)
        pool_block, pool_image = Signal(a), Signal(4)
        writing = hold & (here != 0) & ~discard
        for k in range(h):
            m.d.comb += [
                self.wr_words[0][k].eq(
                    Mux(writing, Mux(polyphase, hold_words[2 * k] if 2 * k < g else 0, hold_words[k]), pool_word)
                ),
                self.wr_words[1][k].eq(Mux(polyphase, hold_words[2 * k + 1], hold_words[h + k]) if g > 1 else 0),
            ]
        with m.If(writing):
            with m.If(polyphase):
                m.d.comb += [
                    self.wr_start[0].eq(even),
                    self.wr_start[1].eq(odd),
                    self.wr_count[0].eq((here + 1) >> 1),
                    self.wr_count[1].eq(here >> 1),
                ]
            with m.Else():
                m.d.comb += [
                    self.wr_start[0].eq(linear),
                    self.wr_start[1].eq(linear + h),
                    self.wr_count[0].eq(Mux(here > h, h, here)),
                    self.wr_count[1].eq(Mux(here > h, here - h, 0)),
                ]
        with m.Elif(pooled):
            m.d.comb += [self.wr_start[0].eq(pool_addr), self.wr_count[0].eq(1), self.pool_done.eq(1)]
            m.d.sync += [pooled.eq(0), pool_addr.eq(pool_addr + d.pool_image), pool_image.eq(pool_image + 1)]
            with m.If(pool_image == d.extra_images):
                m.d.sync += [pool_image.eq(0), pool_block.eq(pool_block + 1), pool_addr.eq(pool_block + 1)]

        wraps = x + here == self.out_w
        m.d.comb += [
            then.linear.eq(at.linear + here),
            then.x.eq(Mux(wraps, 0, x + here)),
            then.row_odd.eq(row_odd ^ wraps),
            then.row.eq(row + Mux(wraps & row_odd, pitch, 0)),
        ]
        with m.If(hold):
            m.d.sync += [hold_count.eq(hold_count - here), hold.eq(~finished), at.eq(then)]
            with m.If(polyphase):
                # The rest of the group moves down; `here` is less than g only where a row or the image ends.
                with m.Switch(here):
                    for n in range(1, g):
                        with m.Case(n):
                            m.d.sync += [hold_words[k].eq(hold_words[k + n]) for k in range(g - n)]
            with m.If(finished & several):
                m.d.sync += [at.eq(again), block.eq(block + d.out_stride)]
                with m.If(hold_first):
                    m.d.sync += after.eq(then)
                with m.If(hold_last):
                    m.d.sync += [at.eq(after), again.eq(after), block.eq(block_first)]
            with m.If(finished & hold_end):
                following = Signal(a)
                m.d.comb += following.eq(block_first + d.out_image)
                with m.If(hold_set_end):
                    m.d.comb += following.eq(block_set + (d.out_stride << d.split))
                    m.d.sync += block_set.eq(following)
                m.d.sync += [at.as_value().eq(0), again.as_value().eq(0)]
                m.d.sync += [block.eq(following), block_first.eq(following)]
        m.d.comb += self.tile_done.eq(finished & hold_last)
        with m.If(self.valid):
            m.d.sync += [hold.eq(1), hold_count.eq(count), hold_last.eq(last_group), hold_end.eq(block_end)]
            m.d.sync += [hold_first.eq(groups == 0), hold_set_end.eq(block_end & last_image)]
            m.d.sync += [hold_words[n].eq(self.group[n]) for n in range(g)]
        with m.If(self.start):
            m.d.sync += [
                block.eq(d.out_base),
                block_first.eq(d.out_base),
                block_set.eq(d.out_base),
                at.as_value().eq(0),
                again.as_value().eq(0),
                pool_addr.eq(d.pool_base),
                pool_block.eq(d.pool_base),
                pool_image.eq(0),
            ]

        # Pooling.
        sums = [Signal(signed(32), name=f"sum{c}") for c in range(8)]
        frozen = [Signal(signed(32), name=f"frozen{c}") for c in range(8)]
        serial = Signal(4, init=15)
        with m.If(serial != 15):
            m.d.sync += serial.eq(serial + 1)
        for c in range(8):
            part = tree_sum([Mux(count > n, self.group[n].word_select(c, 8).as_signed(), 0) for n in range(g)])
            with m.If(self.valid):
                m.d.sync += sums[c].eq(sums[c] + part)
            with m.If(block_end):
                m.d.sync += [frozen[c].eq(sums[c] + part), sums[c].eq(0)]
            with m.If(self.start):
                m.d.sync += sums[c].eq(0)
        with m.If(block_end & pool):
            m.d.sync += serial.eq(0)
        with m.If(serial < 8):
            m.d.sync += [frozen[c].eq(frozen[c + 1]) for c in range(7)]
        total, product, half = Signal(signed(32)), Signal(signed(49)), Signal(48)
        scaled = split_multiply(total, d.pool_mult) if scarce(cfg) else total * d.pool_mult
        m.d.sync += [
            total.eq(frozen[0] + d.pool_offset),
            product.eq(scaled),
            half.eq(half_of(d.pool_shift, 49)),
        ]
        rounded = shift_round(m, product, half, d.pool_shift, "pool")
        value = Signal(signed(8))
        m.d.sync += value.eq(clamp8(rounded + d.pool_zp))
        # frozen[0] of channel c is there at serial == c; its value five cycles later.
        with m.If((serial >= 5) & (serial <= 12)):
            m.d.sync += pool_word.eq(Cat(pool_word[8:], value))
        with m.If(serial == 12):
            m.d.sync += pooled.eq(1)
        return m
