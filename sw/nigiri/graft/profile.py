"""How long layers of SubNets take on the server's device, by launch size: from the cycle model, summed up once."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nigiri.compiler import CompiledBundle, compile_network
from nigiri.compiler.graph import Layer, Network, SubNet
from nigiri.cycles import predict
from nigiri.runtime.placement import Box
from nigiri.spec import AcceleratorConfig, MemorySetting
from nigiri.spec.descriptor import Opcode

__all__ = ["HANDOVER", "LAUNCH_MS", "SIZES", "Profile", "compiled", "identities", "layer_ends",
           "profile_of"]

SIZES = (1, 2, 4, 8, 16)
"""Images of a launch that there are programs for."""
LAUNCH_MS = 0.0735
"""Start and poll of a program on a PYNQ board, as measured for the published engine; every launch pays it."""
HANDOVER = 2.5
"""Times that the bytes of a cut need at the memory's sustained rate: nothing is computed meanwhile.  Chosen so that the
sums of layers come within a few per cent of compiled parts (`scripts/bench_graft.py` compares)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """One SuperNet on one device.

    ms: by SubNet, float64 [sizes, layers + 1], milliseconds of a launch up to each layer.  ids: by SubNet, what each
    layer computes, so that equal prefixes of SubNets are equal.  nbytes: by SubNet, bytes that cross each cut.
    cuts: by SubNet, where a re-partition may be: cuts that a single tensor crosses.  byte_ms: of a byte that is handed
    over at a cut; a launch loads what crosses its first cut and stores what crosses its last, which a whole SubNet
    keeps on the chip.
    """

    name: str
    ms: Mapping[str, np.ndarray]
    ids: Mapping[str, tuple[str, ...]]
    nbytes: Mapping[str, tuple[int, ...]]
    cuts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    byte_ms: float = 0.0
    _crossing: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def layers(self, subnet: str) -> int:
        return len(self.ids[subnet])

    def latency(self, subnet: str, first: int, end: int, size: int) -> float:
        """Milliseconds of a launch of `size` (one of :data:`SIZES`) over layers `first` .. `end` - 1, alone on the
        device."""
        row, k = self.crossing(subnet), SIZES.index(size)
        return float(self.ms[subnet][k, end] - self.ms[subnet][k, first] + size * (row[first] + row[end])) + LAUNCH_MS

    def crossing(self, subnet: str) -> np.ndarray:
        """Milliseconds to store or load one image's tensors at every cut; 0 at both ends, whose transfers count with
        their layers."""
        if subnet not in self._crossing:
            row = np.array(self.nbytes[subnet]) * self.byte_ms
            row[0] = row[-1] = 0.0
            self._crossing[subnet] = row
        return self._crossing[subnet]

    def common(self, subnets: Sequence[str]) -> int:
        """Layers that all of `subnets` have in common from the first one on, with equal results."""
        rows = enumerate(zip(*(self.ids[s] for s in subnets), strict=False))
        return next((n for n, row in rows if len(set(row)) > 1), min(self.layers(s) for s in subnets))


def identities(subnet: SubNet) -> tuple[str, ...]:
    """A name for what each layer computes: its weights, shape and constants, and those of all layers before."""
    out, before = [], ""
    for x in subnet.layers:
        before = hashlib.sha256(repr((before, _facts(x))).encode()).hexdigest()[:16]
        out.append(before)
    return tuple(out)


def _facts(x: Layer) -> tuple[object, ...]:
    table = x.table.tobytes() if x.table is not None else b""
    return (x.weights, x.cin, x.cout, x.kernel, x.height, x.width, x.source, x.plane, x.operand, x.zp_in, x.zp_out,
            x.act_min, x.act_max, x.residual, x.scale, x.pool, x.bias.tobytes(), x.mult.tobytes(), x.shift.tobytes(),
            table)


@lru_cache(maxsize=32)
def compiled(network: Network, config: AcceleratorConfig, size: int) -> CompiledBundle:
    return compile_network(network, config, batch=size)


def layer_ends(network: Network, subnet: str, config: AcceleratorConfig, memory: MemorySetting, size: int = 1,
               resident: Mapping[int, Box] | None = None) -> list[float]:
    """Milliseconds up to each layer of a launch; transfers count with the layer before them."""
    s = network.subnet(subnet)
    made = compiled(network, config, size)
    program = made.descriptors(subnet)
    got = predict(program, config, memory, dict(resident or {}), offset=made.program(subnet)[0])
    number: dict[int, list[int]] = {}
    for n, x in enumerate(s.layers):
        number.setdefault(x.weights, []).append(n)
    each, now = [0.0] * len(s.layers), 0
    for d, y in zip(program, got.layers, strict=True):
        if d["opcode"] == Opcode.CONV and d["layer"] in number:
            options = number[d["layer"]]
            # A layer that shares its weights with others is the next one of them; batches go round and begin again.
            now = next((n for n in options if n >= now), options[0])
        each[now] += y.cycles / (1e3 * config.clock_mhz)
    return [0.0, *np.cumsum(each).tolist()]


def profile_of(name: str, networks: Mapping[str, Network], config: AcceleratorConfig, memory: MemorySetting,
               resident: Mapping[int, Box] | None = None, sizes: Sequence[int] = SIZES) -> Profile:
    """The profile of SubNets of one SuperNet, each as the only SubNet of a network called as the SubNet is here.

    resident: SubGraph in the persistent buffer.  sizes: those that are compiled; others lie on a straight line.

    Raises what :func:`nigiri.compiler.compile_network` raises.
    """
    from nigiri.split.boundary import boundaries

    ms, ids, nbytes, cuts = {}, {}, {}, {}
    for key, network in networks.items():
        s = network.subnets[0]
        rows = np.array([layer_ends(network, s.info.name, config, memory, size, resident) for size in sizes])
        # A launch takes so much and so much for every image; straight lines through what was compiled.
        slope, start = np.polyfit(sizes, rows, 1) if len(sizes) > 1 else (rows[0], 0 * rows[0])
        ms[key] = np.array([rows[list(sizes).index(n)] if n in sizes else start + n * slope for n in SIZES])
        ids[key] = identities(s)
        crossing = boundaries(network, s)
        nbytes[key] = tuple(c.nbytes for c in crossing)
        cuts[key] = tuple(c.at for c in crossing if len(c.tensors) == 1)
    byte_ms = HANDOVER / (1e3 * config.clock_mhz * memory.bytes_per_cycle(config))
    return Profile(name=name, ms=ms, ids=ids, nbytes=nbytes, cuts=cuts, byte_ms=byte_ms)
