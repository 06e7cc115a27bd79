"""All properties, and how deep each is looked at in tests and by `nigiri verify formal`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as changed

from amaranth.hdl import Elaboratable

from nigiri.spec import get_config
from nigiri_hw.formal.copies import CopyWindow
from nigiri_hw.formal.prove import Mode, Proof, prove
from nigiri_hw.formal.reads import ReadBursts
from nigiri_hw.formal.resident import Residency
from nigiri_hw.formal.streams import ControlRules, FifoOrder
from nigiri_hw.formal.window import FetchWindow, FillWindow, LoaderWindow, QueueWindow
from nigiri_hw.formal.writes import WriteBursts

__all__ = ["PROPERTIES", "Property", "run"]


@dataclass(frozen=True)
class Property:
    """make: the design with its assertions.  deep, quick: (mode, depth) by the command with --deep, and without it and
    in tests; quick is None where that takes minutes."""

    name: str
    make: Callable[[], Elaboratable]
    quick: tuple[Mode, int] | None
    deep: tuple[Mode, int]


TINY = get_config("tiny")
TWO = changed(TINY, name="two", ports=2)
FEW = changed(TINY, name="few", layers=2)
"""Few layers: the fill engine compares an entry with those of all layers, one a cycle."""

PROPERTIES = (
    Property("fifo", FifoOrder, ("bmc", 10), ("bmc", 30)),
    Property("control", lambda: ControlRules(TINY), ("induction", 4), ("induction", 8)),
    Property("read_bursts", lambda: ReadBursts(TINY), ("bmc", 6), ("bmc", 8)),
    Property("read_bursts_two_ports", lambda: ReadBursts(TWO), ("bmc", 6), ("bmc", 7)),
    Property("read_bursts_always", lambda: ReadBursts(TINY, invariants=True), ("induction", 1), ("induction", 2)),
    Property("read_bursts_always_two_ports", lambda: ReadBursts(TWO, invariants=True), ("induction", 1),
             ("induction", 2)),
    Property("write_bursts", lambda: WriteBursts(TINY), ("bmc", 10), ("bmc", 13)),
    Property("write_bursts_always", lambda: WriteBursts(TINY, invariants=True), None, ("induction", 1)),
    Property("loader_window", lambda: LoaderWindow(TINY), ("induction", 1), ("induction", 2)),
    Property("queue_window", lambda: QueueWindow(TINY), ("induction", 1), ("induction", 2)),
    Property("fetch_window", lambda: FetchWindow(TINY), ("induction", 1), ("induction", 2)),
    Property("fill_window", lambda: FillWindow(TINY), ("induction", 1), ("induction", 2)),
    Property("copy_window", lambda: CopyWindow(TINY), ("induction", 1), ("induction", 2)),
    Property("residency", lambda: Residency(FEW), ("induction", 2), ("induction", 3)),
)


def run(names: list[str] | None = None, *, deep: bool = False) -> Iterator[Proof]:
    """Prove the properties of these names, or all; those without a quick form only when they are named, or `deep`."""
    for p in PROPERTIES:
        chosen = p.deep if deep or (names and p.quick is None) else p.quick
        if chosen and (names is None or p.name in names):
            design = p.make()
            mode, depth = chosen
            yield prove(p.name, design, design.ports, depth, mode)
