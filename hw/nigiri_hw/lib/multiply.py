"""Multiplication in look-up tables, for parts whose DSP slices the array takes."""

from amaranth.hdl import Cat, Const, Mux, Value

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.lib.util import tree_sum, with_carry

__all__ = ["booth_rows", "booth_sum", "scarce", "soft_multiply", "split_multiply"]


def scarce(config: AcceleratorConfig) -> bool:
    """Whether DSP slices are for the array alone: a 7-series part has no more than the array can use."""
    return config.part.startswith("xc7")


def soft_multiply(value, factor) -> Value:
    """`value` * `factor`, both unsigned: shifted copies for the bits of `factor`, added.  For small factors."""
    value, factor = Value.cast(value), Value.cast(factor)
    return tree_sum(Cat(Const(0, n), value & factor[n].replicate(len(value))) for n in range(len(factor)))


def booth_rows(value, multiplicand) -> list[Value]:
    """Signed numbers, one for each two bits of `value`, whose sum is `value` * `multiplicand`; and one of one bit last.

    Booth's recoding with digits -2 .. 2: a row is the multiplicand, shifted, inverted where the digit is negative.  The
    one that makes the inversion a negation lies in the bits below the next row, and for the last row alone.

    Parameters
    ----------
    value: signed.  multiplicand: unsigned.
    """
    value, multiplicand = Value.cast(value), Value.cast(multiplicand)
    bits = [Const(0, 1), *value, *([value[-1]] * (len(value) % 2))]
    width, rows, negated = len(multiplicand) + 1, [], None
    for n in range(0, len(bits) - 1, 2):
        low, middle, high = bits[n : n + 3]
        one, two = low ^ middle, (high ^ middle) & ~(low ^ middle)
        size = Mux(one, multiplicand, Mux(two, multiplicand << 1, 0))[:width]
        negative = high & ~(low & middle)
        below = Const(0, n) if negated is None else Cat(Const(0, n - 2), negated, Const(0, 1))
        rows.append(Cat(below, size ^ negative.replicate(width), negative).as_signed())
        negated = negative
    return [*rows, Cat(Const(0, len(bits) - 3), negated, Const(0, 1)).as_signed()]


def booth_sum(rows) -> Value:
    """The sum of signed rows, each adder a carry chain of its own, as a balanced tree."""
    rows = list(rows)
    while len(rows) > 1:
        pairs = [with_carry(a, b, Const(0, 1)) for a, b in zip(rows[::2], rows[1::2], strict=False)]
        rows = pairs + rows[len(rows) & ~1 :]
    return rows[0]


def split_multiply(value, factor) -> Value:
    """A signed 32-bit `value` times an unsigned 16-bit `factor`, with one 25 x 18 multiplier in place of two.

    It takes the lower 24 bits; the product of the upper ones goes into its post-adder.
    """
    upper = booth_sum(booth_rows(value[24:].as_signed(), factor))
    return value[:24] * factor + Cat(Const(0, 24), upper).as_signed()
