"""Timelines in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nigiri.cycles.result import Prediction

__all__ = ["TRACKS", "trace"]

TRACKS = ("fetch", "fill", "compute", "requantise", "write back", "load and store")


def trace(prediction: Prediction, names: Sequence[str], clock_mhz: float, title: str) -> dict[str, Any]:
    """One track per engine, one event per descriptor and engine, and the array's load as a counter.

    Times are microseconds at `clock_mhz`.  What overlaps its predecessor on a track (one layer's last words arrive
    after the next one's first request) begins at its end, as viewers draw no overlaps.
    """
    events: list[dict[str, Any]] = [{"name": "process_name", "ph": "M", "pid": 1, "tid": 0, "args": {"name": title}}]
    for n, track in enumerate(TRACKS):
        events.append({"name": "thread_name", "ph": "M", "pid": 1, "tid": n + 1, "args": {"name": track}})
        events.append({"name": "thread_sort_index", "ph": "M", "pid": 1, "tid": n + 1, "args": {"sort_index": n}})
    free = dict.fromkeys(TRACKS, 0.0)
    for x, name in zip(prediction.layers, names, strict=True):
        facts = {"descriptor": x.index, "cycles": round(x.cycles), "busy": round(x.busy),
                 **{f"stall {k}": round(v) for k, v in x.stalls.items() if v >= 1},
                 **{f"bytes {k}": v for k, v in x.nbytes.items() if v}}
        for span in x.spans:
            start = max(span.start, free[span.track])
            if span.end <= start:
                continue
            free[span.track] = span.end
            events.append({"name": name, "cat": span.track, "ph": "X", "pid": 1, "tid": TRACKS.index(span.track) + 1,
                           "ts": start / clock_mhz, "dur": (span.end - start) / clock_mhz, "args": facts})
        events.append({"name": "array busy, %", "ph": "C", "pid": 1, "tid": 0, "ts": x.start / clock_mhz,
                       "args": {"busy": round(100 * x.busy / x.cycles, 1)}})
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"title": title, "clock_mhz": clock_mhz}}
