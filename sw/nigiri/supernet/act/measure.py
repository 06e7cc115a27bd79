"""Memory and actuation time of SubNetAct against models extracted one by one.

``python -m nigiri.supernet.act.measure [--json]``: a ResNet-50-D as large as OFA-ResNet50, random weights.
"""
from __future__ import annotations

import json as text
import random
import sys
import time
from typing import Annotated, Any

import numpy as np
import torch
import typer

from nigiri.supernet.act.examples import RESNET_TAGS, ResNet
from nigiri.supernet.act.extract import extract
from nigiri.supernet.act.insert import insert
from nigiri.supernet.act.supernet import ActuatedSuperNet, SubNet

__all__ = ["measure", "random_subnet"]


def random_subnet(net: ActuatedSuperNet, rng: random.Random) -> SubNet:
    """Random depths from half of the blocks on, and widths from a half on."""
    return SubNet(depths={s: rng.randint(max(1, len(x.blocks) // 2), len(x.blocks)) for s, x in net.selects.items()},
                  widths={s: rng.choice((0.5, 0.6, 0.7, 0.8, 0.9, 1.0)) for s in net.selects})


def _size(model: torch.nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in [*model.parameters(), *model.buffers()])


def measure(net: ActuatedSuperNet, subnets: int = 500, actuations: int = 10_000, seed: int = 1, extracted: int = 6,
            images: int = 1, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """Memory with `subnets` calibrated SubNets and actuation times in microseconds; `extracted` models beside it,
    spread over the sizes from the smallest to the whole SuperNet; statistics are kept as `dtype`."""
    rng = random.Random(seed)
    whole = {s: len(x.blocks) for s, x in net.selects.items()}
    net.add(0, SubNet(depths={s: max(1, n // 2) for s, n in whole.items()}, widths=dict.fromkeys(whole, 0.5)))
    for n in range(1, subnets - 1):
        net.add(n, random_subnet(net, rng))
    net.add(subnets - 1, SubNet())
    batch = net.example.repeat(images, *[1] * (net.example.ndim - 1))
    for n in range(subnets):
        net.calibrate(n, [batch], dtype)
        if n % 50 == 0:
            print(f"{n} of {subnets} SubNets calibrated", file=sys.stderr, flush=True)
    names = [rng.randrange(subnets) for _ in range(actuations)]
    times = np.empty(actuations)
    for k, name in enumerate(names):
        began = time.perf_counter_ns()
        net.actuate(name)
        times[k] = (time.perf_counter_ns() - began) / 1e3
    order = sorted(range(subnets),
                   key=lambda n: sum(map(len, net.subnets[n].blocks)) + sum(net.subnets[n].channels) / 1e4)
    order = [0, *[n for n in order if n not in (0, subnets - 1)], subnets - 1]
    picked = [order[round(k * (subnets - 1) / (extracted - 1))] for k in range(extracted)]
    sizes, loads = [], []
    for n in picked:
        alone = extract(net, n)
        sizes.append(_size(alone))
        state = {k: v.clone() for k, v in alone.state_dict().items()}
        began = time.perf_counter_ns()
        alone.load_state_dict(state)
        loads.append((time.perf_counter_ns() - began) / 1e3)
    memory = net.memory()
    return {"device": str(net.example.device), "seed": seed, "subnets": subnets, "actuations": actuations,
            "shared_bytes": memory["shared"], "statistics_bytes": memory["statistics"],
            "statistics_dtype": str(dtype).removeprefix("torch."),
            "supernet_bytes": sum(memory.values()), "extracted": extracted, "extracted_bytes": sizes,
            "memory_ratio": sum(sizes) / sum(memory.values()),
            "statistics_share": memory["statistics"] / memory["shared"] / subnets,
            "actuation_us": {"median": float(np.median(times)), "p99": float(np.quantile(times, 0.99)),
                             "max": float(times.max())},
            "load_state_us": {"median": float(np.median(loads)), "max": float(np.max(loads))},
            "published": {"memory_ratio": 2.6, "actuation_us": 1000}}


def main(subnets: int = 500, actuations: int = 10_000, seed: int = 1, device: str = "",
         half: Annotated[bool, typer.Option("--half", help="Keep statistics in half precision.")] = False,
         json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Measure SubNetAct on a SuperNet of the size of OFA-ResNet50."""
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.manual_seed(seed)
    net = insert(ResNet().to(where), RESNET_TAGS, torch.randn(1, 3, 64, 64, device=where))
    data = {"model": "ResNet-50-D, 4 + 4 + 6 + 4 blocks", **measure(
        net, subnets, actuations, seed, dtype=torch.float16 if half else torch.float32)}
    if json:
        print(text.dumps(data, indent=2))
        return
    print(f"{data['model']} on {data['device']}, {subnets} SubNets: weights {data['shared_bytes'] / 2**20:.1f} MiB, "
          f"statistics {data['statistics_bytes'] / 2**20:.1f} MiB")
    print(f"{data['extracted']} extracted SubNets: {sum(data['extracted_bytes']) / 2**20:.1f} MiB, "
          f"{data['memory_ratio']:.2f} times as much (published: up to 2.6)")
    print(f"actuation: median {data['actuation_us']['median']:.2f} us, p99 {data['actuation_us']['p99']:.2f} us "
          f"(published: below 1,000); loading a state: median {data['load_state_us']['median'] / 1e3:.1f} ms")


if __name__ == "__main__":
    typer.run(main)
