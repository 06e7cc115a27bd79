"""Tables of Graft, from docs/results/graft.json."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["GRAFT", "graft_tables"]

GRAFT = ("graft", "graft_attainment", "graft_planning")
SHOWN = ("alone", "static, merged", "merged", "graft", "graft, prefixes, cache", "rounds", "rounds, prefixes, cache")


def graft_tables(folder: Path, table: Callable[..., str]) -> dict[str, str]:
    """By name; nothing when it has not been measured."""
    path = folder / "graft.json"
    if not path.exists():
        return {}
    data = json.loads(path.read_text())
    rows, met, plan = [], [], []
    for c in data["cases"]:
        m = c["methods"]

        def saved(a: str, b: str, m: dict = m) -> str:
            return f"{100 * (1 - m[a]['devices'] / m[b]['devices']):.0f} %"

        rows.append([c["network"], c["server"], c["trace"], *(f"{m[k]['devices']:.2f}" for k in SHOWN),
                     f"{c['floor']:.2f}", saved("graft", "alone"), saved("rounds, prefixes, cache", "alone"),
                     saved("rounds, prefixes, cache", "merged")])
        met.append([c["network"], c["trace"], *(f"{100 * m[k]['attainment']:.1f}" for k in SHOWN)])
    for name, gaps in data["gaps"].items():
        worse = [g["graft"] / g["optimum"] - 1 for g in gaps]
        rounds = [g["rounds"] / g["best_rounds"] - 1 for g in gaps]
        p = data["planning"][name]
        follow = next(iter(data["replanning"][name].values()))
        plan.append([name, *(f"{100 * sum(x) / len(x):.1f} % (worst {100 * max(x):.1f} %)" for x in (worse, rounds)),
                     *(f"{p[k]['seconds'] if isinstance(p[k], dict) else p[k]:.2f} s" for k in ("graft", "rounds")),
                     f"{follow['ms']:.0f} ms, {follow['devices']:.2f}",
                     f"{follow['ms_anew']:.0f} ms, {follow['devices_anew']:.2f}"])
    return {
        "graft": f"{data['clients']} clients, seed {data['seed']}, means of {data['moments']} moments, board memories, "
                 f"{data['date']} (`scripts/bench_graft.py`):\n\n" + table(
                     ["SuperNet", "server", "trace", *SHOWN, "no plan is below", "graft saves over alone",
                      "all saves over alone", "over merging"], rows),
        "graft_attainment": table(["SuperNet", "trace", *SHOWN], met),
        "graft_planning": table(["SuperNet", "graft over its optimum, small cases", "rounds over theirs",
                                 "200 clients, graft", "200 clients, rounds", "LTE, only what changed: time, devices",
                                 "all anew: time, devices"], plan)}
