"""Images for `nigiri run`: a file, or one of the shipped test images."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nigiri import bundle
from nigiri.cli.extras import need
from nigiri.compiler import CompiledBundle
from nigiri.runtime.errors import BadArgument

__all__ = ["CIFAR10", "Image", "class_name", "read_image"]

SHIPPED = "cifar512"
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """uint8 [height, width, channels], and its class when that is known."""

    pixels: np.ndarray
    label: int | None = None


def class_name(label: int, classes: int) -> str:
    """The name of a CIFAR-10 class; the number when the network has another number of classes."""
    return CIFAR10[label] if classes == len(CIFAR10) else str(label)


def read_image(text: str, compiled: CompiledBundle, subnet: str) -> Image:
    """The image that `text` names: `cifar512:17`, or a .npy, .png or .jpg file.

    A .npy file must have the shape that `subnet` takes; pictures are cropped to a square and resized to it.

    Raises
    ------
    BadArgument: no such image or file, or one that cannot be read.
    MissingExtra: Pillow is not installed.
    """
    if text.startswith(f"{SHIPPED}:"):
        images, labels = bundle.demo_images()
        number = text.partition(":")[2]
        if not number.isdecimal() or int(number) >= len(images):
            raise BadArgument(f"{SHIPPED} has images 0 to {len(images) - 1}, not {number!r}")
        return Image(pixels=images[int(number)], label=int(labels[int(number)]))
    path = Path(text)
    if not path.is_file():
        raise BadArgument(f"there is no image {text!r}: give a .png, .jpg or .npy file, or {SHIPPED}:N")
    try:
        if path.suffix == ".npy":
            return Image(pixels=np.load(path, allow_pickle=False))
        return Image(pixels=_picture(path, compiled.images[subnet]))
    except (OSError, ValueError) as error:
        raise BadArgument(f"{text} cannot be read as an image: {error}") from error


def _picture(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    pillow, ops = need("PIL.Image", "cli"), need("PIL.ImageOps", "cli")
    height, width, channels = shape
    with pillow.open(path) as picture:
        plain = picture.convert("RGB" if channels == 3 else "L")
        return np.asarray(ops.fit(plain, (width, height))).reshape(shape)
