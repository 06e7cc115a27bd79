"""Inference over any device: one window with the image, any SubNet, any cached SubGraph."""
from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType

import numpy as np

from nigiri.compiler.compiled import CompiledBundle, DumpTensor, decode_tensor
from nigiri.runtime.counters import Counters
from nigiri.runtime.device import Device
from nigiri.runtime.driver import WORD, Driver
from nigiri.runtime.errors import BadArgument, DeviceError
from nigiri.runtime.placement import Box, Placed, check, entries, place
from nigiri.spec import descriptor

__all__ = ["CacheChange", "Engine", "Inference", "LayerOutput"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """logits: int64 [classes], codes; label: index of the largest, the first of equal ones."""

    subnet: str
    logits: np.ndarray
    label: int
    counters: Counters


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerOutput:
    """One tensor of a run: int8 [channels, height, width], by tensor name and SuperNet layer id.

    A tensor that exists in bands of rows only comes as several: `name` is "tensor@band", `first_row` where it begins.
    image: which one of a batch.
    """

    name: str
    layer: int
    data: np.ndarray
    first_row: int = 0
    image: int = 0

    @property
    def tensor(self) -> str:
        """The tensor's name without the number of the band."""
        return self.name.partition("@")[0]


@dataclass(frozen=True, kw_only=True)
class CacheChange:
    """A change of the cached SubGraph: fill entries sent and bytes read, 64 an entry and a word (0: not waited for)."""

    entries: int
    bytes_fill: int


class Engine:
    """Runs the SubNets of a compiled bundle on a device.

    Several threads may use an engine: launches take turns, and a change of the cache runs beside them.  In a coroutine,
    :meth:`infer_async` waits without holding up the event loop, whichever that is.

    Parameters
    ----------
    device: any device of the bundle's configuration; closing the engine does not close it.
    compiled: programs and weights, written to the device once.
    batches: the same network compiled for several images in a launch, each behind the window of the one before.

    Raises
    ------
    BadArgument: `batches` overlap, or are of another network.
    WrongProduct, WrongVersion, WrongConfiguration: the device is not the one that the bundle was compiled for, or too
        old for what its programs do.
    """

    def __init__(self, device: Device, compiled: CompiledBundle, timeout_s: float = 60.0, *,
                 batches: Sequence[CompiledBundle] = ()):
        self.compiled, self.timeout_s = compiled, timeout_s
        self.batches = {c.batch: c for c in (compiled, *batches)}
        for before, c in pairwise((compiled, *batches)):
            if c.first_program < before.window_words or c.network != compiled.network or c.layers != compiled.layers:
                raise BadArgument("programs for several batches must be of one network, each compiled behind the one "
                                  "before")
        self.driver = Driver(device, compiled.config)
        if any(c.products for c in self.batches.values()):
            self.driver.require(descriptor.PRODUCTS, "products of two tensors")
        self.driver.attach(max(c.window_words for c in self.batches.values()) * WORD)
        self.driver.write(0, compiled.image)
        for c in batches:
            self.driver.write(c.first_program, c.image[c.first_program * WORD:])
        # The table may hold entries of an earlier user, of another SuperNet.
        self.driver.reset()
        self._resident: dict[int, Placed] = {}
        self._filling = False
        self._launch, self._change = threading.RLock(), threading.RLock()

    def infer(self, subnet: str, image: np.ndarray) -> Inference:
        """Classify one image, uint8 [height, width, channels].

        Raises
        ------
        GraphError: no such SubNet.  BadArgument: the image has another shape, or the programs are for batches.
        DeviceError: the device failed.
        """
        return self.infer_batch(subnet, self._alone(image, "infer_batch"))[0]

    async def infer_async(self, subnet: str, image: np.ndarray) -> Inference:
        """:meth:`infer` in a thread, awaited; what runs already goes on to its end when the wait is cancelled."""
        return await asyncio.to_thread(self.infer, subnet, image)

    def latency_ms(self, answer: Inference) -> float:
        """Time of an answer's launch on the device, at the clock that it runs with; 0 where the device counts none."""
        device = self.driver.device
        return answer.counters.cycles / (1e3 * float(getattr(device, "clock_mhz", device.config.clock_mhz)))

    def infer_batch(self, subnet: str, images: Sequence[np.ndarray] | np.ndarray) -> list[Inference]:
        """Classify as many images as a launch computes, each uint8 [height, width, channels]: any number that there are
        programs for.

        The results are in the order of the images; all have the counters of the one launch.

        Raises
        ------
        GraphError: no such SubNet.  BadArgument: another number of images, or one has another shape.
        DeviceError: the device failed.
        """
        compiled = self.batches.get(len(images), self.compiled)
        program = compiled.program(subnet)
        encoded = compiled.encode_inputs(images, subnet)
        with self._launch:
            self.driver.write(compiled.input_offset, encoded)
            counters = self.driver.run(*program, timeout_s=self.timeout_s)
            raw = self.driver.read(compiled.output_offset, compiled.output_bytes(subnet))
        return [Inference(subnet=subnet, logits=logits, label=int(logits.argmax()), counters=counters)
                for logits in compiled.decode_outputs(raw, subnet)]

    def _alone(self, image: np.ndarray, other: str) -> list[np.ndarray]:
        if self.compiled.batch != 1:
            raise BadArgument(f"the programs compute {self.compiled.batch} images in a launch: call {other} with that "
                              f"many, or compile for single images")
        return [image]

    def dump(self, subnet: str, image: np.ndarray) -> list[LayerOutput]:
        """Run the program variant that stores every tensor; the tensors in the order they are computed.

        Raises
        ------
        As :meth:`infer`.
        """
        return self.dump_batch(subnet, self._alone(image, "dump_batch"))

    def dump_batch(self, subnet: str, images: Sequence[np.ndarray] | np.ndarray) -> list[LayerOutput]:
        """:meth:`dump` for as many images as a launch computes; `image` of a tensor says whose it is."""
        self.compiled.program(subnet)
        encoded = self.compiled.encode_inputs(images, subnet)
        with self._launch:
            self.driver.write(self.compiled.input_offset, encoded)
            self.driver.run(*self.compiled.dump_programs[subnet], timeout_s=self.timeout_s)
            return [LayerOutput(name=t.name, layer=t.layer, data=self._read(t), first_row=t.first_row, image=t.image)
                    for t in self.compiled.dumps[subnet]]

    def _read(self, tensor: DumpTensor) -> np.ndarray:
        return decode_tensor(tensor, self.driver.read(tensor.offset, tensor.nbytes))

    @property
    def cached(self) -> dict[int, Box]:
        """The SubGraph in the persistent buffer: (output blocks, input blocks, taps) by layer id."""
        return {layer: p.box for layer, p in self._resident.items()}

    def cache(self, subgraph: Mapping[int, Box], *, wait: bool = True) -> CacheChange:
        """Make `subgraph` the cached SubGraph; only what differs is read.  Without `wait`, queries may run meanwhile.

        Raises
        ------
        BadArgument: a box is no part of its layer, or they do not fit; nothing has changed.
        FillError, DeviceTimeout: the device failed; nothing is cached.
        """
        with self._change:
            if self._filling:
                self.wait_cache()
            check(subgraph, self.compiled.layers, self.compiled.config.pb_words)
            boxes = {layer: (box[0], box[1], box[2]) for layer, box in subgraph.items()}
            new = place(boxes, self._resident, self.compiled.config.pb_words)
            todo = entries(self._resident, new, self.compiled.layers)
            if not todo:
                return CacheChange(entries=0, bytes_fill=0)
            self.driver.start_fill(todo, self.compiled.fill_offset)
            self._resident, self._filling = new, True
            return CacheChange(entries=len(todo), bytes_fill=self.wait_cache() if wait else 0)

    def wait_cache(self) -> int:
        """Wait for the last :meth:`cache`; returns the bytes it read."""
        with self._change:
            self._filling = False
            try:
                return self.driver.wait_fill(self.timeout_s)
            except DeviceError:
                # What an interrupted fill left behind is known to the device only: start again with an empty table.
                self.driver.reset()
                self._resident = {}
                raise

    def close(self) -> None:
        """Free the window; the device stays open."""
        self.driver.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
