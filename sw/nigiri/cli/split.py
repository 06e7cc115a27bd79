"""`nigiri split`: where to cut a SubNet, and the server behind the cut."""
from __future__ import annotations

from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say
from nigiri.cli.target import load_bundle, open_target

__all__ = ["split"]

split = typer.Typer(help="Split inference: a client computes the first layers, a server the rest.",
                    no_args_is_help=True)
Bundle = Annotated[str, typer.Argument(help="BUNDLE:SUBNET; demo is the shipped bundle.")]


@split.command()
def plan(target: Bundle, bandwidth: Annotated[float, typer.Option(min=0.0, help="Mbit/s.")] = 10.0,
         rtt: Annotated[float, typer.Option(min=0.0, help="Round trip, ms.")] = 5.0,
         client: Annotated[str, typer.Option(help="CONFIG or CONFIG@MHz by the cycle model, or host: this machine, "
                                                  "measured.")] = "pynq_z2@25",
         server: Annotated[str, typer.Option(help="CONFIG or CONFIG@MHz by the cycle model.")] = "zcu104",
         json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """What every cut costs, and which is the best."""
    need("rich", "cli")
    from rich.console import Console
    from rich.table import Table

    from nigiri.split import Costs, boundaries
    from nigiri.split.times import measured_ms, side_ms

    found = open_target(target)
    network, subnet = found.network, found.subnet.name
    client_ms = measured_ms(network, subnet) if client == "host" else side_ms(network, subnet, client)
    costs = Costs.of(network, subnet, client_ms, side_ms(network, subnet, server))
    totals = costs.totals(bandwidth, rtt)
    best = min(range(len(totals)), key=lambda n: (totals[n], n))
    rows: list[dict[str, Any]] = []
    for c in boundaries(network, network.subnet(subnet)):
        rows.append({"cut": c.at, "tensors": [t for t, *_ in c.tensors], "bytes": c.nbytes,
                     "client_ms": sum(costs.client_ms[:c.at]), "server_ms": sum(costs.server_ms[c.at:]),
                     "ms": totals[c.at]})
    if json:
        emit({"target": target, "bandwidth_mbit_s": bandwidth, "rtt_ms": rtt, "client": client, "server": server,
              "best": best, "cuts": [r | {"ms": r["ms"] if bandwidth else None} for r in rows]})
        return
    view = Table("cut", "what crosses", "bytes", "client, ms", "server, ms", "total, ms",
                 title=f"{target}: client {client}, server {server}, {bandwidth:g} Mbit/s, {rtt:g} ms")
    for r in rows:
        view.add_row(f"{r['cut']}{' *' if r['cut'] == best else ''}", ", ".join(r["tensors"]), f"{r['bytes']:,}",
                     f"{r['client_ms']:.3f}", f"{r['server_ms']:.3f}", f"{r['ms']:.3f}")
    Console().print(view)


@split.command()
def serve(target: Annotated[str, typer.Argument(help="A bundle; demo is the shipped one.")],
          host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
          port: Annotated[int, typer.Option(min=0, max=65535, help="0: any.")] = 8001,
          limit: Annotated[int, typer.Option(min=1024, help="Most bytes of a message.")] = 16 * 2**20) -> None:
    """Answers messages at any cut of any SubNet, in golden arithmetic; POST /v1/split."""
    need("starlette", "serve")
    need("uvicorn", "serve")
    import uvicorn

    from nigiri.split.runners import GoldenRunner
    from nigiri.split.server import application

    network = load_bundle(target).network
    say(f"{network.name} at http://{host}:{port}/v1/split")
    uvicorn.run(application(network, GoldenRunner(network), limit), host=host, port=port, log_level="warning")
