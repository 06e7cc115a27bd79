"""The constants behind the weights in the image: requantisation parameters and tables, equal ones stored once."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from nigiri.compiler.graph import Layer, Network
from nigiri.compiler.pack import pack_params
from nigiri.compiler.passes import pool_pass

__all__ = ["Constants", "collect"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Constants:
    """words: uint8 [n, 64].  params, tables: word offset in `words` by (SubNet, layer)."""

    words: np.ndarray
    params: dict[tuple[str, str], int]
    tables: dict[tuple[str, str], int]


class _Pool:
    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.at: dict[bytes, int] = {}
        self.used = 0

    def add(self, words: np.ndarray) -> int:
        key = hashlib.sha256(words.tobytes()).digest()
        if key not in self.at:
            self.at[key] = self.used
            self.parts.append(words)
            self.used += len(words)
        return self.at[key]


def table_words(layer: Layer) -> np.ndarray:
    """The activation table of a layer, uint8 [4, 64]."""
    assert layer.table is not None
    if layer.table.shape != (256,) or layer.table.dtype != np.int8:
        raise ValueError(f"layer {layer.name}: the table must be int8 [256], not {layer.table.dtype} "
                         f"{list(layer.table.shape)}")
    return layer.table.view(np.uint8).reshape(4, 64)


def collect(network: Network) -> Constants:
    """All parameters and tables of all SubNets, in the order in which they first occur."""
    pool, params, tables = _Pool(), {}, {}
    for subnet in network.subnets:
        for layer in subnet.layers:
            key = (subnet.info.name, layer.name)
            params[key] = pool.add(pack_params(layer.bias, layer.mult, layer.shift))
            if extra := pool_pass(network, layer):
                params[subnet.info.name, extra.name] = pool.add(pack_params(extra.bias, extra.mult, extra.shift))
            if layer.table is not None:
                tables[key] = pool.add(table_words(layer))
    words = np.concatenate(pool.parts) if pool.parts else np.zeros((0, 64), np.uint8)
    return Constants(words=words, params=params, tables=tables)
