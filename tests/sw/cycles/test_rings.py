"""Rings: copies from the persistent buffer give way to words from memory."""
from __future__ import annotations

import pytest

from nigiri.cycles.rings import Ring, Run
from nigiri.cycles.timing import COPY, COPY_QUEUE


def _copy(ring: Ring, first: float, count: int) -> Run:
    run = Run(first, count, [(count - 1, 0.0)], 0)
    ring.copy(run)
    return run


def test_a_word_a_cycle():
    run = _copy(Ring(256), 10.0, 64)
    assert (run.start, run.end) == (10, 74) and run.pieces == [(63, 74 + COPY - 1)]


@pytest.mark.parametrize("before", [False, True])
def test_words_from_memory_go_first(before):
    """Whether they are asked for before the copy or after it."""
    ring, times = Ring(256), [100.0 + n for n in range(30)]
    if before:
        ring.write(times)
    runs = [_copy(ring, 60.0, 64), _copy(ring, 61.0, 10)]
    if not before:
        ring.write(times)
    assert [r.end for r in runs] == [60 + 64 + 30, 60 + 64 + 30 + 10]
    assert runs[1].pieces == [(9, runs[1].end + COPY - 1)]


def test_copies_that_are_over_do_not_move():
    ring = Ring(256)
    run = _copy(ring, 0.0, 20)
    ring.write([40.0, 41.0])
    assert run.end == 20


def test_the_queue():
    ring = Ring(1024)
    for _ in range(COPY_QUEUE - 1):
        assert ring.queued() == 0
        _copy(ring, 0.0, 64)
    last = _copy(ring, 0.0, 64)
    assert ring.queued() == 1 and last.start == 64 * (COPY_QUEUE - 1)
