"""Signals that stay constant while a layer runs: the fields of its descriptor and what follows from them."""

from amaranth.lib import data

from nigiri.spec import descriptor
from nigiri.spec.fields import Field

__all__ = ["descriptor_layout", "fill_layout", "record_layout"]


def record_layout(fields: tuple[Field, ...], words: int) -> data.FlexibleLayout:
    """A view over the raw bits of a record of 32-bit words, one member per field."""
    from amaranth.hdl import signed, unsigned

    return data.FlexibleLayout(
        32 * words,
        {f.name: data.Field(signed(f.width) if f.signed else unsigned(f.width), 32 * f.word + f.lsb) for f in fields},
    )


def descriptor_layout() -> data.FlexibleLayout:
    """The 1,024 bits of a layer descriptor."""
    return record_layout(descriptor.FIELDS, descriptor.WORDS)


def fill_layout() -> data.FlexibleLayout:
    """The 512 bits of a fill entry."""
    from nigiri.spec import residency

    return record_layout(residency.FIELDS, residency.WORDS)
