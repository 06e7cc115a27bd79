"""Compares the SuperNets of nigiri.supernet.ofa with the PyPI package `ofa` on random weights, and the SubNets A..F
with their published sizes; prints both tables, with `--json` as JSON (docs/results/ofa_equivalence.json).

Needs torch (extra `train`) and `pip install --no-deps ofa==0.1.0.post202307202001`.
"""
from __future__ import annotations

import argparse
import json
import random
import sys
from importlib.metadata import version
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "sw" / "supernet"))
sys.path.insert(0, str(Path(__file__).parent))
import ofa_package
from results import equivalence_table, size_table

from nigiri.supernet.ofa import ElasticNet, from_choice, names, ofa_net, to_ofa
from nigiri.zoo.resnet import ResNet50

NETWORKS = names()
SUBNETS, SIDE, LIMIT = 20, 64, 1e-4
SUSHI_MIB = {"A": 7.58, "B": 12.21, "C": 17.78, "D": 25.62, "E": 23.66, "F": 27.47}
"""Weight bytes of the convolutions at int8, in MiB (Sushi, MLSys 2023, and the layers measured for it)."""


def random_net(name: str, seed: int) -> ElasticNet:
    """The SuperNet with random weights, batch norms and kernel matrices; logits of order one."""
    net, g = ofa_net(name, seed), torch.Generator().manual_seed(seed + 1)

    def around(tensor: torch.Tensor, middle: float, spread: float) -> None:
        tensor.copy_(middle + spread * (2 * torch.rand(tensor.shape, generator=g) - 1))

    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if key.endswith("_matrix"):
                tensor.add_(torch.randn(tensor.shape, generator=g), alpha=0.1)
            elif "bn." in key and tensor.dim():
                last = key.rsplit(".", 1)[1]
                around(tensor, {"weight": 1.0, "running_var": 1.0}.get(last, 0.0), 0.3)
        # Statistics that fit, so that values neither die out nor grow from block to block.
        images = torch.randn(4, 3, SIDE, SIDE, generator=g)
        norms = dict(net.named_modules())
        for path, (mean, var) in net.recalibrate(net.space.largest(), images).items():
            norms[path].running_mean.copy_(mean)
            norms[path].running_var.copy_(var + 1e-2)
    return net


def differences(name: str, seed: int = 0, subnets: int = SUBNETS, side: int = SIDE) -> list[dict]:
    """For each random SubNet: its configuration, the worst difference of the two packages' logits, and the largest."""
    ours, theirs = random_net(name, seed), ofa_package.network(name)
    got, want = ours.state_dict(), theirs.state_dict()
    shapes = [{(key, *tensor.shape) for key, tensor in state.items()} for state in (got, want)]
    if shapes[0] != shapes[1]:
        raise SystemExit(f"{name}: other keys or shapes: {sorted(shapes[0] ^ shapes[1])[:4]}")
    theirs.load_state_dict(got)
    rng, g, rows = random.Random(seed), torch.Generator().manual_seed(seed), []
    for _ in range(subnets):
        config = ours.space.sample(rng)
        theirs.set_active_subnet(**to_ofa(ours.space, config))
        x = torch.randn(1, 3, side, side, generator=g)
        with torch.no_grad():
            a, b = ours(x, config), theirs(x)
        rows.append({"tensors": len(got), "config": config, "difference": float((a - b).abs().max()),
                     "largest_logit": float(b.abs().max())})
    return rows


def sizes() -> dict[str, float]:
    """MiB at int8 of the convolutions of the SubNets A..F, from the slices that a pass reads."""
    with torch.device("meta"):
        net = ofa_net("ofa_resnet50")
    return {name: net.convolution_weights(from_choice(net.space, choice)) / 2 ** 20
            for name, choice in ResNet50.choices.items()}


def measured(seed: int) -> dict:
    networks = {}
    for name in NETWORKS:
        print(name, file=sys.stderr)
        rows = differences(name, seed)
        networks[name] = {"tensors": rows[0]["tensors"], "differences": [float(f"{r['difference']:.2g}") for r in rows],
                          "worst": max(r["difference"] for r in rows),
                          "largest_logit": max(r["largest_logit"] for r in rows)}
    return {"seed": seed, "side": SIDE, "limit": LIMIT, "ofa": version("ofa"), "torch": torch.__version__,
            "networks": networks,
            "sizes_mib": {name: {"measured": mib, "published": SUSHI_MIB[name]} for name, mib in sizes().items()}}


def report(result: dict) -> str:
    """Both tables as Markdown."""
    return f"{equivalence_table(result)}\n{size_table(result)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of weights, SubNets and images")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    if not ofa_package.available():
        print("the package ofa is not installed: run pip install --no-deps ofa==0.1.0.post202307202001",
              file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    result = measured(args.seed)
    print(json.dumps(result) if args.json else report(result))
    good = all(r["worst"] <= LIMIT for r in result["networks"].values()) and all(
        abs(r["measured"] / r["published"] - 1) <= 1e-3 for r in result["sizes_mib"].values())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
