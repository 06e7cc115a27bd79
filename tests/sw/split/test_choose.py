"""The cut is the best one for the conditions, which are estimated from measurements, and it does not flap."""
from itertools import accumulate

import numpy as np
import pytest
from split_toy import COUNT, NETWORK, SUBNET

from nigiri.runtime.errors import BadArgument
from nigiri.spec import get_config, get_memory
from nigiri.spec.config import ConfigError
from nigiri.split.choose import Chooser, Costs
from nigiri.split.conditions import Conditions, LinkState
from nigiri.split.times import array_ms, measured_ms, side_ms
from nigiri.split.wire import size

COSTS = Costs.of(NETWORK, SUBNET, [4.0 * n for n in range(COUNT + 1)], [0.1 * (COUNT - n) for n in range(COUNT + 1)],
                 start_ms=0.5)


def at(mbit_s, rtt_ms=0.0, load=1.0):
    return Conditions(mbit_s=mbit_s, rtt_ms=rtt_ms, load=load)


def test_choice_against_every_cut():
    rng = np.random.default_rng(0)
    for _ in range(200):
        client, server = rng.uniform(0.1, 9, COUNT), rng.uniform(0.01, 2, COUNT)
        behind = [*accumulate(server[::-1], initial=0.0)][::-1]
        costs = Costs.of(NETWORK, SUBNET, [0.0, *accumulate(client)], behind, 0.5)
        rate, rtt, load = 10 ** rng.uniform(-2, 3), rng.uniform(0, 9), rng.uniform(0.5, 20)

        def total(n, client=client, server=server, rate=rate, rtt=rtt, load=load):
            if n == COUNT:
                return sum(client)
            crossing = rtt + 8 * size(NETWORK, NETWORK.subnet(SUBNET), n) / (1000 * rate)
            return sum(client[:n]) + crossing + load * (0.5 + sum(server[n:]))

        got = Chooser(costs).choose(at(rate, rtt, load))
        assert total(got) == pytest.approx(min(total(n) for n in range(COUNT + 1)))
        assert costs.totals(at(rate, rtt, load)) == pytest.approx([total(n) for n in range(COUNT + 1)])


def test_ends():
    assert Chooser(COSTS).choose(at(0)) == COUNT
    assert Chooser(COSTS).choose(at(1e6)) == 0
    assert Chooser(COSTS).choose(at(1e6, load=1000)) == COUNT
    assert Chooser(COSTS).probe(at(0))[0] < COUNT
    cut, worse = Chooser(COSTS).probe(at(0.01))
    totals = COSTS.totals(at(0.01))
    assert totals[cut] == min(totals[:-1]) and worse == totals[cut] - min(totals)


def test_errors():
    with pytest.raises(BadArgument, match=f"SubNet mid has {COUNT + 1} cuts: the times have 1 and 0"):
        Costs.of(NETWORK, SUBNET, [1.0], [])
    for wrong in ({"mbit_s": -1}, {"mbit_s": 1, "rtt_ms": -1}, {"mbit_s": 1, "load": -1}):
        with pytest.raises(BadArgument, match="bandwidth, round trip and load cannot be negative, as"):
            Conditions(**wrong)


def test_the_cut_does_not_flap():
    chooser, seen = Chooser(COSTS), []
    edge = next(r / 100 for r in range(1, 10_000) if Chooser(COSTS).choose(at(r / 100)) != COUNT)
    assert len({Chooser(COSTS).choose(at(edge * x)) for x in (0.98, 1.02)}) == 2
    for n in range(40):
        seen.append(chooser.choose(at(edge * (1.02 if n % 2 else 0.98))))
    assert len(set(seen)) == 1


def exchange(state, rate, nbytes=10_000, rtt=4.0, server=2.0, jitter=0.0):
    state.exchanged(nbytes, rtt + server + 8e-3 * nbytes / rate + jitter, server, 2.0, 2.0)


def test_estimates_reach_what_is_true():
    """The round trip is not taken for transfer."""
    state = LinkState()
    state.pinged(4.0)
    exchange(state, 40.0)
    assert state.mbit_s == pytest.approx(40) and state.rtt_ms == 4          # the first replaces what was assumed
    exchange(state, 0.1)
    assert state.mbit_s < 0.3                                               # a drop is believed at once
    for _ in range(12):
        exchange(state, 40.0)
    assert state.mbit_s == pytest.approx(40, rel=0.01) and state.load == 1
    for ms in (9.0, 5.0, 7.0, 6.0, 8.0):
        state.pinged(ms)
    assert state.rtt_ms == 5


