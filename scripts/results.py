"""Markdown tables of measured results, from the JSON files in docs/results; the README and the site share them."""
from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from board_results import resources_table
from graft_results import graft_tables
from hybrid_results import hybrid_tables
from service_results import service_tables
from serving_results import serving_tables
from split_results import split_tables
from verify_results import verification_table

__all__ = ["FOLDER", "act_table", "bench_table", "demo_table", "equivalence_table", "hypervolume_table", "model_table",
           "network_table", "pareto_table", "predictor_table", "published_table", "quantisation_table",
           "reproduced_rows", "resnet8_table", "sgs_table", "size_table", "speed_table", "stall_table", "subnet_table",
           "table", "tables"]

FOLDER = Path(__file__).parents[1] / "docs" / "results"

POLICIES = {"sushi": "SUSHI", "fixed": "fixed cache", "none": "no cache"}
"""Policies of the demo in the order of the table."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells are written as they are, `|` escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(c).replace("|", "\\|") for c in line) + " |" for line in lines) + "\n"


def _kib(n: float) -> str:
    return f"{n / 1024:,.0f} KiB"


def _signed(value: float, base: float) -> str:
    return f"{100 * (value / base - 1):+.1f} %" if base else "-"


def subnet_table(info: dict) -> str:
    """The SubNets of the shipped bundle (`nigiri info --json`)."""
    return table(["SubNet", "MMAC", "weights", "int8 accuracy", "float accuracy"], [
        [s["name"], f"{s['macs'] / 1e6:.1f}", _kib(s["weight_bytes"]), f"{s['accuracy_int8']:.2f} %",
         f"{s['accuracy_float']:.2f} %"] for s in info["bundle"]["subnets"]])


def demo_table(demo: dict) -> str:
    """The policies on one query stream (`nigiri demo --json`), with the change against no cache."""
    policies = demo["policies"]
    base = policies["none"]
    rows = []
    for key, name in POLICIES.items():
        p = policies[key]
        total, reference = p["dram_bytes"]["total"], base["dram_bytes"]["total"]
        change = "" if key == "none" else f" ({_signed(p['mean_latency_ms'], base['mean_latency_ms'])})"
        less = "" if key == "none" else f" ({_signed(total, reference)})"
        rows.append([name, f"{p['mean_latency_ms']:.3f} ms{change}", f"{p['p99_latency_ms']:.3f} ms",
                     f"{p['served_accuracy']:.2f} %", f"{_kib(total)}{less}", f"{_energy(p['energy_mj']):.2f} mJ"])
    return table(["policy", "mean latency", "p99 latency", "served accuracy", "off-chip bytes", "energy"], rows)


def _energy(value: float | dict[str, float]) -> float:
    return value["total"] if isinstance(value, dict) else value


def bench_table(benches: dict[str, dict]) -> str:
    """One row per `nigiri bench network` file; the key is SUBNET_CONFIG_CACHE."""
    rows = []
    for key, b in benches.items():
        rows.append([*_what(key, b), f"{b['cycles']:,}", f"{b['latency_ms']:.3f} ms", f"{100 * b['utilization']:.1f} %",
                     _kib(b["dram_bytes"]["total"]), _kib(b["pb_bytes"]), "yes" if b["bit_exact"] else "no"])
    return table([*WHAT, "cycles", "latency", "MAC utilisation", "off-chip bytes", "bytes from cache",
                  "equals golden model"], rows)


def stall_table(benches: dict[str, dict]) -> str:
    """Where the cycles go, per `nigiri bench network` file."""
    causes = list(dict.fromkeys(cause for b in benches.values() for cause in b["stalls"]))
    rows = [[*_what(key, b), f"{b['cycles']:,}", f"{b['busy']:,}", *(f"{b['stalls'].get(c, 0):,}" for c in causes)]
            for key, b in benches.items()]
    return table([*WHAT, "cycles", "busy", *causes], rows)


WHAT = ("SubNet", "configuration", "memory", "cache")


def _what(key: str, bench: dict) -> list[str]:
    return [key.split("_")[0], f"`{bench['config']}`", f"`{bench['memory']}`", bench["cache"]]


def speed_table(speed: dict) -> str:
    """How fast the RTL runs in simulation (`nigiri bench speed --json`)."""
    return table(["configuration", "memory", "network", "cycles per second"], [
        [f"`{speed['config']}`", f"`{speed['memory']}`", speed["network"], f"{speed['cycles_per_second']:,.0f}"]])


def network_table(benches: Iterable[dict]) -> str:
    """Whole ImageNet-size networks, one row per `nigiri bench network` file in docs/results/networks."""
    def place(b: dict) -> tuple:
        return b["config"], b["network"].partition(":")[0], b["macs"], b["cache"] != "none"

    return table(["network", "configuration", "memory", "cache", "cycles", "latency", "MAC utilisation",
                  "off-chip bytes", "from cache", "equals golden model", "cycle model", "its layers (mean, worst)"], [
        [f"`{b['network']}`", f"`{b['config']}`", f"`{b['memory']}`", b["cache"], f"{b['cycles']:,}",
         f"{b['latency_ms']:.3f} ms", f"{100 * b['utilization']:.1f} %", _kib(b["dram_bytes"]["total"]),
         _kib(b["pb_bytes"]), f"{'yes' if b['bit_exact'] else 'NO'}, {b['tensors_compared']} tensors",
         f"{100 * b['cycle_model']['total_error']:+.2f} %", _layers(b["cycle_model"])]
        for b in sorted(benches, key=place)])


def _layers(model: dict) -> str:
    """Mean and worst error of single layers."""
    return f"{100 * model['mean_abs_error']:.2f} %, {100 * model['worst_abs_error']:.1f} %"


SOURCES = {"rtl": "RTL", "model": "cycle model"}
"""Where the cycles of a reproduced experiment are from."""


def reproduced_rows(folder: Path, part: str) -> list[dict]:
    """Rows of `nigiri reproduce sushi-accel --json`, each with its device: those measured on the RTL instead of the
    cycle model's where both exist."""
    rows: dict[tuple, dict] = {}
    for name in ("sushi_accel.json", "sushi_accel_rtl.json"):
        if (folder / name).exists():
            data = json.loads((folder / name).read_text())
            rows |= {(r["network"], r["config"], r.get("clock_mhz")): r | {"device": data["device"]}
                     for r in data[part]}
    return list(rows.values())


