"""`nigiri bench resources`: synthesis of a configuration, and how much of its part that takes."""
from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say
from nigiri.runtime.errors import NigiriError
from nigiri.spec import get_config

__all__ = ["bench_resources"]

KINDS = ("lut", "ff", "dsp", "bram36", "uram")


class SynthesisFailed(NigiriError):
    """Yosys is missing or refused the design."""


def bench_resources(config: Annotated[str, typer.Option(help="Configuration.")] = "pynq_z2",
                    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Synthesise a configuration with Yosys and compare with its part; minutes, the largest an hour."""
    chosen, synth = get_config(config), need("nigiri_hw.build.synth", "hw")
    text: str = need("nigiri_hw.build.verilog", "hw").generate(chosen)
    start = time.perf_counter()
    try:
        usage, tool = synth.synthesise(chosen, say=say), synth.version(synth.find_yosys())
    except synth.SynthesisError as error:
        raise SynthesisFailed(str(error)) from error
    limits = next((v for k, v in synth.LIMITS.items() if chosen.part.startswith(k)), None)
    data: dict[str, Any] = {"config": chosen.name, "part": chosen.part, "macs_per_cycle": chosen.mac_units,
                            **asdict(usage), "yosys": tool, "seconds": round(time.perf_counter() - start),
                            "verilog_sha256": hashlib.sha256(text.encode()).hexdigest()}
    if limits:
        data["available"] = asdict(limits)
        data["share"] = {k: round(data[k] / getattr(limits, k), 4) if getattr(limits, k) else 0.0 for k in KINDS}
    if json:
        emit(data)
        return
    for kind in KINDS:
        of = f" of {data['available'][kind]:,} ({data['share'][kind]:.1%})" if limits else ""
        print(f"{kind:7} {data[kind]:>10,}{of}")
    print(f"{chosen.mac_units} multiply-accumulates a cycle")
