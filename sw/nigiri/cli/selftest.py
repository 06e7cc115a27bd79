"""`nigiri selftest`: whether a board works."""
from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from nigiri.cli.output import emit, say
from nigiri.runtime.connect import connect
from nigiri.selftest import run_selftest

__all__ = ["selftest"]


def selftest(device: Annotated[str, typer.Option(help="pynq, sim:BOARD, rtl:CONFIG or golden:CONFIG; what "
                                                      "NIGIRI_DEVICE says when left out, else pynq.")] = "",
             images: Annotated[int, typer.Option(min=1, max=512, help="Images for each SubNet.")] = 2,
             bitstream: Annotated[str, typer.Option(help="Another .bit file than the installed one.")] = "",
             json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check registers, memory, DMA, inference, cache, interrupt, clock and speed; exit code 1 if anything fails."""
    opened = connect(device or None, bitstream=bitstream or None)
    try:
        report = run_selftest(opened, images=images, say=say)
    finally:
        opened.close()
    if json:
        emit({"device": report.device, "config": report.config, "passed": report.passed,
              "checks": [asdict(r) for r in report.results]})
    else:
        for r in report.results:
            print(f"{'PASS' if r.passed else 'FAIL'}  {r.name:10}  {r.detail}")
        print(f"{report.config}: {'PASS' if report.passed else 'FAIL'}")
    if not report.passed:
        raise typer.Exit(1)
