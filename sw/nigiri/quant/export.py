"""Quantise a trained SuperNet, pick its SubNets, measure them on the whole test set and write a bundle.

``python -m nigiri.quant.export --checkpoint checkpoint.pt --data folder --out demo.nigiri --images cifar512.npz``
"""
from __future__ import annotations

import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from nigiri import bundle
from nigiri.compiler.graph import Network, SubNet, SubNetInfo, SuperLayer
from nigiri.compiler.interpret import Interpreter
from nigiri.quant.errors import QuantisationError
from nigiri.quant.ranges import input_table, measure
from nigiri.quant.select import measure_candidates, pick, sample, spread
from nigiri.quant.subnet import integer_layers
from nigiri.quant.weights import SharedWeights, dequantised, share
from nigiri.spec import get_config
from nigiri.supernet.calibrate import evaluate, running_statistics
from nigiri.supernet.model import SuperNet
from nigiri.supernet.space import CIFAR, SubNetConfig
from nigiri.supernet.weights import load_weights

__all__ = ["integer_network", "load_net", "measure_network", "undominated"]


def load_net(checkpoint: Path) -> SuperNet:
    """The SuperNet in float weights (.npz) or in a checkpoint of :mod:`nigiri.supernet.train`, whose averaged weights
    count; QuantisationError when the file holds something else."""
    try:
        net = SuperNet(CIFAR)
        if checkpoint.suffix == ".npz":
            load_weights(net, checkpoint)
        else:
            saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
            averaged = {k: v for k, v in saved["mean"].items() if k.startswith("module.")}
            net.load_state_dict({k.removeprefix("module."): v for k, v in averaged.items()})
    except Exception as e:
        raise QuantisationError(f"{checkpoint} is not a checkpoint of the {CIFAR.name} SuperNet ({type(e).__name__}: "
                                f"{str(e).splitlines()[0]}): train one with nigiri.supernet.train") from e
    return net.eval()


def used_bytes(layers: tuple[SuperLayer, ...], subnet: SubNet) -> int:
    """Weight bytes that a SubNet reads, in whole words."""
    total = 0
    for x in subnet.layers:
        s = layers[x.weights]
        total += -(-x.cout // 8) * (1 if s.depthwise else -(-x.cin // 8)) * (x.kernel if s.depthwise else x.kernel ** 2)
    return 64 * total


def integer_network(net: SuperNet, configs: dict[str, SubNetConfig], calibration: Tensor, seed: int = 0,
                    range_images: int = 512, method: str = "mse") -> Network:
    """The quantised SuperNet with the SubNets in `configs`; accuracies are 0 until measured.

    calibration: images uint8 [N, 3, H, W] for batch-norm statistics; the first `range_images` of them set the
    activation scales by `method` (:data:`nigiri.quant.ranges.METHODS`).
    """
    shared: SharedWeights = share(net)
    twin = dequantised(net, shared)
    scale_in, table = input_table(net.space.channels)
    subnets = []
    for name, config in configs.items():
        stats = running_statistics(twin, config, calibration)
        scales = measure(twin, config, stats, calibration[:range_images], seed, method=method) | {"input": scale_in}
        subnet = SubNet(info=SubNetInfo(name=name, macs=net.space.cost(config)[0], weight_bytes=0, accuracy_int8=0.0,
                                        accuracy_float=0.0, config=asdict(config)),
                        layers=integer_layers(net, config, shared, stats, scales))
        subnets.append(replace(subnet, info=replace(subnet.info, weight_bytes=used_bytes(shared.layers, subnet))))
    return Network(name=net.space.name, height=net.space.image, width=net.space.image, channels=net.space.channels,
                   classes=net.space.classes, input_table=table, input_zp=scale_in.zp, layers=shared.layers,
                   weights=shared.words, subnets=tuple(subnets))


def measure_network(net: SuperNet, network: Network, configs: dict[str, SubNetConfig], calibration: Tensor,
                    images: np.ndarray, labels: np.ndarray, threads: int = 1) -> Network:
    """`network` with float and int8 accuracies on `images` uint8 [N, H, W, 3]; prints one line per SubNet."""
    pixels, classes = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels).long()
    done = []
    for subnet in network.subnets:
        began, config = time.time(), configs[subnet.info.name]
        real = evaluate(net, config, running_statistics(net, config, calibration), pixels, classes)
        exact = Interpreter(network, subnet.info.name, threads=threads).accuracy(images, labels)
        info = replace(subnet.info, accuracy_float=round(real, 2), accuracy_int8=round(exact, 2))
        done.append(replace(subnet, info=info))
        print(f"{info.name:>4} {info.macs / 1e6:6.2f} MMAC {info.weight_bytes / 1024:6.0f} KiB  float {real:.2f} %  "
              f"int8 {exact:.2f} %  ({time.time() - began:.0f} s) depths {config.depths} expands {config.expands} "
              f"kernels {config.kernels}", flush=True)
    return replace(network, subnets=tuple(done))


