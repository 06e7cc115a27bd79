"""What a bundle holds: sizes, shared bytes, accuracies, predicted latencies, checksums."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nigiri.bundle import Bundle, archive
from nigiri.compiler.compiled import CompiledBundle
from nigiri.cycles import predict
from nigiri.cycles.best import best_subgraph
from nigiri.sched.subgraph import WORD, intersection, words
from nigiri.spec.memory import MemorySetting

__all__ = ["Sharing", "describe", "latency", "sharing"]


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Weight bytes that SubNets read, in whole 64-byte words; layers that all channels share are left out.

    subnets: of each.  pairs: that two of them both read, [row][column] in the order of `subnets`.
    union: that any of them reads.  common: that all of them read.
    """

    subnets: dict[str, int]
    pairs: list[list[int]]
    union: int
    common: int


def sharing(compiled: CompiledBundle) -> Sharing:
    """How much of the SuperNet each SubNet reads, and how much two of them have in common."""
    boxes = {name: compiled.subnet_boxes(name) for name in compiled.programs}
    common = next(iter(boxes.values()))
    for other in boxes.values():
        common = intersection(common, other)
    used: set[tuple[int, int, int, int]] = set()
    for layers in boxes.values():
        used |= {(i, *box) for i, box in layers.items()}
    return Sharing(subnets={name: WORD * words(b) for name, b in boxes.items()},
                   pairs=[[WORD * words(intersection(a, b)) for b in boxes.values()] for a in boxes.values()],
                   union=WORD * _union(used), common=WORD * words(common))


def _union(boxes: set[tuple[int, int, int, int]]) -> int:
    """Words in the union of prefix boxes (layer, output blocks, input blocks, taps)."""
    total = 0
    for layer in {b[0] for b in boxes}:
        mine = [b[1:] for b in boxes if b[0] == layer]
        for taps in range(max(b[2] for b in mine)):
            deep = [b for b in mine if b[2] > taps]
            total += sum(max(b[1] for b in deep if b[0] > out) for out in range(max(b[0] for b in deep)))
    return total


def latency(compiled: CompiledBundle, subnet: str, memory: MemorySetting) -> dict[str, Any]:
    """Cycles and milliseconds that the cycle model predicts, with nothing cached and with the best SubGraph."""
    program, offset, config = compiled.descriptors(subnet), compiled.program(subnet)[0], compiled.config
    out: dict[str, Any] = {}
    for cache in ("none", "best"):
        boxes = best_subgraph(compiled, subnet, memory) if cache == "best" else {}
        got = predict(program, config, memory, boxes, offset=offset)
        out[cache] = {"cycles": got.cycles, "ms": got.cycles / (config.clock_mhz * 1e3), "dram_bytes": got.dram_bytes}
    return out


def describe(bundle: Bundle, path: Path, compiled: CompiledBundle, memory: MemorySetting) -> dict[str, Any]:
    """Everything `nigiri inspect --json` prints.

    compiled: the bundle's network for the configuration whose latencies are wanted; memory: off-chip.
    """
    shared = sharing(compiled)
    smallest = min(range(len(bundle.subnets)), key=lambda n: bundle.subnets[n].macs)
    arrays = {"weights": bundle.network.weights, "input_table": bundle.network.input_table, "programs": bundle.programs}
    tensors: list[dict[str, Any]] = [{"name": key.partition(":")[2], "sha256": value} for key, value in
                                     bundle.checksums.items() if ":" in key]
    for t in tensors:
        if t["name"] in arrays:
            a = arrays[t["name"]]
            t |= {"dtype": str(a.dtype), "shape": list(a.shape)}
    return {
        "file": path.name, "bytes": path.stat().st_size, "format": archive.FORMAT, "version": archive.VERSION,
        "sha256": bundle.checksums.get(archive.TENSORS), "tensors": tensors,
        "network": bundle.network.name, "classes": bundle.network.classes,
        "supernet_layers": len(bundle.network.layers), "weight_image_bytes": int(bundle.network.weights.nbytes),
        "programs_for": {"config": bundle.config_name, "digest": f"{bundle.config_digest:#010x}"},
        "config": compiled.config.name, "memory": memory.name, "clock_mhz": compiled.config.clock_mhz,
        "pb_bytes": WORD * compiled.config.pb_words,
        "sharing": {"union_bytes": shared.union, "common_bytes": shared.common,
                    "separate_bytes": sum(shared.subnets.values()), "pairs": shared.pairs},
        "subnets": [{**asdict(s), "read_bytes": shared.subnets[s.name],
                     "shared_with_smallest_bytes": shared.pairs[n][smallest],
                     "image": list(compiled.images[s.name]), "latency": latency(compiled, s.name, memory)}
                    for n, s in enumerate(bundle.subnets)],
        "facts": bundle.facts}
