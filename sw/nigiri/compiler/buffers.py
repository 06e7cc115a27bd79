"""Tensors, or bands of their rows, in the activation buffer."""
from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from nigiri.compiler.graph import INPUT, Layer, Network, SubNet, blocks
from nigiri.spec.config import AcceleratorConfig

__all__ = ["ALIGN", "Buffer", "Forms", "align", "phase_stride"]

ALIGN = 8
"""Bases and lengths of transfers in pixel words: what LOAD and STORE accept."""


def align(words: int) -> int:
    """`words` rounded up to what transfers accept."""
    return -(-words // ALIGN) * ALIGN


def phase_stride(config: AcceleratorConfig, height: int, width: int) -> int:
    """Pixel words from one plane of a polyphase tensor to the next: neighbouring planes lie half the banks apart."""
    plane = -(-height // 2) * -(-width // 2)
    return plane + (config.banks // 2 - plane) % config.banks


@dataclass(kw_only=True, eq=False)
class Buffer:
    """Rows `first_row` .. `first_row` + `rows` - 1 of a tensor; all sizes in pixel words.

    name: the tensor's, with "@" and a number for a band.  height, width: of the whole tensor.
    stride: from one block of 8 channels to the next.  phase: from one plane to the next, 0 for plain pixel order.
    write_phase: the phase with which it is written: the planes of an average pool other than the first are not kept.
    lead: before the first pixel.  tail: behind the last block, overwritten by the writer and free afterwards.
    images, image: of how many images it holds the tensor, and pixel words from one to the next (0 when of one).
    first, last: steps of the program that write it first and read it last.
    over: it is written over this buffer, at `over_gap` or more below it; with gap 0 at the same place.
    """

    name: str
    channels: int
    height: int
    width: int
    first_row: int
    rows: int
    stride: int
    phase: int = 0
    write_phase: int = 0
    lead: int = 0
    tail: int = 0
    images: int = 1
    image: int = 0
    first: int = -1
    last: int = -1
    over: Buffer | None = None
    over_gap: int = 0
    base: int = -1

    @property
    def tensor(self) -> str:
        return self.name.partition("@")[0]

    @property
    def kept(self) -> int:
        """Words that hold the result of an image, as STORE writes them."""
        return align(blocks(self.channels) * self.stride)

    def span(self, images: int) -> int:
        """Words from one image's result to the end of that of the last of `images`."""
        return (images - 1) * self.image + self.kept

    @property
    def words(self) -> int:
        return (self.images - 1) * self.image + align(blocks(self.channels) * self.stride + self.tail)

    def origin(self, image: int = 0) -> int:
        """Where the part of an image of the batch begins: one group after the other has the buffer."""
        return self.base + image % self.images * self.image

    def at(self, row: int, image: int = 0) -> int:
        """Address of the first pixel of a row of the tensor; in polyphase order of an even row, in its plane 0."""
        if self.phase:
            return self.origin(image) + self.lead + (row // 2 - self.first_row // 2) * -(-self.width // 2)
        return self.origin(image) + self.lead + (row - self.first_row) * self.width


class Forms:
    """How the tensors of a SubNet lie in the activation buffer; those in `moved` are stored in memory and loaded.

    batch: images that a whole tensor is kept of.
    """

    def __init__(self, network: Network, subnet: SubNet, config: AcceleratorConfig,
                 moved: frozenset[str] = frozenset(), batch: int = 1):
        self.config, self.moved, self.batch = config, moved.union(subnet.starts), batch
        self.shapes = {e.name: (e.channels, e.height, e.width) for e in subnet.entries}
        if not subnet.entries:
            self.shapes[INPUT] = network.input_shape(subnet)
        self.polyphase: set[str] = set()
        # A gate's blocks lie side by side, also if it is loaded.
        self.gates = {x.scale.source for x in subnet.layers if x.scale}
        self.averages: dict[str, Layer] = {}
        for layer in subnet.layers:
            s = network.super_layer(layer)
            self.shapes[layer.name] = (layer.cout, *network.out_side(layer))
            if layer.pool:
                self.shapes[f"{layer.name}.pool"] = (layer.cout, 1, 1)
            if s.step == 2:
                self.polyphase.add(layer.source)
            if s.average:
                self.averages[layer.name] = layer

    def rows(self, tensor: str) -> int:
        """Rows of the whole tensor."""
        return self.shapes[tensor][1]

    def unit(self, tensor: str) -> int:
        """Rows at whose multiples bands of a tensor may begin."""
        if tensor in self.polyphase:
            return 2
        return ALIGN // gcd(ALIGN, self.shapes[tensor][2]) if tensor in self.moved else 1

    def buffer(self, tensor: str, rows: tuple[int, int] | None = None, band: int = 0, lead: int = 0) -> Buffer:
        """A buffer for `rows` (first, end) of a tensor, or for the whole of it; not placed yet."""
        channels, height, width = self.shapes[tensor]
        first, end = rows or (0, height)
        stride, phase, write_phase, tail = lead + (end - first) * width, 0, 0, 0
        if tensor in self.averages:
            # Later blocks overwrite the planes 1 to 3 of earlier ones, so only plane 0 of every block remains.
            map_rows = min(2 * end, self.averages[tensor].height) - 2 * first
            write_phase = stride = phase_stride(self.config, map_rows, self.averages[tensor].width)
            tail = 3 * stride
        elif tensor in self.polyphase:
            phase = write_phase = phase_stride(self.config, end - first, width)
            stride = 4 * phase
        elif tensor in self.moved and tensor not in self.gates:
            stride = align(stride)
        # Of an average pool the planes that are not kept may not reach into the next image.
        image = align(blocks(channels) * stride + tail) if self.batch > 1 else 0
        return Buffer(name=f"{tensor}@{band}" if rows else tensor, channels=channels, height=height, width=width,
                      first_row=first, rows=end - first, stride=stride, phase=phase, write_phase=write_phase,
                      lead=lead, tail=tail, images=self.batch, image=image)
