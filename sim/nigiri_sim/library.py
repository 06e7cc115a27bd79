"""The C interface of a simulation model (native/harness.cpp), through ctypes."""
from __future__ import annotations

import ctypes as c
from pathlib import Path

__all__ = ["Settings", "Statistics", "load"]


class Settings(c.Structure):
    """What a model is created with; rates in bytes a cycle, latency in cycles, stalls a probability."""

    _fields_ = [("total_rate", c.c_double), ("port_rate", c.c_double), ("stalls", c.c_double),
                ("seed", c.c_uint64), ("dram_base", c.c_uint64), ("dram_size", c.c_uint64),
                ("latency", c.c_uint32), ("outstanding", c.c_uint32), ("trace", c.c_char_p)]


class Statistics(c.Structure):
    """What one data port has moved since the device was created."""

    _fields_ = [("read_bursts", c.c_uint64), ("read_bytes", c.c_uint64), ("write_bursts", c.c_uint64),
                ("write_bytes", c.c_uint64), ("most_reads", c.c_uint64), ("most_writes", c.c_uint64)]

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name, *_ in self._fields_}


_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "create": (c.c_void_p, [c.POINTER(Settings)]),
    "destroy": (None, [c.c_void_p]),
    "dram": (c.c_void_p, [c.c_void_p]),
    "error": (c.c_char_p, [c.c_void_p]),
    "cycles": (c.c_uint64, [c.c_void_p]),
    "interrupt": (c.c_int, [c.c_void_p]),
    "run": (c.c_int, [c.c_void_p, c.c_uint64]),
    "until_interrupt": (c.c_int, [c.c_void_p, c.c_uint64]),
    "reset": (c.c_int, [c.c_void_p]),
    "read": (c.c_int, [c.c_void_p, c.c_uint32, c.POINTER(c.c_uint32)]),
    "write": (c.c_int, [c.c_void_p, c.c_uint32, c.c_uint32]),
    "wait": (c.c_int, [c.c_void_p, c.c_uint32, c.c_uint32, c.c_uint64]),
    "fault": (None, [c.c_void_p, c.c_uint32, c.c_uint64, c.c_uint64, c.c_uint32]),
    "clear_faults": (None, [c.c_void_p]),
    "statistics": (None, [c.c_void_p, c.c_uint32, c.POINTER(Statistics)]),
}


def load(path: Path) -> c.CDLL:
    """The shared library at `path` with typed functions.  Calls release Python's global lock."""
    library = c.CDLL(str(path))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, f"nigiri_{name}")
        function.restype, function.argtypes = result, arguments
    return library
