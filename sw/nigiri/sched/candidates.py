"""Candidate SubGraphs: a short list of things worth caching, each within the capacity of the persistent buffer."""
from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from nigiri.sched.benefit import Roofline, lean, order
from nigiri.sched.errors import SchedulerError
from nigiri.sched.subgraph import Box, Candidate, Layer, SubGraph, clip, intersection, key, vector, words

__all__ = ["EMPTY", "best_for", "candidates", "farthest_points", "fit"]

EMPTY = Candidate("empty", {})


def fit(graph: SubGraph, layers: Sequence[Layer], roof: Roofline, capacity: int, *,
        stalls_first: bool = False) -> dict[int, Box]:
    """`graph` cut to `capacity` words, cycles saved per byte first.

    With `stalls_first` every layer bound by the memory gets only the share that hides the rest of its fetch, and
    what is left of the buffer is filled with whole layers: more cycles saved when the buffer is small.
    """
    by_id = {layer.id: layer for layer in layers}
    ids = order(graph, by_id, roof)
    if not stalls_first:
        return clip(graph, ids, capacity)
    share = lean(graph, by_id, roof)
    out = clip(share, [i for i in ids if i in share], capacity)
    for i in ids:                                   # grow to the whole layer while there is room
        now = out.get(i, (0, 0, 0))
        room = capacity - words(out) + now[0] * now[1] * now[2]
        grown = clip({i: graph[i]}, [i], room).get(i)
        if grown and all(a >= b for a, b in zip(grown, now, strict=True)):
            out[i] = grown
    return {i: out[i] for i in ids if i in out}


def best_for(graph: SubGraph, layers: Sequence[Layer], roof: Roofline, capacity: int) -> list[Candidate]:
    """The shapes worth trying for one SubNet alone, without duplicates."""
    forms = [Candidate("whole layers", fit(graph, layers, roof, capacity)),
             Candidate("stalls first", fit(graph, layers, roof, capacity, stalls_first=True))]
    return list({key(c.boxes): c for c in reversed(forms)}.values())[::-1]


def candidates(nets: Mapping[str, SubGraph], layers: Sequence[Layer], roof: Roofline, capacity: int, *,
               count: int = 16, mixtures: int | None = None, seed: int = 0) -> list[Candidate]:
    """At most `count` different SubGraphs of at most `capacity` words each; the first is always the empty one.

    They come from every SubNet, from the intersection of every pair, and from `mixtures` random convex combinations
    (averages of recent SubNets are such) rounded down to whole blocks of 8 channels.  Each is filled with what is bound
    by the memory first.  Those of the SubNets themselves are taken first; of the others, farthest-point sampling keeps
    those that differ most.  With as many mixtures (64, and 1,000 for more than 64 candidates, when left out) a longer
    list begins with the shorter one; the same arguments give the same list.

    Raises
    ------
    SchedulerError: no SubNets, `count` below 1, or a negative capacity.
    """
    if not nets:
        raise SchedulerError("candidates need at least one SubNet, not none")
    if count < 1 or capacity < 0:
        raise SchedulerError(f"count must be at least 1 and capacity not negative, not {count} and {capacity}")
    if mixtures is None:
        mixtures = 64 if count <= 64 else 1000
    sources: list[tuple[str, SubGraph]] = list(nets.items())
    sources += [(f"{a}&{b}", intersection(nets[a], nets[b])) for a, b in combinations(nets, 2)]
    sources += _mixtures(nets, layers, mixtures, random.Random(seed))
    found: dict[str, Candidate] = {key({}): EMPTY}
    for name, graph in sources:
        for suffix, first in (("", True), ("/whole", False)):
            boxes = fit(graph, layers, roof, capacity, stalls_first=first)
            found.setdefault(key(boxes), Candidate(name + suffix, boxes))
    own = len({key(c.boxes) for c in found.values() if c.name in nets or c is EMPTY})
    return farthest_points(sorted(found.values(), key=lambda c: c is not EMPTY and c.name not in nets), layers, count,
                           own)


def _mixtures(nets: Mapping[str, SubGraph], layers: Sequence[Layer], count: int,
              rng: random.Random) -> list[tuple[str, SubGraph]]:
    vectors = np.stack([vector(graph, layers) for graph in nets.values()])
    out: list[tuple[str, SubGraph]] = []
    for n in range(count if len(nets) > 1 else 0):
        weights = np.array([rng.expovariate(1.0) for _ in nets])
        boxes = np.floor(weights / weights.sum() @ vectors + 1e-9).astype(int).reshape(-1, 3)
        out.append((f"mix{n}", {layer.id: (int(b[0]), int(b[1]), int(b[2]))
                                for layer, b in zip(layers, boxes, strict=True) if b.min() > 0}))
    return out


def farthest_points(found: Sequence[Candidate], layers: Sequence[Layer], count: int, first: int = 1) -> list[Candidate]:
    """`count` of `found`: the `first` ones, and then each the one farthest from those taken before."""
    points = np.stack([vector(c.boxes, layers) for c in found])
    taken = list(range(min(first, count)))
    distance = np.min([np.linalg.norm(points - points[n], axis=1) for n in taken], axis=0)
    while len(taken) < min(count, len(found)):
        n = int(distance.argmax())
        if distance[n] == 0:
            break
        taken.append(n)
        distance = np.minimum(distance, np.linalg.norm(points - points[n], axis=1))
    return [found[n] for n in taken]
