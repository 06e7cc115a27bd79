"""Rewrites a bundle of an earlier format.

``python -m nigiri.bundle.upgrade OLD NEW``

Of version 2 everything is kept as it is, bit by bit; of version 1 the network, and its programs are compiled anew,
because they were for hardware that is no more.
"""
from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nigiri import bundle
from nigiri.bundle import archive, codec
from nigiri.bundle.errors import BundleCorruptError, BundleFormatError
from nigiri.runtime.errors import NigiriError
from nigiri.spec import get_config
from nigiri.spec.config import ConfigError

__all__ = ["main", "upgrade"]

KEPT = ("network", "compiled", "config", "facts")
"""What a manifest says besides its members."""


def _array(name: str, raw: bytes) -> np.ndarray:
    """The array in the bytes of a .npy file, whose header must agree with its size."""
    stream = io.BytesIO(raw)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("not version 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        body = raw[stream.tell():]
        count = 1
        for n in shape:
            count *= n
        if fortran or dtype.hasobject or count * dtype.itemsize != len(body):
            raise ValueError("its header does not agree with its contents")
        return np.frombuffer(body, dtype).reshape(shape).copy()
    except ValueError as e:
        raise BundleCorruptError(f"member {name} is not an array ({e}): export the bundle again") from e


def upgrade(old: Path, new: Path) -> None:
    """Read `old`, in format version 1 or 2, and write `new`.

    Raises
    ------
    BundleError: `old` is missing, damaged, or in another format.  CompileError, ConfigError: its network does not fit.
    """
    with archive.Opened(old) as opened:
        manifest, version = opened.manifest, opened.version
        if version not in range(1, archive.VERSION):
            raise BundleFormatError(f"{old} is in bundle format version {version}, not 1 to {archive.VERSION - 1}: "
                                    f"there is nothing to upgrade")
        arrays = {name.removesuffix(".npy"): _array(name, raw) for name, raw in opened.listed().items()}
    try:
        network = codec.network_from(manifest["network"], arrays)
        if version == 1:
            return bundle.save(new, network, get_config(str(manifest["config"]["name"])), dict(manifest["facts"]))
        kept = {key: manifest[key] for key in KEPT}
    except bundle.UNSOUND as e:
        raise BundleCorruptError(f"{old} does not describe a sound network ({e}): export the bundle again") from e
    archive.write(new, kept, arrays)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    paths = list(sys.argv[1:] if arguments is None else arguments)
    if len(paths) != 2:
        print("usage: python -m nigiri.bundle.upgrade OLD NEW", file=sys.stderr)
        return 2
    try:
        upgrade(Path(paths[0]), Path(paths[1]))
    except (NigiriError, ConfigError) as error:
        print(f"nigiri: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
