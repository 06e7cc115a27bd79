"""Every inference is compared with the golden model."""
from __future__ import annotations

import threading

import numpy as np

from nigiri.demo.setup import Setup
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import NigiriError

__all__ = ["GoldenCheck", "GoldenMismatch"]


class GoldenMismatch(NigiriError):
    """A device computed something else than the golden model."""


class GoldenCheck:
    """Golden logits by SubNet and image, computed once each; several threads may ask."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._engine = Engine(GoldenDevice(setup.config), setup.compiled)
        self._logits: dict[tuple[str, int], np.ndarray] = {}
        self._lock = threading.Lock()
        self.checked = 0

    def __call__(self, subnet: str, image: int, logits: np.ndarray) -> None:
        """Raises GoldenMismatch when `logits` are not the golden model's."""
        with self._lock:
            want = self._logits.get((subnet, image))
            if want is None:
                want = self._engine.infer(subnet, self._setup.images[image]).logits
                self._logits[subnet, image] = want
            self.checked += 1
        if not np.array_equal(logits, want):
            raise GoldenMismatch(f"the {self._setup.device} device and the golden model differ on SubNet {subnet!r}, "
                                 f"image {image}: {logits.tolist()} and {want.tolist()}; this is a defect, please "
                                 "report it")
