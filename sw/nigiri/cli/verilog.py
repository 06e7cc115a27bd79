"""`nigiri verilog`: the Verilog of a configuration."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import say
from nigiri.spec import get_config

__all__ = ["verilog"]


def verilog(config: Annotated[str, typer.Option(help="Configuration, see `nigiri info`.")],
            out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write to.")]) -> None:
    """Write the accelerator's Verilog; a file that would not change is left alone."""
    chosen = get_config(config)
    build = need("nigiri_hw.build.verilog", "hw")
    path = out / f"{build.module_name(chosen)}.v"
    say(f"elaborating {config}")
    text = build.generate(chosen)
    out.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    print(f"{path}: {len(text.splitlines()):,} lines")
