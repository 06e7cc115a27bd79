"""Tables of networks with attention, from docs/results/hybrid.json."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["HYBRID", "hybrid_tables"]

HYBRID = ("hybrid_training", "hybrid_gain", "hybrid_front", "hybrid_equal", "hybrid_mapping")


def hybrid_tables(folder: Path, table: Callable[..., str]) -> dict[str, str]:
    """By name; nothing when the study has not been run."""
    if not (folder / "hybrid.json").exists():
        return {}
    d = json.loads((folder / "hybrid.json").read_text())
    where = (f"`{d['config']}`, memory `{d['memory']}`, int8 accuracy on {d['test_images']:,} test images of CIFAR-10, "
             f"{d['date']}")
    training, gain = d["training"], d["training"]["gain"]
    front = [[r["name"], f"{r['ms']:.3f}", f"{r['int8']:.2f}", f"{r['predicted']:.2f}", f"{r['macs'] / 1e6:.1f}",
              "-".join(map(str, r["depths"])), sum(r["kinds"]), r["norm"] if any(r["kinds"]) else "", r["launches"]]
             for r in sorted(d["subnets"], key=lambda r: (r["name"].rstrip("0123456789"), r["ms"]))]
    mapping = [[r["norm"], f"{r['ms']:.3f}", r["launches"], ", ".join(f"`{h}`" for h in r["host"]) or "nothing",
                f"{r['softmax_ms']:.3f}", f"{r['ms_all_on_host']:.1f}"] for r in d["mapping"]]
    return {
        "hybrid_training": table(["scheme", "seed", "without attention", "attention, relu", "attention, softmax",
                                  "smallest", "largest", "all"],
                                 [[r["scheme"], r["seed"], r["convolution"], r["relu"], r["softmax"], r["smallest"],
                                   r["largest"], r["all"]] for r in training["runs"]]),
        "hybrid_gain": table(["SubNets", "two-phase minus joint, points", "better in"],
                             [[k, f"{g['points']:+.2f}", f"{g['better']} of {g['of']}"] for k, g in gain.items()]),
        "hybrid_front": f"{where}:\n\n" + table(
            ["SubNet", "ms", "int8 %", "predicted %", "MMAC", "blocks by stage", "attention", "normaliser",
             "launches"], front),
        "hybrid_equal": table(["SubNet with attention", "ms", "int8 %", "best without, no slower, %", "gain",
                               "line between those without, %", "gain"],
                              [[r["name"], f"{r['ms']:.3f}", f"{r['int8']:.2f}", f"{r['convolution']:.2f}",
                                f"{r['gain']:+.2f}", f"{r['line']:.2f}", f"{r['gain_line']:+.2f}"]
                               for r in d["equal_latency"]]),
        "hybrid_mapping": table(["normaliser", "ms", "launches", "on the host", "softmax, ms", "all on the host, ms"],
                                mapping),
    }
