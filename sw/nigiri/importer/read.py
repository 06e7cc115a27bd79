"""A model file to the common graph, by its ending."""
from __future__ import annotations

import re
from pathlib import Path

from nigiri.importer.errors import BadModel
from nigiri.importer.ir import Graph

__all__ = ["SIZE_LIMIT", "read_model"]

SIZE_LIMIT = 256 << 20
"""Largest model file, bytes."""


def read_model(path: Path | str) -> Graph:
    """The graph in a .tflite or .onnx file.

    Raises
    ------
    BadModel: missing, too large, damaged, of another kind.  UnsupportedModel, UnsupportedOperator.
    """
    path = Path(path)
    if path.suffix not in (".tflite", ".onnx"):
        raise BadModel(f"{path.name} is neither a .tflite nor an .onnx file: convert the model to one of these")
    try:
        size = path.stat().st_size
    except OSError as e:
        raise BadModel(f"there is no model at {path}: check the path") from e
    if size > SIZE_LIMIT:
        raise BadModel(f"{path.name} has {size} bytes, more than {SIZE_LIMIT}: it is no model for this accelerator")
    raw, name = path.read_bytes(), re.sub(r"[^\w.-]", "_", path.stem)
    if path.suffix == ".tflite":
        from nigiri.importer.tflite_reader import read_tflite

        return read_tflite(raw, name)
    from nigiri.importer.onnx_reader import read_onnx

    return read_onnx(raw, name)
