"""`nigiri verify`: random programs, proofs, soak and mutation, for as long as one likes."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say
from nigiri.runtime.errors import BadArgument

__all__ = ["verify"]

verify = typer.Typer(help="Verify the hardware beyond the tests.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Seed = Annotated[int, typer.Option(help="Of what is random.")]


@verify.command()
def programs(seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 60.0,
             config: Annotated[list[str] | None, typer.Option(help="tiny, small; may be repeated.")] = None,
             first: Annotated[int, typer.Option(min=0, help="First seed; the same seeds give the same "
                                                            "programs.")] = 0,
             keep: Annotated[Path, typer.Option(help="Folder for programs that went wrong, made small.")] = Path(
                 "build/verify"),
             json: Json = False) -> None:
    """Random programs, legal and illegal, on the RTL, the golden model and the cycle model."""
    fuzz = need("nigiri_sim.verify.fuzz", "sim")
    from nigiri.spec import get_config

    for name in config or ():
        get_config(name)
    data, failures = fuzz.fuzz(seconds, first=first, configs=tuple(config or fuzz.CONFIGS), folder=keep, say=say)
    if json:
        emit(data)
    else:
        print(f"{data['programs']} programs from seed {first}, {data['programs_per_minute']} a minute, "
              f"{sum(data['refused'].values())} of them to be refused; {data['failures']} failures")
        print(f"cycle model: mean error {100 * data['cycle_model']['mean_abs_error']:.2f} %")
        print(f"coverage: {data['coverage']['operator_kernel_stride_split_residency']} combinations of "
              "operator, kernel, stride, split and residency, "
              f"{data['coverage']['what_follows_the_sums']} of what follows")
    if failures:
        raise typer.Exit(1)


@verify.command()
def formal(name: Annotated[list[str] | None, typer.Option(help="Of a property; may be repeated.")] = None,
           deep: Annotated[bool, typer.Option(help="As deep as the documentation says: half an hour.")] = False,
           json: Json = False) -> None:
    """Prove properties of single components with yosys-smtbmc and Z3."""
    properties = need("nigiri_hw.formal.properties", "formal")
    known = [p.name for p in properties.PROPERTIES]
    for n in name or ():
        if n not in known:
            raise BadArgument(f"there is no property {n!r}: choose of {', '.join(known)}")
    rows: list[dict[str, Any]] = []
    for p in properties.run(name, deep=deep):
        rows.append({"name": p.name, "mode": p.mode, "depth": p.depth, "holds": p.holds,
                     "seconds": round(p.seconds, 1)})
        say(f"{p.name}: {'holds' if p.holds else 'BROKEN'} ({p.mode}, {p.depth} cycles, {p.seconds:.1f} s)")
        if not p.holds:
            say(p.output[-1000:])
    if json:
        emit({"proofs": rows})
    if not all(r["holds"] for r in rows):
        raise typer.Exit(1)


@verify.command()
def soak(queries: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000, seed: Seed = 2026,
         json: Json = False) -> None:
    """Queries on the RTL with changes of the cache, failing memory and resets between."""
    data = need("nigiri_sim.verify.soak", "sim").soak(queries, seed, say)
    if json:
        emit(data)
    else:
        print(f"seed {seed}: {data['queries']} queries, {data['wrong']} wrong, {data['events']}, "
              f"{data['queries_with_other_cycles']} with other cycles than before, memory grew by "
              f"{data['memory_growth_mib']} MiB")
    if data["wrong"] or data["queries_with_other_cycles"]:
        raise typer.Exit(1)


@verify.command()
def coverage(programs: Annotated[int, typer.Option(min=1, help="How many random programs.")] = 2000,
             config: Annotated[list[str] | None, typer.Option(help="tiny, small; may be repeated.")] = None,
             json: Json = False) -> None:
    """What random programs reach: combinations of what a layer can be, and lines of the Verilog."""
    cover = need("nigiri_sim.verify.cover", "sim")
    from nigiri.spec import get_config

    for name in config or ():
        get_config(name)
    data = cover.cover(programs, configs=tuple(config or cover.CONFIGS), say=say)
    if json:
        emit(data)
        return
    for name, d in data["lines"].items():
        print(f"{name}: {d['reached']} of {d['points']} lines and branches of the Verilog ({100 * d['share']:.2f} %)")
        for line in d["missing"]:
            print(f"  not reached: {line}")
    f = data["functional"]
    print(f"{f['operator_kernel_stride_split_residency']} combinations of operator, kernel, stride, split and "
          f"residency, {f['what_follows_the_sums']} of what follows")


@verify.command()
def mutation(count: Annotated[int, typer.Option(min=1, help="Mutants, drawn at random.")] = 40,
             seconds: Annotated[float, typer.Option(help="At most.")] = 3600.0, seed: Seed = 2026,
             root: Annotated[Path, typer.Option(help="A checkout of the repository.")] = Path("."),
             json: Json = False) -> None:
    """Put small errors into the hardware's source, one at a time; the tests have to notice each."""
    if not (root / "hw" / "nigiri_hw" / "core").is_dir():
        raise BadArgument(f"there is no hardware source below {root}: run this in a checkout of the repository")
    data = need("nigiri_sim.verify.mutate", "sim").mutate(root.resolve(), count, seed, seconds=seconds, say=say)
    if json:
        emit(data)
    else:
        print(f"{data['killed']} of {data['real']} mutants killed (of {data['possible']} possible)")
        for m in data["survivors"]:
            print(f"survived: {m['file']}.py line {m['line']}: {m['what']}")
