"""Tables of Graft, from docs/results/graft.json."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["GRAFT", "graft_tables"]

GRAFT = ("graft", "graft_attainment", "graft_planning")


def graft_tables(folder: Path, table: Callable[..., str]) -> dict[str, str]:
    """By name; nothing when it has not been measured."""
    path = folder / "graft.json"
    if not path.exists():
        return {}
    data = json.loads(path.read_text())
    methods = list(data["cases"][0]["methods"])
    rows, met = [], []
    for c in data["cases"]:
        m = c["methods"]
        save = {k: 100 * (1 - m["graft, prefixes, cache"]["devices"] / m[k]["devices"]) for k in ("alone", "merged")}
        paper = 100 * (1 - m["graft"]["devices"] / m["alone"]["devices"])
        rows.append([c["network"], c["server"], c["trace"], *(f"{m[k]['devices']:.2f}" for k in methods),
                     f"{paper:.0f} %", f"{save['alone']:.0f} %", f"{save['merged']:.0f} %"])
        met.append([c["network"], c["trace"], *(f"{100 * m[k]['attainment']:.1f} ({100 * m[k]['of_planned']:.2f})"
                                                for k in methods)])
    plan = []
    for name, gaps in data["gaps"].items():
        r = data["replanning"][name]
        plan.append([name, f"{100 * sum(gaps) / len(gaps):.1f} % (worst {100 * max(gaps):.1f} %, {len(gaps)} cases)",
                     f"{data['planning'][name]:.2f} s", f"{r['changed']:.1f}", f"{r['ms']:.0f} ms, {r['devices']:.2f}",
                     f"{r['ms_anew']:.0f} ms, {r['devices_anew']:.2f}"])
    head = ["SuperNet", "server", "trace", *methods]
    return {
        "graft": f"{data['clients']} clients, seed {data['seed']}, means of four moments, board memories, "
                 f"{data['date']} (`scripts/bench_graft.py`):\n\n" + table(
                     [*head, "re-alignment saves over alone", "all saves over alone", "over merging"], rows),
        "graft_attainment": table(["SuperNet", "trace", *methods], met),
        "graft_planning": table(["SuperNet", "dearer than the optimum of 3 to 5 fragments", "200 clients planned in",
                                 "fragments that change a second", "only what changed: time, devices",
                                 "all anew: time, devices"], plan)}
