"""`nigiri reproduce sushi-end-to-end`, `superserve`, `hybridserve`: published serving experiments, here."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say

__all__ = ["hybridserve", "superserve", "sushi_end_to_end"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Plot = Annotated[Path, typer.Option(help="The picture to write.")]


def _finish(data: dict[str, Any], plot: Path, draw: str, json: bool, show: Any) -> None:
    need("matplotlib", "sched")
    getattr(need("nigiri.reproduce.plots_serving", "sched"), draw)(data, plot)
    say(f"picture: {plot}")
    if json:
        emit(data)
    else:
        show(data)


def sushi_end_to_end(
        family: Annotated[list[str] | None, typer.Option(help="resnet50, mobilenet_v3 or mobilenet_v3_160; may be "
                                                              "repeated.")] = None,
        machine: Annotated[str, typer.Option(help="Configuration, NAME or NAME@MHz.")] = "zcu104@300",
        queries: Annotated[int, typer.Option(help="Queries of each stream.")] = 4000,
        period: Annotated[int, typer.Option(help="Q, queries between two cache decisions.")] = 8,
        subgraphs: Annotated[int, typer.Option(help="|S|, candidate SubGraphs; 0 for all.")] = 40,
        seed: Annotated[int, typer.Option(help="Of the streams.")] = 2026,
        plot: Plot = Path("build/reproduce/sushi.png"), json: Json = False) -> None:
    """SUSHI end to end: no cache, a fixed one, the published rule, ours, and the optimum; three kinds of streams."""
    from nigiri.reproduce.sushi_end_to_end import Request
    from nigiri.reproduce.sushi_end_to_end import sushi_end_to_end as run
    from nigiri.reproduce.workloads import FAMILIES

    _finish(run(Request(families=tuple(family or FAMILIES), machine=machine, queries=queries, period=period,
                        subgraphs=subgraphs, seed=seed), say), plot, "plot_sushi", json, _show_sushi)


def _show_sushi(d: dict[str, Any]) -> None:
    p = d["conditions"]["published"]
    for family, f in d["families"].items():
        for s in f["streams"]:
            print(f"\n{family}, {s['stream']} stream, {s['goal']}")
            print("policy     latency   accuracy  hit bytes/norm  changes | against no PB: latency  accuracy  off chip")
            for r in s["rows"]:
                c = s["against_no_pb"][r["policy"]]
                print(f"{r['policy']:8} {r['mean_latency_ms']:8.4f} ms {r['served_accuracy']:7.2f} % "
                      f"{r['hit_bytes']:6.1f} {r['hit_norm']:6.1f} % {r['cache_changes']:6} | "
                      f"{-100 * c['latency_saved']:14.1f} % {c['accuracy_gained']:+8.2f} "
                      f"{-100 * c['offchip_energy_saved']:8.1f} %")
    print(f"\npublished, at most: latency -25 to -32 %, accuracy {p['accuracy_gained']:+} points, off-chip energy "
          f"-{100 * p['offchip_energy_saved']:.1f} %; {d['conditions']['latency']}")


def superserve(
        family: Annotated[list[str] | None, typer.Option(help="resnet50 or mobilenet_v3; may be repeated.")] = None,
        devices: Annotated[int, typer.Option(help="Boards behind one queue.")] = 8,
        slo: Annotated[float, typer.Option(help="Milliseconds until an answer is due.")] = 36.0,
        seconds: Annotated[float, typer.Option(help="Of each bursty trace.")] = 10.0,
        azure: Annotated[float, typer.Option(help="Seconds into which the real load is squeezed.")] = 60.0,
        seed: Annotated[int, typer.Option(help="Of the arrivals.")] = 2026,
        plot: Plot = Path("build/reproduce/superserve.png"), json: Json = False) -> None:
    """SuperServe: SLO attainment and accuracy under bursts, ramps, a real load and faults; minutes."""
    need("simpy", "sched")
    from nigiri.reproduce.superserve import FAMILIES, Request
    from nigiri.reproduce.superserve import superserve as run
    from nigiri.runtime.errors import BadArgument

    for name in family or ():
        if name not in FAMILIES:
            raise BadArgument(f"unknown family {name!r}: choose one of {', '.join(FAMILIES)}")
    _finish(run(Request(families=tuple(family or FAMILIES), devices=devices, slo_ms=slo, seconds=seconds,
                        azure_s=azure, seed=seed), say), plot, "plot_superserve", json, _show_superserve)


def _show_superserve(d: dict[str, Any]) -> None:
    def line(title: str, rows: list[dict[str, Any]]) -> None:
        print(f"{title:28} " + "  ".join(f"{r['policy'].removeprefix('Clipper+ ')} {r['attainment']:.4f}/"
                                         f"{r['accuracy'] or 0:.2f}" for r in rows))

    print("attainment/accuracy; a letter alone is Clipper+ of that SubNet")
    for family, f in d["families"].items():
        print(f"\n{family}: published rates times {f['rate_scale']:.3f}")
        for e in f["bursty"]:
            line(f"bursty {e['published_rate']:g}, CV^2 {e['cv2']:g}", e["rows"])
        for e in f["time_varying"]:
            line(f"to {e['published_rate2']:g} at {e['acceleration']:g}", e["rows"])
        for name, e in f["azure"].items():
            line(f"real load, peak {name}", e["rows"])
            for policy, g in e["gains"].items():
                print(f"{'':28} {policy}: " + ", ".join(
                    f"{k.replace('_', ' ')} {v:+.2f}" if v is not None else f"{k.replace('_', ' ')}: none is as good"
                    for k, v in g.items()))
        line("faults", f["faults"]["rows"])
        for e in f["ablation"]:
            line(f"ablation, CV^2 {e['cv2']:g}", e["rows"])
    p = d["conditions"]["published"]
    print(f"\npublished: Azure {p['azure']}, bursty {p['bursty']}; {d['conditions']['differs']}")


def hybridserve(
        machine: Annotated[str, typer.Option(help="Configuration, NAME or NAME@MHz.")] = "pynq_z2",
        tolerance: Annotated[float, typer.Option(help="Points of accuracy that may be lost.")] = 0.2,
        sigmas: Annotated[float, typer.Option(help="Standard errors by which the loss must stay below.")] = 2.0,
        calibration: Annotated[str, typer.Option(help="platt or temperature.")] = "platt",
        alpha: Annotated[float, typer.Option(help="Weight of a model's own logits.")] = 0.75,
        skip: Annotated[bool, typer.Option(help="Jump over models when very unsure.")] = True,
        seed: Annotated[int, typer.Option(help="Of the split into halves.")] = 2026,
        plot: Plot = Path("build/reproduce/hybridserve.png"), json: Json = False) -> None:
    """HybridServe: energy of cascades of the CIFAR SuperNet at equal accuracy, on real logits; a minute or two."""
    need("scipy", "sched")
    from nigiri.reproduce.hybridserve import Request
    from nigiri.reproduce.hybridserve import hybridserve as run

    _finish(run(Request(machine=machine, tolerance=tolerance, sigmas=sigmas, calibration=calibration, alpha=alpha,
                        skip=skip, seed=seed), say), plot, "plot_hybridserve", json, _show_hybridserve)


def _show_hybridserve(d: dict[str, Any]) -> None:
    for name, c in d["caches"].items():
        largest = c["static"][-1]
        print(f"\ncached: {name}; {largest['model']} alone {largest['accuracy']:.2f} %, {largest['energy_mj']:.4f} mJ")
        for key in ("preserved", "optimised", "preserved_other_skip"):
            x = c[key]
            print(f"{key:21} {' > '.join(x['models']):18} {x['accuracy']:.2f} % ({x['against_largest']:+.2f})  "
                  f"{x['energy_mj']:.4f} mJ, {x['times_lower']:.2f} times lower, reach "
                  f"{', '.join(f'{r:.3f}' for r in x['reach'])}")
        print("other splits: " + ", ".join(f"{x['against_largest']:+.2f}/{x['times_lower']:.2f}" for x in c["splits"]))
        b = c["boards"]
        print(f"{b['devices']} boards: {b['queries_per_s']:,.0f} queries/s, the largest alone "
              f"{b['largest_alone_queries_per_s']:,.0f}")
    p = d["conditions"]["published"]["prototype"]
    print("\npublished: " + ", ".join(f"{k} {v['preserved']}/{v['optimised']}" for k, v in p.items())
          + f" times lower; {d['conditions']['differs']}")
