"""The compiler's view of a network: SuperNet layers that own weights, and SubNets that are lists of layers over them.

A tensor is named after the layer that writes it; the pooled tensor of layer "head" is "head.pool"; the image
is "input".  A first layer with few channels may be *folded*: the input tensor then holds, per output pixel of a
convolution of `Fold.kernel` and `Fold.stride`, all values under the kernel as channels, and the layer is a 1 x 1 one.
"""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nigiri.compiler.errors import GraphError

__all__ = ["INPUT", "Entry", "Fold", "Layer", "Network", "Pool", "Residual", "Scale", "SubNet", "SubNetInfo",
           "SuperLayer", "blocks"]

INPUT = "input"


def blocks(channels: int) -> int:
    """Blocks of 8 channels that hold `channels`."""
    return -(-channels // 8)


@dataclass(frozen=True, kw_only=True)
class SuperLayer:
    """A weight tensor of the SuperNet at its largest: int8 [cout, 1 if depthwise else cin, kernel, kernel].

    `id` is its entry in the residency table, `offset` its first 64-byte word in the weight image.
    maximum: the layer is a maximum pool; its weights are zeros that nobody uses.
    shared: only one block of 8 output channels is stored and serves layers of any number of channels (depthwise and
    maximum only: average pools, and the identity that a channel scale rides on).
    product: it has no weights: its layers multiply two tensors, the source (pixels x channels) and the operand.
    Without `transpose` by the operand's transpose, so that the output channels are the operand's pixels; with it by
    the operand as it is, so that the input channels are its pixels.
    """

    id: int
    name: str
    cin: int
    cout: int
    kernel: int
    stride: int = 1
    depthwise: bool = False
    maximum: bool = False
    shared: bool = False
    product: bool = False
    transpose: bool = False
    offset: int = 0

    @property
    def own_block(self) -> bool:
        """Whether an output block reads the input block of its own number only."""
        return self.depthwise or self.maximum

    @property
    def average(self) -> bool:
        """Whether it is an average pool of stride 2, which the machine computes with stride 1: plane 0 of the polyphase
        result is the pooled tensor, so that other layers may read the same input in plain order."""
        return self.depthwise and self.shared and self.stride == 2

    @property
    def step(self) -> int:
        """Stride at which the machine reads the input: 2 needs a tensor in polyphase order."""
        return 1 if self.average else self.stride

    @property
    def out_blocks(self) -> int:
        return blocks(self.cout)

    @property
    def in_blocks(self) -> int:
        """Input blocks stored per output block."""
        return 1 if self.own_block else blocks(self.cin)

    @property
    def taps(self) -> int:
        """Words stored per pair of blocks: kernel rows when depthwise, kernel squared otherwise."""
        return self.kernel if self.depthwise else self.kernel ** 2

    @property
    def words(self) -> int:
        return 0 if self.product else self.out_blocks * self.in_blocks * self.taps

    @property
    def cacheable(self) -> bool:
        """Whether its words can be in the persistent buffer."""
        return not (self.shared or self.product)


@dataclass(frozen=True, kw_only=True)
class Residual:
    """Parameters of a residual addition: see :func:`nigiri.spec.arith.add_residual`."""

    source: str
    mult_y: int
    mult_r: int
    shift: int
    zp_y: int
    zp_res: int
    zp_sum: int


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Multiplication by a gate per channel (squeeze-and-excite): `source` is a tensor of 1 x 1 pixels whose codes
    -128..127 stand for 0..255.  v = clamp(round((v - zp_y) * factor / 2**shift) + zp_sum), factor = (code + 128) *
    mult / 2**8, see :func:`nigiri.spec.arith.scale_factor`."""

    source: str
    mult: int
    shift: int
    zp_y: int
    zp_sum: int


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Global average pool of a layer's result: clamp(round((sum + offset) * mult / 2**shift) + zp)."""

    mult: int
    shift: int
    zp: int
    offset: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer of a SubNet.

    weights: SuperNet layer id.  cin, cout, kernel: the part of it that is used (prefixes; centre crop).
    height, width: of the input.  plane: a layer of kernel 1 and stride 2 may read the odd rows (2), columns (1) or both
    (3) of an even image, instead of the even ones: a phase plane of the source.  operand: the second tensor of a
    product.  step: real value of a code of the result, 0 where it is not known.  bias int32, mult uint16, shift uint8:
    arrays of `cout`.  table: int8 [256], indexed by the code as a byte, or None.
    """

    name: str
    weights: int
    cin: int
    cout: int
    kernel: int
    height: int
    width: int
    source: str
    bias: np.ndarray
    mult: np.ndarray
    shift: np.ndarray
    zp_in: int
    zp_out: int
    act_min: int = -128
    act_max: int = 127
    table: np.ndarray | None = None
    residual: Residual | None = None
    scale: Scale | None = None
    pool: Pool | None = None
    plane: int = 0
    operand: str = ""
    step: float = 0.0

    @property
    def sources(self) -> tuple[str, ...]:
        """Every tensor that the layer reads from the activation buffer."""
        more = (x.source for x in (self.residual, self.scale) if x)
        return (self.source, *more)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every tensor that the layer reads; the operand of a product comes from memory."""
        return (*self.sources, self.operand) if self.operand else self.sources


@dataclass(frozen=True, kw_only=True)
class SubNetInfo:
    """What a scheduler knows about a SubNet; accuracies in percent of the test set."""

    name: str
    macs: int
    weight_bytes: int
    accuracy_int8: float
    accuracy_float: float
    config: dict = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A tensor that a part of a SubNet begins with."""

    name: str
    channels: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SubNet:
    """`height`, `width`: of the image; 0 means the network's own.

    entries, exits: of a part of a SubNet, the tensors that it begins with instead of the image, and those that it
    leaves instead of the logits.
    """

    info: SubNetInfo
    layers: tuple[Layer, ...]
    height: int = 0
    width: int = 0
    entries: tuple[Entry, ...] = ()
    exits: tuple[str, ...] = ()

    @property
    def starts(self) -> tuple[str, ...]:
        """Names of the tensors that are in memory at first."""
        return tuple(e.name for e in self.entries) or (INPUT,)

    @property
    def ends(self) -> tuple[str, ...]:
        """Names of the tensors that a program stores at last."""
        return self.exits or (self.output,)

    @property
    def operands(self) -> frozenset[str]:
        """Tensors that products read from memory."""
        return frozenset(x.operand for x in self.layers if x.operand)

    @property
    def output(self) -> str:
        """Name of the tensor that holds the logits."""
        last = self.layers[-1]
        return f"{last.name}.pool" if last.pool else last.name


@dataclass(frozen=True, kw_only=True)
class Fold:
    """How the image is folded: channel (row of the kernel * kernel + column) * channels + image channel."""

    kernel: int
    stride: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A quantised SuperNet.

    input_table: int8 [channels, 256], the code of every pixel value; input_zp: the code of a padded pixel.
    weights: uint8 [words, 64], the weight image that all SubNets read (see :mod:`nigiri.compiler.pack`).
    turned: the image goes in turned by 180 degrees, as the kernels are (see :mod:`nigiri.importer.windows`).
    """

    name: str
    height: int
    width: int
    channels: int
    classes: int
    input_table: np.ndarray
    input_zp: int
    layers: tuple[SuperLayer, ...]
    weights: np.ndarray
    subnets: tuple[SubNet, ...]
    fold: Fold | None = None
    turned: bool = False

    def image_side(self, subnet: SubNet) -> tuple[int, int]:
        """(height, width) of the image that a SubNet takes."""
        return subnet.height or self.height, subnet.width or self.width

    def input_shape(self, subnet: SubNet) -> tuple[int, int, int]:
        """(channels, height, width) of the input tensor: the image, folded if the network says so."""
        height, width = self.image_side(subnet)
        if self.fold is None:
            return self.channels, height, width
        return (self.channels * self.fold.kernel ** 2, -(-height // self.fold.stride), -(-width // self.fold.stride))

    def subnet(self, name: str) -> SubNet:
        """The SubNet called `name`; GraphError lists those that exist."""
        for s in self.subnets:
            if s.info.name == name:
                return s
        raise GraphError(f"unknown SubNet {name!r}: choose one of {', '.join(s.info.name for s in self.subnets)}")

    def super_layer(self, layer: Layer) -> SuperLayer:
        return self.layers[layer.weights]

    def out_side(self, layer: Layer) -> tuple[int, int]:
        """(height, width) of a layer's output."""
        s = self.super_layer(layer).stride
        return -(-layer.height // s), -(-layer.width // s)

    def check(self) -> None:
        """Verify every rule that the rest of the compiler relies on.

        Raises
        ------
        GraphError: names the SubNet, the layer and the rule.
        """
        from nigiri.compiler.rules import problems

        total = 0
        for n, s in enumerate(self.layers):
            if s.id != n or s.offset != total:
                raise GraphError(f"SuperNet layer {s.name}: id and offset must be {n} and {total}, "
                                 f"not {s.id} and {s.offset}")
            if s.shared and not (s.own_block and s.cin == s.cout == 8):
                raise GraphError(f"SuperNet layer {s.name}: only depthwise and maximum layers of 8 channels can share "
                                 f"their words among all channels")
            total += s.words
        if self.weights.shape != (total, 64) or self.weights.dtype != np.uint8:
            raise GraphError(f"the weight image must be uint8 [{total}, 64], not {self.weights.dtype} "
                             f"{list(self.weights.shape)}")
        names = [s.info.name for s in self.subnets]
        if not names or len(set(names)) != len(names):
            raise GraphError(f"the network must have SubNets with different names, not {names}")
        for subnet in self.subnets:
            for rule in problems(self, subnet):
                raise GraphError(f"SubNet {subnet.info.name}: {rule}")
        first = {self.super_layer(x).step for s in self.subnets for x in s.layers if x.source == INPUT}
        if len(first) > 1 or (not first and not any(s.entries for s in self.subnets)):
            raise GraphError("all SubNets must read the image with the same stride: it has one pixel order")