def published_table(rows: Iterable[dict]) -> str:
    """Against the published engine (`versus_published` of `nigiri reproduce sushi-accel --json`)."""
    return table(["SubNet", "ours", "SushiAccel", "ratio", "our MAC utilisation", "our cycles from"], [
        [f"`{r['network']}`", f"{r['ms']:.2f} ms", f"{r['published_ms']:.1f} ms", f"{r['ratio']:.3f}",
         f"{100 * r['utilization']:.1f} %", SOURCES[r["device"]]] for r in rows])


def sgs_table(rows: Iterable[dict]) -> str:
    """What SubGraph Stationary saves (`sgs` of `nigiri reproduce sushi-accel --json`)."""
    head = ["SubNet", "machine", "MAC per byte", "without PB", "with PB", "latency", "off-chip bytes and energy",
            "cycles from"]
    return table(head, [
        [f"`{r['network']}`", f"`{r['config']}` at {r['clock_mhz']:g} MHz", f"{r['mac_per_byte']:.0f}",
         f"{r['ms_without_pb']:.3f} ms", f"{r['ms']:.3f} ms", f"{-100 * r['latency_gain']:+.1f} %",
         f"{-100 * r['offchip_energy_saved']:+.1f} %", SOURCES[r["device"]]] for r in rows])


def model_table(rows: Iterable[dict]) -> str:
    """The cycle model against the RTL on random layers (scripts/bench_cycle_model.py)."""
    return table(["configuration", "memory", "cache", "random layers", "mean error", "worst", "all together"], [
        [f"`{r['config']}`", f"`{r['memory']}`", r["cache"], r["layers"], f"{100 * r['mean_abs_error']:.2f} %",
         f"{100 * r['worst_abs_error']:.1f} %", f"{100 * r['total_error']:+.2f} %"] for r in rows])


