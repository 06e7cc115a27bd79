"""A network service that keeps its promises: queue, admission, several devices, faults, and the protocols around it.

The scheduling core needs NumPy only; HTTP, gRPC, metrics and traces come with the extra `serve`.
"""
from __future__ import annotations

from nigiri.serving.backend import Backend, EngineBackend, ModelBackend
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.errors import ServingError
from nigiri.serving.replica import Replica
from nigiri.serving.request import Answer, Targets

__all__ = ["Answer", "Backend", "Dispatcher", "EngineBackend", "ModelBackend", "Replica", "ServingError", "Targets"]
