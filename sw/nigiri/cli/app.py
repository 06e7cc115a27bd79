"""All commands of `nigiri`; each lives in its own module."""
from __future__ import annotations

import typer

from nigiri.cli.bench_cluster import bench_cluster
from nigiri.cli.bench_cycle_model import bench_cycle_model
from nigiri.cli.bench_network import bench_network
from nigiri.cli.bench_resources import bench_resources
from nigiri.cli.bench_scheduler import bench_scheduler
from nigiri.cli.bench_speed import bench_speed
from nigiri.cli.bitstream import bitstream
from nigiri.cli.compile import compile_command
from nigiri.cli.demo import demo
from nigiri.cli.graft import graft
from nigiri.cli.hybrid import hybrid
from nigiri.cli.import_model import import_model
from nigiri.cli.info import info
from nigiri.cli.inspect import inspect
from nigiri.cli.load import load
from nigiri.cli.pareto import pareto
from nigiri.cli.predictor import check, convert
from nigiri.cli.profile import profile
from nigiri.cli.reproduce import sushi_accel
from nigiri.cli.reproduce_serving import hybridserve, superserve, sushi_end_to_end
from nigiri.cli.run import run
from nigiri.cli.selftest import selftest
from nigiri.cli.serve import serve
from nigiri.cli.serve_ray import serve_ray
from nigiri.cli.split import split
from nigiri.cli.sweep import sweep
from nigiri.cli.table import table
from nigiri.cli.tune import tune
from nigiri.cli.verify import verify
from nigiri.cli.verilog import verilog

__all__ = ["app"]

app = typer.Typer(help="Serve SuperNets on the Nigiri accelerator: simulated, golden model, or board.",
                  no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
bench = typer.Typer(help="Measure.", no_args_is_help=True)

app.command()(bitstream)
app.command("compile")(compile_command)
app.command()(demo)
app.command()(graft)
app.command()(hybrid)
app.command("import")(import_model)
app.command()(info)
app.command()(inspect)
app.command()(load)
app.command()(pareto)
app.command()(profile)
app.command()(run)
app.command()(selftest)
app.command()(serve)
app.command("serve-ray")(serve_ray)
app.command()(sweep)
app.command()(table)
app.command()(tune)
app.command()(verilog)
app.add_typer(bench, name="bench")
app.add_typer(split, name="split")
app.add_typer(verify, name="verify")
reproduce = typer.Typer(help="Published experiments, here.", no_args_is_help=True)
app.add_typer(reproduce, name="reproduce")
reproduce.command("sushi-accel")(sushi_accel)
reproduce.command("sushi-end-to-end")(sushi_end_to_end)
reproduce.command()(superserve)
reproduce.command()(hybridserve)
bench.command("cluster")(bench_cluster)
bench.command("cycle-model")(bench_cycle_model)
bench.command("network")(bench_network)
bench.command("resources")(bench_resources)
bench.command("scheduler")(bench_scheduler)
bench.command("speed")(bench_speed)
predictor = typer.Typer(help="Accuracy predictors of Once-for-All, which the user brings.", no_args_is_help=True)
app.add_typer(predictor, name="predictor")
predictor.command("check")(check)
predictor.command("convert")(convert)
