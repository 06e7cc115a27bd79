"""The container: one zip file of a manifest and arrays, read with limits and checksums, without pickle."""
from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from nigiri.bundle.errors import (
    BundleChecksumError,
    BundleCorruptError,
    BundleFormatError,
    BundleMissingError,
    BundleSizeError,
)

__all__ = ["FORMAT", "MANIFEST", "MEMBER_LIMIT", "VERSION", "read", "write"]

FORMAT = "nigiri-bundle"
VERSION = 2
"""2: programs of hardware interface 0.2, folded images, SubNets with image sizes of their own."""
MANIFEST = "manifest.json"
MANIFEST_LIMIT = 16 << 20
"""Largest manifest, bytes."""
MEMBER_LIMIT = 256 << 20
"""Largest array, bytes."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every member, so that equal contents make equal files."""


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return out.getvalue()


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


def write(path: Path, manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write `manifest` (without format, version and members, which are added) and `arrays` by member name."""
    members = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    head = {"format": FORMAT, "version": VERSION, **manifest,
            "members": {name: {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
                        for name, raw in members.items()}}
    files = {MANIFEST: json.dumps(head, separators=(",", ":")).encode(), **members}
    with zipfile.ZipFile(path, "w") as z:
        for name, raw in files.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            z.writestr(info, raw, compresslevel=9)


def _member(z: zipfile.ZipFile, path: Path, name: str, limit: int) -> bytes:
    try:
        with z.open(name) as f:
            raw = f.read(limit + 1)
    except KeyError as e:
        raise BundleCorruptError(f"{path} has no member {name}: it is not a Nigiri bundle, or it is damaged") from e
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as e:
        raise BundleCorruptError(f"member {name} of {path} is damaged ({e}): copy or export the bundle again") from e
    if len(raw) > limit:
        raise BundleSizeError(f"member {name} of {path} is larger than {limit} bytes: it is not a Nigiri bundle")
    return raw


def read(path: Path, version: int = VERSION) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(manifest, arrays by member name without ".npy") of a bundle in format `version`.

    Raises
    ------
    BundleMissingError, BundleCorruptError, BundleSizeError, BundleFormatError, BundleChecksumError.
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as e:
        raise BundleMissingError(f"there is no bundle at {path}: check the path, or export one") from e
    except (zipfile.BadZipFile, OSError) as e:
        raise BundleCorruptError(f"{path} is not a Nigiri bundle, or it is truncated ({e})") from e
    with archive as z:
        try:
            manifest = json.loads(_member(z, path, MANIFEST, MANIFEST_LIMIT))
        except (ValueError, RecursionError) as e:
            raise BundleCorruptError(f"member {MANIFEST} of {path} is not JSON: copy or export the bundle again") from e
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise BundleCorruptError(f"member {MANIFEST} of {path} does not say format {FORMAT!r}: "
                                     f"it is not a Nigiri bundle")
        have = manifest.get("version")
        if have != version and version != VERSION:
            raise BundleFormatError(f"{path} is in bundle format version {have}, not {version}: there is nothing to "
                                    f"upgrade")
        if have != version:
            raise BundleFormatError(f"{path} is in bundle format version {have}, this software reads version "
                                    f"{version}: export it again, or convert a bundle of version {VERSION - 1} with "
                                    f"python -m nigiri.bundle.upgrade")
        arrays = {}
        members = manifest.get("members")
        if not isinstance(members, dict) or not all(isinstance(m, dict) and "sha256" in m for m in members.values()):
            raise BundleCorruptError(f"member {MANIFEST} of {path} has no list of members: "
                                     f"copy or export the bundle again")
        for name, facts in members.items():
            raw = _member(z, path, name, MEMBER_LIMIT)
            digest = hashlib.sha256(raw).hexdigest()
            if digest != facts["sha256"]:
                raise BundleChecksumError(f"member {name} of {path} has checksum {digest[:16]}..., the manifest says "
                                          f"{str(facts['sha256'])[:16]}...: copy or export the bundle again")
            arrays[name.removesuffix(".npy")] = _array(name, raw)
    return manifest, arrays
