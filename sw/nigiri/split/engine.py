"""Runs parts of SubNets on a device: tensors in, tensors out."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nigiri.compiler.compiled import decode_tensor, encode_tensor
from nigiri.compiler.graph import INPUT
from nigiri.runtime.counters import Counters
from nigiri.runtime.device import Device
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument
from nigiri.split.part import Parts

__all__ = ["PartEngine", "PartRun"]

Tensors = Mapping[str, np.ndarray]
"""int8 [channels, height, width] by name; the image as uint8 [height, width, channels] under "input"."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PartRun:
    """What a launch wrote, by image, with what passed the part by; and its counters."""

    tensors: tuple[dict[str, np.ndarray], ...]
    counters: Counters


class PartEngine(Engine):
    """An engine whose programs are parts; :meth:`cache` works as for whole SubNets.

    Raises what :class:`~nigiri.runtime.engine.Engine` raises.
    """

    def __init__(self, device: Device, parts: Parts, timeout_s: float = 60.0):
        super().__init__(device, parts.compiled, timeout_s)
        self.parts = parts

    def run(self, name: str, tensors: Tensors) -> PartRun:
        """Launch the part called `name` for one image.  See :meth:`run_batch`."""
        return self.run_batch(name, [tensors])

    def run_batch(self, name: str, tensors: Sequence[Tensors]) -> PartRun:
        """Launch a part for as many images as it was compiled for.

        Raises
        ------
        BadArgument: no such part, another number of images, or a tensor is missing or has another shape or type.
        DeviceError: the device failed.
        """
        part, compiled = self.parts.part(name), self.compiled
        if len(tensors) != compiled.batch:
            raise BadArgument(f"a launch computes {compiled.batch} images, not {len(tensors)}")
        todo = []
        for image, places in zip(tensors, part.inputs, strict=True):
            for t in places:
                if t.name not in image:
                    raise BadArgument(f"part {name} needs tensor {t.name!r}: it got {', '.join(image) or 'none'}")
                value = np.asarray(image[t.name])
                if t.name == INPUT and value.dtype == np.uint8:
                    todo.append((t.offset, compiled.encode_input(value, name)))
                    continue
                if value.dtype != np.int8 or value.shape != (t.channels, t.height, t.width):
                    raise BadArgument(f"tensor {t.name!r} must be int8 {[t.channels, t.height, t.width]}, not "
                                      f"{value.dtype} {list(value.shape)}")
                todo.append((t.offset, encode_tensor(t, value)))
        with self._launch:
            for offset, raw in todo:
                self.driver.write(offset, raw)
            counters = self.driver.run(*compiled.programs[name], timeout_s=self.timeout_s)
            out = tuple({t.tensor: decode_tensor(t, self.driver.read(t.offset, t.nbytes)) for t in places}
                        for places in part.outputs)
        for image, result in zip(tensors, out, strict=True):
            result |= {t: np.asarray(image[t]) for t in part.passed}
        return PartRun(tensors=out, counters=counters)
