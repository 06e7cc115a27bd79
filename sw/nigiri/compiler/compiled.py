"""What the compiler makes for one configuration: a memory image, programs in it, and how to read their results."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nigiri.compiler.allocate import Tensor
from nigiri.compiler.errors import GraphError
from nigiri.compiler.graph import blocks
from nigiri.runtime.errors import BadArgument
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Opcode

__all__ = ["CompiledBundle", "DumpTensor", "LayerInfo", "decode_tensor"]

Box = tuple[int, int, int]
"""Output blocks, input blocks, taps: a prefix of a layer's weights."""


@dataclass(frozen=True, kw_only=True)
class LayerInfo:
    """One SuperNet layer at its largest; `pixels`: output pixels (uses of a weight) by SubNet, of those that use it."""

    id: int
    name: str
    depthwise: bool
    kernel: int
    stride: int
    out_blocks: int
    in_blocks: int
    taps: int
    mem_offset: int
    w_taps: int
    w_blocks: int
    pixels: dict[str, int] = field(default_factory=dict)

    @property
    def words(self) -> int:
        """64-byte words of the whole layer."""
        return self.out_blocks * self.in_blocks * self.taps


@dataclass(frozen=True, kw_only=True)
class DumpTensor:
    """One tensor that a dump program stores: `offset` in words from the window base; shape [channels, height, width].

    stride, phase: pixel words between blocks and between planes (phase 0: plain pixel order).
    """

    name: str
    layer: int
    offset: int
    channels: int
    height: int
    width: int
    stride: int
    phase: int

    @property
    def nbytes(self) -> int:
        """Bytes from the first to the last block, as stored."""
        return 8 * self.stride * blocks(self.channels)

    def places(self) -> np.ndarray:
        """Pixel word of every pixel inside a block."""
        return Tensor(name=self.name, channels=self.channels, height=self.height, width=self.width, stride=self.stride,
                      phase=self.phase, first=0, last=0).places()


def decode_tensor(t: DumpTensor, raw: np.ndarray | bytes) -> np.ndarray:
    """int8 [channels, height, width] of a tensor as it was stored."""
    data = np.frombuffer(bytes(raw), np.int8)[:t.nbytes].reshape(blocks(t.channels), t.stride, 8)
    return np.ascontiguousarray(data[:, t.places()].transpose(0, 2, 1).reshape(-1, t.height, t.width)[:t.channels])


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledBundle:
    """A SuperNet compiled for one configuration.  Offsets count 64-byte words from the base of the DMA window.

    image: uint8, a whole number of words, to be written at the base: weights, constants, programs.
    window_words: size of the window: the image, then input, output, fill and dump areas.
    programs, dump_programs: (first word, descriptors) by SubNet.  dumps: the tensors of a dump program, in order.
    input: the input tensor as LOAD reads it.  outputs: the logits of each SubNet as STORE writes them.
    fill_entries: fill entries that the fill area holds.
    """

    config: AcceleratorConfig
    network: str
    classes: int
    image: np.ndarray
    window_words: int
    weight_words: int
    programs: dict[str, tuple[int, int]]
    dump_programs: dict[str, tuple[int, int]]
    dumps: dict[str, tuple[DumpTensor, ...]]
    outputs: dict[str, DumpTensor]
    input: DumpTensor
    input_table: np.ndarray
    input_zp: int
    fill_offset: int
    fill_entries: int
    layers: tuple[LayerInfo, ...]

    @property
    def input_offset(self) -> int:
        return self.input.offset

    @property
    def output_offset(self) -> int:
        return next(iter(self.outputs.values())).offset

    def program(self, subnet: str) -> tuple[int, int]:
        """(first word, number of descriptors); GraphError lists the SubNets that exist."""
        if subnet not in self.programs:
            raise GraphError(f"unknown SubNet {subnet!r}: choose one of {', '.join(self.programs)}")
        return self.programs[subnet]

    def descriptors(self, subnet: str, dump: bool = False) -> list[dict[str, int]]:
        """The fields of every descriptor of a SubNet's program."""
        first, count = self.dump_programs[subnet] if dump else self.program(subnet)
        raw = self.image[first * 64:first * 64 + count * descriptor.BYTES].tobytes()
        return [descriptor.unpack(raw[n:n + descriptor.BYTES]) for n in range(0, len(raw), descriptor.BYTES)]

    def subnet_boxes(self, subnet: str) -> dict[int, Box]:
        """What part of each SuperNet layer a SubNet reads: (output blocks, input blocks, taps) by layer id."""
        return {d["layer"]: (d["out_blocks"], d["in_blocks"], descriptor.taps(d))
                for d in self.descriptors(subnet) if d["opcode"] == Opcode.CONV}

    def encode_input(self, image: np.ndarray) -> bytes:
        """The input area's bytes for one image, uint8 [height, width, channels].

        Raises
        ------
        BadArgument: the image has another shape or type.
        """
        t, image = self.input, np.asarray(image)
        if image.dtype != np.uint8 or image.shape != (t.height, t.width, t.channels):
            raise BadArgument(f"the image must be uint8 [{t.height}, {t.width}, {t.channels}], "
                              f"not {image.dtype} {list(image.shape)}")
        out = np.full((blocks(t.channels), t.stride, 8), self.input_zp, np.int8)
        codes = self.input_table[np.arange(t.channels), image.reshape(-1, t.channels)]
        padded = np.full((t.height * t.width, blocks(t.channels) * 8), self.input_zp, np.int8)
        padded[:, :t.channels] = codes
        out[:, t.places()] = padded.reshape(-1, blocks(t.channels), 8).transpose(1, 0, 2)
        raw = out.tobytes()
        return raw + bytes(-len(raw) % 64)

    def output_bytes(self, subnet: str) -> int:
        """Bytes to read at `output_offset` for :meth:`decode_output`."""
        return self.outputs[subnet].nbytes

    def decode_output(self, raw: np.ndarray | bytes, subnet: str | None = None) -> np.ndarray:
        """int64 logits [classes] (codes; the largest wins) of the bytes at `output_offset`."""
        tensor = self.outputs[subnet] if subnet else next(iter(self.outputs.values()))
        return decode_tensor(tensor, raw).reshape(-1)[:self.classes].astype(np.int64)
