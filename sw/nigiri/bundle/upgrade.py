"""Rewrites a bundle of the previous format: its network is kept, its programs are compiled anew.

``python -m nigiri.bundle.upgrade OLD NEW``
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from nigiri import bundle
from nigiri.bundle import archive, codec
from nigiri.bundle.errors import BundleCorruptError
from nigiri.runtime.errors import NigiriError
from nigiri.spec import get_config
from nigiri.spec.config import ConfigError

__all__ = ["main", "upgrade"]


def upgrade(old: Path, new: Path) -> None:
    """Read `old`, in format version 1, and write `new` with programs for the same named configuration.

    Raises
    ------
    BundleError: `old` is missing, damaged, or in another format.  CompileError, ConfigError: its network does not fit.
    """
    manifest, arrays = archive.read(old, archive.VERSION - 1)
    try:
        network = codec.network_from(manifest["network"], arrays)
        name, facts = str(manifest["config"]["name"]), dict(manifest["facts"])
    except bundle.UNSOUND as e:
        raise BundleCorruptError(f"{old} does not describe a sound network ({e}): export the bundle again") from e
    bundle.save(new, network, get_config(name), facts)


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
