"""The boards that Nigiri is deployed on.

A new one is one more file in this folder, with a :class:`Board` called BOARD.
"""
from __future__ import annotations

import importlib
import pkgutil

from nigiri.spec.boards.board import Board, BoardError

__all__ = ["BOARDS", "Board", "BoardError", "get_board"]

BOARDS: dict[str, Board] = {
    board.name: board for board in (
        importlib.import_module(f"{__name__}.{module.name}").BOARD
        for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name) if module.name != "board")}
"""Every board by its name."""


def get_board(name: str) -> Board:
    """The board called `name`, in our spelling or in PYNQ's.

    Raises
    ------
    BoardError: no such board; the message lists those that exist.
    """
    for board in BOARDS.values():
        if name.lower() in (board.name, board.pynq_name.lower()):
            return board
    raise BoardError(f"unknown board {name!r}: choose one of {', '.join(BOARDS)}")
