"""`nigiri pareto`: the SubNets of a SuperNet that are worth serving on a configuration."""
from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say, write_json
from nigiri.cli.predictor_file import open_predictor
from nigiri.cli.target import machine
from nigiri.runtime.errors import BadArgument
from nigiri.search.evaluate import Evaluator, Machine
from nigiri.search.evolve import Settings
from nigiri.search.predictor import PUBLISHED, Macs, Score
from nigiri.search.published import read_folder
from nigiri.search.report import search
from nigiri.zoo.build import parse
from nigiri.zoo.plan import Choice, Family

__all__ = ["pareto"]


def pareto(
        network: Annotated[str, typer.Argument(help="SuperNet of the zoo, for example ofa_mbv3_w12.")],
        config: Annotated[str, typer.Option(help="Configuration.")] = "kv260",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        predictor: Annotated[str, typer.Option(help="Accuracy predictor: a .safetensors or .pth file, or its address.",
                                               metavar="FILE|URL")] = "",
        proxy: Annotated[str, typer.Option(help="Without a predictor: macs ranks by multiply-accumulates.")] = "",
        objective: Annotated[str, typer.Option(help="What is minimised: latency, energy or weights.")] = "latency",
        cache: Annotated[str, typer.Option(help="none, or best: the SubGraph that helps each SubNet most.")] = "none",
        evaluations: Annotated[int, typer.Option(help="SubNets to evaluate.")] = 1000,
        population: Annotated[int, typer.Option(help="SubNets of a generation.")] = 64,
        screen: Annotated[int, typer.Option(help="Children made for each that is evaluated.")] = 8,
        seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
        baseline: Annotated[bool, typer.Option("--random/--no-random", help="Random search of the same budget to "
                                                                            "compare with.")] = True,
        published: Annotated[Path | None, typer.Option(help="Folder of Once-for-All's specialised networks to show "
                                                            "beside the front.")] = None,
        jobs: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
        out: Annotated[Path, typer.Option(help="Folder for points, JSON and picture.")] = Path("build/pareto"),
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Evolutionary search for the front of accuracy and latency.  Started again, it goes on where it stopped."""
    need("rich", "cli")
    need("matplotlib", "cli")
    from rich.console import Console
    from rich.progress import Progress

    from nigiri.cli.pareto_plot import plot_pareto

    family = family_of(network)
    score = score_of(family, predictor, proxy)
    chosen, setting = machine(config, memory)
    if cache not in ("none", "best"):
        raise BadArgument(f"--cache must be none or best, not {cache!r}")
    settings = Settings(evaluations=evaluations, population=population, objective=objective, seed=seed,
                        screen=screen)
    compared = others(family, published)
    target = Machine(network=network, config=chosen, memory=setting, cache=cache)
    total = (2 if baseline else 1) * evaluations + sum(map(len, compared.values()))
    with (Evaluator(target, out / "points.jsonl", jobs) as evaluator,
          Progress(console=Console(file=sys.stderr)) as bar):
        task = bar.add_task(f"SubNets on {chosen.name}", total=total)
        data = search(family, score, evaluator, settings, compared, baseline=baseline,
                      progress=lambda done: bar.advance(task, done))
    plot_pareto(data, out / "pareto.png")
    kept = {key: value for key, value in data.items() if key != "points"}
    write_json(out / "pareto.json", kept)
    say(f"points, front and picture in {out}")
    if json:
        emit(kept)
    else:
        show(kept, out / "pareto.json")


def family_of(network: str) -> Family:
    """The whole SuperNet of that name; UnknownNetwork, BadArgument for a SubNet."""
    if ":" in network:
        raise BadArgument(f"a SuperNet is searched, not one of its SubNets: give {network.partition(':')[0]}")
    return parse(network)[0]


def score_of(family: Family, predictor: str, proxy: str) -> Score:
    """The predictor, or the proxy where none is given.

    Raises
    ------
    BadArgument: neither or both are given, or an unknown proxy.  PredictorError: see :func:`open_predictor`.
    """
    if predictor and proxy:
        raise BadArgument("give --predictor or --proxy, not both")
    if proxy:
        if proxy != "macs":
            raise BadArgument(f"unknown proxy {proxy!r}: choose macs")
        return Macs(family)
    if not predictor:
        like = "ofa_resnet50" if "resnet" in family.name else "ofa_mbv3_w12"
        raise BadArgument(f"no accuracy predictor is part of Nigiri: give --predictor FILE or URL (that of "
                          f"Once-for-All: {PUBLISHED[like]}), or rank by multiply-accumulates with --proxy macs")
    opened = open_predictor(predictor)
    opened.check_for(family)
    if opened.network != family.name:
        say(f"this predictor is for {opened.network}: of {family.name} it says the order, not the accuracy")
    return opened


def others(family: Family, published: Path | None) -> dict[str, dict[str, Choice]]:
    """Sets of SubNets to show beside the front, by what they are called."""
    out = {"SubNets of the zoo": dict(family.choices)}
    if published is not None:
        out["specialised networks of Once-for-All"] = {
            p.name: p.choice for p in read_folder(published) if p.network == family.name and p.choice.side % 16 == 0}
    return {name: choices for name, choices in out.items() if choices}


def show(d: dict[str, Any], path: Path) -> None:
    """The report for people."""
    print(f"{d['network']}: {d['size']:.1e} SubNets; {d['conditions']}")
    print(f"seed {d['seed']}, {d['evaluations']} SubNets evaluated, {d['refused']} did not fit")
    print(f"score: {d['score_name']}")
    print("\nSubNet     score  latency ms  energy mJ    MMAC  weights MiB   px  depth")
    for s in d["subnets"]:
        print(f"{s['name']:8} {s['score']:7.2f} {s['ms']:11.3f} {s['mj']:10.3f} {s['macs'] / 1e6:7.1f} "
              f"{s['weight_bytes'] / 2**20:12.2f} {s['config']['r']:4}  {''.join(map(str, s['config']['d']))}")
    print(f"\nhypervolume (mean score above the smallest SubNet's over budgets up to the largest's): "
          f"{d['hypervolume']['evolution']:.3f}")
    for key, value in d["hypervolume"].items():
        if key != "evolution":
            print(f"  of {key}: {value:.3f}")
    print(f"\nnigiri bench network {path}:{d['subnets'][-1]['name']} --config {d['config']}    runs one of them")
