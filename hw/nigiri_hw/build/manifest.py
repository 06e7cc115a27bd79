"""The manifest of a bitstream: what it was made from and with, and checksums of its files."""

import hashlib
import json
from pathlib import Path

from nigiri.spec import ip
from nigiri.spec.boards import Board
from nigiri.spec.config import VERSION, AcceleratorConfig
from nigiri_hw.build.verilog import generate

__all__ = ["install", "manifest"]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(
    board: Board, config: AcceleratorConfig, files: dict[str, Path], tools: dict[str, str]
) -> dict[str, object]:
    """Facts about a bitstream; `files` by the role they have, `tools` by name their versions."""
    return {
        "format": "nigiri-bitstream",
        "board": board.name,
        "config": config.name,
        "digest": f"{config.digest():#010x}",
        "interface": ".".join(map(str, VERSION)),
        "ip": ip.VLNV,
        "part": board.part,
        "clock_mhz": board.fclk_mhz,
        "verilog_sha256": _sha256(generate(config).encode()),
        "tools": tools,
        "files": {role: {"name": p.name, "sha256": _sha256(p.read_bytes())} for role, p in sorted(files.items())},
    }


def install(board: Board, config: AcceleratorConfig, built: Path, target: Path, tools: dict[str, str]) -> Path:
    """Copy `built`/nigiri.bit and .hwh to where PYNQ finds them (`target`, an overlay folder); returns the .bit there.

    The manifest goes beside them.  Raises FileNotFoundError when one of the two is missing.
    """
    folder = target / "nigiri.bit.d"
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for role in ("bit", "hwh"):
        source, copy = built / f"nigiri.{role}", folder / f"nigiri.{board.pynq_name}.{role}"
        copy.write_bytes(source.read_bytes())
        files[role] = copy
    text = json.dumps(manifest(board, config, files, tools), indent=1) + "\n"
    (folder / f"nigiri.{board.pynq_name}.json").write_text(text)
    return files["bit"]
