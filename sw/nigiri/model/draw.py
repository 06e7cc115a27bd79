"""Random values for the fields of random programs: weights, multipliers, clamps, bands of rows."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.model.conv import out_side
from nigiri.model.image import pack_params
from nigiri.spec.descriptor import MAX_SIDE

__all__ = ["Band", "Draw"]


@dataclass(frozen=True)
class Band:
    """The rows that a layer computes, over a tensor of which the buffer holds some rows.

    `first` is the row, of those in the buffer, that lies under the first output row (stride 2: row of the planes).
    `rows`, `in_h` and `y_first` are the descriptor's out_h, in_h and y_first.
    """

    first: int
    rows: int
    in_h: int
    y_first: int


class Draw:
    """Random numbers for one program; an `extreme` one has only the largest and smallest weights and pixels."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.extreme = self.chance(0.1)

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, low: int, high: int) -> int:
        """Uniform integer, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def zero_point(self) -> int:
        return self.pick(-128, 127)

    def int8(self, *shape: int, low: int = -128) -> np.ndarray:
        """Random bytes; only the two extremes in a program that stresses the sums."""
        if self.extreme:
            return self.rng.choice(np.array([low, 127], np.int8), shape)
        return self.rng.integers(low, 128, shape).astype(np.int8)

    def scale(self, factor: float) -> tuple[int, int]:
        """A multiplier of 16 bits and a shift of 6 whose ratio is about `factor`, sometimes anything."""
        if self.chance(0.05):
            return self.pick(0, 65535), self.pick(0, 63)
        shift = min(63, max(0, self.pick(10, 15) - int(np.floor(np.log2(factor)))))
        return int(np.clip(factor * 2.0**shift, 1, 65535)), shift

    def params(self, channels: int, spread: float) -> bytes:
        """Requantisation parameters for sums whose standard deviation is about `spread`."""
        spread *= 2 if self.extreme else 1
        scales = [self.scale(float(self.rng.uniform(0.2, 1.5)) * 40 / spread) for _ in range(channels)]
        bias = [self.pick(-2**31, 2**31 - 1) if self.chance(0.03) else int(self.rng.normal(0, spread))
                for _ in range(channels)]
        return pack_params(bias, [m for m, _ in scales], [s for _, s in scales])

    def addition(self) -> dict[str, int]:
        """Multipliers and zero points of a residual addition or a channel scale."""
        mult_y, shift = self.scale(float(self.rng.uniform(0.2, 1.2)))
        mult_r = int(np.clip(2.0**min(shift, 15) * self.rng.uniform(0.2, 1.2), 0, 65535))
        return {"res_mult_y": mult_y, "res_mult_r": mult_r, "res_shift": shift, "zp_y": self.zero_point(),
                "zp_res": self.zero_point(), "zp_sum": self.zero_point()}

    def clamp(self) -> dict[str, int]:
        """Zero point of the result and its clamp: none, ReLU or any."""
        zp, kind = self.zero_point(), self.pick(0, 3)
        low, high = sorted((self.pick(-128, 127), self.pick(-128, 127)))
        low, high = ((-128, 127), (-128, 127), (zp, 127), (low, high))[kind]
        return {"zp_out": zp, "act_min": low, "act_max": high}

    def pool(self, pixels: int) -> dict[str, int]:
        mult, shift = self.scale(float(self.rng.uniform(0.5, 2)) / pixels)
        return {"pool_mult": mult, "pool_shift": shift, "pool_zp": self.zero_point(),
                "pool_offset": self.pick(-128 * pixels, 128 * pixels)}

    def band(self, height: int, stride: int, radius: int) -> Band:
        """All rows over `height` of them, or a band: inside, across the lower end, beyond it, or far down a tall map.

        Only rows that the taps do not reach are missing from a tall map, so that every byte read is known.
        """
        full = out_side(height, stride)
        kind = self.pick(0, 3) if self.chance(0.5) else None
        top, last = -(-radius // stride), (height - 1 - radius) // stride
        if kind == 3 and top <= last:
            first = self.pick(top, last)
            rows = self.pick(1, last - first + 1)
            lift = self.pick(1, (MAX_SIDE - height) // stride)
            below = self.pick(0, MAX_SIDE - height - stride * lift)
            return Band(first, rows, height + stride * lift + below, first + lift)
        if kind == 2:
            first = full + self.pick(0, 3)
            return Band(first, self.pick(1, 3), height, first)
        if kind is not None:
            first = self.pick(0, full - 1)
            rows = full - first + self.pick(1, 3) if kind == 1 else self.pick(1, full - first)
            return Band(first, rows, height, first)
        return Band(0, full, height, 0)
