"""Writes the tables that come from `nigiri.spec` and from measured results to docs/_generated; run by conf.py."""
from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from graft_results import GRAFT
from hybrid_results import HYBRID
from results import FOLDER as RESULTS
from results import equivalence_table, size_table, tables
from results import table as markdown

from nigiri.importer.operators import ONNX, TFLITE
from nigiri.spec import CONFIGS, MEMORIES, ErrorCode, descriptor, residency
from nigiri.spec.fields import Field
from nigiri.spec.layout import DENSE_TAPS, ROWS, SLOT_OFFSETS
from nigiri.spec.memory import default_memory
from nigiri.spec.registers import COUNTER_BASE, COUNTERS, REGISTERS
from nigiri.spec.resources import resources

__all__ = ["FOLDER", "generate", "pages"]

FOLDER = Path(__file__).parent / "_generated"
SERVING = ("sushi_accuracy", "sushi_latency", "sushi_u50", "sushi_subgraphs", "sushi_period", "superserve_azure",
           "superserve_fixed", "superserve_bursty", "superserve_time_varying", "superserve_ablation", "hybridserve",
           "scheduler")
"""Tables of the page of experiments."""
SERVICE = ("service", "service_faults", "service_routers", "service_cluster")
"""Tables of the page of the network service."""
NOT_MEASURED = "Not measured in this checkout: `make bench` measures it and writes the table.\n"


def field_table(fields: tuple[Field, ...]) -> str:
    return markdown(["word", "bits", "field", "signed", "meaning"], [
        [f.word, f"{f.lsb + f.width - 1}..{f.lsb}" if f.width > 1 else f.lsb, f"`{f.name}`", "yes" if f.signed else "",
         f.doc] for f in sorted(fields, key=lambda f: (f.word, f.lsb))])


def register_table() -> str:
    return markdown(["address", "register", "access", "meaning"],
                    [[f"`{r.address:#05x}`", f"`{r.name}`", r.access, r.doc] for r in REGISTERS])


def counter_table() -> str:
    return markdown(["address", "counter", "meaning"],
                    [[f"`{COUNTER_BASE + 8 * n:#05x}`", f"`{name}`", doc] for n, (name, doc) in enumerate(COUNTERS)])


def error_table() -> str:
    """Error codes with the sentence written under each of them in the source."""
    source = inspect.getsource(ErrorCode)
    meaning = {}
    for code in ErrorCode:
        after = source.split(f"{code.name} = {code.value}\n")[1].lstrip()
        meaning[code] = after.split('"""')[1] if after.startswith('"""') else "no error"
    return markdown(["code", "name", "meaning"], [
        [int(c), f"`{c.name}`", _code(text)] for c, text in meaning.items()])


def _code(text: str) -> str:
    """reStructuredText module roles as Markdown code."""
    return text.replace(":mod:`", "`")


def config_table() -> str:
    return markdown(
        ["name", "lanes", "MAC/cycle", "requantised pixels/cycle", "AB", "DB", "PB", "ports", "layers", "clock", "part",
         "digest"],
        [[f"`{c.name}`", c.lanes, c.mac_units, c.requant_pixels, f"{c.ab_words * 8 // 1024} KiB",
          f"{c.db_words * 64 // 1024} KiB", f"{c.pb_words * 64 // 1024} KiB", f"{c.ports} x {c.port_bits} bit",
          c.layers, f"{c.clock_mhz:g} MHz", c.part or "simulation", f"`{c.digest():08x}`"] for c in CONFIGS.values()])


def resource_table() -> str:
    """What every board's configuration takes of its part."""
    rows = []
    for c in CONFIGS.values():
        r = resources(c)
        if r.part:
            rows.append([f"`{c.name}`", f"{r.bram36} of {r.part.bram36}", f"{r.uram} of {r.part.uram}", r.where,
                         f"{100 * r.ram_share:.0f} %", f"{r.dsp} of {r.part.dsp}"])
    return markdown(["configuration", "block RAM (36 Kbit)", "UltraRAM", "in UltraRAM", "RAM used", "DSP slices"], rows)


def memory_table() -> str:
    return markdown(["name", "peak", "efficiency", "latency", "outstanding bursts per port"], [
        [f"`{m.name}`", f"{m.peak_gbs:g} GB/s", f"{100 * m.efficiency:.0f} %", f"{m.latency} cycles", m.outstanding]
        for m in MEMORIES.values()])


def rate_table() -> str:
    """Bytes a cycle, and multiply-accumulates per byte, of every configuration with its board's memory."""
    rows = []
    for c in CONFIGS.values():
        m = default_memory(c)
        rate = m.bytes_per_cycle(c)
        rows.append([f"`{c.name}`", f"`{m.name}`", f"{rate:.1f}", f"{c.mac_units / rate:.0f}"])
    return markdown(["configuration", "memory", "bytes/cycle delivered", "MAC per byte"], rows)


