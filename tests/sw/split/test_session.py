"""A client whose bandwidth changes and whose server is slow, lies, or goes away: nothing lost, nothing wrong."""
from itertools import accumulate

import numpy as np
import pytest
from split_toy import COUNT, NETWORK, SUBNET, Clock, Local, TimedRunner, logits, message, picture

from nigiri.compiler.errors import GraphError
from nigiri.model.device import GoldenDevice
from nigiri.runtime.errors import BadArgument
from nigiri.spec import get_config
from nigiri.split.choose import Costs
from nigiri.split.client import PAUSE_S, SplitClient
from nigiri.split.conditions import Conditions, LinkState
from nigiri.split.link import LinkDown, Throttled
from nigiri.split.runners import DeviceRunner
from nigiri.split.wire import pack

# A slow head: with little bandwidth the first layers are worth computing, the rest is not.
CLIENT, SERVER = [0.3] * (COUNT - 2) + [20.0] * 2, [0.1] * COUNT


class Session:
    def __init__(self, mbit_s=50.0, server=SERVER, rtt_ms=2.0, **options):
        self.clock = Clock()
        self.mbit_s = mbit_s
        self.local = Local(self.clock, TimedRunner(self.clock, server), rtt_ms)
        costs = Costs.of(NETWORK, SUBNET, [0.0, *accumulate(CLIENT)], [*accumulate(SERVER, initial=0.0)][::-1])
        link = Throttled(self.local, lambda: self.mbit_s, self.clock.sleep, self.clock)
        self.client = SplitClient(NETWORK, TimedRunner(self.clock, CLIENT), link, {SUBNET: costs}, clock=self.clock,
                                  **options)
        self.seed = 0

    def ask(self):
        """A query; its answer is right."""
        self.seed += 1
        got = self.client.infer(SUBNET, picture(self.seed))
        assert np.array_equal(got.logits, logits(self.seed)), self.seed
        return got


