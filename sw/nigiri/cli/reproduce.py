"""`nigiri reproduce`: published experiments, here."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say
from nigiri.reproduce import Request
from nigiri.reproduce import reproduce as run
from nigiri.reproduce.store import Store
from nigiri.reproduce.sushi_accel import CONFIGS, NETWORKS
from nigiri.runtime.errors import BadArgument

__all__ = ["sushi_accel"]


def sushi_accel(
        device: Annotated[str, typer.Option(help="model, or rtl: measured, hours for all of it.")] = "model",
        network: Annotated[list[str] | None, typer.Option(help="Only this network; may be repeated.")] = None,
        config: Annotated[list[str] | None, typer.Option(help="Only this configuration for SGS, NAME or NAME@MHz; may "
                                                              "be repeated.")] = None,
        store: Annotated[Path | None, typer.Option(help="Keep RTL measurements in this file and do not make them "
                                                        "again.")] = None,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """SUSHI's engine and cache: latency at equal MAC units and clock, and what SubGraph Stationary saves."""
    if device not in ("model", "rtl"):
        raise BadArgument(f"--device must be model or rtl, not {device!r}")
    if device == "rtl":
        need("nigiri_hw.build.verilog", "sim")
        need("nigiri_sim.device", "sim")
    data = run(Request(networks=tuple(network or NETWORKS), configs=tuple(config or CONFIGS), device=device,
                       store=Store(store) if store else None), say)
    if json:
        emit(data)
    else:
        show(data)


def show(d: dict[str, Any]) -> None:
    """The report for people, conditions first."""
    print(f"cycles from: {d['device']}")
    for name, text in d["conditions"].items():
        print(f"{name}: {text['source'] if isinstance(text, dict) else text}")
    if d["versus_published"]:
        print("\nat 1,296 MAC units and 100 MHz        ours  SushiAccel  ratio  our MAC use")
        for r in d["versus_published"]:
            print(f"{r['network']:30} {r['ms']:8.2f} ms {r['published_ms']:8.1f} ms {r['ratio']:6.3f} "
                  f"{100 * r['utilization']:10.1f} %")
    if d["versus_dpu"]:
        v = d["versus_dpu"]
        print(f"\n3x3 layers of SubNet F: DPU B1152 {v['dpu_ms_sum']:.2f} ms, ours with its MAC units "
              f"{v['ms_at_dpu_macs_sum']:.2f} ms; SushiAccel {v['sushiaccel_ms_sum']:.2f} ms, ours with its MAC units "
              f"{v['ms_at_sushiaccel_macs_sum']:.2f} ms")
    if d["sgs"]:
        print("\nSubGraph Stationary               machine            MAC/B   without PB      with PB   latency  "
              "off chip")
    for r in d["sgs"]:
        print(f"{r['network']:30} {r['config']:>13} @{r['clock_mhz']:3.0f} MHz {r['mac_per_byte']:6.1f} "
              f"{r['ms_without_pb']:9.3f} ms {r['ms']:9.3f} ms {-100 * r['latency_gain']:7.1f} % "
              f"{-100 * r['offchip_energy_saved']:7.1f} %")
    if d["sgs"]:
        print(f"largest: latency {100 * d['largest']['latency_gain']:.1f} %, off-chip energy "
              f"{100 * d['largest']['offchip_energy_saved']:.1f} % (published: 32 %, 78.7 %)")
