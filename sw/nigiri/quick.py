"""Shortcuts for a first inference: a bundle onto a device, and images to try."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from nigiri import bundle
from nigiri.runtime.device import Device
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument

__all__ = ["examples", "load"]


def load(name: str | Path, device: Device) -> Engine:
    """An engine that serves the bundle `name` ("demo": the shipped one) on `device`.

    The bundle is compiled for the device's configuration unless it carries programs for it.

    Raises
    ------
    BundleError: see :func:`nigiri.bundle.load`.  CompileError: the network does not fit the configuration.
    WrongProduct, WrongVersion, WrongConfiguration: the device is not what it says.
    """
    loaded = bundle.load(bundle.demo_path() if str(name) == "demo" else name)
    return Engine(device, loaded.compiled(device.config))


def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` shipped CIFAR-10 test images, uint8 [count, 32, 32, 3], and their classes, uint8 [count].

    Raises BadArgument for more than the 512 there are.
    """
    images, labels = bundle.demo_images()
    if not 1 <= count <= len(images):
        raise BadArgument(f"there are 1 to {len(images)} example images, not {count}")
    return images[:count], labels[:count]
