"""Official checkpoints of the elastic networks, from a file or a URL, key for key.

Two spellings of the keys are in use: the one of this package's state dict, and an older one in which elastic layers do
not repeat the last part of their name and inverted bottlenecks sit under `mobile_inverted_conv`.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nigiri.supernet.ofa.download import MAX_BYTES, fetched, is_url, sha256_of
from nigiri.supernet.ofa.errors import BadCheckpoint
from nigiri.supernet.ofa.net import ElasticNet

__all__ = ["URLS", "load_checkpoint", "load_tensors", "one_spelling"]

URLS = {
    "ofa_resnet50": "https://huggingface.co/han-cai/ofa/resolve/main/ofa_supernet_resnet50",
    **{name: f"https://raw.githubusercontent.com/han-cai/files/master/ofa/ofa_nets/{name}" for name in (
        "ofa_mbv3_d234_e346_k357_w1.0", "ofa_mbv3_d234_e346_k357_w1.2", "ofa_proxyless_d234_e346_k357_w1.3")},
}
"""Where the authors publish the checkpoints (Once-for-All, MIT licence of the code; the files are not shipped here)."""
REPEATED = re.compile(r"\.(conv|bn|linear)(?:\.\1)+(?=\.)")
OPTIONAL = ".num_batches_tracked"
"""Counters that files of old torch versions lack and no pass reads."""
SHOWN = 4


def one_spelling(key: str) -> str:
    """The same text for both spellings of a key."""
    return REPEATED.sub(r".\1", key.replace(".mobile_inverted_conv.", ".conv."))


def load_checkpoint(net: ElasticNet, source: str | Path | None = None, *, sha256: str = "",
                    folder: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
    """Fill `net` from a checkpoint of its SuperNet.

    source: a file, an https URL (kept in the cache folder, `folder` if given), or None for the URL of the release.
    sha256: hex digest that the file must have.  max_bytes: larger files are refused.  Only tensors are read from the
    file, no code (`weights_only`).

    BadCheckpoint: no such file, not a checkpoint, of another network, or damaged; `net` is unchanged.
    DownloadFailed: the URL does not deliver.
    """
    if source is None:
        source = URLS[net.name]
    path = fetched(str(source), sha256, folder, max_bytes) if is_url(source) else Path(source)
    if not path.is_file():
        raise BadCheckpoint(f"there is no file {path}: give the path or URL of a checkpoint of {net.name}")
    size = path.stat().st_size
    if size > max_bytes:
        raise BadCheckpoint(f"{path.name} has {size} bytes, more than the {max_bytes} that are read: is this a "
                            f"checkpoint of {net.name}?")
    if sha256 and (got := sha256_of(path)) != sha256.lower():
        raise BadCheckpoint(f"{path} has the SHA-256 {got}, not {sha256.lower()}: get the file again, or correct the "
                            "digest")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:      # whatever torch's readers raise on foreign bytes
        raise BadCheckpoint(f"{path.name} is not a file of tensors that torch can read: download it again "
                            f"({type(error).__name__})") from error
    load_tensors(net, content, path.name)


def load_tensors(net: ElasticNet, content: Any, name: str = "the checkpoint") -> None:
    """Fill `net` from a state dict, bare or under the key `state_dict`, in either spelling; errors as above."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(
            isinstance(t, Tensor) and t.layout == torch.strided for t in content.values()):
        raise BadCheckpoint(f"{name} does not hold a state dict: a mapping of names to tensors is needed")
    wanted = net.state_dict()
    ours = {one_spelling(key): key for key in wanted}
    theirs: dict[str, str] = {}
    for key in content:
        other = theirs.setdefault(one_spelling(str(key)), key)
        if other != key:
            raise BadCheckpoint(f"{name} holds the same tensor as {other} and as {key}: one of them must go")
    missing = [ours[k] for k in ours if k not in theirs and not k.endswith(OPTIONAL)]
    unexpected = [theirs[k] for k in theirs if k not in ours]
    shapes = [f"{theirs[k]} {list(content[theirs[k]].shape)} instead of {list(wanted[ours[k]].shape)}"
              for k in ours if k in theirs and content[theirs[k]].shape != wanted[ours[k]].shape]
    parts = [_some("missing", missing), _some("unexpected", unexpected), _some("of another shape", shapes)]
    if any(parts):
        raise BadCheckpoint(f"{name} is not a checkpoint of {net.name}: {'; '.join(p for p in parts if p)}")
    found = {ours[k]: content[theirs[k]] for k in ours if k in theirs}
    bad = [key for key, t in found.items() if t.is_floating_point() and not torch.isfinite(t).all()]
    if bad:
        raise BadCheckpoint(f"{name} is damaged: {_some('with values that are not finite', bad)}")
    with torch.no_grad():
        for key, tensor in found.items():
            wanted[key].copy_(tensor)


def _some(what: str, keys: list[str]) -> str:
    """"2 missing (a, b)", the first few named; "" for none."""
    more = ", ..." if len(keys) > SHOWN else ""
    return f"{len(keys)} {what} ({', '.join(keys[:SHOWN])}{more})" if keys else ""
