"""A client that measures itself: random images over a link, each answer against the whole SubNet."""
from __future__ import annotations

import time
from typing import Any

import numpy as np

from nigiri.compiler.graph import Network
from nigiri.compiler.interpret import Interpreter
from nigiri.split.choose import Costs
from nigiri.split.client import SplitClient
from nigiri.split.link import HttpLink, Link, Throttled
from nigiri.split.runners import GoldenRunner
from nigiri.split.times import side_ms
from nigiri.split.wire import WrongNetwork, digest

__all__ = ["run_queries"]


def run_queries(network: Network, subnet: str, url: str, queries: int, mbit_s: tuple[float, ...] = (),
                client: str = "host", server: str = "host", token: str | None = None) -> dict[str, Any]:
    """Send `queries` random images to the server at `url`; golden arithmetic here.

    mbit_s: the link is slowed down to these, each for its share of the queries.  client, server: times of the cuts,
    see :func:`nigiri.split.times.side_ms`.

    Raises
    ------
    LinkDown: no server at first; later ones only cost its help.  WrongNetwork: the server has another one.
    """
    http = HttpLink(url, token=token)
    facts = http.facts()
    if facts.get("digest") != digest(network):
        raise WrongNetwork(f"the server at {http.url} has network {facts.get('network')!r}, here is {network.name!r}: "
                           f"both sides need the same bundle")
    costs = Costs.of(network, subnet, side_ms(network, subnet, "before", client),
                     side_ms(network, subnet, "behind", server))
    rows: list[dict[str, Any]] = []

    def rate() -> float:
        return mbit_s[len(rows) * len(mbit_s) // queries]

    link: Link = Throttled(http, rate) if mbit_s else http
    asks, golden = SplitClient(network, GoldenRunner(network), link, {subnet: costs}), Interpreter(network, subnet)
    rng = np.random.default_rng(0)
    shape = (*network.image_side(network.subnet(subnet)), network.channels)
    for _ in range(queries):
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        began = time.perf_counter()
        got = asks.infer(subnet, image)
        ms = 1e3 * (time.perf_counter() - began)
        rows.append({"cut": got.cut, "ms": ms, "alone": got.alone, "mbit_s": got.conditions.mbit_s,
                     "rtt_ms": got.conditions.rtt_ms, "load": got.conditions.load,
                     "right": bool(np.array_equal(got.logits, golden.logits(image[None])[0]))})
    http.close()
    return {"queries": queries, "wrong": sum(not r["right"] for r in rows),
            "alone": sum(bool(r["alone"]) for r in rows), "rows": rows}