def resnet8_table(r: dict) -> str:
    """MLPerf Tiny's ResNet-8 (scripts/mlperf_resnet8.py): accuracy, agreement, speed."""
    worst, best = max(x["largest"] for x in r["layers"]), r["published"]
    same = f"{100 * r['same_answer']:.1f} %"
    text = (f"`scripts/mlperf_resnet8.py`: {r['accuracy']:.2f} % of {r['images']:,} test images of CIFAR-10 (JPEG), "
            f"TFLite interpreter {r['accuracy_tflite']:.2f} %, the same answer for {same} of them. "
            f"Of {len(r['layers'])} layers, each on TFLite's own inputs, none is off by more than {worst} code. On the "
            f"RTL (the best published figure for this part is {best['images_per_second']:,} images a second at "
            f"{best['clock_mhz']} MHz, {best['images_per_second'] / best['clock_mhz']:.1f} a second and MHz):\n\n")
    return text + table(["configuration", "memory", "images a launch", "cycles an image", "images per second",
                         "per second and MHz", "MAC utilisation", "equals golden model"], [
        [f"`{x['config']}` at {x['clock_mhz']:g} MHz", f"`{x['memory']}`", x["batch"], f"{x['cycles_per_image']:,.0f}",
         f"{x['images_per_second']:,.0f}", f"{x['images_per_second'] / x['clock_mhz']:.1f}",
         f"{100 * x['utilization']:.1f} %",
         f"{'yes' if x['bit_exact'] else 'NO'}, {x['tensors_compared']} tensors"] for x in r["rtl"]])


def predictor_table(checks: Iterable[dict]) -> str:
    """Predicted against published accuracy (`nigiri predictor check --json`)."""
    return table(["predictor of", "SubNets of", "configurations", "mean absolute error", "mean offset",
                  "error without offset", "rank correlation"], [
        [f"`{c['predictor']}`", name, f"{g['configurations']:,}", f"{g['mean_abs_error']:.2f}",
         f"{g['mean_offset']:+.2f}", f"{g['mean_abs_error_without_offset']:.2f}", f"{g['rank_correlation']:.3f}"]
        for c in checks for name, g in c["groups"].items()])


def pareto_table(search: dict, rows: int = 12) -> str:
    """Some SubNets of a front (`nigiri pareto --json`), spread evenly over it."""
    front = search["subnets"]
    some = [front[round(n * (len(front) - 1) / (rows - 1))] for n in range(rows)] if len(front) > rows else front
    return table(["SubNet", "predicted", "latency", "energy", "MMAC", "weights", "off-chip bytes", "image", "depth"], [
        [f"`{s['name']}`", f"{s['score']:.2f} %", f"{s['ms']:.3f} ms", f"{s['mj']:.2f} mJ", f"{s['macs'] / 1e6:.0f}",
         _kib(s["weight_bytes"]), _kib(s["dram_bytes"]), s["config"]["r"], " ".join(map(str, s["config"]["d"]))]
        for s in some])


def hypervolume_table(search: dict) -> str:
    """How good a front is beside others (`nigiri pareto --json`)."""
    count = {"evolution": search["evaluations"], "random search": search["evaluations"],
             **{title: len(rows) for title, rows in search["compared"].items()}}
    return table(["SubNets from", "evaluated", "hypervolume"], [
        [title, f"{count[title]:,}", f"{value:.3f}"] for title, value in search["hypervolume"].items()])


def quantisation_table(report: dict) -> str:
    """Errors of layers, and accuracy by calibration (`python -m nigiri.quant.report --json`)."""
    kinds = {"weights": "only its weights rounded", "activation": "only its result rounded",
             "all": "everything up to here rounded"}
    rows = [[f"`{r['layer']}`", *(f"{r[kind]:.1f}" if r[kind] < 200 else "-" for kind in kinds)]
            for r in report["layers"]]
    found = [[name, f"{value:.2f} %"] for name, value in report["accuracy"].items()]
    return (table(["layer", *kinds.values()], rows)
            + f"\nAccuracy on {report['accuracy_images']:,} test images, by the choice of activation ranges:\n\n"
            + table(["ranges", "accuracy"], found))


