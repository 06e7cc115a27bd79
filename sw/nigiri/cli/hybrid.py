"""`nigiri hybrid`: search for SubNets with convolution and attention blocks, and what runs where."""
from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit

__all__ = ["hybrid"]


def hybrid(config: Annotated[str, typer.Option(help="Configuration.")] = "pynq_z2",
           memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
           evaluations: Annotated[int, typer.Option(min=64, help="SubNets to judge.")] = 1000,
           convolution: Annotated[bool, typer.Option("--convolution", help="Without attention.")] = False,
           host_factor: Annotated[float, typer.Option(min=0.01, help="How much slower the host is than this "
                                                                     "machine.")] = 1.0,
           launch_ms: Annotated[float, typer.Option(min=0.0, help="Starting the array and waiting for it.")] = 0.0735,
           seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
           json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """The front of predicted accuracy and estimated latency of the trained CIFAR-10 hybrid SuperNet."""
    need("rich", "cli")
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from nigiri.hybrid.estimate import Estimator
    from nigiri.hybrid.mapping import Link
    from nigiri.hybrid.search import attention_blocks, evolve
    from nigiri.hybrid.shipped import shipped_model
    from nigiri.hybrid.space import HYBRID
    from nigiri.spec import get_config, get_memory
    from nigiri.spec.memory import default_memory

    machine = get_config(config)
    setting = get_memory(memory) if memory else default_memory(machine)
    estimator = Estimator(space=HYBRID, config=machine, memory=setting, link=Link(launch_ms=launch_ms),
                          host_factor=host_factor)
    model = shipped_model()
    space = HYBRID.without_attention() if convolution else HYBRID
    with Progress(console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("SubNets", total=evaluations)
        found = evolve(space, model, estimator, evaluations=evaluations, population=min(64, evaluations), seed=seed,
                       progress=lambda done: bar.update(task, completed=done))
    data: dict[str, Any] = {
        "config": config, "memory": setting.name, "seed": seed, "evaluations": evaluations,
        "host_factor": host_factor, "predictor_error": model.error,
        "front": [{"ms": x.mapped.ms, "accuracy": x.accuracy, "host": list(x.mapped.host),
                   "launches": x.mapped.launches, **asdict(x.config)} for x in found]}
    if json:
        emit(data)
        return
    view = Table("ms", "accuracy %", "blocks by stage", "attention", "normaliser", "launches", "on the host",
                 title=f"{config}, {setting.name}; accuracy predicted, error {model.error:.2f} points")
    for x in found[::max(1, len(found) // 16)]:
        blocks = attention_blocks(x.config)
        view.add_row(f"{x.mapped.ms:.3f}", f"{x.accuracy:.2f}", "-".join(map(str, x.config.depths)), str(blocks),
                     x.config.norm if blocks else "", str(x.mapped.launches), ", ".join(x.mapped.host) or "nothing")
    Console().print(view)
