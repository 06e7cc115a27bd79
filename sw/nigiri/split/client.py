"""The client's side: computes up to the cut, sends, and moves the cut as the bandwidth changes."""
from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nigiri.compiler.graph import INPUT, Network
from nigiri.runtime.errors import NigiriError
from nigiri.split.choose import Bandwidth, Chooser, Costs
from nigiri.split.runners import Runner
from nigiri.split.server import PATH
from nigiri.split.wire import LIMIT, BadMessage, Message, pack, unpack

__all__ = ["Answer", "HttpLink", "Link", "LinkDown", "SplitClient", "Throttled"]

PROBE_S = 1.0
"""Without a transfer for so long, the bandwidth is taken to have risen."""
PAUSE_S = 1.0
"""After a failure the server is left alone for so long."""


class LinkDown(NigiriError):
    """The server does not answer, or cannot."""


class Link(Protocol):
    """Sends a message and waits for the answer; LinkDown when there is none."""

    def send(self, raw: bytes) -> bytes: ...


class HttpLink:
    """To `nigiri split serve` at `url`; TLS with https."""

    def __init__(self, url: str, timeout_s: float = 10.0):
        self.url, self.timeout_s = url.rstrip("/") + PATH, timeout_s

    def send(self, raw: bytes) -> bytes:
        request = urllib.request.Request(self.url, raw, {"Content-Type": "application/octet-stream"})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
                got: bytes = response.read(LIMIT + 1)
                return got
        except urllib.error.HTTPError as e:
            text = e.read(2000).decode(errors="replace")
            if e.code == 400:
                raise BadMessage(text) from e
            raise LinkDown(f"the server at {self.url} answers {e.code}: {text}") from e
        except OSError as e:
            raise LinkDown(f"the server at {self.url} does not answer: {e}") from e


class Throttled:
    """A link as slow as `mbit_s` says at each moment; 0 is no connection.  For tests and demonstrations."""

    def __init__(self, link: Link, mbit_s: Callable[[], float], sleep: Callable[[float], None] = time.sleep):
        self.link, self.mbit_s, self.sleep = link, mbit_s, sleep

    def send(self, raw: bytes) -> bytes:
        rate = self.mbit_s()
        if rate <= 0:
            raise LinkDown("there is no connection")
        self.sleep(8e-6 * len(raw) / rate)
        return self.link.send(raw)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """logits: int8 [classes].  cut: chosen; alone: the server was not there and the client went on by itself.

    mbit_s: the estimate with which the cut was chosen.
    """

    logits: np.ndarray
    cut: int
    alone: bool
    mbit_s: float


class SplitClient:
    """Answers queries with the server's help, and without it when it is gone.

    Parameters
    ----------
    runner: computes the client's part; it must be able to run any part from the image on, and from any cut to the end.
    costs: by SubNet.  clock: seconds.
    """

    def __init__(self, network: Network, runner: Runner, link: Link, costs: Mapping[str, Costs], *,
                 bandwidth: Bandwidth | None = None, rtt_ms: float = 0.0,
                 clock: Callable[[], float] = time.monotonic):
        self.network, self.runner, self.link, self.clock = network, runner, link, clock
        self.bandwidth, self.down_until, self.sent = bandwidth or Bandwidth(), -1.0, clock()
        self.choosers = {name: Chooser(c, rtt_ms) for name, c in costs.items()}

    def infer(self, subnet: str, image: np.ndarray) -> Answer:
        """The logits of one image, uint8 [height, width, channels].

        Raises
        ------
        GraphError: no such SubNet.  BadMessage: the server has another network.  What the runner raises.
        """
        s, chooser, rate = self.network.subnet(subnet), self.choosers[subnet], self.bandwidth.mbit_s
        count = len(s.layers)
        cut = count if self.clock() < self.down_until else chooser.choose(rate)
        if cut == count and self.clock() - self.sent > PROBE_S:
            # Who sends nothing measures nothing: without this a link that was bad once would never be used again.
            self.bandwidth.hope()
            self.sent = self.clock()
        tensors: Mapping[str, np.ndarray] = {INPUT: image}
        if cut:
            tensors = self.runner.run(subnet, 0, cut, tensors)
        alone = False
        if cut < count:
            try:
                tensors = self._ask(subnet, cut, tensors)
            except LinkDown:
                self.down_until, alone = self.clock() + PAUSE_S, True
                tensors = self.runner.run(subnet, cut, count, tensors)
        return Answer(logits=tensors[s.output].reshape(-1), cut=cut, alone=alone, mbit_s=rate)

    def _ask(self, subnet: str, cut: int, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raw = pack(self.network, Message(subnet=subnet, at=cut, tensors=dict(tensors)))
        began = self.sent = self.clock()
        message = unpack(self.network, self.link.send(raw))
        costs = self.choosers[subnet].costs
        if message.subnet != subnet or message.at != len(costs.client_ms):
            raise BadMessage(f"the server answers with cut {message.at} of SubNet {message.subnet}")
        server_ms = costs.start_ms + sum(costs.server_ms[cut:])
        self.bandwidth.seen(len(raw), max(1e3 * (self.clock() - began) - server_ms, 1e-3))
        return message.tensors
