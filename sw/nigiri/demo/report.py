"""The outcome of a demonstration: JSON and a table."""
from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from nigiri.demo.view import TITLES
from nigiri.energy import EnergyConstants, energy_mj
from nigiri.sched.summary import Summary

__all__ = ["KINDS", "policy_report", "show"]

KINDS = {"weights": "weights", "fill": "cache fills", "tables": "tables", "act_in": "images in",
         "act_out": "results out", "descriptors": "descriptors"}
"""Kinds of off-chip bytes as reports call them."""


def policy_report(summary: Summary, constants: EnergyConstants) -> dict[str, Any]:
    """One policy of the JSON: the summary, with energy by part and in total."""
    parts = energy_mj(constants, dram_bytes=summary.dram_bytes["total"], pb_bytes=summary.pb_bytes, macs=summary.macs)
    return {**asdict(summary), "energy_mj": parts["total"],
            "energy_parts_mj": {k: v for k, v in parts.items() if k != "total"}}


def show(data: dict[str, Any], console: Console) -> None:
    """The final comparison."""
    policies = data["policies"]
    base = policies["none"]
    out = Table(title=f"{data['queries']} queries, {data['config']} at {data['clock_mhz']:g} MHz, "
                      f"memory {data['memory']}, {data['goal']}")
    out.add_column("")
    for name in policies:
        out.add_column(TITLES.get(name, name), justify="right", no_wrap=True)

    def row(title: str, cell: Any) -> None:
        out.add_row(title, *(cell(p, name) for name, p in policies.items()))

    def change(value: float, reference: float, name: str) -> str:
        """Change against no cache."""
        return "" if name == "none" or not reference else f" ({100 * (value / reference - 1):+.1f} %)"

    def number(key: str, title: str, unit: str, digits: int) -> None:
        row(title, lambda p, n: f"{p[key]:.{digits}f} {unit}" + change(p[key], base[key], n))

    number("mean_latency_ms", "mean latency", "ms", 3)
    number("p99_latency_ms", "p99 latency", "ms", 3)
    row("mean response, with queue", lambda p, n: f"{p['mean_response_ms']:.3f} ms")
    row("served accuracy", lambda p, n: f"{p['served_accuracy']:.2f} %")
    row("top-1 on this stream", lambda p, n: f"{p['top1']:.1f} %")
    row("accuracy target met", lambda p, n: f"{p['accuracy_met']:.1f} %")
    row("latency target met", lambda p, n: f"{p['latency_met']:.1f} %")
    row("weight bytes from PB", lambda p, n: f"{p['pb_hit']:.1f} %")
    row("cache changes", lambda p, n: str(p["cache_changes"]))
    for kind, title in KINDS.items():
        row(f"off-chip: {title}", lambda p, n, kind=kind: f"{p['dram_bytes'].get(kind, 0) / 2**20:.2f} MiB")
    totals = {name: p["dram_bytes"]["total"] for name, p in policies.items()}
    row("off-chip: total", lambda p, n: f"{totals[n] / 2**20:.2f} MiB" + change(totals[n], totals["none"], n))
    number("energy_mj", f"energy ({data['energy_constants']['name']})", "mJ", 1)
    console.print(out)
    console.print(f"Latency is the service time. MAC/s divided by DRAM byte/s: {data['mac_per_dram_byte']:.1f}. "
                  f"Energy: {data['energy_constants']['source']}.", highlight=False)
    console.print(f"{data['checked_inferences']} inferences on the {data['device']} device, all equal to the golden "
                  "model.", highlight=False)
