"""Integer logits of every SubNet of a bundle over test images: what a cascade is calibrated and measured on."""
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from nigiri import bundle
from nigiri.compiler.interpret import Interpreter
from nigiri.supernet.train import load_cached

__all__ = ["main"]


def main(data: Annotated[Path, typer.Option(help="folder with cifar10_test.npz")],
         out: Annotated[Path, typer.Option(help="the .npz to write")],
         model: Annotated[Path | None, typer.Option(help="a bundle; the shipped one if omitted")] = None,
         cache: Annotated[Path | None, typer.Option(help="decoded images; folder of `out` if omitted")] = None,
         images: Annotated[int, typer.Option(help="test images")] = 10_000,
         threads: Annotated[int, typer.Option(help="processor threads")] = 1, seed: int = 2026) -> None:
    """Write int8 logits [SubNets, images, classes], labels, and the images' places in the test set, shuffled."""
    import torch

    torch.set_num_threads(threads)
    loaded = bundle.load(model or bundle.demo_path())
    pixels, labels = (t.numpy() for t in load_cached(data, cache or out.parent, "test", torch.device("cpu")))
    # The test set is sorted by class.
    index = np.random.default_rng(seed).permutation(len(labels))[:images]
    chosen = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)[index])
    logits = np.zeros((len(loaded.subnets), len(index), loaded.network.classes), np.int8)
    for n, info in enumerate(loaded.subnets):
        began = time.time()
        logits[n] = Interpreter(loaded.network, info.name, threads=threads).logits(chosen)
        accuracy = 100 * float((logits[n].argmax(1) == labels[index]).mean())
        print(f"{info.name:>4} {accuracy:.2f} % (bundle: {info.accuracy_int8:.2f} %) {time.time() - began:.0f} s",
              flush=True)
    facts = {"network": loaded.network.name, "data": "CIFAR-10 (JPEG), test images", "seed": seed,
             "subnets": [{"name": s.name, "macs": s.macs, "weight_bytes": s.weight_bytes,
                          "accuracy": s.accuracy_int8} for s in loaded.subnets]}
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, logits=logits, labels=labels[index].astype(np.uint8), index=index.astype(np.int64),
                        facts=np.array(json.dumps(facts)))
    print(f"seed {seed}: {out} {out.stat().st_size} bytes")


if __name__ == "__main__":
    typer.run(main)
