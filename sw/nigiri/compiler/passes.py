"""Extra passes over a tensor that the machine can make with an identity layer of the SuperNet."""
from __future__ import annotations

import numpy as np

from nigiri.compiler.graph import Layer, Network, SuperLayer
from nigiri.spec.layout import SLOT_OFFSETS

__all__ = ["identity_layer", "pool_pass"]

IDENTITY = np.zeros((8, 8), np.uint8)
"""The weight word of a depthwise layer of kernel 1 that passes codes on."""
IDENTITY[:, SLOT_OFFSETS[1].index(0)] = 1


def identity_layer(network: Network) -> SuperLayer | None:
    """A layer whose words are shared by all channels and that passes codes on, if the SuperNet has one."""
    for s in network.layers:
        if s.shared and s.depthwise and s.kernel == s.stride == 1:
            if np.array_equal(network.weights[s.offset].reshape(8, 8), IDENTITY):
                return s
    return None


def pool_pass(network: Network, layer: Layer) -> Layer | None:
    """The global pool of `layer` as a layer of its own that reads the whole result; None without an identity layer.

    Needed where the result is computed in bands: one layer of the machine sums over one band only.
    """
    s = identity_layer(network)
    if s is None or layer.pool is None:
        return None
    height, width = network.out_side(layer)
    return Layer(name=f"{layer.name}.sum", weights=s.id, cin=layer.cout, cout=layer.cout, kernel=1, height=height,
                 width=width, source=layer.name, bias=np.zeros(layer.cout, np.int32),
                 mult=np.ones(layer.cout, np.uint16), shift=np.zeros(layer.cout, np.uint8), zp_in=0, zp_out=0,
                 pool=layer.pool)