def tap_picture() -> str:
    """The 7 x 7 kernel with the number of every tap, and the order of rows and columns of depthwise words."""
    number = {tap: n for n, tap in enumerate(DENSE_TAPS)}
    grid = "\n".join("  ".join(f"{number[y, x]:2d}" for x in range(-3, 4)) for y in range(-3, 4))
    rows = ", ".join(f"{dy:+d}" if dy else "0" for dy in ROWS)
    slots = "\n".join(f"stride {s}: " + ", ".join(f"{dx:+d}" if dx else "0" for dx in dxs)
                      for s, dxs in SLOT_OFFSETS.items())
    return (f"Taps of a dense kernel, numbered in the order in which they are stored:\n\n```text\n{grid}\n```\n\n"
            f"Rows of a depthwise kernel, in the order in which they are stored: {rows}.\n\n"
            f"Column of each of the seven slots of a depthwise word:\n\n```text\n{slots}\n```\n")


def operator_tables() -> str:
    return "\n".join(markdown([title, "how"], [[f"`{s.name}`", s.how] for s in listed])
                     for title, listed in (("TFLite (int8)", TFLITE), ("ONNX (QDQ)", ONNX)))


def resnet8_page() -> str:
    have = tables()
    if "resnet8" not in have:
        return "Not measured in this checkout: `scripts/mlperf_resnet8.py` measures it.\n"
    return have["resnet8"]


def results_page() -> str:
    have = tables()
    parts = [
        ("subnets", "SubNets of the shipped bundle", "`nigiri info`; accuracy on the 10,000 test images, int8 computed "
         "with the integer golden model."),
        ("bench", "One inference", "`nigiri bench network demo:SUBNET --config CONFIG --cache CACHE --device rtl`. "
         "Utilisation is useful multiply-accumulates divided by cycles times multiply-accumulate units."),
        ("stalls", "Where the cycles go", "The counters of the same runs."),
        ("demo", "A query stream", "`nigiri demo`: one stream with changing targets, served by three policies."),
        ("networks", "ImageNet-size networks", "`nigiri bench network NETWORK:SUBNET --config CONFIG --cache CACHE`: "
         "whole networks with stem, pools and classifier, random weights; the last columns: the cycle model's error, "
         "of the whole and of single layers."),
        ("published", "Against the published engine", "`nigiri reproduce sushi-accel` on `sushi_zcu104`: "
         "whole networks at 1,296 MAC units and 100 MHz; SushiAccel's time is modelled from its measured layers."),
        ("sgs", "What SubGraph Stationary saves", "The same command: with the best SubGraph in the persistent buffer, "
         "against the same memory without a persistent buffer (it belongs to the dynamic buffer)."),
        ("model", "The cycle model on random layers", "`scripts/bench_cycle_model.py`: 200 random layers on the RTL of "
         "each configuration, with an empty cache and with a random prefix of each layer cached."),
        ("predictors", "Accuracy predictors", "`nigiri predictor check`: predicted against published top-1, points."),
        ("pareto", "A front of OFA-MobileNetV3", "`nigiri pareto ofa_mbv3_w12 --config kv260`: some of its SubNets, "
         "cycle model; accuracy as predicted on held-out training images."),
        ("hypervolume", "How good the front is", "The same command: mean over budgets of what the best SubNet within "
         "the budget is predicted above the smallest, points."),
        ("pareto_rtl", "SubNets of the front on the RTL", "`nigiri bench network docs/results/pareto.json:NAME "
         "--config kv260`, random weights."),
        ("speed", "Speed of the simulation", "`nigiri bench speed`; host work included."),
    ]
    out = []
    for name, title, text in parts:
        body = have.get(name, NOT_MEASURED)
        out.append(f"## {title}\n\n{text}\n\n{body}")
    return "\n".join(out)


def ofa_page() -> str:
    stored = json.loads((RESULTS / "ofa_equivalence.json").read_text())
    return (f"{equivalence_table(stored)}\n"
            "The six SubNets by which weight caching has been evaluated before: bytes at int8 "
            f"of their convolutions, the classifier not counted.\n\n{size_table(stored)}")


def pages() -> dict[str, str]:
    """Content of every generated file by name."""
    have = tables()
    return {
        "descriptor_fields.md": field_table(descriptor.FIELDS),
        "fill_fields.md": field_table(residency.FIELDS),
        "registers.md": register_table(),
        "counters.md": counter_table(),
        "errors.md": error_table(),
        "configurations.md": config_table(),
        "memories.md": memory_table(),
        "resources.md": resource_table(),
        "rates.md": rate_table(),
        "taps.md": tap_picture(),
        "results.md": results_page(),
        "operators.md": operator_tables(),
        "quantisation.md": have.get("quantisation", NOT_MEASURED),
        "subnetact.md": have.get("subnetact", NOT_MEASURED),
        "resnet8.md": resnet8_page(),
        **{f"result_{name}.md": have.get(name, NOT_MEASURED)
           for name in ("resources", "predictors", "pareto", "hypervolume", "pareto_rtl", "verification", *SERVING,
                        *SERVICE, *HYBRID, *GRAFT, "split")},
        "ofa.md": ofa_page(),
    }


def generate(folder: Path = FOLDER) -> None:
    """Write every page whose content has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    generate()
