"""A small network to cut, with a server in the same process and a clock that passes only when told."""
import numpy as np

from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.toy import toy_network
from nigiri.split.link import LinkDown
from nigiri.split.runners import GoldenRunner
from nigiri.split.server import answer
from nigiri.split.wire import Message

NETWORK = toy_network(2)
SUBNET = "mid"
COUNT = len(NETWORK.subnet(SUBNET).layers)
GOLDEN = Interpreter(NETWORK, SUBNET)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (NETWORK.height, NETWORK.width, 3), dtype=np.uint8)


def logits(seed=0):
    return GOLDEN.logits(picture(seed)[None])[0]


def message(at=3, seed=0):
    return Message(subnet=SUBNET, at=at, tensors=GoldenRunner(NETWORK).run(SUBNET, 0, at, {"input": picture(seed)}))


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class TimedRunner(GoldenRunner):
    """Takes `ms` a layer by the clock."""

    def __init__(self, clock, ms):
        super().__init__(NETWORK)
        self.clock, self.ms = clock, ms

    def run(self, subnet, first, end, tensors):
        self.clock.sleep(1e-3 * sum(self.ms[first:end]))
        return super().run(subnet, first, end, tensors)


class Local:
    """A server in the same process, `rtt_ms` away; `spoil` changes its answers."""

    def __init__(self, clock, runner, rtt_ms=2.0):
        self.clock, self.runner, self.rtt_ms = clock, runner, rtt_ms
        self.calls, self.pings, self.gone, self.spoil = 0, 0, False, lambda raw: raw

    def _go(self):
        if self.gone:
            raise LinkDown("gone")
        self.clock.sleep(1e-3 * self.rtt_ms)

    def send(self, raw):
        self.calls += 1
        self._go()
        return self.spoil(answer(NETWORK, self.runner, raw, clock=self.clock))

    def ping(self):
        self.pings += 1
        self._go()
