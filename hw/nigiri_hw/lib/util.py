"""Small helpers for writing datapaths."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

__all__ = ["clamp8", "delay", "half_of", "shift_round", "tree_sum"]


def delay(m: Module, value, cycles: int, name: str) -> Value:
    """`value` through `cycles` registers (named ``<name>_d1``, ``<name>_d2``, ...)."""
    value = Value.cast(value)
    for n in range(cycles):
        reg = Signal(value.shape(), name=f"{name}_d{n + 1}")
        m.d.sync += reg.eq(value)
        value = reg
    return value


def tree_sum(values):
    """Balanced adder tree."""
    values = list(values)
    while len(values) > 1:
        pairs = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(values) & ~1 :]
    return values[0]


def clamp8(value) -> Value:
    """Signed `value` saturated to [-128, 127]."""
    return Mux(value > 127, Const(127, signed(8)), Mux(value < -128, Const(-128, signed(8)), value[:8].as_signed()))


def half_of(shift) -> Value:
    """Half of 2**shift, 0 for shift 0; 6-bit shift."""
    bits = [Const(0, 1)] + [shift == n for n in range(1, 64)]
    return Cat(*bits[1:])


def shift_round(m: Module, value, half, shift, name: str, bits: int = 12, en=(1, 1)):
    """round-half-up(value / 2**shift), two cycles later, saturated to `bits` bits (enough for a clamp to 8 bits after
    adding a zero point).  `half` is `half_of(shift)`; `shift` is needed one cycle after `value` and is delayed here.
    `en` enables the two stages."""
    biased = Signal(signed(64), name=f"{name}_biased", reset_less=True)
    shift1 = Signal(6, name=f"{name}_shift", reset_less=True)
    shifted = Signal(signed(64), name=f"{name}_shifted")
    out = Signal(signed(bits), name=f"{name}_rounded", reset_less=True)
    top, low = 2 ** (bits - 1) - 1, -(2 ** (bits - 1))
    m.d.comb += shifted.eq(biased >> shift1)
    with m.If(en[0]):
        m.d.sync += [biased.eq(value + half), shift1.eq(shift)]
    with m.If(en[1]):
        m.d.sync += out.eq(Mux(shifted > top, top, Mux(shifted < low, low, shifted)))
    return out
