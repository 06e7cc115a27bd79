"""What the compiler makes for one configuration: a memory image, programs in it, and how to read their results."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nigiri.compiler.errors import GraphError
from nigiri.compiler.graph import Fold, blocks
from nigiri.runtime.errors import BadArgument
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["CompiledBundle", "DumpTensor", "LayerInfo", "decode_tensor", "encode_tensor"]

Box = tuple[int, int, int]
"""Output blocks, input blocks, taps: a prefix of a layer's weights."""


@dataclass(frozen=True, kw_only=True)
class LayerInfo:
    """One SuperNet layer at its largest; `pixels`: output pixels (uses of a weight) by SubNet, of those that use it.

    shared: all its output blocks read the same words; it is never cached, and `pixels` is empty.
    """

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
    shared: bool = False
    pixels: dict[str, int] = field(default_factory=dict)

    @property
    def words(self) -> int:
        """64-byte words of the whole layer."""
        return self.out_blocks * self.in_blocks * self.taps


@dataclass(frozen=True, kw_only=True)
class DumpTensor:
    """A tensor, or a band of its rows, that a program stores: `offset` in words from the window base.

    name: the tensor's, with "@" and a number for a band.  first_row, height: the rows that are stored; width: of the
    tensor.  stride, phase: pixel words between blocks and between planes (phase 0: plain pixel order).  lead: pixel
    words before the first pixel of a block.  image: which one of a batch.
    """

    name: str
    layer: int
    offset: int
    channels: int
    height: int
    width: int
    stride: int
    phase: int
    first_row: int = 0
    lead: int = 0
    image: int = 0

    @property
    def tensor(self) -> str:
        """The tensor's name without the number of the band."""
        return self.name.partition("@")[0]

    @property
    def nbytes(self) -> int:
        """Bytes from the first to the last block, as stored."""
        return 8 * self.stride * blocks(self.channels)

    def places(self) -> np.ndarray:
        """Pixel word of every pixel inside a block, int64 [height * width]: see :mod:`nigiri.spec.layout`."""
        y, x = np.divmod(np.arange(self.height * self.width), self.width)
        if not self.phase:
            return self.lead + y * self.width + x
        return self.lead + (2 * (y % 2) + x % 2) * self.phase + y // 2 * -(-self.width // 2) + x // 2


def decode_tensor(t: DumpTensor, raw: np.ndarray | bytes) -> np.ndarray:
    """int8 [channels, height, width] of a tensor as it was stored."""
    data = np.frombuffer(bytes(raw), np.int8)[:t.nbytes].reshape(blocks(t.channels), t.stride, 8)
    return np.ascontiguousarray(data[:, t.places()].transpose(0, 2, 1).reshape(-1, t.height, t.width)[:t.channels])


