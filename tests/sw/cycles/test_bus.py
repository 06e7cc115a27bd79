"""Ports that take turns on the bus, against counting word by word."""
import random

import pytest

from nigiri.cycles.bus import Burst, SharedBus


def word_by_word(bursts, ports, period):
    """Last cycle of every burst when each port has a word every `period` cycles and one word a cycle gets through."""
    waiting = [[[float(b.start), n, k] for k, (p, b, n) in enumerate(bursts) if p == port] for port in range(ports)]
    ready = [0.0] * ports                    # when a port has its next word
    ends, turn = [0.0] * len(bursts), 0
    for cycle in range(100_000):
        for k in range(ports):
            p = (turn + k) % ports
            if waiting[p]:
                at = max(ready[p], waiting[p][0][0] + period)
                if at <= cycle:
                    ready[p] = cycle + period
                    waiting[p][0][1] -= 1
                    if not waiting[p][0][1]:
                        ends[waiting[p].pop(0)[2]] = cycle
                    turn = (p + 1) % ports
                    break
        if not any(waiting):
            return ends
    raise AssertionError("it does not end")


@pytest.mark.parametrize("seed", range(8))
def test_turns(seed):
    rng = random.Random(seed)
    print("seed", seed)
    ports, period = rng.choice([2, 6, 9]), 5
    starts = sorted(rng.randrange(120) for _ in range(30))
    bursts = [(n % ports, Burst(s, 4.0), 4) for n, s in enumerate(starts)]
    bus = SharedBus(ports, 1 / period, 1.0)
    for p, b, _ in bursts:
        bus.advance(b.start)
        bus.queues[p].append(b)
        bus.guess()
    bus.advance(1e6)
    for got, want in zip((b.end for _, b, _ in bursts), word_by_word(bursts, ports, period), strict=True):
        assert abs(got - want) <= 2 + 0.06 * want, (got, want)


def test_one_port_alone_has_its_own_rate():
    bus = SharedBus(9, 0.2, 1.0)
    bus.queues[3].append(b := Burst(10.0, 4.0))
    bus.guess()
    assert b.end == pytest.approx(30.0) and b.left == 4.0
    bus.advance(20.0)
    assert b.left == pytest.approx(2.0)


def test_later_bursts_slow_down_earlier_ones():
    bus = SharedBus(2, 1.0, 1.0)
    bus.queues[0].append(a := Burst(0.0, 4.0))
    bus.guess()
    assert a.end == pytest.approx(4.0)
    bus.advance(2.0)
    bus.queues[1].append(b := Burst(2.0, 2.0))
    bus.guess()
    assert (a.end, b.end) == (pytest.approx(6.0), pytest.approx(6.0))
