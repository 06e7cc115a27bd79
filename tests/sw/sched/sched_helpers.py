"""A small SuperNet, and a latency table from the roofline, for tests of the scheduler."""
from __future__ import annotations

from nigiri.sched import Candidate, LatencyTable, Layer, Roofline, SubNet, build_table, candidates
from nigiri.sched.subgraph import hit_words, words

LAYERS = (Layer(0, "stem", 1024), Layer(1, "expand", 256), Layer(2, "depthwise", 64, True), Layer(3, "project", 64),
          Layer(4, "head", 16), Layer(5, "classifier", 1))
NETS = {
    "min": {0: (3, 1, 9), 1: (6, 5, 1), 2: (6, 1, 3), 3: (10, 6, 1), 4: (20, 10, 1), 5: (2, 20, 1)},
    "mid": {0: (3, 1, 9), 1: (10, 5, 1), 2: (10, 1, 5), 3: (10, 10, 1), 4: (30, 10, 1), 5: (2, 30, 1)},
    "max": {0: (3, 1, 9), 1: (15, 5, 1), 2: (15, 1, 5), 3: (10, 15, 1), 4: (40, 10, 1), 5: (2, 40, 1)},
}
ACCURACY = {"min": 86.0, "mid": 88.5, "max": 91.0}
ROOF = Roofline(lanes=4, bytes_per_cycle=8.0)
CAPACITY = 200
SUBNETS = tuple(SubNet(name, ACCURACY[name], boxes, macs=64 * words(boxes)) for name, boxes in NETS.items())


def by_roofline(net: SubNet, cached: Candidate) -> int:
    """Cycles that the roofline says: never fewer hits in fewer cycles."""
    total = 0.0
    for layer in LAYERS:
        if layer.id in net.boxes:
            box = net.boxes[layer.id]
            total += box[0] * max(ROOF.block_cycles(layer, box))
            if layer.id in cached.boxes:
                total -= ROOF.saved(layer, box, cached.boxes[layer.id])
    return round(total) + 100


def by_hits(net: SubNet, cached: Candidate) -> int:
    """10 cycles a word, 5 of them saved by a hit."""
    return 10 * words(net.boxes) - 5 * hit_words(net.boxes, cached.boxes)


def table(measure=by_hits, count: int = 8, graphs=None) -> LatencyTable:
    found = graphs or candidates(NETS, LAYERS, ROOF, CAPACITY, count=count)
    return build_table(SUBNETS, found, measure, layers=LAYERS, clock_mhz=100.0, capacity=CAPACITY, origin="test",
                       source={"config": "tiny", "memory": "slow"})
