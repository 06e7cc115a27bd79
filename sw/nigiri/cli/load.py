"""`nigiri load`: load for a server, and what came of it."""
from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri import bundle as bundles
from nigiri.cli.extras import need
from nigiri.cli.output import emit
from nigiri.runtime.errors import BadArgument

__all__ = ["load"]


def load(url: Annotated[str, typer.Argument(help="The server.")] = "http://127.0.0.1:8000",
         clients: Annotated[int, typer.Option(min=0, max=1024, help="Closed load: queries under way at once; 0 for an "
                                                                    "open load.")] = 0,
         rate: Annotated[float, typer.Option(help="Open load: mean queries a second.")] = 200.0,
         seconds: Annotated[float, typer.Option(min=0.1, help="How long.")] = 10.0,
         shape: Annotated[str, typer.Option(help="Open load: azure (the shipped trace, squeezed), poisson, or a "
                                                 "file of Azure Functions 2019.")] = "azure",
         accuracy: Annotated[list[float] | None, typer.Option(help="Accuracy target, per cent; of several, each query "
                                                                   "has one at random.")] = None,
         latency: Annotated[float, typer.Option(help="Latency target, ms; 0 for none.")] = 0.0,
         deadline: Annotated[float, typer.Option(help="Deadline, ms; 0 for none.")] = 0.0,
         check: Annotated[bool, typer.Option(help="Compare every answer with the golden model.")] = False,
         seed: int = 0, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Send the shipped test images to a server and print attainment, latencies and refusals.

    The environment variable NIGIRI_TOKEN holds the token, if the server wants one.
    """
    client, sender = need("nigiri.serving.client", "serve"), need("nigiri.serving.load", "serve")
    from nigiri import traffic
    from nigiri.serving.backend import Golden

    images, _ = bundles.demo_images()
    golden = Golden(bundles.load(bundles.demo_path())) if check else None
    targets: dict[str, Any] = {k: v for k, v in (("latency_ms", latency), ("deadline_ms", deadline)) if v > 0}
    rng, levels = random.Random(seed), tuple(accuracy or ())

    def wish(n: int) -> dict[str, Any]:
        return targets | {"accuracy": rng.choice(levels)} if levels else targets
    if shape == "azure":
        arrivals = traffic.azure_shape(seconds, rate, seed=seed)
    elif shape == "poisson":
        arrivals = traffic.poisson(rate, seconds, seed=seed)
    elif Path(shape).is_file():
        arrivals = traffic.functions_shape(Path(shape), seconds, rate, seed=seed)
    else:
        raise BadArgument(f"shape must be azure, poisson or a file of Azure Functions 2019, not {shape!r}")

    async def main() -> Any:
        async with client.Client(url, token=os.environ.get("NIGIRI_TOKEN") or None, connections=1024) as c:
            wanted = (lambda subnet, n: golden.logits(subnet, [images[n]])[0]) if golden else None
            if clients:
                return await sender.closed_load(c, images, clients=clients, seconds=seconds, targets=wish,
                                                expected=wanted)
            return await sender.open_load(c, images, arrivals, targets=wish, expected=wanted)
    data = asyncio.run(main()).summary() | {"seed": seed, "url": url}
    if json:
        emit(data)
        return
    print(f"seed {seed}: {data['sent']} queries in {data['seconds']:.1f} s, {data['answered']} answered "
          f"({data['requests_per_s']:.0f}/s), {data['lost']} lost, {data['wrong']} wrong")
    print(f"attainment {100 * data['attainment']:.3f} %, accuracy {data['accuracy']} %, retries {data['retries']}")
    for name in ("client_ms", "server_ms", "device_ms", "overhead_ms"):
        print(f"{name:12} " + "  ".join(f"{k} {v:.3f}" for k, v in data[name].items()))
    print(f"weight bytes from the cache {100 * (data['cache_hit_ratio'] or 0):.1f} %")
    if data["refused"]:
        print("refused: " + ", ".join(f"{k} {v}" for k, v in data["refused"].items()))