def test_a_stream_with_changing_bandwidth():
    s, cuts, alone = Session(), [], 0
    for n in range(120):
        s.mbit_s = (50.0, 0.1, 0.02, 50.0, 0.0, 50.0)[n // 20]
        s.local.gone = 70 <= n < 74
        got = s.ask()
        cuts.append(got.cut)
        alone += bool(got.alone)
        s.clock.sleep(0.4)
    assert set(cuts[1:20]) == {0} and 0 < cuts[39] < COUNT and cuts[59] == COUNT
    assert cuts[-1] == 0 and 1 <= alone <= 6 and s.local.calls > 50


def test_a_bad_link_is_probed_and_that_costs_little():
    s = Session(0.004)
    s.ask()
    began, cuts = s.clock(), []
    for _ in range(200):
        cuts.append(s.ask().cut)
        s.clock.sleep(0.4)
    spent = s.clock() - began - 200 * 0.4
    assert 1 <= sum(c != COUNT for c in cuts) < 15
    assert spent < 200 * (1e-3 * sum(CLIENT) + 2e-3) + 0.1 * (s.clock() - began)
    s.mbit_s = 50.0
    assert 0 in [(s.ask().cut, s.clock.sleep(5.0))[0] for _ in range(30)][-20:]


def test_round_trip_is_measured():
    s = Session(rtt_ms=7.0)
    got = s.ask()
    assert got.conditions.rtt_ms == pytest.approx(7) and s.local.pings == 1
    for _ in range(20):
        s.ask()
        s.clock.sleep(1.0)
    assert 4 <= s.local.pings <= 6
    far = Session(rtt_ms=7.0, measure_rtt=False, state=LinkState(Conditions(mbit_s=50, rtt_ms=7)))
    far.ask()
    assert far.local.pings == 0


def test_a_long_round_trip_keeps_everything_at_home():
    s = Session(rtt_ms=500.0)
    assert {s.ask().cut for _ in range(5)} == {COUNT}


def test_a_slow_server_is_noticed():
    """It says how long it took: that is neither the link's fault, nor forgotten."""
    s = Session(server=[100.0] * COUNT)
    first = s.ask()
    for _ in range(6):
        last = s.ask()
    assert first.cut == 0 and last.cut == COUNT
    assert last.conditions.load > 10 and 30 < last.conditions.mbit_s <= 50


def test_a_server_that_is_gone_is_left_alone_ever_longer():
    s = Session()
    s.ask()
    s.local.gone = True
    calls = []
    for _ in range(400):
        before = s.local.calls + s.local.pings
        got = s.ask()
        if s.local.calls + s.local.pings > before:
            calls.append(s.clock())
        elif got.alone:
            raise AssertionError("alone without having asked")
        s.clock.sleep(0.25)
    gaps = np.diff(calls)
    assert gaps[0] == pytest.approx(PAUSE_S, abs=0.4) and gaps[-1] > 20 and len(calls) < 10
    s.local.gone = False
    s.clock.sleep(31)
    assert s.ask().cut == 0


@pytest.mark.parametrize(("spoil", "why"), [
    (lambda raw: raw[:-1] + b"x", "damaged"), (lambda raw: b"<html>", "no message"), (lambda raw: b"", "no message"),
    (lambda raw: pack(NETWORK, message(2)), "the server answers with cut 2 of SubNet mid"),
])
def test_answers_that_are_none(spoil, why):
    s = Session()
    s.local.spoil = spoil
    got = s.ask()
    assert why in got.alone and got.cut == 0
    assert s.ask().alone == "" and s.local.calls == 1


def test_no_connection_at_first():
    s = Session(0.0)
    got = s.ask()
    assert got.cut == COUNT and got.alone == ""


def test_what_the_caller_does_wrong():
    s = Session()
    with pytest.raises(GraphError, match="unknown SubNet 'x'"):
        s.client.infer("x", picture())
    other = next(n.info.name for n in NETWORK.subnets if n.info.name != SUBNET)
    with pytest.raises(BadArgument, match=f"the client has no costs of SubNet {other}: it has those of mid"):
        s.client.infer(other, picture())
    for image in (picture().astype(float), picture()[1:]):
        with pytest.raises(BadArgument, match=r"the image must be uint8 \[\d+, \d+, 3\], not"):
            s.client.infer(SUBNET, image)
    assert s.local.calls == 0


def test_boards_on_both_sides():
    """Two devices, one behind each side of every cut."""
    config = get_config("pynq_z2")
    heads = [(SUBNET, 0, n) for n in range(1, COUNT + 1)]
    tails = [(SUBNET, n, COUNT) for n in range(COUNT)]
    near, far = (DeviceRunner(NETWORK, GoldenDevice(config), parts) for parts in ([*heads, *tails], tails))
    clock, cuts = Clock(), []
    for cut in range(COUNT + 1):
        # One cut costs nothing, all others very much.
        costs = Costs.of(NETWORK, SUBNET, [1e6 * (n != cut) for n in range(COUNT + 1)], [0.0] * (COUNT + 1))
        client = SplitClient(NETWORK, near, Local(clock, far), {SUBNET: costs}, clock=clock)
        got = client.infer(SUBNET, picture(cut))
        assert np.array_equal(got.logits, logits(cut)) and got.alone == ""
        cuts.append(got.cut)
    assert cuts == list(range(COUNT + 1))
    near.close()
    far.close()


class Ends:
    def send(self, raw):
        return raw

    def ping(self):
        pass


def test_the_throttle_is_a_bucket():
    clock = Clock()
    link = Throttled(Ends(), lambda: 8.0, clock.sleep, clock, burst=3000)       # 1000 bytes a millisecond
    link.send(bytes(3000))
    assert clock() == 0
    link.send(bytes(2000))
    assert clock() == pytest.approx(2e-3)
    clock.sleep(1.0)                    # at most `burst` gathers
    link.send(bytes(5000))
    assert clock() == pytest.approx(1.004)
    with pytest.raises(LinkDown, match="there is no connection"):
        Throttled(Ends(), lambda: 0.0, clock.sleep, clock).send(b"")
    with pytest.raises(LinkDown, match="there is no connection"):
        Throttled(Ends(), lambda: 0.0, clock.sleep, clock).ping()
