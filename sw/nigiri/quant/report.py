"""Where the error of a quantised SubNet comes from, layer by layer, and what the choice of ranges does to accuracy.

``python -m nigiri.quant.report --checkpoint checkpoints/cifar.npz --data FOLDER --subnet max [--json] [--plot FILE]``
"""
from __future__ import annotations

import json as text
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from nigiri.compiler.interpret import Interpreter
from nigiri.quant.errors import QuantisationError
from nigiri.quant.export import integer_network, load_net
from nigiri.quant.ranges import METHODS, Scale, measure
from nigiri.quant.weights import dequantised, share
from nigiri.supernet.calibrate import evaluate, running_statistics
from nigiri.supernet.data import normalise
from nigiri.supernet.model import SuperNet
from nigiri.supernet.space import SubNetConfig

__all__ = ["layer_errors", "main"]

KINDS = {"weights": "only this layer's weights", "activation": "only this layer's result",
         "all": "everything up to here"}


def decibel(signal: np.ndarray, noise: np.ndarray) -> float:
    """Signal-to-quantisation-noise ratio; 200 where there is no noise."""
    s, n = float((signal.astype(np.float64) ** 2).sum()), float((noise.astype(np.float64) ** 2).sum())
    return min(200.0, 10 * float(np.log10(s / n))) if n > 0 and s > 0 else 200.0


@torch.no_grad()
def layer_errors(net: SuperNet, config: SubNetConfig, calibration: Tensor, images: Tensor, seed: int = 0,
                 method: str = "mse") -> list[dict[str, Any]]:
    """By layer: decibels of signal over noise in its result, with only its weights rounded, with only its result
    rounded, and with everything before it rounded as well, as the integer network computes it.

    calibration, images: uint8 [N, 3, H, W].
    """
    shared = share(net)
    twin = dequantised(net, shared)
    stats = running_statistics(net, config, calibration)
    scales = measure(twin, config, running_statistics(twin, config, calibration), calibration, seed, method=method)
    network = integer_network(net, {"one": config}, calibration, seed, len(calibration), method)
    codes = Interpreter(network, "one").tensors(images.permute(0, 2, 3, 1).numpy())

    def real(name: str, scale: Scale) -> np.ndarray:
        return (codes[name].astype(np.float64) - scale.zp) * scale.step

    rows: list[dict[str, Any]] = []

    def row(name: str, result: Tensor, rounded: Tensor | None) -> None:
        y = (result.permute(0, 2, 3, 1) if result.ndim == 4 else result[:, None, None]).numpy()
        scale = scales[name]
        own = (scale.encode(y).astype(np.float64) - scale.zp) * scale.step
        weights = 200.0 if rounded is None else decibel(result.numpy(), (rounded - result).numpy())
        rows.append({"layer": name, "weights": weights, "activation": decibel(y, own - y),
                     "all": decibel(y, real(name, scale) - y)})

    x = normalise(images)
    residual = {f"{b.name}.project" for _, b in net.space.active(config) if b.residual}
    stream = x
    for (name, module, cout, kernel), (_, rough, _, _) in zip(net.layers(config), twin.layers(config), strict=True):
        if name.endswith(".expand"):
            stream = x
        y, z = (m(x, cout, kernel, stats[name]) for m in (module, rough))
        if name in residual:
            y, z = y + stream, z + stream
        row(name, y, z)
        x = y
    row("head.pool", x.mean((2, 3)), None)
    row("fc", net.fc(x.mean((2, 3))), twin.fc(x.mean((2, 3))))
    return rows


def accuracies(net: SuperNet, config: SubNetConfig, calibration: Tensor, images: Tensor, labels: Tensor,
               seed: int = 0) -> dict[str, float]:
    """Top-1 in percent: float, and int8 by method of calibration."""
    out = {"float": evaluate(net, config, running_statistics(net, config, calibration), images, labels)}
    pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
    for method in METHODS:
        network = integer_network(net, {"one": config}, calibration, seed, method=method)
        out[method] = Interpreter(network, "one").accuracy(pixels, labels.numpy())
    return out


def plot(rows: list[dict[str, Any]], title: str, path: Path) -> None:
    """The errors of all layers as a picture."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 4))
    for kind, label in KINDS.items():
        values = [min(r[kind], 80) for r in rows]
        axes.plot(range(len(rows)), values, marker="o", markersize=3, label=label)
    axes.set_xticks(range(len(rows)), [r["layer"] for r in rows], rotation=90, fontsize=7)
    axes.set_ylabel("signal over quantisation noise, dB")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def main(checkpoint: Annotated[Path, typer.Option(help="weights (.npz), or checkpoint.pt of nigiri.supernet.train")],
         data: Annotated[Path, typer.Option(help="folder with cifar10_train.npz and cifar10_test.npz")],
         subnet: Annotated[str, typer.Option(help="min or max")] = "max",
         images: Annotated[int, typer.Option(help="images for the errors of layers")] = 200,
         accuracy_images: Annotated[int, typer.Option(help="images for accuracy, 0: none")] = 1000,
         picture: Annotated[Path | None, typer.Option("--plot", help="write a picture")] = None,
         seed: int = 1, json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Where the error of a quantised SubNet comes from."""
    from nigiri.supernet.data import load_split

    net = load_net(checkpoint)
    configs = {"min": net.space.smallest(), "max": net.space.largest()}
    if subnet not in configs:
        raise QuantisationError(f"--subnet must be min or max, not {subnet!r}")
    rng = np.random.default_rng(seed)
    splits = []
    for split, count in (("train", 500), ("test", max(images, accuracy_images))):
        pixels, labels = load_split(data, split)
        pick = np.sort(rng.choice(len(labels), count, replace=False))
        splits.append((torch.from_numpy(pixels[pick]).permute(0, 3, 1, 2), torch.from_numpy(labels[pick]).long()))
    (calibration, _), (test, classes) = splits
    rows = layer_errors(net, configs[subnet], calibration, test[:images], seed)
    found = accuracies(net, configs[subnet], calibration, test[:accuracy_images], classes[:accuracy_images],
                       seed) if accuracy_images else {}
    if picture:
        plot(rows, f"{net.space.name}, SubNet {subnet}", picture)
    if json:
        print(text.dumps({"subnet": subnet, "seed": seed, "images": images, "accuracy_images": accuracy_images,
                          "layers": rows, "accuracy": found}, indent=2))
        return
    print(f"{'layer':16}" + "".join(f"{label:>28}" for label in KINDS.values()) + "   (dB)")
    for r in rows:
        print(f"{r['layer']:16}" + "".join(f"{r[kind]:28.1f}" for kind in KINDS))
    for name, value in found.items():
        print(f"{name:12} {value:.2f} % of {accuracy_images} images")


if __name__ == "__main__":
    typer.run(main)