def undominated(network: Network) -> Network:
    """`network` without SubNets that are no more accurate than a smaller one; min and max stay, the rest is renamed."""
    first, *middle, last = network.subnets
    kept, best = [first], first.info.accuracy_int8
    for subnet in middle:
        if best < subnet.info.accuracy_int8 <= last.info.accuracy_int8:
            best = subnet.info.accuracy_int8
            kept.append(replace(subnet, info=replace(subnet.info, name=f"s{len(kept)}")))
    return replace(network, subnets=(*kept, last))


def _split(data: Path, cache: Path, split: str) -> tuple[Tensor, Tensor]:
    from nigiri.supernet.train import load_cached
    return load_cached(data, cache, split, torch.device("cpu"))


def main(checkpoint: Annotated[Path, typer.Option(help="weights (.npz), or checkpoint.pt of nigiri.supernet.train")],
         data: Annotated[Path, typer.Option(help="folder with cifar10_train.npz and cifar10_test.npz")],
         out: Annotated[Path, typer.Option(help="the bundle to write")],
         images: Annotated[Path, typer.Option(help="the test images to write, an .npz")],
         cache: Annotated[Path | None, typer.Option(help="decoded images; folder of the checkpoint if omitted")] = None,
         config: Annotated[str, typer.Option(help="configuration that the bundle carries programs for")] = "pynq_z2",
         subnets: Annotated[int, typer.Option(help="SubNets to measure; dominated ones are dropped")] = 11,
         candidates: Annotated[int, typer.Option(help="random SubNets to choose from")] = 40,
         test_images: Annotated[int, typer.Option(help="test images that accuracy is measured on")] = 10_000,
         shipped: Annotated[int, typer.Option(help="test images to ship")] = 512,
         method: Annotated[str, typer.Option("--calibration", help="activation ranges: minmax, percentile or "
                                                                   "mse")] = "mse",
         threads: Annotated[int, typer.Option(help="processor threads")] = 2, seed: int = 1) -> None:
    """Write a bundle and its test images; accuracy is of all `test_images`, SubNets are chosen on training images."""
    began = time.time()
    torch.set_num_threads(threads)
    print(f"seed {seed}", flush=True)
    net, cache = load_net(checkpoint), cache or checkpoint.parent
    train_images, train_labels = _split(data, cache, "train")
    order = spread(train_labels, 3000, seed)
    calibration, held = train_images[order[:2000]], order[2000:]
    measured = measure_candidates(net, sample(CIFAR, candidates, seed), calibration[:500], train_images[held],
                                  train_labels[held])
    chosen = pick(CIFAR, measured, subnets)
    names = ["min", *(f"s{n}" for n in range(1, subnets - 1)), "max"]
    configs = dict(zip(names, chosen, strict=True))
    print(f"{len(measured)} candidates measured after {time.time() - began:.0f} s", flush=True)
    network = integer_network(net, configs, calibration, seed, method=method)
    pixels, labels = (t.numpy() for t in _split(data, cache, "test"))
    pixels = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    test = np.sort(spread(torch.from_numpy(labels), test_images, seed).numpy())
    network = undominated(measure_network(net, network, configs, calibration, pixels[test], labels[test], threads))
    print(f"kept {', '.join(f'{s.info.name} {s.info.accuracy_int8:.2f} %' for s in network.subnets)}", flush=True)
    facts = {"data": "CIFAR-10", "test_images": len(test), "seed": seed, "calibration_images": len(calibration),
             "selection_images": len(held), "candidates": len(measured), "calibration": method,
             "shipped_images_seed": seed}
    bundle.save(out, network, get_config(config), facts)
    kept = spread(torch.from_numpy(labels), shipped, seed).numpy()
    print(f"shipped test images: seed {seed}, per class {np.bincount(labels[kept], minlength=10).tolist()}")
    np.savez_compressed(images, images=pixels[kept], labels=labels[kept].astype(np.uint8), index=kept.astype(np.int64))
    worst = max(s.info.accuracy_float - s.info.accuracy_int8 for s in network.subnets)
    print(f"{out} {out.stat().st_size} bytes, {images} {images.stat().st_size} bytes, largest loss {worst:.2f} points, "
          f"{time.time() - began:.0f} s")
    if worst > 1.0:
        print("a SubNet loses more than 1.0 point: the bundle is written, but check it", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
