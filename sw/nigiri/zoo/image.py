"""The random weight image of a family, and what batch norm would have learnt."""
from __future__ import annotations

import zlib
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from nigiri.compiler.graph import SuperLayer
from nigiri.compiler.pack import pack_weights, unpack_weights

__all__ = ["affine", "fixed_words", "generator", "weight_codes", "weight_image"]

WEIGHT_SIGMA = 44.0
"""Of the weight codes: the outermost of 256 equally likely values is 127."""


def generator(name: str, seed: int, *more: int) -> np.random.Generator:
    """Random numbers that depend on a family's name, the seed and `more`, and on nothing else."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *more])


@lru_cache
def _normal_codes() -> np.ndarray:
    """int8 [256]: a random byte becomes a roughly normal code in -127..127."""
    normal = NormalDist()
    return np.array([round(WEIGHT_SIGMA * normal.inv_cdf((n + 0.5) / 256)) for n in range(256)], np.int8)


def fixed_words(layer: SuperLayer) -> np.ndarray | None:
    """uint8 [words, 64] of a layer that is the same in every network, else None."""
    if layer.maximum:
        return np.zeros((layer.words, 64), np.uint8)
    if layer.shared:                                   # average of 2 x 2 pixels, or the pixel itself
        weights = np.zeros((layer.cout, 1, layer.kernel, layer.kernel), np.int8)
        weights[:, :, layer.kernel // 2:, layer.kernel // 2:][:, :, :2, :2] = 1
        return pack_weights(layer, weights)
    return None


def _words(layer: SuperLayer, rng: np.random.Generator) -> np.ndarray:
    fixed = fixed_words(layer)
    if fixed is not None:
        return fixed
    if not layer.depthwise and layer.cin % 8 == 0 and layer.cout % 8 == 0:
        codes = _normal_codes()[np.frombuffer(rng.bytes(layer.words * 64), np.uint8)]
        return codes.view(np.uint8).reshape(layer.words, 64)         # no padding: the order does not matter
    shape = (layer.cout, 1 if layer.depthwise else layer.cin, layer.kernel, layer.kernel)
    codes = _normal_codes()[np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8)]
    return pack_weights(layer, codes.reshape(shape))


def weight_image(name: str, layers: tuple[SuperLayer, ...], seed: int) -> np.ndarray:
    """uint8 [words, 64], read-only: the weights of every layer, random and roughly normal in -127..127."""
    image = np.empty((sum(s.words for s in layers), 64), np.uint8)
    for s in layers:
        image[s.offset:s.offset + s.words] = _words(s, generator(name, seed, s.id, 0))
    image.setflags(write=False)
    return image


def weight_codes(image: np.ndarray, layer: SuperLayer, cin: int, cout: int, kernel: int) -> np.ndarray:
    """float32 [kernel * kernel, cin (depthwise: 1), cout]: the part of a layer that a SubNet uses, row-major taps."""
    if layer.maximum:
        return np.zeros((kernel * kernel, 1, cout), np.float32)
    c = (layer.kernel - kernel) // 2
    words = image[layer.offset:layer.offset + layer.words]
    w = unpack_weights(layer, words)
    if layer.shared:
        w = np.tile(w, (-(-cout // 8), 1, 1, 1))
    w = w[:cout, :1 if layer.depthwise else cin, c:c + kernel, c:c + kernel].astype(np.float32)
    return np.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(kernel * kernel, w.shape[1], -1)


def affine(name: str, layer: SuperLayer, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(gamma, beta) of a layer's channels; all SubNets share them as they share the weights."""
    rng = generator(name, seed, layer.id, 1)
    return rng.uniform(0.8, 1.2, layer.cout), rng.normal(0.0, 0.3, layer.cout)
