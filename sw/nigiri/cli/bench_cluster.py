"""`nigiri bench cluster`: several boards, what each caches, and where queries go."""
from __future__ import annotations

from typing import Annotated

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say

__all__ = ["bench_cluster"]


def bench_cluster(
        family: Annotated[list[str] | None, typer.Option(help="demo, mobilenet_v3_160 or resnet50; may be "
                                                              "repeated.")] = None,
        devices: Annotated[list[int] | None, typer.Option(help="Boards; may be repeated.")] = None,
        load: Annotated[list[float] | None, typer.Option(help="Of each board, below 1; may be repeated.")] = None,
        queries: Annotated[int, typer.Option(min=1, help="Of each stream.")] = 8000,
        subgraphs: Annotated[int, typer.Option(min=1, help="|S|, candidate SubGraphs.")] = 40,
        seed: Annotated[int, typer.Option(help="Of the streams.")] = 2026,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Simulate boards that cache the same or different SubGraphs, with queries routed in turn or where they fit."""
    need("simpy", "sched")
    from nigiri.reproduce.cluster import Request, cluster

    usual = Request()
    data = cluster(Request(families=tuple(family or usual.families), devices=tuple(devices or usual.devices),
                           loads=tuple(load or usual.loads), queries=queries, subgraphs=subgraphs, seed=seed), say)
    if json:
        emit(data)
        return
    for name, text in data["policies"].items():
        print(f"{name:8} {text}")
    print(f"seed {seed}, {queries} queries a stream\nfamily            stream  load boards policy   router       "
          "service   response  p99       hit bytes  off chip a query")
    for r in data["rows"]:
        print(f"{r['family']:17} {r['stream']:7} {r['load']:4} {r['devices']:6} {r['policy']:8} {r['router']:12} "
              f"{r['service_ms']:6.4f} ms {r['response_ms']:6.3f} ms {r['p99_response_ms']:6.2f} ms "
              f"{100 * r['hit_bytes']:7.1f} %  {r['dram_kib_per_query']:8.1f} KiB")
