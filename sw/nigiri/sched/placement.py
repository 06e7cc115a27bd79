"""Placement: which SubGraph each device of a cluster keeps, so that together the caches hold more of the SuperNet.

A query runs on one device, so only that device's cache helps it.  With a router that sends queries where the cache fits
them, the devices divide the SubNets among themselves: choosing the SubGraphs is a facility location problem (ours;
greedy choice is within 1 - 1/e of the best saving, as the saving is submodular, and exchanges improve on it).
"""
from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from nigiri.sched.errors import SchedulerError
from nigiri.sched.policy import Goal, OnMiss, check, choose
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.table import LatencyTable

__all__ = ["ClusterCache", "ClusterPolicy", "expected_cycles", "place"]


def expected_cycles(table: LatencyTable, columns: Sequence[int], mix: np.ndarray, busy: float = 0.0) -> float:
    """Mean cycles of a query when each device keeps one of `columns`.

    mix: [SubNets], share of queries that want each.
    busy: chance that a device works when a query comes; the query takes the best of those that do not, and waits for
        the best when all work.
    """
    costs = np.sort(table.cycles[:, list(columns)], axis=1)
    chance = (1 - busy) * busy ** np.arange(len(columns))
    chance[0] += busy ** len(columns)
    return float(mix @ (costs @ chance))


def place(table: LatencyTable, devices: int, mix: np.ndarray | None = None, busy: float = 0.0) -> list[int]:
    """The column for each device that makes :func:`expected_cycles` small: greedy, then exchanges until none helps.

    mix: None takes all SubNets as equally wanted.

    Raises
    ------
    SchedulerError: no devices, a chance outside [0, 1), or a mix that is not one share for each SubNet.
    """
    n = len(table.subnets)
    weights = np.full(n, 1 / n) if mix is None else np.asarray(mix, np.float64)
    if devices < 1 or not 0 <= busy < 1 or weights.shape != (n,) or weights.min() < 0 or not weights.sum() > 0:
        raise SchedulerError(f"placement needs at least 1 device, a chance to be busy in [0, 1) and a share for each "
                             f"of {n} SubNets, not {devices}, {busy} and shape {weights.shape}")
    weights = weights / weights.sum()
    everything = range(len(table.subgraphs))
    words = weights @ table.hits

    def cost(columns: list[int]) -> tuple[float, float]:
        return expected_cycles(table, columns, weights, busy), -float(sum(words[j] for j in columns))
    chosen: list[int] = []
    for _ in range(devices):
        chosen.append(min(everything, key=lambda j: cost([*chosen, j])))
    best, improved = cost(chosen), devices > 1
    while improved:
        improved = False
        for k in range(devices):
            for j in everything:
                trial = [*chosen[:k], j, *chosen[k + 1:]]
                found = cost(trial)
                if found < best:
                    chosen, best, improved = trial, found, True
    return chosen


class ClusterCache:
    """The plan that the policies of all devices share; made anew from what was asked in the last `period` queries.

    busy: see :func:`expected_cycles`.  hysteresis: a new plan must be better by this share, as a change costs a fill.
    """

    def __init__(self, devices: int, *, period: int = 64, busy: float = 0.25, hysteresis: float = 0.005) -> None:
        if devices < 1 or period < 1 or not 0 <= hysteresis < 1:
            raise SchedulerError(f"a cluster needs at least 1 device, a period of at least 1 query and a hysteresis in "
                                 f"[0, 1), not {devices}, {period} and {hysteresis}")
        self.devices, self.period, self.busy, self.hysteresis = devices, period, busy, hysteresis
        self.columns: list[int] = []
        self._wanted: deque[int] = deque(maxlen=4 * period)
        self._seen = 0

    def start(self, table: LatencyTable) -> None:
        """Forget what was seen, and plan for SubNets that are all wanted alike."""
        self.columns = place(table, self.devices, None, self.busy)
        self._wanted.clear()
        self._seen = 0

    def see(self, row: int, table: LatencyTable) -> None:
        """A query that wants a SubNet."""
        self._wanted.append(row)
        self._seen += 1
        if self._seen % self.period == 0:
            self._plan(table)

    def _plan(self, table: LatencyTable) -> None:
        mix = np.bincount(self._wanted, minlength=len(table.subnets)).astype(np.float64)
        mix /= mix.sum()
        found = place(table, self.devices, mix, self.busy)
        if expected_cycles(table, found, mix, self.busy) > (1 - self.hysteresis) * expected_cycles(
                table, self.columns, mix, self.busy):
            return
        # Each device takes the SubGraph of the plan that is nearest to its own, the nearest pairs first.
        fills = table.lookup.fill_words[np.ix_(self.columns, found)].astype(np.float64)
        for _ in found:
            device, k = np.unravel_index(int(fills.argmin()), fills.shape)
            self.columns[int(device)] = found[int(k)]
            fills[device, :] = fills[:, k] = np.inf


class ClusterPolicy:
    """One device's part of a :class:`ClusterCache`; SubNets are chosen as :class:`SushiSched` does.

    index: of the device in the plan.
    """

    name = "cluster"

    def __init__(self, shared: ClusterCache, index: int, goal: Goal = "strict_accuracy", *,
                 on_miss: OnMiss = "best") -> None:
        check(goal, on_miss)
        if not 0 <= index < shared.devices:
            raise SchedulerError(f"the plan is for devices 0 to {shared.devices - 1}, not {index}")
        self.shared, self.index, self.on_miss = shared, index, on_miss
        self.goal: Goal = goal

    def start(self, table: LatencyTable) -> int:
        if not self.shared.columns or self.index == 0:
            self.shared.start(table)
        return self.shared.columns[self.index]

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        decision = choose(query, state, table, self.goal, self.on_miss)
        wanted = choose(query, State(), table, self.goal, "best").subnet
        self.shared.see(wanted, table)
        column = self.shared.columns[self.index]
        if decision.subnet < 0 or column == state.cached:
            return decision
        return decision._replace(load=column)
