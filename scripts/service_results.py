"""The tables of the network service, from docs/results/service_*.json."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["SERVICE", "service_tables"]

Table = Callable[..., str]


def _summary(d: dict[str, dict], table: Table) -> str:
    rows = []
    if s := d.get("saturation"):
        rows.append(["saturation", f"`{s['device']}`, {s['clients']} clients, server on one core",
                     f"{s['requests_per_s']:,.0f} requests/s, {s['lost']} of {s['sent']:,} lost; overhead of server "
                     f"and scheduler p99 {s['overhead_ms']['p99']:.2f} ms"])
    if f := d.get("faults"):
        rows.append(["faults", f"4 devices, {f['rate']:g} queries/s ({f['shape']}), one killed every "
                     f"{f['killed_every_s']:g} s, {f['deadline_ms']:g} ms deadline",
                     f"attainment {f['attainment']:.4f}, {f['wrong']} wrong, {f['lost']} lost of {f['queries']:,}"])
    if p := d.get("power"):
        rows.append(["frequency scaling", f"2 devices, {p['rate']:g} queries/s, Azure shape",
                     f"energy {p['energy_saved']['board']:.2f} times less (board), {p['energy_saved']['fabric']:.2f} "
                     f"times (fabric alone), by the assumed static shares; attainment "
                     f"{p['governed']['attainment']:.4f} instead of {p['fixed']['attainment']:.4f}; published: "
                     "1.2 to 2.6 times"])
    if r := d.get("ray"):
        rates = ", ".join(f"{b['boards']}: {b['requests_per_s']:g}/s" for b in r["boards"])
        rows.append(["Ray Serve", f"boards at {r['clock_mhz']:g} MHz, all on one machine of two cores",
                     f"{rates}; attainment {min(b['attainment'] for b in r['boards']):.3f}"])
    return table(["run", "conditions", "measured"], rows)


def _faults(f: dict, table: Table) -> str:
    return table(["devices alive", "queries", "attainment", "mean accuracy", "refused", "retried", "wrong or lost"],
                 [[p["alive"], f"{p['queries']:,}", f"{p['attainment']:.4f}", f"{p['accuracy']:.2f} %",
                   sum(p["refused"].values()), p["retried"], p["wrong"] + p["lost"]] for p in f["by_devices_alive"]])


def _routers(r: dict, table: Table) -> str:
    return table(["caches", "router", "weight bytes from caches", "off chip", "device time", "answer time"],
                 [[f"`{x['policy']}`", x["router"], f"{x['cache_bytes_per_query'] / 1024:,.0f} KiB",
                   f"{x['dram_bytes_per_query'] / 1024:,.0f} KiB", f"{x['device_ms']['mean']:.1f} ms",
                   f"{x['server_ms']['mean']:.1f} ms"] for x in r["routers"]])


def _cluster(c: dict, table: Table) -> str:
    rows = [x for x in c["rows"] if x["devices"] == 4 and x["load"] == min(y["load"] for y in c["rows"])
            and x["family"] in ("demo", "mobilenet_v3_160")]
    return table(["SuperNet", "stream", "caches", "router", "service time", "weight bytes from caches", "off chip"],
                 [[x["family"], x["stream"], f"`{x['policy']}`", x["router"], f"{x['service_ms']:.4f} ms",
                   f"{100 * x['hit_bytes']:.1f} %", f"{x['dram_kib_per_query']:,.0f} KiB"] for x in rows])


SERVICE = {"service_faults": ("faults", _faults), "service_routers": ("ray", _routers),
           "service_cluster": ("cluster", _cluster)}


def service_tables(folder: Path, table: Table) -> dict[str, str]:
    """By name, of the runs that have been made."""
    found = {p.stem.removeprefix("service_"): json.loads(p.read_text()) for p in folder.glob("service_*.json")}
    out = {name: make(found[run], table) for name, (run, make) in SERVICE.items() if run in found}
    return out | ({"service": _summary(found, table)} if found else {})
