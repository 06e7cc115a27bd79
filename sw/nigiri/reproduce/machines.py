"""The machines of a comparison: other clocks, and the same memory without a persistent buffer."""
from __future__ import annotations

from dataclasses import replace

from nigiri.runtime.errors import BadArgument
from nigiri.spec import AcceleratorConfig, get_config

__all__ = ["NOPB", "machine_at", "without_pb"]

NOPB = "-nopb"
"""Behind the name of a machine: its memory without a persistent buffer."""


def machine_at(text: str) -> AcceleratorConfig:
    """`zcu104`, or `zcu104@200` for another clock in MHz, with `-nopb` for :func:`without_pb`.

    Raises
    ------
    ConfigError, BadArgument: no such configuration, or no clock.
    """
    if text.endswith(NOPB):
        return without_pb(machine_at(text.removesuffix(NOPB)))
    name, at, clock = text.partition("@")
    config = get_config(name)
    if not at:
        return config
    try:
        mhz = float(clock)
    except ValueError:
        raise BadArgument(f"the clock after @ must be a number of MHz, not {clock!r}") from None
    return replace(config, clock_mhz=mhz)


def without_pb(config: AcceleratorConfig) -> AcceleratorConfig:
    """The configuration with the persistent buffer's memory in the dynamic buffer instead.

    The dynamic buffer is a power of two; it gets the one nearest to the sum.
    """
    words = config.db_words + config.pb_words
    lower = 1 << (words.bit_length() - 1)
    nearest = lower if words / lower <= 2 * lower / words else 2 * lower
    return replace(config, name=f"{config.name}_nopb", pb_words=0, db_words=min(nearest, 65536))
