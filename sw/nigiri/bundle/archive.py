"""The container: one zip file of a manifest and one file of tensors, read with limits and checksums, without pickle."""
from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from nigiri.bundle import safetensors
from nigiri.bundle.errors import (
    BundleChecksumError,
    BundleCorruptError,
    BundleFormatError,
    BundleMissingError,
    BundleSizeError,
)

__all__ = ["FORMAT", "MANIFEST", "MEMBER_LIMIT", "TENSORS", "VERSION", "Opened", "checksums", "read", "write"]

FORMAT = "nigiri-bundle"
VERSION = 3
"""3: tensors in a safetensors file.  2: programs of hardware interface 0.2, folded images, SubNets with image sizes of
their own; tensors as .npy files.  1: the first."""
MANIFEST, TENSORS = "manifest.json", "tensors.safetensors"
MANIFEST_LIMIT = 16 << 20
"""Largest manifest, bytes."""
MEMBER_LIMIT = 256 << 20
"""Largest file of tensors, bytes."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every member, so that equal contents make equal files."""


def digest(array: np.ndarray) -> str:
    """SHA-256 of a tensor's bytes, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def write(path: Path, manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write `manifest` (without format, version, members and tensors, which are added) and `arrays` by name."""
    raw = safetensors.dump(arrays, {"format": FORMAT})
    head = {"format": FORMAT, "version": VERSION, **manifest,
            "members": {TENSORS: {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}},
            "tensors": {name: {"sha256": digest(arrays[name])} for name in sorted(arrays)}}
    files = {MANIFEST: json.dumps(head, separators=(",", ":")).encode(), TENSORS: raw}
    with zipfile.ZipFile(path, "w") as z:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            z.writestr(info, content, compresslevel=9)


def checksums(manifest: dict[str, Any]) -> dict[str, str]:
    """What a sound manifest says: SHA-256 of every member and, as "member:tensor", of every tensor."""
    return {**{name: m["sha256"] for name, m in manifest["members"].items()},
            **{f"{TENSORS}:{name}": t["sha256"] for name, t in manifest["tensors"].items()}}


class Opened:
    """A bundle's zip file with its manifest, whatever its version.

    Raises
    ------
    BundleMissingError, BundleCorruptError, BundleSizeError: there is no such file, or it is no bundle.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path)
        except FileNotFoundError as e:
            raise BundleMissingError(f"there is no bundle at {path}: check the path, or export one") from e
        except (zipfile.BadZipFile, OSError) as e:
            raise BundleCorruptError(f"{path} is not a Nigiri bundle, or it is truncated ({e})") from e
        try:
            self.manifest = self._manifest()
        except BaseException:
            self.zip.close()
            raise

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    def _manifest(self) -> dict[str, Any]:
        try:
            manifest = json.loads(self._member(MANIFEST, MANIFEST_LIMIT))
        except (ValueError, RecursionError) as e:
            raise BundleCorruptError(f"member {MANIFEST} of {self.path} is not JSON: copy or export the bundle "
                                     f"again") from e
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise BundleCorruptError(f"member {MANIFEST} of {self.path} does not say format {FORMAT!r}: "
                                     f"it is not a Nigiri bundle")
        return manifest

    @property
    def version(self) -> object:
        """What the manifest says; a number in a sound one."""
        return self.manifest.get("version")

    def _member(self, name: str, limit: int) -> bytes:
        try:
            with self.zip.open(name) as f:
                raw = f.read(limit + 1)
        except KeyError as e:
            raise BundleCorruptError(f"{self.path} has no member {name}: it is not a Nigiri bundle, or it is "
                                     f"damaged") from e
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as e:
            raise BundleCorruptError(f"member {name} of {self.path} is damaged ({e}): copy or export the bundle "
                                     f"again") from e
        if len(raw) > limit:
            raise BundleSizeError(f"member {name} of {self.path} is larger than {limit} bytes: it is not a Nigiri "
                                  f"bundle")
        return raw

    def listed(self) -> dict[str, bytes]:
        """Every member that the manifest lists, with the checksum it says."""
        members = self.manifest.get("members")
        if not isinstance(members, dict) or not all(isinstance(m, dict) and "sha256" in m for m in members.values()):
            raise BundleCorruptError(f"member {MANIFEST} of {self.path} has no list of members: "
                                     f"copy or export the bundle again")
        out = {}
        for name, facts in members.items():
            raw = out[name] = self._member(name, MEMBER_LIMIT)
            self._compare(f"member {name}", hashlib.sha256(raw).hexdigest(), facts["sha256"])
        return out

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays by name, each with the checksum that the manifest says."""
        raw = self.listed().get(TENSORS)
        if raw is None:
            raise BundleCorruptError(f"member {MANIFEST} of {self.path} does not list {TENSORS}: copy or export the "
                                     f"bundle again")
        try:
            arrays = safetensors.parse(raw)
        except ValueError as e:
            raise BundleCorruptError(f"member {TENSORS} of {self.path} is not a safetensors file ({e}): export the "
                                     f"bundle again") from e
        said = self.manifest.get("tensors")
        if not isinstance(said, dict) or not all(isinstance(said.get(name), dict) for name in arrays):
            raise BundleCorruptError(f"member {MANIFEST} of {self.path} has no list of tensors: copy or export the "
                                     f"bundle again")
        for name, array in arrays.items():
            self._compare(f"tensor {name}", digest(array), said[name].get("sha256"))
        return arrays

    def _compare(self, what: str, have: str, said: object) -> None:
        if have != said:
            raise BundleChecksumError(f"{what} of {self.path} has checksum {have[:16]}..., the manifest says "
                                      f"{str(said)[:16]}...: copy or export the bundle again")


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(manifest, arrays by name) of a bundle.

    Raises
    ------
    BundleMissingError, BundleCorruptError, BundleSizeError, BundleFormatError, BundleChecksumError.
    """
    with Opened(path) as opened:
        if opened.version != VERSION:
            older = opened.version in range(1, VERSION)
            raise BundleFormatError(f"{path} is in bundle format version {opened.version}, this software reads version "
                                    f"{VERSION}: " + ("convert it with python -m nigiri.bundle.upgrade OLD NEW" if older
                                                      else "export it again, or install a newer Nigiri"))
        return opened.manifest, opened.tensors()
