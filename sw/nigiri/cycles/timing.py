"""Cycles that the units of the accelerator take for what is not work: set-up, latencies, queues.

Each constant is what the hardware does (hw/nigiri_hw/core), found in its source and confirmed by measurement; a change
there belongs here as well.
"""
from __future__ import annotations

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag

__all__ = ["AHEAD", "CHECK", "CHUNK", "COPY", "COPY_QUEUE", "COPY_RUN", "DRAIN", "FENCE", "FETCH_CHECK", "FREED",
           "LANE_QUEUE", "LOADED", "OUTSTANDING", "POOL", "POOL_GAP", "QUEUED", "READY", "STORED", "STORE_QUEUE",
           "STORE_SLOT", "TABLE", "TABLE_WORD", "WRITTEN", "drains", "interval", "last_rows", "setup", "tile_pixels"]

AHEAD = 4
"""Descriptors read ahead of the one that runs."""
CHECK = 6
"""From the cycle in which a descriptor is taken to the first one of what it asks for."""
FETCH_CHECK = 8
"""The same in the fetch unit."""
FENCE = 4
"""From the cycle in which the array comes to a product to the one in which its fetch begins."""
TABLE_WORD, TABLE = 9, 1
"""Loading one word of a table; after the last one."""
DRAIN = 26
"""From a layer's last step to its last pixels in the buffer, when they drain in one cycle."""
POOL = 13
"""Longer if they are pooled."""
POOL_GAP = 21
"""From the last step of a pooled block to that of the next tile, at least."""
CHUNK = 16
"""Most words in a request."""
OUTSTANDING, LANE_QUEUE = 8, 4
"""Bursts under way on a port, and waiting before it."""
READY = 4
"""From a word's last beat to the cycle in which the array may use it."""
QUEUED = 4
"""From a descriptor's last beat to the cycle in which it may be taken."""
WRITTEN = 2
"""From the cycle in which a word is written into a ring to the one from which the array may use it."""
FREED = 6
"""From the step that uses a word for the last time to the cycle in which its place can be asked for."""
COPY, COPY_QUEUE, COPY_RUN = 5, 4, 64
"""From the begin of a copy from the persistent buffer to its first word ready; copies that wait; words in one."""
LOADED = 3
"""From the last beat of a LOAD to its end."""
STORE_SLOT, STORE_QUEUE, STORED = 8, 16, 2
"""From a STORE's slot to its word at the port; words under way; from the last answer to the end."""


def tile_pixels(d: dict[str, int], config: AcceleratorConfig) -> int:
    """Pixels of a tile: the lanes of a group."""
    return config.lanes >> d["split"]


def setup(d: dict[str, int], config: AcceleratorConfig) -> int:
    """Cycles in which a layer's first coordinates are counted out."""
    return tile_pixels(d, config) + 2


def drains(d: dict[str, int], config: AcceleratorConfig) -> int:
    """Groups of pixels in which a tile leaves the requantiser."""
    return 4 if d["split"] == 2 else config.lanes // config.requant_pixels


def interval(d: dict[str, int], out_w: int, config: AcceleratorConfig) -> int:
    """Cycles between them: a polyphase group takes one for each image row in it."""
    g = config.requant_pixels
    if not d["flags"] & Flag.POLYPHASE or (g & (g - 1) == 0 and out_w % g == 0):
        return 1
    for n in range(1, 5):
        if n + 1 < g and out_w >= -(-(g - 1) // n):
            return n + 1
    return g


def last_rows(d: dict[str, int], out_w: int, config: AcceleratorConfig) -> int:
    """Cycles in which the layer's last group of pixels is written: one, or one for each image row in a polyphase group.

    Pixels behind the image's last one, and blocks behind the layer's last one, are not written.
    """
    if not d["flags"] & Flag.POLYPHASE or (d["split"] and d["out_blocks"] % (1 << d["split"])):
        return 1
    pixels, tile = d["out_h"] * out_w, tile_pixels(d, config)
    begin = (pixels - 1) // tile * tile
    if not d["split"]:
        begin += config.lanes - config.requant_pixels
    return max(1, (pixels - 1) // out_w - begin // out_w + 1)