def encode_tensor(t: DumpTensor, codes: np.ndarray, fill: int = 0) -> bytes:
    """The bytes of int8 [channels, height, width] as LOAD reads them, whole words; `fill` where there is no code."""
    padded = np.full((t.height * t.width, blocks(t.channels) * 8), fill, np.int8)
    padded[:, :t.channels] = codes.reshape(t.channels, -1).T
    out = np.full((blocks(t.channels), t.stride, 8), fill, np.int8)
    out[:, t.places()] = padded.reshape(-1, blocks(t.channels), 8).transpose(1, 0, 2)
    raw = out.tobytes()
    return raw + bytes(-len(raw) % 64)


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledBundle:
    """A SuperNet compiled for one configuration.  Offsets count 64-byte words from the base of the DMA window.

    image: uint8, a whole number of words, to be written at the base: weights, constants, programs.
    window_words: size of the window: the image, then input, output, fill and dump areas.
    programs, dump_programs: (first word, descriptors) by SubNet.  dumps: the tensors of a dump program, in order.
    inputs: the input tensor of each SubNet as LOAD reads it, folded if `fold` says so; images: the shape of its image,
    (height, width, channels).  turned: images go in turned by 180 degrees.  outputs: the logits of each SubNet as STORE
    writes them.
    fill_entries: fill entries that the fill area holds.
    batch: images of every launch; the input area holds them one after the other.  batch_outputs: the logits of each
    image of a batch of several; `outputs` are those of the first one.
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
    inputs: dict[str, DumpTensor]
    images: dict[str, tuple[int, int, int]]
    fold: Fold | None
    input_table: np.ndarray
    input_zp: int
    fill_offset: int
    fill_entries: int
    layers: tuple[LayerInfo, ...]
    turned: bool = False
    batch: int = 1
    batch_outputs: dict[str, tuple[DumpTensor, ...]] = field(default_factory=dict)

    @property
    def input(self) -> DumpTensor:
        """The input tensor of a network whose SubNets take images of one size; GraphError when they differ."""
        if len(set(self.images.values())) != 1:
            raise GraphError(f"the SubNets of {self.network} take images of different sizes: name the SubNet")
        return next(iter(self.inputs.values()))

    @property
    def input_offset(self) -> int:
        return next(iter(self.inputs.values())).offset

    @property
    def output_offset(self) -> int:
        return next(iter(self.outputs.values())).offset

    @property
    def first_program(self) -> int:
        """Where the weights and constants, the same for all batches, have ended and the first program begins."""
        return min(first for first, _ in self.programs.values())

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

    @property
    def products(self) -> bool:
        """Whether a program has products of two tensors, which devices can since interface 0.2.2."""
        return any(d["opcode"] == Opcode.CONV and d["flags"] & Flag.PRODUCT
                   for name in self.programs for d in self.descriptors(name))

    def subnet_boxes(self, subnet: str) -> dict[int, Box]:
        """What part of each SuperNet layer a SubNet reads: (output blocks, input blocks, taps) by layer id.

        Layers that share their words among all channels are left out: they cannot be cached.
        """
        return {d["layer"]: (d["out_blocks"], d["in_blocks"], descriptor.taps(d))
                for d in self.descriptors(subnet) if d["opcode"] == Opcode.CONV and d["w_blocks"]}

    def encode_input(self, image: np.ndarray, subnet: str | None = None) -> bytes:
        """The input area's bytes for one image, uint8 [height, width, channels], as `subnet` takes it.

        `subnet` may be left out when all SubNets take images of one size.

        Raises
        ------
        BadArgument: the image has another shape or type.  GraphError: see :attr:`input`.
        """
        t, image = self.inputs[subnet] if subnet else self.input, np.asarray(image)
        shape = self.images[subnet] if subnet else next(iter(self.images.values()))
        if image.dtype != np.uint8 or image.shape != shape:
            raise BadArgument(f"the image must be uint8 {list(shape)}, not {image.dtype} {list(image.shape)}")
        codes = self.input_table[np.arange(shape[2]), image[::-1, ::-1] if self.turned else image]
        if self.fold:
            codes = self._folded(codes, t, self.fold)
        return encode_tensor(t, codes.reshape(-1, t.channels).T, self.input_zp)

    def encode_inputs(self, images: Sequence[np.ndarray] | np.ndarray, subnet: str) -> bytes:
        """The input area's bytes for a batch, as many images as a launch computes.

        Raises
        ------
        BadArgument: another number of images, or one of them has another shape or type.
        """
        if len(images) != self.batch:
            raise BadArgument(f"a launch computes {self.batch} images, not {len(images)}: pass that many, or compile "
                              f"for another batch")
        return b"".join(self.encode_input(image, subnet) for image in images)

    def _folded(self, codes: np.ndarray, t: DumpTensor, fold: Fold) -> np.ndarray:
        """[height, width, kernel * kernel * channels]: what lies under the kernel of every output pixel."""
        r = fold.kernel // 2
        padded = np.pad(codes, ((r, r), (r, r), (0, 0)), constant_values=self.input_zp)
        y, x = (fold.stride * np.arange(n)[:, None] + np.arange(fold.kernel) for n in (t.height, t.width))
        return padded[y[:, None, :, None], x[None, :, None, :]]

    def output_bytes(self, subnet: str) -> int:
        """Bytes to read at `output_offset` for :meth:`decode_output` and :meth:`decode_outputs`."""
        last = self.batch_outputs[subnet][-1] if self.batch > 1 else self.outputs[subnet]
        return 64 * (last.offset - self.output_offset) + last.nbytes

    def decode_output(self, raw: np.ndarray | bytes, subnet: str | None = None) -> np.ndarray:
        """int64 logits [classes] (codes; the largest wins) of the bytes at `output_offset`."""
        tensor = self.outputs[subnet] if subnet else next(iter(self.outputs.values()))
        return decode_tensor(tensor, raw).reshape(-1)[:self.classes].astype(np.int64)

    def decode_outputs(self, raw: np.ndarray | bytes, subnet: str) -> list[np.ndarray]:
        """The logits of every image of a launch, of the bytes at `output_offset`."""
        if self.batch == 1:
            return [self.decode_output(raw, subnet)]
        data = np.frombuffer(bytes(raw), np.int8)
        tensors = (decode_tensor(t, data[64 * (t.offset - self.output_offset):]) for t in self.batch_outputs[subnet])
        return [t.reshape(-1)[:self.classes].astype(np.int64) for t in tensors]