def act_table(runs: Iterable[dict]) -> str:
    """SubNetAct against extracted models (`python -m nigiri.supernet.act.measure --json`)."""
    def mib(n: float) -> str:
        return f"{n / 2**20:.1f} MiB"

    return table(["statistics", "SubNets", "shared weights", "all statistics", "extracted SubNets", "times as much",
                  "actuation (median, p99)", "loading a state"], [
        [r["statistics_dtype"], r["subnets"], mib(r["shared_bytes"]), mib(r["statistics_bytes"]),
         f"{r['extracted']}: {mib(sum(r['extracted_bytes']))}", f"{r['memory_ratio']:.2f}",
         f"{r['actuation_us']['median']:.1f} us, {r['actuation_us']['p99']:.1f} us",
         f"{r['load_state_us']['median'] / 1e3:.0f} ms"] for r in runs])
def equivalence_table(result: dict) -> str:
    """The SuperNets against the package `ofa` (`scripts/ofa_equivalence.py --json`)."""
    return table(["SuperNet", "tensors", "random SubNets", "worst difference of a logit", "largest logit"], [
        [f"`{name}`", r["tensors"], len(r["differences"]), f"{r['worst']:.1e}", f"{r['largest_logit']:.1f}"]
        for name, r in result["networks"].items()])


def size_table(result: dict) -> str:
    """Sizes of the SubNets A..F from the same file."""
    return table(["SubNet", "MiB", "published MiB"], [
        [f"`{name}`", f"{r['measured']:.3f}", f"{r['published']:.2f}"] for name, r in result["sizes_mib"].items()])


def tables(folder: Path = FOLDER) -> dict[str, str]:
    """All tables by name; a name is missing when its files are."""
    out = {}
    if (folder / "info.json").exists():
        out["subnets"] = subnet_table(json.loads((folder / "info.json").read_text()))
    if (folder / "demo.json").exists():
        out["demo"] = demo_table(json.loads((folder / "demo.json").read_text()))
    benches = {p.stem.removeprefix("bench_"): json.loads(p.read_text()) for p in sorted(folder.glob("bench_*.json"))}
    if benches:
        out["bench"] = bench_table(benches)
        out["stalls"] = stall_table(benches)
    networks = [json.loads(p.read_text()) for p in sorted((folder / "networks").glob("*.json"))]
    if networks:
        out["networks"] = network_table(networks)
    published, sgs = (reproduced_rows(folder, part) for part in ("versus_published", "sgs"))
    if published:
        out["published"] = published_table(published)
    if sgs:
        out["sgs"] = sgs_table(sgs)
    if (folder / "cycle_model.json").exists():
        out["model"] = model_table(json.loads((folder / "cycle_model.json").read_text()))
    if (folder / "mlperf_resnet8.json").exists():
        out["resnet8"] = resnet8_table(json.loads((folder / "mlperf_resnet8.json").read_text()))
    checks = [json.loads(p.read_text()) for p in sorted(folder.glob("predictor_*.json"))]
    if checks:
        out["predictors"] = predictor_table(checks)
    if (folder / "pareto.json").exists():
        search = json.loads((folder / "pareto.json").read_text())
        out["pareto"], out["hypervolume"] = pareto_table(search), hypervolume_table(search)
    measured = [json.loads(p.read_text()) for p in sorted(folder.glob("pareto_rtl_*.json"))]
    if measured:
        out["pareto_rtl"] = network_table(measured)
    if (folder / "quantisation.json").exists():
        out["quantisation"] = quantisation_table(json.loads((folder / "quantisation.json").read_text()))
    acts = [json.loads(p.read_text()) for p in sorted(folder.glob("subnetact*.json"))]
    if acts:
        out["subnetact"] = act_table(acts)
    out |= serving_tables(folder)
    out |= service_tables(folder, table)
    out |= hybrid_tables(folder, table) | split_tables(folder, table) | graft_tables(folder, table)
    verified = verification_table(folder, table)
    if verified:
        out["verification"] = verified
    resources = resources_table(folder, table)
    if resources:
        out["resources"] = resources
    if (folder / "speed.json").exists():
        out["speed"] = speed_table(json.loads((folder / "speed.json").read_text()))
    return out
