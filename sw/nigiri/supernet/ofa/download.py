"""Files from the network: over https, up to a size, with a digest if there is one, kept in a cache folder."""
from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path

from nigiri.supernet.ofa.errors import DownloadFailed

__all__ = ["MAX_BYTES", "checkpoint_folder", "fetched", "is_url", "sha256_of"]

MAX_BYTES = 512 * 2 ** 20
"""More than twice the largest released checkpoint (193 MB)."""
TIMEOUT_S = 30
CHUNK = 2 ** 20


def is_url(source: object) -> bool:
    return isinstance(source, str) and "://" in source


def checkpoint_folder() -> Path:
    """NIGIRI_BUILD_DIR/checkpoints, else a folder in the user's cache."""
    chosen = os.environ.get("NIGIRI_BUILD_DIR")
    if chosen:
        return Path(chosen).absolute() / "checkpoints"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nigiri" / "checkpoints"


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fetched(url: str, sha256: str = "", folder: Path | None = None, max_bytes: int = MAX_BYTES) -> Path:
    """The file behind `url`, downloaded unless the folder has it from an earlier call.

    Plain http is taken only with a digest.  DownloadFailed: other schemes, no answer, too many bytes, or
    another digest; then nothing is kept.
    """
    _check_scheme(url, sha256)
    folder = folder or checkpoint_folder()
    name = url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name}"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    # A name of its own until it is whole, so that a run that is cut off, or a second one, leaves no broken file.
    handle, part = tempfile.mkstemp(dir=folder, prefix=f"{name}.")
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            _check_scheme(answer.geturl(), sha256)
            size = 0
            while chunk := answer.read(CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise DownloadFailed(f"{url} delivers more than the {max_bytes} bytes that are read: "
                                         "check the address")
                file.write(chunk)
            if size < int(answer.headers.get("Content-Length") or 0):
                raise DownloadFailed(f"{url} broke off after {size} bytes: try again")
        if sha256 and (got := sha256_of(Path(part))) != sha256.lower():
            raise DownloadFailed(f"{url} delivers a file with the SHA-256 {got}, not {sha256.lower()}: check the "
                                 "address and the digest")
        os.replace(part, path)
    except (HTTPException, OSError) as error:
        raise DownloadFailed(f"{url} cannot be downloaded ({error}): check the address and the network, or download "
                             "it by other means and give the file") from error
    finally:
        Path(part).unlink(missing_ok=True)
    return path


def _check_scheme(url: str, sha256: str) -> None:
    scheme = url.split("://")[0].lower()
    if scheme != "https" and not (scheme == "http" and sha256):
        raise DownloadFailed(f"{url} is not an https address: use https, or http together with a SHA-256")
