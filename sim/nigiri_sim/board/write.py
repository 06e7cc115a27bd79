"""Writes the overlays of all simulated boards: `python -m nigiri_sim.board.write`."""
from __future__ import annotations

from pathlib import Path

from nigiri.spec.boards import BOARDS, Board
from nigiri_sim.board.hwh import write_overlay

__all__ = ["FOLDER", "main", "path_of"]

FOLDER = Path(__file__).parents[1] / "overlays" / "nigiri.bit.d"


def path_of(board: Board, folder: Path = FOLDER) -> Path:
    """The bitstream of a simulated board."""
    return folder / f"nigiri.Simulated-{board.pynq_name}.bit"


def main(folder: Path = FOLDER) -> None:
    """Write them all."""
    for board in BOARDS.values():
        write_overlay(board, path_of(board, folder))


if __name__ == "__main__":
    main()
