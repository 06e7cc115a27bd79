"""SuperServe's experiments on simulated boards: attainment and accuracy under bursts, ramps, a real load, faults."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from nigiri.reproduce.published import SUPERSERVE, SUPERSERVE_CAPACITY
from nigiri.reproduce.workloads import joined, shipped_table
from nigiri.sched import LatencyTable, Policy
from nigiri.sched.drain import DrainFit
from nigiri.sched.slack import Clipper, Infaas, MaxAcc, MaxBatch, SlackFit
from nigiri.simulate import Fault, Queries, kill_every, simulate
from nigiri.traffic import azure_shape, bursty, gamma, ramp
from nigiri.traffic.shipped import shape

__all__ = ["FAMILIES", "Request", "superserve"]

FAMILIES: dict[str, tuple[str, ...]] = {"resnet50": ("resnet50",), "mobilenet_v3": ("mobilenet_v3_160", "mobilenet_v3")}
"""Tables whose SubNets are served together."""
VARIANTS, CV2 = (2950.0, 4900.0, 5550.0), (2.0, 4.0, 8.0)
RAMPS, ACCELERATIONS = (4800.0, 6800.0, 7400.0), (250.0, 500.0, 5000.0)
PEAKS = (0.8, 0.9, 1.0)
"""Load of the largest minute of the real trace, as a part of what the devices can serve at most."""
ENOUGH = 0.999
"""Attainment that counts as kept."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run.

    seconds: of a bursty trace.  azure_s: of the real load (published: 120).  slo_ms: until an answer is due.
    """

    families: tuple[str, ...] = tuple(FAMILIES)
    machine: str = "zcu104@300"
    devices: int = 8
    slo_ms: float = 36.0
    seconds: float = 10.0
    azure_s: float = 60.0
    seed: int = 2026


def _policies(table: LatencyTable, devices: int) -> list[Policy]:
    return [SlackFit(), DrainFit(devices), Infaas(), *(Clipper(s.name) for s in _front(table))]


def _front(table: LatencyTable, most: int = 6) -> list[Any]:
    """SubNets that no faster one is as accurate as; `most` of them, evenly from the first to the last."""
    ms, accuracy = table.batch_ms[:, 0], table.accuracies
    front = [n for n in np.argsort(accuracy) if not any(
        ms[k] <= ms[n] and accuracy[k] >= accuracy[n] and k != n for k in range(len(table.subnets)))]
    count = min(most, len(front))
    return [table.subnets[front[round(k * (len(front) - 1) / max(1, count - 1))]] for k in range(count)]


def _run(arrivals: np.ndarray, policies: Sequence[Policy], table: LatencyTable, r: Request,
         faults: Sequence[Fault] = ()) -> list[dict[str, Any]]:
    queries = Queries.from_arrivals(arrivals, slo_ms=r.slo_ms)
    rows = []
    for p in policies:
        s = simulate(queries, p, table, devices=r.devices, faults=faults).summary()
        rows.append({"policy": p.name, "attainment": s.attainment,
                     "accuracy": None if np.isnan(s.served_accuracy) else s.served_accuracy, "mean_batch": s.mean_batch,
                     "utilisation": s.utilisation, "p99_response_ms": s.p99_response_ms})
    return rows


def gains(rows: Sequence[dict[str, Any]], name: str) -> dict[str, float | None]:
    """A policy against one fixed SubNet each (INFaaS among them).

    accuracy_gained: over the most accurate of those that attain as much, at least 0.999 or what the policy does.
    attainment_times: over the least accurate of those that are at least as accurate.
    """
    me = next(x for x in rows if x["policy"] == name)
    fixed = [x for x in rows if x["policy"].startswith(("Clipper", "INFaaS")) and x["accuracy"] is not None]
    level = [x["accuracy"] for x in fixed if x["attainment"] >= min(me["attainment"], ENOUGH)]
    able = sorted((x["accuracy"], x["attainment"]) for x in fixed if x["accuracy"] >= me["accuracy"])
    return {"accuracy_gained": me["accuracy"] - max(level) if level else None,
            "attainment_times": me["attainment"] / able[0][1] if able and able[0][1] else None}


def _with_gains(rows: list[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    return {**facts, "rows": rows, "gains": {n: gains(rows, n) for n in ("SlackFit", "DrainFit")}}


def _family(table: LatencyTable, r: Request, progress: Callable[[str], None]) -> dict[str, Any]:
    # A board does not serve what a GPU does: rates are the same parts of what all devices can serve at most.
    best = float((table.batch_ms / np.array(table.batches)).min())
    scale = r.devices * 1e3 / best / SUPERSERVE_CAPACITY
    policies = _policies(table, r.devices)
    grid = []
    for variant in VARIANTS:
        for cv2 in CV2:
            progress(f"bursty: {variant:g} queries/s published, CV^2 {cv2:g}")
            a = bursty(1500 * scale, variant * scale, cv2, r.seconds, r.seed)
            grid.append(_with_gains(_run(a, policies, table, r), published_rate=1500 + variant, cv2=cv2,
                                    rate=len(a) / r.seconds))
    changing = []
    for rate2 in RAMPS:
        for tau in ACCELERATIONS:
            progress(f"ramp to {rate2:g} queries/s published at {tau:g}")
            a = ramp(2500 * scale, rate2 * scale, tau * scale, 8.0, before_s=3, after_s=5, seed=r.seed)
            changing.append(_with_gains(_run(a, policies[:3], table, r), published_rate2=rate2, acceleration=tau))
    progress("real load")
    loads = {}
    counts = np.array(shape()["counts"])
    for part in PEAKS:
        # The largest minute asks for this part of what all devices can serve.
        a = azure_shape(r.azure_s, part * SUPERSERVE_CAPACITY * scale * counts.mean() / counts.max(), seed=r.seed)
        loads[f"{part:g}"] = _with_gains(_run(a, policies, table, r), peak_load=part, queries=len(a),
                                         rate=len(a) / r.azure_s, peak_to_mean=float(counts.max() / counts.mean()))
    load = a
    progress("faults")
    a = gamma(3500 * scale, 2.0, 60.0, r.seed)
    faults = _run(a, policies[:2], table, r, kill_every(12, r.devices, 60, keep=r.devices // 2))
    timelines = {p.name: simulate(Queries.from_arrivals(a, slo_ms=r.slo_ms), p, table, devices=r.devices,
                                  faults=kill_every(12, r.devices, 60, keep=r.devices // 2)).timeline(1.0)
                 for p in policies[:2]}
    progress("ablation")
    ablation = [{"cv2": cv2, "rows": _run(
        bursty(1500 * scale, 5550 * scale, cv2, r.seconds, r.seed),
        [SlackFit(), SlackFit(fit="queue", name="SlackFit, batches that wait"), MaxBatch(), MaxAcc(),
         DrainFit(r.devices)], table, r)} for cv2 in CV2]
    return {"subnets": [{"name": s.name, "accuracy": s.accuracy, "ms": table.batch_ms[n].tolist()}
                        for n, s in enumerate(table.subnets)], "batches": list(table.batches), "rate_scale": scale,
            "bursty": grid, "time_varying": changing, "azure": loads, "faults": {"rows": faults, "timeline": timelines},
            "azure_timeline": {p.name: simulate(Queries.from_arrivals(load, slo_ms=r.slo_ms), p, table,
                                                devices=r.devices).timeline(r.azure_s / 120) for p in policies[:2]},
            "ablation": ablation}


def _say(progress: Callable[[str], None], family: str, text: str) -> None:
    progress(f"{family}: {text}")


def superserve(r: Request, progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Everything, with its conditions.

    Raises
    ------
    TableError: no latency table of a family on the machine comes with the package.
    """
    out: dict[str, Any] = {"conditions": {
        **asdict(r), "published": SUPERSERVE,
        "rates": "published rates times rate_scale: the largest rate that all devices can serve here, over the "
                 "published 8,000 queries/s",
        "latency": "launches of 1 to 16 images with nothing cached, by the cycle model, random weights",
        "expired": "a query that nothing a policy may choose can serve in time is refused, by every policy alike, and "
                   "counts as missed",
        "azure": "requests of two LLM services of Azure in 2023 by minute, an hour squeezed into azure_s, so that a "
                 "minute is a second; by load of its largest minute.  Published: Azure Functions of 2019, a day of "
                 "minutes of 83 ms, spikes to 1.09 of the capacity (nigiri.traffic.functions_shape reads it)",
        "gains": "against one fixed SubNet each (Clipper+, INFaaS): accuracy over the most accurate that attains as "
                 "much, attainment over the least accurate that is as accurate",
        "differs": "a launch of 16 images takes nearly 16 times as long as one: these boards are efficient for single "
                   "images, GPUs are not; SlackFit's larger batches gain little here. DrainFit is ours"},
        "families": {}}
    for family in r.families:
        tables = [shipped_table(f, r.machine) for f in FAMILIES[family]]
        table = tables[0].first(1) if len(tables) == 1 else joined(tables)
        out["families"][family] = _family(table, r, partial(_say, progress, family))
    return out