def test_small_messages_say_only_that_the_link_is_not_slow():
    state = LinkState()
    state.pinged(4.0)
    exchange(state, 40.0)
    exchange(state, 40.0, nbytes=10)
    assert state.mbit_s == pytest.approx(40)
    exchange(state, 0.001, nbytes=10)
    assert state.mbit_s < 0.01
    fresh = LinkState()
    fresh.pinged(4.0)
    exchange(fresh, 40.0, nbytes=10)
    assert fresh.mbit_s == 10               # nor is that a measurement which replaces what was assumed
    exchange(fresh, 40.0, server=5000.0)
    assert fresh.mbit_s == pytest.approx(40)            # the server's time has nothing to do with it


def test_a_timeout_bounds_the_bandwidth():
    state = LinkState(Conditions(mbit_s=50.0))
    state.failed(3000, 10_000.0)
    assert state.mbit_s == pytest.approx(0.0024)
    state.failed(3000, 0.0)
    state.failed(3000, 0.5)
    assert state.mbit_s == pytest.approx(0.0024)


def test_load():
    """A server that is slower than expected; the less it computes, the less that counts."""
    state = LinkState()
    for _ in range(10):
        state.exchanged(1000, 100.0, 20.0, 2.0, 2.0)
    assert state.load == pytest.approx(10, rel=0.02)
    state.exchanged(1000, 100.0, 20.0, 0.002, 2.0)
    assert state.load < 11
    for _ in range(10):
        state.exchanged(1000, 100.0, 2.0, 2.0, 2.0)
    assert state.load == pytest.approx(1, rel=0.02)


def test_times_of_an_array():
    """By the programs that would run: a part stores what crosses, so it takes longer than its share of the whole."""
    config, memory = get_config("pynq_z2"), get_memory("ddr3_z2")
    before, behind = (array_ms(NETWORK, SUBNET, side, config, memory) for side in ("before", "behind"))
    assert len(before) == len(behind) == COUNT + 1 and before[0] == behind[-1] == 0 and before[-1] == behind[0]
    assert all(a + b >= 0.95 * before[-1] for a, b in zip(before, behind, strict=True))
    slow = array_ms(NETWORK, SUBNET, "before", config, memory, config.clock_mhz / 2)
    assert slow == pytest.approx([2 * x for x in before])
    assert side_ms(NETWORK, SUBNET, "before", f"pynq_z2@{config.clock_mhz / 2:g}") == pytest.approx(slow)


def test_times_of_this_machine():
    before, behind = (measured_ms(NETWORK, SUBNET, side, 1) for side in ("before", "behind"))
    assert before[0] == behind[-1] == 0 and before == sorted(before) and behind == sorted(behind, reverse=True)
    assert len(side_ms(NETWORK, SUBNET, "before", "host")) == COUNT + 1


def test_machines_that_are_none():
    for text in ("pynq_z2@x", "pynq_z2@0", "pynq_z2@-3", "pynq_z2@nan"):
        with pytest.raises(BadArgument, match=f"'{text}' must be CONFIG or CONFIG@MHz, such as zcu104@200"):
            side_ms(NETWORK, SUBNET, "before", text)
    with pytest.raises(ConfigError):
        side_ms(NETWORK, SUBNET, "before", "none")


def test_a_part_that_an_array_cannot_run():
    """What ends a part lies in the buffer whole: a cut inside a chain of bands may be impossible."""
    from nigiri.compiler.errors import ActivationBufferError

    class Refuses:
        def __call__(self, network, config, parts):
            raise ActivationBufferError("too large")

    import nigiri.split.times as times

    with pytest.MonkeyPatch.context() as m:
        m.setattr(times, "compile_parts", Refuses())
        got = array_ms(NETWORK, SUBNET, "before", get_config("pynq_z2"), get_memory("ddr3_z2"))
    assert got == [0.0] + [float("inf")] * COUNT
    costs = Costs.of(NETWORK, SUBNET, got, [0.1] * COUNT + [0.0])
    assert Chooser(costs).choose(at(1.0)) == 0
