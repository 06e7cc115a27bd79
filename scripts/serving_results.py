"""Tables of the serving experiments, in Markdown, from docs/results."""
from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

__all__ = ["serving_tables"]

RULES = {"no PB": "no cache", "fixed": "cache, no scheduler", "vector": "SUSHI, nearest vector",
         "saving": "SUSHI, expected saving", "optimum": "offline optimum"}


def _table(head: list[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [head, ["---"] * len(head), *([str(c) for c in r] for r in rows)]
    return "".join(f"| {' | '.join(x)} |\n" for x in lines)


def sushi_table(d: dict, goal: str) -> str:
    """A row for each family and policy; every cell has the three streams."""
    rows = []
    for family, f in d["families"].items():
        streams = [s for s in f["streams"] if s["goal"] == goal]
        for n, name in enumerate(r["policy"] for r in streams[0]["rows"]):
            own = [s["rows"][n] for s in streams]
            against = [s["against_no_pb"][name] for s in streams]
            rows.append([family, RULES[name], " / ".join(f"{r['mean_latency_ms']:.3f}" for r in own) + " ms",
                         " / ".join(f"{-100 * a['latency_saved']:+.1f}" for a in against) + " %",
                         " / ".join(f"{r['served_accuracy']:.2f}" for r in own) + " %",
                         " / ".join(f"{a['accuracy_gained']:+.2f}" for a in against),
                         " / ".join(f"{-100 * a['offchip_energy_saved']:+.1f}" for a in against) + " %",
                         " / ".join(f"{r['hit_bytes']:.0f}" for r in own) + " %",
                         " / ".join(f"{r['hit_norm']:.0f}" for r in own) + " %",
                         " / ".join(str(r["cache_changes"]) for r in own)])
    return _table(["SubNets", "policy", "mean latency", "against no cache", "served accuracy", "points gained",
                   "off-chip energy", "hits, bytes", "hits, norm", "cache changes"], rows)


def sweep_table(d: dict, key: str, x: str) -> str:
    """Mean latency of both rules over |S| or Q on the phased stream."""
    rows = []
    for family, f in d["families"].items():
        for p in f["sweeps"][key]:
            rows.append([family, p[x], *(f"{p[n]['mean_latency_ms']:.4f} ms" for n in ("vector", "saving")),
                         *(p[n]["cache_changes"] for n in ("vector", "saving"))])
    return _table(["SubNets", {"count": "&#124;S&#124;", "period": "Q"}[x], "nearest vector", "expected saving",
                   "changes, vector", "changes, saving"], rows)


def _point(r: dict) -> str:
    return f"{r['attainment']:.4f} / " + ("-" if r["accuracy"] is None else f"{r['accuracy']:.2f}")


def _gain(g: dict) -> list[str]:
    return ["none attains as much" if g["accuracy_gained"] is None else f"{g['accuracy_gained']:+.2f}",
            "-" if g["attainment_times"] is None else f"{g['attainment_times']:.2f}"]


def superserve_table(d: dict, part: str) -> str:
    """Attainment / accuracy of both policies and of INFaaS, and what DrainFit gains over fixed SubNets."""
    rows = []
    for family, f in d["families"].items():
        for e in f[part].values() if part == "azure" else f[part]:
            what = (f"largest minute at {e['peak_load']:g} of the capacity" if part == "azure" else
                    f"{e['published_rate']:g}, CV² {e['cv2']:g}" if part == "bursty" else
                    f"2500 to {e['published_rate2']:g} at {e['acceleration']:g}")
            by = {r["policy"]: r for r in e["rows"]}
            row = [family, what, *(_point(by[n]) for n in ("SlackFit", "DrainFit", "INFaaS"))]
            if part != "time_varying":
                row += [*_gain(e["gains"]["SlackFit"]), *_gain(e["gains"]["DrainFit"])]
            rows.append(row)
    head = ["SubNets", "load", "SlackFit", "DrainFit", "INFaaS"]
    if part != "time_varying":
        head += ["SlackFit: points gained", "times attainment", "DrainFit: points gained", "times attainment"]
    return _table(head, rows)


def fixed_table(d: dict) -> str:
    """Every policy on the real load at 0.9."""
    return _table(["SubNets", "policy", "attainment", "accuracy", "images a launch"], [
        [family, r["policy"], f"{r['attainment']:.4f}", f"{r['accuracy']:.2f} %", f"{r['mean_batch']:.2f}"]
        for family, f in d["families"].items() for r in f["azure"]["0.9"]["rows"]])


def ablation_table(d: dict) -> str:
    """Policies at the highest bursty rate, and with devices that fail."""
    rows = []
    for family, f in d["families"].items():
        for e in f["ablation"]:
            rows += [[family, f"CV² {e['cv2']:g}", r["policy"], _point(r)] for r in e["rows"]]
        rows += [[family, "half of the devices lost", r["policy"], _point(r)] for r in f["faults"]["rows"]]
    return _table(["SubNets", "load", "policy", "attainment / accuracy"], rows)


def hybridserve_table(d: dict) -> str:
    """Cascades against the largest SubNet alone."""
    rows = []
    for name, c in d["caches"].items():
        largest = c["static"][-1]
        rows.append([name, f"{largest['model']} alone", "", f"{largest['accuracy']:.2f} %",
                     f"{largest['energy_mj']:.4f} mJ", "", ""])
        for key, title in (("preserved", "accuracy preserved"), ("optimised", "energy optimised")):
            x = c[key]
            rows.append([name, title, " > ".join(x["models"]), f"{x['accuracy']:.2f} % ({x['against_largest']:+.2f})",
                         f"{x['energy_mj']:.4f} mJ", f"{x['times_lower']:.2f}",
                         ", ".join(f"{r:.3f}" for r in x["reach"])])
        low, high = (f(c["splits"], key=lambda x: x["times_lower"])["times_lower"] for f in (min, max))
        rows.append([name, f"preserved, {len(c['splits'])} other splits", "",
                     f"{min(x['against_largest'] for x in c['splits']):+.2f} to "
                     f"{max(x['against_largest'] for x in c['splits']):+.2f}", "", f"{low:.2f} to {high:.2f}", ""])
    return _table(["cached", "what", "SubNets", "accuracy", "energy a query", "times lower", "reach"], rows)


def scheduler_table(d: dict) -> str:
    """Time of decisions, speed of the simulator, and predictions on the RTL."""
    rows = [[f"decision, {name}", f"p50 {x['p50']:.1f} µs, p99 {x['p99']:.1f} µs"]
            for name, x in d["by_policy"].items()]
    rows += [[f"simulator, {name}", f"{speed:,.0f} queries/s"] for name, speed in d["simulator"].items()]
    if "rtl" in d:
        r = d["rtl"]
        rows.append([f"latency of {r['queries']} queries on the RTL of `{r['config']}`, {r['cache_changes']} cache "
                     "changes", f"predicted within {100 * r['worst_error']:.1f} %, {100 * r['mean_error']:.2f} % on "
                     "average"])
    return _table([f"{d['subnets']} SubNets x {d['subgraphs']} SubGraphs, one core", ""], rows)


def _headline(folder: Path) -> str:
    """One row for each experiment, the published figure beside it."""
    sushi, serve, hybrid = (json.loads((folder / f"{n}.json").read_text())
                            for n in ("sushi_end_to_end", "superserve", "hybridserve"))
    rows = []
    for family, f in sushi["families"].items():
        by = {g: [s["against_no_pb"]["saving"] for s in f["streams"] if s["goal"] == g]
              for g in ("strict_accuracy", "strict_latency")}
        latency = [100 * x["latency_saved"] for x in by["strict_accuracy"]]
        energy = [100 * x["offchip_energy_saved"] for x in by["strict_accuracy"]]
        points = [x["accuracy_gained"] for x in by["strict_latency"]]
        rows.append([f"SUSHI, {family}", f"latency {-max(latency):+.1f} to {-min(latency):+.1f} % at equal accuracy, "
                     f"{min(points):+.2f} to {max(points):+.2f} points at equal latency targets, off-chip energy "
                     f"{-max(energy):+.1f} to {-min(energy):+.1f} %", "at most -25 to -32 %, +0.98 points, -78.7 %"])
    for family, f in serve["families"].items():
        e = f["azure"]["0.9"]
        r, g = next(r for r in e["rows"] if r["policy"] == "DrainFit"), e["gains"]["DrainFit"]
        times = g["attainment_times"]
        rows.append([f"SuperServe, {family}, real load (DrainFit)", f"attainment {r['attainment']:.4f}, "
                     f"{_gain(g)[0]} points at equal attainment"
                     + ("" if times is None else f", {times:.2f} times attainment at equal accuracy"),
                     "0.99999, +4.67 points, 2.85 times"])
    for name, c in hybrid["caches"].items():
        x = c["preserved"]
        rows.append([f"HybridServe, cached: {name}", f"{x['times_lower']:.2f} times less energy, "
                     f"{x['against_largest']:+.2f} points", "prototype: 1.8 to 7.3 times, accuracy preserved"])
    return _table(["experiment", "here", "published"], rows)


def serving_tables(folder: Path) -> dict[str, str]:
    """By name, those whose results are there."""
    out: dict[str, str] = {}

    def stored(name: str) -> dict | None:
        path = folder / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    if d := stored("sushi_end_to_end"):
        out |= {"sushi_accuracy": sushi_table(d, "strict_accuracy"), "sushi_latency": sushi_table(d, "strict_latency"),
                "sushi_subgraphs": sweep_table(d, "subgraphs", "count"),
                "sushi_period": sweep_table(d, "period", "period")}
    if d := stored("sushi_end_to_end_u50"):
        out |= {"sushi_u50": sushi_table(d, "strict_accuracy")}
    if d := stored("superserve"):
        out |= {f"superserve_{p}": superserve_table(d, p) for p in ("azure", "bursty", "time_varying")}
        out |= {"superserve_fixed": fixed_table(d), "superserve_ablation": ablation_table(d)}
    if d := stored("hybridserve"):
        out["hybridserve"] = hybridserve_table(d)
    if d := stored("scheduler"):
        out["scheduler"] = scheduler_table(d)
    if all((folder / f"{n}.json").exists() for n in ("sushi_end_to_end", "superserve", "hybridserve")):
        out["serving"] = _headline(folder)
    return out
