"""A served bundle: its metadata for the protocols, its dispatcher, and the change to another bundle under load."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nigiri.bundle import Bundle
from nigiri.serving.backend import Backend
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.errors import BadRequest, Unavailable, UnknownModel
from nigiri.serving.request import Answer, Targets

__all__ = ["Model", "Service"]

INPUT, LOGITS, LABEL = "image", "logits", "label"
IMAGES = 64
"""Most images in a request."""
LEAVE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Model:
    """What the protocols say about a bundle.

    image: (height, width, channels).
    """

    name: str
    version: str
    image: tuple[int, int, int]
    classes: int

    @classmethod
    def of(cls, loaded: Bundle, version: str = "1") -> Model:
        n = loaded.network
        return cls(name=n.name, version=version, image=(n.height, n.width, n.channels), classes=n.classes)

    @property
    def inputs(self) -> list[dict[str, Any]]:
        return [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *self.image]}]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return [{"name": LOGITS, "datatype": "INT8", "shape": [-1, self.classes]},
                {"name": LABEL, "datatype": "INT64", "shape": [-1]}]

    def metadata(self) -> dict[str, Any]:
        """Of the Open Inference Protocol."""
        return {"name": self.name, "versions": [self.version], "platform": "nigiri_int8", "inputs": self.inputs,
                "outputs": self.outputs}

    def images(self, data: np.ndarray) -> np.ndarray:
        """A request's tensor as uint8 [n, height, width, channels]; a single image needs no first axis.

        Raises BadRequest for another shape, and for none or too many images.
        """
        if data.shape == self.image:
            data = data[None]
        if data.shape[1:] != self.image or data.ndim != 4:
            raise BadRequest(f"input {INPUT!r} must have the shape {[-1, *self.image]}, not {list(data.shape)}")
        if not 1 <= len(data) <= IMAGES:
            raise BadRequest(f"a request may have 1 to {IMAGES} images, not {len(data)}: send several requests")
        return data

    @staticmethod
    def tensors(answers: Sequence[Answer]) -> dict[str, np.ndarray]:
        """The output tensors by name."""
        logits = np.stack([a.logits for a in answers])
        return {LOGITS: logits, LABEL: logits.argmax(axis=1).astype(np.int64)}


class Service:
    """One model on one dispatcher."""

    def __init__(self, model: Model, dispatcher: Dispatcher) -> None:
        self.model, self.dispatcher = model, dispatcher
        self._reloading = asyncio.Lock()

    def check(self, name: str, version: str = "") -> Model:
        """The model of that name; raises UnknownModel."""
        if name != self.model.name:
            raise UnknownModel(f"there is no model {name!r:.80}: this server has {self.model.name!r}")
        if version and version != self.model.version:
            raise UnknownModel(f"model {name!r} has version {self.model.version}, not {version!r:.20}")
        return self.model

    def ready(self, name: str | None = None) -> bool:
        return (name is None or name == self.model.name) and self.dispatcher.ready

    async def infer(self, data: np.ndarray, targets: Targets) -> list[Answer]:
        """Answers for a request's tensor; raises what Model.images and Dispatcher.submit raise."""
        return await self.dispatcher.submit(list(self.model.images(data)), targets)

    async def reload(self, model: Model, factories: Sequence[Callable[[], Backend]]) -> None:
        """Change all devices to another bundle, one after the other; the others serve on, nothing is lost.

        factories: one for each device.

        Raises
        ------
        BadRequest: it takes other images, or answers other classes.  Unavailable: a device did not take it and was
        given back its former bundle, or another change is under way.
        """
        if (model.image, model.classes) != (self.model.image, self.model.classes):
            raise BadRequest(f"the new bundle takes images {list(model.image)} and has {model.classes} classes, not "
                             f"{list(self.model.image)} and {self.model.classes}: start another server for it")
        if self._reloading.locked():
            raise Unavailable("the bundle is being changed already: try again later", 5.0)
        async with self._reloading:
            for replica, factory in zip(self.dispatcher.replicas, factories, strict=True):
                await self.dispatcher.change(replica, factory)
            self.model = model
