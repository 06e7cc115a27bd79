"""The client's side: computes up to the cut, sends, and moves the cut as link and server change."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nigiri.compiler.graph import INPUT, Network
from nigiri.runtime.errors import BadArgument
from nigiri.split.choose import Chooser, Costs
from nigiri.split.conditions import Conditions, LinkState
from nigiri.split.link import Link, LinkDown
from nigiri.split.runners import Runner
from nigiri.split.wire import BadMessage, Message, pack, unpack

__all__ = ["Answer", "SplitClient"]

PING_S = 5.0
"""The round trip is measured so often."""
PROBE_S, SHARE = 1.0, 0.05
"""Without an exchange for so long, one query is sent to learn of the link, unless that costs more than this share of
the time."""
PAUSE_S, LONGEST_S = 1.0, 30.0
"""After a failure the server is left alone for so long, twice as long after each further one, up to the longest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """logits: int8 [classes].  cut: of this query.  alone: why the client went on by itself behind it, "" otherwise.

    conditions: by which the cut was chosen.
    """

    logits: np.ndarray
    cut: int
    alone: str
    conditions: Conditions


class SplitClient:
    """Answers queries with the server's help, and without it when it is gone, damages messages, or has another network.

    One thread may use it.

    Parameters
    ----------
    runner: computes the client's part; it must be able to run any part from the image on, and from any cut to the end.
    costs: by SubNet.  state: what is known of the link at first.
    measure_rtt: ping the server now and then; otherwise the round trip stays what `state` says.  clock: seconds.
    """

    def __init__(self, network: Network, runner: Runner, link: Link, costs: Mapping[str, Costs], *,
                 state: LinkState | None = None, measure_rtt: bool = True,
                 clock: Callable[[], float] = time.monotonic):
        self.network, self.runner, self.link, self.clock = network, runner, link, clock
        self.state, self.measure_rtt = state or LinkState(), measure_rtt
        self.choosers = {name: Chooser(c) for name, c in costs.items()}
        self._sent, self._ping_at, self._down_until, self._pause = clock(), -1.0, -1.0, PAUSE_S

    def infer(self, subnet: str, image: np.ndarray) -> Answer:
        """The logits of one image, uint8 [height, width, channels].

        Raises
        ------
        GraphError: no such SubNet.  BadArgument: it has no costs, or the image has another shape or type.
        What the runner raises; nothing that the link or the server does.
        """
        s = self.network.subnet(subnet)
        shape = (*self.network.image_side(s), self.network.channels)
        if subnet not in self.choosers:
            raise BadArgument(f"the client has no costs of SubNet {subnet}: it has those of {', '.join(self.choosers)}")
        if image.dtype != np.uint8 or image.shape != shape:
            raise BadArgument(f"the image must be uint8 {list(shape)}, not {image.dtype} {list(image.shape)}")
        self._measure_rtt()
        now, count = self.state.now, len(s.layers)
        cut = self._cut(self.choosers[subnet], now)
        tensors: Mapping[str, np.ndarray] = {INPUT: image}
        if cut:
            tensors = self.runner.run(subnet, 0, cut, tensors)
        alone = ""
        if cut < count:
            try:
                tensors = self._ask(subnet, cut, tensors)
                self._pause = PAUSE_S
            except (LinkDown, BadMessage) as e:
                self._failed()
                alone = str(e)
                tensors = self.runner.run(subnet, cut, count, tensors)
        return Answer(logits=tensors[s.output].reshape(-1), cut=cut, alone=alone, conditions=now)

    def _cut(self, chooser: Chooser, now: Conditions) -> int:
        if self.clock() < self._down_until:
            return chooser.costs.last
        cut, idle = chooser.choose(now), self.clock() - self._sent
        if cut == chooser.costs.last and idle > PROBE_S:
            # Who sends nothing measures nothing: without this a link that was bad once would never be used again.
            other, worse_ms = chooser.probe(now)
            if SHARE * idle > 1e-3 * worse_ms:
                return other
        return cut

    def _measure_rtt(self) -> None:
        if not self.measure_rtt or self.clock() < max(self._ping_at, self._down_until):
            return
        began = self.clock()
        try:
            self.link.ping()
            self.state.pinged(1e3 * (self.clock() - began))
            self._ping_at = self.clock() + PING_S
        except (LinkDown, BadMessage):
            self._failed()

    def _failed(self) -> None:
        self._down_until = self.clock() + self._pause
        self._pause = min(2 * self._pause, LONGEST_S)

    def _ask(self, subnet: str, cut: int, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        costs = self.choosers[subnet].costs
        raw = pack(self.network, Message(subnet=subnet, at=cut, tensors=dict(tensors)))
        began = self.clock()
        try:
            message = unpack(self.network, self.link.send(raw))
        except LinkDown:
            self.state.failed(len(raw), 1e3 * (self.clock() - began))
            raise
        finally:
            self._sent = self.clock()
        if message.subnet != subnet or message.at != costs.last:
            raise BadMessage(f"the server answers with cut {message.at} of SubNet {message.subnet}")
        self.state.exchanged(len(raw), 1e3 * (self.clock() - began), message.ms, costs.server_ms(cut),
                             costs.server_ms(0))
        return message.tensors
