"""Small helpers for writing datapaths."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

__all__ = ["clamp8", "delay", "half_of", "shift_round", "tree_sum", "with_carry"]


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


def with_carry(a, b, carry) -> Value:
    """a + b + carry, signed, on one carry chain: the lowest bit of a chain that is one longer makes the carry."""
    return (Cat(Const(1, 1), a).as_signed() + Cat(carry, b).as_signed())[1:].as_signed()


def clamp8(value) -> Value:
    """Signed `value` saturated to [-128, 127]."""
    return Mux(value > 127, Const(127, signed(8)), Mux(value < -128, Const(-128, signed(8)), value[:8].as_signed()))


def half_of(shift, bits: int = 64) -> Value:
    """Half of 2**shift for a value of `bits` bits: 0 for shift 0, and from `bits` on, where nothing is left of it."""
    return Cat(Const(0, 1), *(shift == n for n in range(1, bits)))[1:]


def shift_round(m: Module, value, half, shift, name: str, bits: int = 12, en=(1, 1)):
    """round-half-up(value / 2**shift), two cycles later, saturated to `bits` bits (enough for a clamp to 8 bits after
    adding a zero point).  `half` is `half_of(shift, len(value))`; `value`, `half` and `shift` come together.  `en`
    enables the two stages.

    The shift goes in three steps of four choices, one look-up table a bit each; what a step moves beyond the bits that
    the result can still need only says that it saturates.
    """
    value = Value.cast(value)
    biased = Signal(signed(len(value) + 1), name=f"{name}_biased", reset_less=True)
    shift1 = Signal(6, name=f"{name}_shift", reset_less=True)
    gone = Signal(name=f"{name}_gone", reset_less=True)
    out = Signal(signed(bits), name=f"{name}_rounded", reset_less=True)
    with m.If(en[0]):
        m.d.sync += [biased.eq(value + half), shift1.eq(shift), gone.eq(shift >= len(value))]
    sign = biased[-1]
    rest, over = biased[:-1] ^ sign.replicate(len(value)), []
    for low, most in ((4, 3 << 4), (2, 3 << 2), (0, 3)):
        step = Signal(len(rest), name=f"{name}_by{most}")
        m.d.comb += step.eq(rest >> (shift1[low : low + 2] << low))
        keep = bits - 1 + (1 << low) - 1
        over.append(step[keep:].any())
        rest = step[:keep]
    size = Mux(Cat(*over).any(), Const(2 ** (bits - 1) - 1, bits - 1), rest)
    with m.If(en[1]):
        m.d.sync += out.eq(Mux(gone, 0, Cat(size ^ sign.replicate(bits - 1), sign)))
    return out
