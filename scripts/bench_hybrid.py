"""Hybrid networks: training schemes, fronts with and without attention, mapping.  Writes docs/results/hybrid.json.

``python scripts/bench_hybrid.py --data FOLDER``; about 30 minutes on one core, most of it integer accuracy on all test
images.
"""
from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Annotated

import matplotlib
import numpy as np
import torch
import typer

from nigiri.hybrid import study
from nigiri.hybrid.estimate import Estimator
from nigiri.hybrid.model import HybridNet
from nigiri.hybrid.space import HYBRID
from nigiri.spec import get_config, get_memory
from nigiri.spec.memory import default_memory
from nigiri.supernet.data import load_split
from nigiri.supernet.weights import load_weights

ROOT = Path(__file__).parents[1]


def plot(rows: list[dict], path: Path) -> None:
    """Measured accuracy against latency."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, ax = plt.subplots(figsize=(6.4, 4))
    for name, color in (("convolution", "tab:gray"), ("hybrid", "tab:red")):
        own = study.best_front([r for r in rows if r["name"].startswith(name)])
        ax.plot([r["ms"] for r in own], [r["int8"] for r in own], "o-", color=color, label=name)
        for r in own:
            if any(r["kinds"]):
                ax.plot(r["ms"], r["int8"], "s", color=color, markersize=9, fillstyle="none")
    ax.set(xlabel="latency, ms (array, launches, host)", ylabel="int8 accuracy on CIFAR-10, %")
    ax.legend(title="front (squares: with attention)")
    ax.grid(alpha=0.3)
    fig.tight_layout()
    fig.savefig(path, dpi=120)


def main(data: Annotated[Path, typer.Option(help="folder with cifar10_train.npz and cifar10_test.npz")],
         config: str = "pynq_z2", memory: str = "", count: int = 9, evaluations: int = 3000, images: int = 10_000,
         seed: int = 0, threads: int = 1, json_out: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Run the study."""
    torch.set_num_threads(threads)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    runs = json.loads((ROOT / "docs/results/hybrid_training.json").read_text())
    machine = get_config(config)
    setting = get_memory(memory) if memory else default_memory(machine)
    estimator = Estimator(space=HYBRID, config=machine, memory=setting)
    shipped = next(r for r in runs if r["scheme"] == "two-phase" and r["recipe"]["seed"] == 1)
    model, found = study.fronts(shipped, estimator, evaluations, seed, say)
    net = HybridNet(HYBRID)
    load_weights(net, ROOT / "checkpoints/hybrid.npz")
    train, _ = load_split(data, "train")
    test, labels = load_split(data, "test")
    order = np.random.default_rng(seed).permutation(len(test))[:images]
    calibration = torch.from_numpy(np.ascontiguousarray(train[1::50].transpose(0, 3, 1, 2)))
    picks = {f"{name}{n}": x for name, f in found.items() for n, x in enumerate(study.chosen(f, count))}
    rows = study.measure_chosen(net.eval(), picks, calibration, test[order], labels[order], estimator, say)
    largest = HYBRID.largest()
    out = {"date": datetime.date.today().isoformat(), "config": config, "memory": setting.name, "seed": seed,
           "test_images": len(order), "evaluations": evaluations, "predictor_error": round(model.error, 3),
           "training": study.schemes(runs), "subnets": rows, "equal_latency": study.at_equal_latency(rows),
           "mapping": study.mapping_table(estimator, largest),
           "layer_norm_ms": {f"{t}x{c}": round(study.layer_norm_ms(t, c), 4) for t, c in ((64, 80), (16, 144))},
           "host": "this machine's processor, one thread, NumPy"}
    (ROOT / "docs/results/hybrid.json").write_text(json.dumps(out, indent=1))
    plot(rows, ROOT / "docs/img/hybrid.png")
    if json_out:
        print(json.dumps(out))
    for r in out["equal_latency"]:
        say(f"{r['name']}: {r['ms']:.3f} ms {r['int8']:.2f} %, without attention {r['convolution']:.2f} %: "
            f"{r['gain']:+.2f}")


if __name__ == "__main__":
    typer.run(main)
