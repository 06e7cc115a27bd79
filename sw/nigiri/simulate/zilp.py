"""The best schedule of a small instance with all arrivals known, by zero-one integer linear programming."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.sched.errors import SchedulerError
from nigiri.sched.table import LatencyTable
from nigiri.simulate.queries import Queries

__all__ = ["LIMIT", "Launch", "Optimum", "zilp_optimum"]

LIMIT = 200_000
"""Most variables."""


@dataclass(frozen=True)
class Launch:
    """Queries `first` to `first` + `size` - 1, in the order of arrival, by SubNet `row` from `start_s` on."""

    first: int
    size: int
    row: int
    start_s: float


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """utility: sum of the accuracies of the queries that are served in time.  attainment: their share."""

    utility: float
    attainment: float
    served_accuracy: float
    launches: tuple[Launch, ...]


def zilp_optimum(queries: Queries, table: LatencyTable, *, devices: int = 1, step_s: float = 1e-3) -> Optimum:
    """Maximise the accuracy of all queries that meet their deadline (SuperServe, NSDI 2025, section 3: ZILP).

    A variable for every batch of neighbouring queries, SubNet and start on a grid of `step_s` that serves all of them
    in time; each query is in one batch at most, and at no time more launches run than there are devices.  Queries
    must have equal times to their deadline: then neighbours lose nothing against other batches.  Launches take whole
    steps, rounded up; the optimum is exact where arrivals and latencies are multiples of the step.

    Raises
    ------
    SchedulerError: deadlines of different length, or more than 200,000 variables.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    arrival, due = queries.arrival_s, queries.deadline_s
    if len(arrival) and np.ptp(due - arrival) > 1e-9:
        raise SchedulerError("the integer program needs queries of one deadline length: give all the same SLO")
    found: list[tuple[int, int, int, int, int]] = []              # first, size, row, start step, length
    for row in range(len(table.subnets)):
        for size in range(1, min(table.batches[-1], len(arrival)) + 1):
            length = int(np.ceil(table.launch_cycles(row, size) / (table.clock_mhz * 1e6) / step_s - 1e-6))
            for first in range(len(arrival) - size + 1):
                begin = int(np.ceil(arrival[first + size - 1] / step_s - 1e-6))
                end = int(np.floor(due[first] / step_s + 1e-6)) - length
                found += [(first, size, row, t, length) for t in range(begin, end + 1)]
                if len(found) > LIMIT:
                    raise SchedulerError(f"the instance has more than {LIMIT} possible launches: take fewer queries, "
                                         f"SubNets or a longer step")
    if not found:
        return Optimum(utility=0.0, attainment=0.0, served_accuracy=float("nan"), launches=())
    accuracy = table.accuracies
    gain = np.array([accuracy[row] * size for _, size, row, _, _ in found])
    steps = max(t + length for *_, t, length in found)
    rows, columns = list[int](), list[int]()
    for k, (first, size, _, t, length) in enumerate(found):
        rows += range(first, first + size)
        rows += range(len(arrival) + t, len(arrival) + t + length)
        columns += [k] * (size + length)
    matrix = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(arrival) + steps, len(found))).tocsr()
    upper = np.concatenate([np.ones(len(arrival)), np.full(steps, devices)])
    done = milp(-gain, integrality=np.ones(len(found)), bounds=Bounds(0, 1),
                constraints=LinearConstraint(matrix, ub=upper))
    if done.x is None:
        raise SchedulerError(f"the solver found no schedule ({done.message}): take a smaller instance")
    chosen = [found[k] for k in np.flatnonzero(done.x > 0.5)]
    served = sum(size for _, size, *_ in chosen)
    utility = float(sum(accuracy[row] * size for _, size, row, *_ in chosen))
    launches = sorted((Launch(f, n, row, t * step_s) for f, n, row, t, _ in chosen), key=lambda x: (x.start_s, x.first))
    return Optimum(utility=utility, attainment=served / len(arrival), launches=tuple(launches),
                   served_accuracy=utility / served if served else float("nan"))
