"""Files from the network, kept: a predictor is downloaded once."""
from __future__ import annotations

import hashlib
import os
import urllib.request
from pathlib import Path

from nigiri.search.errors import PredictorError
from nigiri.search.predictor import LIMIT
from nigiri.zoo.cache import cache_folder

__all__ = ["fetched", "is_url"]

TIMEOUT = 60
"""Seconds without an answer."""


def is_url(text: str) -> bool:
    """Whether a predictor is named by its address."""
    return text.startswith(("https://", "http://"))


def fetched(url: str) -> Path:
    """The file at `url`, downloaded unless it is there already.

    Raises
    ------
    PredictorError: it cannot be had, or is too large.
    """
    name = url.rstrip("/").rpartition("/")[2].partition("?")[0] or "predictor"
    path = cache_folder().parent / "predictors" / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"
    if path.exists():
        return path
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            raw = answer.read(LIMIT + 1)
    except (OSError, ValueError) as e:
        raise PredictorError(f"{url} cannot be downloaded ({getattr(e, 'reason', e)}): download it in another way and "
                             f"give the file") from e
    if len(raw) > LIMIT:
        raise PredictorError(f"{url} is larger than {LIMIT} bytes: it is no accuracy predictor")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(raw)
    part.replace(path)
    return path
