"""The table of what verification found, from docs/results/verify_*.json."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["verification_table"]


def _programs(d: dict) -> str:
    c = d["coverage"]
    return (f"{d['programs']:,} from seed {d['first_seed']}, {d['programs_per_minute']:,} a minute, "
            f"{sum(d['refused'].values()):,} of them illegal; {d['failures']} failures; "
            f"{c['operator_kernel_stride_split_residency']} combinations of operator, kernel, stride, split and "
            f"residency and {c['what_follows_the_sums']} of what follows were run; cycle model: mean error "
            f"{100 * d['cycle_model']['mean_abs_error']:.2f} %")


def _formal(d: dict) -> str:
    def reach(p: dict) -> str:
        if not p["holds"]:
            return "not proved"
        return "at any length" if p["mode"] == "induction" else f"{p['depth']} cycles"
    return "; ".join(f"{p['name']}: {reach(p)}" for p in d["proofs"])


def _coverage(d: dict) -> str:
    lines = ", ".join(f"{100 * x['share']:.2f} % of {x['points']:,} lines and branches of `{name}`"
                      for name, x in d["lines"].items())
    f = d["functional"]
    return (f"{d['programs']:,} programs reach {lines}; {f['operator_kernel_stride_split_residency']} combinations and "
            f"{f['what_follows_the_sums']} of what follows")


def _soak(d: dict) -> str:
    events = ", ".join(f"{n} {k}" for k, n in d["events"].items())
    return (f"{d['queries']:,} queries in {d['cycles']:,} cycles, {d['wrong']} wrong; {events}; "
            f"{d['queries_with_other_cycles']} with other cycles than before; memory grew by {d['memory_growth_mib']} "
            "MiB")


def _mutation(d: dict) -> str:
    runs = d.get("runs", [d])                                # of several draws, or one alone
    left = "; ".join(f"`{m['file']}.py` line {m['line']}: {m['what']}" for r in runs for m in r["survivors"])
    by = {k: sum(r["killed_by"].get(k, 0) for r in runs) for k in ("unit tests", "random programs")}
    return (f"{sum(r['killed'] for r in runs)} of {sum(r['real'] for r in runs)} killed ({by['unit tests']} by the "
            f"component's own tests, {by['random programs']} by random programs), drawn from "
            f"{runs[-1]['possible']:,} with seeds {', '.join(str(r['seed']) for r in runs)}; "
            f"survived: {left or 'none'}")


KINDS = {"programs": _programs, "formal": _formal, "coverage": _coverage, "soak": _soak, "mutation": _mutation}


def verification_table(folder: Path, table: Callable[..., str]) -> str | None:
    """Of the runs that have been made; None when there are none."""
    rows = [[f"`nigiri verify {name}`", make(json.loads(path.read_text()))] for name, make in KINDS.items()
            if (path := folder / f"verify_{name}.json").exists()]
    return table(["command", "result"], rows) if rows else None
