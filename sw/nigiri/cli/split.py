"""`nigiri split`: where to cut a SubNet, the server behind the cut, and a client before it."""
from __future__ import annotations

import math
import os
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say
from nigiri.cli.target import load_bundle, open_target
from nigiri.runtime.errors import BadArgument

__all__ = ["split"]

TOKEN, TOKEN_BYTES = "NIGIRI_TOKEN", 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")

split = typer.Typer(help="Split inference: a client computes the first layers, a server the rest.",
                    no_args_is_help=True)
Bundle = Annotated[str, typer.Argument(help="BUNDLE:SUBNET; demo is the shipped bundle.")]
Client = Annotated[str, typer.Option(help="CONFIG or CONFIG@MHz by the cycle model, or host: this machine, measured.")]
Server = Annotated[str, typer.Option(help="CONFIG or CONFIG@MHz by the cycle model, or host.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@split.command()
def plan(target: Bundle, bandwidth: Annotated[float, typer.Option(min=0.0, help="Mbit/s.")] = 10.0,
         rtt: Annotated[float, typer.Option(min=0.0, help="Round trip, ms.")] = 5.0, client: Client = "pynq_z2@25",
         server: Server = "zcu104", json: AsJson = False) -> None:
    """What every cut costs, and which is the best; - where an array cannot run that part, or there is no link."""
    need("rich", "cli")
    from rich.console import Console
    from rich.table import Table

    from nigiri.split import Conditions, Costs, boundaries
    from nigiri.split.times import side_ms

    found = open_target(target)
    network, subnet = found.network, found.subnet.name
    costs = Costs.of(network, subnet, side_ms(network, subnet, "before", client),
                     side_ms(network, subnet, "behind", server))
    totals = costs.totals(Conditions(mbit_s=bandwidth, rtt_ms=rtt))
    best = min(range(len(totals)), key=lambda n: (totals[n], n))
    rows: list[dict[str, Any]] = []
    for n, c in enumerate(boundaries(network, network.subnet(subnet))):
        rows.append({"cut": n, "tensors": [t for t, *_ in c.tensors], "bytes": costs.nbytes[n],
                     "client_ms": costs.before_ms[n], "server_ms": costs.server_ms(n), "ms": totals[n]})
    if json:
        emit({"target": target, "bandwidth_mbit_s": bandwidth, "rtt_ms": rtt, "client": client, "server": server,
              "best": best, "cuts": [{k: None if v == math.inf else v for k, v in r.items()} for r in rows]})
        return
    view = Table("cut", "what crosses", "bytes", "client, ms", "server, ms", "total, ms",
                 title=f"{target}: client {client}, server {server}, {bandwidth:g} Mbit/s, {rtt:g} ms")
    for r in rows:
        view.add_row(f"{r['cut']}{' *' if r['cut'] == best else ''}", ", ".join(r["tensors"]), f"{r['bytes']:,}",
                     *(f"{x:.3f}" if x < math.inf else "-" for x in (r["client_ms"], r["server_ms"], r["ms"])))
    Console().print(view)


@split.command()
def serve(target: Annotated[str, typer.Argument(help="A bundle; demo is the shipped one.")],
          host: Annotated[str, typer.Option(help="Address; others than loopback need a token.")] = "127.0.0.1",
          port: Annotated[int, typer.Option(min=0, max=65535, help="0: any.")] = 8001,
          limit: Annotated[int, typer.Option(min=1024, help="Most bytes of a message.")] = 16 * 2**20,
          most: Annotated[int, typer.Option(min=1, help="Most messages at once.")] = 16) -> None:
    """Answers messages at any cut of any SubNet, in golden arithmetic; POST /v1/split.

    The environment variable NIGIRI_TOKEN holds the token that clients must send, if any.
    """
    token = os.environ.get(TOKEN) or None
    if host not in LOOPBACK and token is None:
        raise BadArgument(f"the server would be open to everybody on {host}: set {TOKEN}, or listen on 127.0.0.1")
    if token is not None and len(token) < TOKEN_BYTES:
        raise BadArgument(f"the token must have at least {TOKEN_BYTES} characters")
    need("starlette", "serve")
    uvicorn = need("uvicorn", "serve")

    from nigiri.split.runners import GoldenRunner
    from nigiri.split.server import application

    network = load_bundle(target).network
    say(f"{network.name} at http://{host}:{port}/v1/split")
    uvicorn.run(application(network, GoldenRunner(network), limit, token=token, most=most), host=host, port=port,
                log_level="warning")


@split.command()
def run(target: Bundle, url: Annotated[str, typer.Option(help="Of the server.")] = "http://127.0.0.1:8001",
        queries: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 20,
        bandwidth: Annotated[list[float] | None, typer.Option(min=0.0, help="Mbit/s to slow the link down to; may be "
                             "repeated: each for its share of the queries.")] = None,
        client: Client = "host", server: Server = "host", json: AsJson = False) -> None:
    """Sends random images with a server's help, and compares every answer with the whole SubNet on this machine."""
    from nigiri.split.run import run_queries

    found = open_target(target)
    result = run_queries(found.network, found.subnet.name, url, queries, tuple(bandwidth or ()), client, server,
                         os.environ.get(TOKEN) or None)
    if json:
        emit({"target": target, "url": url, "client": client, "server": server} | result)
        return
    for row in result["rows"]:
        print(f"{row['mbit_s']:10.3f} Mbit/s  round trip {row['rtt_ms']:.2f} ms  server x {row['load']:.2f}  "
              f"cut {row['cut']:3d}  {row['ms']:9.2f} ms  {'right' if row['right'] else 'WRONG'}"
              f"{'  alone: ' + row['alone'] if row['alone'] else ''}")
    print(f"{queries} queries, {result['wrong']} wrong, {result['alone']} answered alone")
