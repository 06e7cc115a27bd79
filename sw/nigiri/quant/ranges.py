"""Activation scales of one SubNet: the float network runs on calibration images, every tensor gets step and zero point.

Three ways to choose a range: `minmax` takes all values; `percentile` leaves out some at each end; `mse` makes the mean
squared error of rounding and clipping smallest, over a grid of clipped ranges (what is shipped).
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nigiri.quant.errors import QuantisationError
from nigiri.supernet.calibrate import Stats
from nigiri.supernet.data import MEAN, STD, normalise
from nigiri.supernet.model import SuperNet
from nigiri.supernet.space import SubNetConfig

__all__ = ["METHODS", "Scale", "choose", "input_table", "measure", "one_sided", "symmetric", "two_sided"]

SHRINK = np.linspace(1.0, 0.4, 25)
"""Shares of the observed range that are tried."""
TAIL = 0.0005
"""Share of values that `percentile` leaves out at each end."""
METHODS = ("minmax", "percentile", "mse")
SAMPLES = 200_000
"""Values of a tensor that are looked at."""


@dataclass(frozen=True)
class Scale:
    """real = step * (code - zp)."""

    step: float
    zp: int

    def encode(self, real: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(real / self.step) + self.zp, -128, 127).astype(np.int8)

    def error(self, real: np.ndarray) -> float:
        """Mean squared error of encoding `real`."""
        return float(((self.encode(real).astype(np.float64) - self.zp) * self.step - real).__pow__(2).mean())


def one_sided(high: float) -> Scale:
    """Codes -128..127 for 0..high: what a ReLU leaves."""
    return Scale(max(high, 1e-6) / 255.0, -128)


def two_sided(low: float, high: float) -> Scale:
    """Codes -128..127 for low..high, with zero exactly on a code."""
    low, high = min(low, 0.0), max(high, 1e-6)
    step = (high - low) / 255.0
    return Scale(step, int(np.clip(np.rint(-128 - low / step), -128, 127)))


def symmetric(values: np.ndarray) -> Scale:
    """Codes -127..127 with zero point 0, as an operand of a product needs them; the range of least squared error."""
    high = max(float(np.abs(values).max()), 1e-6)
    return min((Scale(high * a / 127.0, 0) for a in SHRINK), key=lambda s: s.error(values))


def choose(values: np.ndarray, relu: bool, method: str = "mse") -> Scale:
    """The scale for `values` by one of :data:`METHODS`; `relu`: they are not negative.

    Raises
    ------
    QuantisationError: there is no such method.
    """
    if method not in METHODS:
        raise QuantisationError(f"unknown calibration {method!r}: choose one of {', '.join(METHODS)}")
    if method == "percentile":
        low, high = (float(v) for v in np.quantile(values, (TAIL, 1 - TAIL)))
    else:
        low, high = float(values.min()), float(values.max())
    options = [one_sided(high * a) if relu else two_sided(low * a, high * a)
               for a in (SHRINK if method == "mse" else (1.0,))]
    return min(options, key=lambda s: s.error(values))


def input_table(space_channels: int = 3) -> tuple[Scale, np.ndarray]:
    """(scale of the normalised image, int8 [channels, 256]: code of every pixel value)."""
    mean, std = np.array(MEAN)[:space_channels, None], np.array(STD)[:space_channels, None]
    real = (np.arange(256)[None] - mean) / std
    scale = two_sided(float(real.min()), float(real.max()))
    return scale, scale.encode(real)


Trace = Callable[[SuperNet, SubNetConfig, Stats, Tensor], Iterable[tuple[str, Tensor]]]


def _trace(net: SuperNet, config: SubNetConfig, stats: Stats, x: Tensor) -> Iterator[tuple[str, Tensor]]:
    """(name, value) of every tensor: layers by name, "<layer>.y" before a residual addition, "head.pool", "fc"."""
    todo = iter(net.layers(config))

    def run(x: Tensor) -> tuple[str, Tensor]:
        name, module, cout, kernel = next(todo)
        return name, module(x, cout, kernel, stats[name])

    for _ in range(2):
        name, x = run(x)
        yield name, x
    for _, b in net.space.active(config):
        y = x
        for part in range(3):
            name, y = run(y)
            yield f"{name}.y" if part == 2 and b.residual else name, y
        x = x + y if b.residual else y
        if b.residual:
            yield name, x
    name, x = run(x)
    yield name, x
    x = x.mean((2, 3))
    yield f"{name}.pool", x
    yield "fc", net.fc(x)


@torch.no_grad()
def measure(net: SuperNet, config: SubNetConfig, stats: Stats, images: Tensor, seed: int = 0, batch: int = 128,
            method: str = "mse", trace: Trace = _trace,
            pick: Callable[[str, np.ndarray], Scale] | None = None) -> dict[str, Scale]:
    """Scale of every tensor of a SubNet, from `images` uint8 [N, 3, H, W]; `seed` picks the values looked at, `method`
    is one of :data:`METHODS`.

    trace: (name, value) of every tensor of a pass.  pick: chooses the scale of a tensor otherwise.
    """
    rng = np.random.default_rng(seed)
    seen: dict[str, list[np.ndarray]] = {}
    chunks = images.split(batch)
    for chunk in chunks:
        for name, value in trace(net, config, stats, normalise(chunk)):
            flat = value.permute(0, 2, 3, 1).reshape(-1).numpy() if value.ndim == 4 else value.reshape(-1).numpy()
            share = SAMPLES // len(chunks)
            seen.setdefault(name, []).append(flat if len(flat) <= share else rng.choice(flat, share))
    if pick:
        return {name: pick(name, np.concatenate(parts)) for name, parts in seen.items()}
    relu = {name for name, module, _, _ in net.layers(config) if module.relu} | {"head.pool"}
    return {name: choose(np.concatenate(parts), name in relu, method) for name, parts in seen.items()}
