"""Layer descriptors: a program is a list of them, 128 bytes each, in DRAM.

Units: *pixel words* are 8 bytes in the activation buffer (8 channels of one pixel), *words* are 64 bytes in DRAM and
in the weight buffers.  DRAM offsets count words from the base of the DMA window.  Activation addresses wrap modulo
`ab_span`, the power of two from `ab_words` on; a program keeps away from words that do not exist.  See
:mod:`nigiri.spec.layout` for the order of pixels and weights, :mod:`nigiri.spec.arith` for rounding.

CONV performs, for `taps` = kernel x kernel (dense, maximum) or kernel (depthwise rows), exactly this loop nest::

    G = 2**split                                                # output blocks computed together
    for ob in range(out_blocks), G at a time:                   # 8 output channels each
        params = DRAM[param_offset + ob]                        # 8 x (bias int32, multiplier uint16, shift uint8, 0)
        for image in range(1 + extra_images):                   # all AB addresses plus image * their own image stride
          factor = res_mult_y, or ((AB[scale_base + ob] + 128) * res_mult_y + 128) >> 8 if scale  # per channel
          for tile in range(ceil(out_w * out_h / (P / G))):     # P / G consecutive output pixels
            acc = int32[P / G, 8] zeros (maximum: -128)
            for ib in range(in_blocks) (depthwise, maximum: ib = ob only):
                for t in range(taps):                           # centre outwards
                    w = weight word [ob][ib][t]                 # DRAM[mem_offset + (ob*w_blocks + ib)*w_taps + t]
                                                                # product: see below
                    for p in range(P / G), o in range(8), i in range(8):
                        dense:     acc[p, o] += w[o, i] * in[ib, pixel p at tap t, channel i]
                        depthwise: acc[p, o] += w[o, i] * in[ob, pixel p at row t and column slot i, channel o]
                        maximum:   acc[p, o] = max(acc[p, o], in[ob, pixel p at tap t, channel o]); w is ignored
            v = requantise(acc, params, zp_out)
            if table:              v = TABLE[v]
            if scale or residual:  v = add(v, AB[res_base + ob*res_stride + pixel]) with `factor` for v's multiplier
                                   (without residual the second term is 0)
            v = clamp(v, act_min, act_max)
            unless discard: AB[out_base + ob*out_stride + place(pixel)] = v
            if pool: sum[0:8] += v over the pixels inside the image
          if pool: AB[pool_base + ob] = requantise(sum, pool_offset, pool_mult, pool_shift, pool_zp)

`split` decides how the lanes are used and changes no result.  With `w_blocks` 0 all output blocks read the same words.

With the flag `product` (kernel 1, dense) the second operand B is a tensor that the program has stored, not weights: its
word [block of 8 channels][8 pixels] is a pixel's channels behind another's.  `w_taps` is its block stride in words.

    product              in (pixels x channels) times B transposed (channels x pixels):
                         w = DRAM[mem_offset + ib*w_taps + ob]; the output channels are B's pixels
    product, transpose   in (pixels x channels) times B (pixels x channels):
                         w = DRAM[mem_offset + ob*w_taps + ib], rows and columns of its 8 x 8 codes exchanged; the
                         output channels are B's channels, the input channels its pixels

Such a layer is fetched after every descriptor before it has ended, stores included, and never from the persistent
buffer.  Like weights, the codes of B are -127 .. 127, and no zero point is taken off.

A layer may compute a band of rows: the input tensor has `in_h` rows, output row y lies over input row `y_first` + y
(stride 2: over that row of the phase planes), and `in_base` is the pixel word under output pixel (0, 0).  Rows outside
0 .. in_h - 1 and columns outside the width are padding.

The phase planes of a polyphase output lie half the banks apart (`out_phase` = banks / 2 modulo banks), so that both
planes of an image row are written in one cycle.  Pixels outside the image read as `zp_in`.  Sums wrap at 32 bits.

LOAD copies `length` pixel words from DRAM[mem_offset] to AB[out_base]; STORE copies from AB[in_base] to
DRAM[mem_offset].  Both need bases and length in multiples of 8 pixel words.
"""
from __future__ import annotations

import enum

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.fields import Field, decode, encode

__all__ = ["BYTES", "FIELDS", "MAGIC", "MAX_SIDE", "PRODUCTS", "WORDS", "Flag", "Opcode", "out_rows", "pack",
           "problem", "taps", "unpack"]

BYTES = 128
WORDS = BYTES // 4
MAGIC = 0x4E
PRODUCTS = (0, 2, 2)
"""Interface version from which on devices know the flags `product` and `transpose`; older ones ignore them."""
MAX_SIDE = 1023
"""Largest height or width of a feature map."""


class Opcode(enum.IntEnum):
    CONV = 1
    LOAD = 2
    STORE = 3


class Flag:
    """Bits of the field `flags`."""

    DEPTHWISE = 1
    STRIDE2 = 2
    TABLE = 4
    RESIDUAL = 8
    POLYPHASE = 16
    POOL = 32
    DISCARD = 64
    MAXIMUM = 128
    SCALE = 256
    PRODUCT = 512
    TRANSPOSE = 1024


FIELDS: tuple[Field, ...] = (
    Field("opcode", 0, 0, 8, "1 CONV, 2 LOAD, 3 STORE"),
    Field("magic", 0, 8, 8, "0x4E"),
    Field("layer", 0, 16, 16, "SuperNet layer: entry of the residency table"),
    Field("kernel", 1, 8, 4, "kernel size: 1, 3, 5 or 7 (maximum: not 1)"),
    Field("split", 1, 12, 2, "lanes work on 2**split output blocks at a time; dense layers without pool or scale only"),
    Field("flags", 1, 16, 16, "1 depthwise, 2 stride 2, 4 table, 8 residual, 16 polyphase output, 32 pool, 64 discard, "
          "128 maximum, 256 scale, 512 product, 1024 transpose"),
    Field("in_w", 2, 0, 16, "input width, pixels"),
    Field("in_h", 2, 16, 16, "input height, pixels"),
    Field("out_blocks", 3, 0, 16, "output channels / 8"),
    Field("in_blocks", 3, 16, 16, "input channels / 8 (depthwise: 1)"),
    Field("in_base", 4, 0, 32, "input pixel under the first output pixel, pixel words"),
    Field("in_stride", 5, 0, 32, "from one input block to the next, pixel words"),
    Field("in_phase", 6, 0, 32, "stride 2: from one phase plane to the next, pixel words"),
    Field("out_base", 7, 0, 32, "output tensor, pixel words"),
    Field("out_stride", 8, 0, 32, "from one output block to the next, pixel words"),
    Field("out_phase", 9, 0, 32,
          "polyphase output: from one phase plane to the next, pixel words; banks / 2 modulo banks"),
    Field("mem_offset", 10, 0, 32, "CONV: weights; LOAD, STORE: tensor; words from the window base"),
    Field("w_taps", 11, 0, 16, "taps (depthwise: rows) stored per weight block; product: words from one block of the "
          "operand to the next"),
    Field("w_blocks", 11, 16, 16, "input blocks stored per output block (depthwise: 1); 0: all output blocks share "
          "their words"),
    Field("param_offset", 12, 0, 32, "requantisation parameters, one word per output block"),
    Field("table_offset", 13, 0, 32, "activation table, 4 words"),
    Field("zp_in", 14, 0, 8, "zero point of the input", True),
    Field("zp_out", 14, 8, 8, "zero point after requantisation", True),
    Field("act_min", 14, 16, 8, "lower clamp of the result", True),
    Field("act_max", 14, 24, 8, "upper clamp of the result", True),
    Field("res_base", 15, 0, 32, "residual tensor, pixel words, same pixel order as a plain output"),
    Field("res_stride", 16, 0, 32, "from one residual block to the next, pixel words"),
    Field("res_mult_y", 17, 0, 16, "residual addition: multiplier of the layer's own result"),
    Field("res_mult_r", 17, 16, 16, "residual addition: multiplier of the residual"),
    Field("res_shift", 18, 0, 6, "residual addition: right shift"),
    Field("zp_y", 18, 8, 8, "residual addition: zero point of the layer's own result", True),
    Field("zp_res", 18, 16, 8, "residual addition: zero point of the residual", True),
    Field("zp_sum", 18, 24, 8, "residual addition: zero point of the sum", True),
    Field("pool_base", 19, 0, 32, "pooled tensor, pixel words: one per output block"),
    Field("pool_mult", 20, 0, 16, "pool: multiplier"),
    Field("pool_shift", 20, 16, 6, "pool: right shift"),
    Field("pool_zp", 20, 24, 8, "pool: zero point", True),
    Field("pool_offset", 21, 0, 32, "pool: added to the sum (minus pixels times zero point)", True),
    Field("length", 22, 0, 32, "LOAD, STORE: pixel words"),
    Field("out_h", 23, 0, 16, "output rows"),
    Field("y_first", 23, 16, 16, "input row (stride 2: row of its planes) under the first output row"),
    Field("scale_base", 24, 0, 32, "scale: one pixel word of codes per output block, pixel words"),
    Field("extra_images", 25, 0, 4, "images beyond the first that the layer computes with the same weights"),
    Field("in_image", 26, 0, 32, "input: from one image to the next, pixel words"),
    Field("out_image", 27, 0, 32, "output: from one image to the next, pixel words"),
    Field("res_image", 28, 0, 32, "residual: from one image to the next, pixel words"),
    Field("pool_image", 29, 0, 32, "pooled tensor: from one image to the next, pixel words"),
    Field("scale_image", 30, 0, 32, "scale: from one image to the next, pixel words"),
)


def pack(**values: int) -> bytes:
    """One descriptor as 128 bytes; the magic byte is set.  ValueError names a field that is out of its range."""
    return encode(FIELDS, WORDS, {"magic": MAGIC, **values})


def unpack(raw: bytes) -> dict[str, int]:
    """All fields of a 128-byte descriptor."""
    return decode(FIELDS, raw)


def taps(d: dict[str, int]) -> int:
    """Weight words per block of a CONV: kernel rows when depthwise, kernel squared otherwise."""
    return d["kernel"] if d["flags"] & Flag.DEPTHWISE else d["kernel"] ** 2


def out_rows(in_h: int, stride: int) -> int:
    """`out_h` of a layer that computes its whole map."""
    return -(-in_h // stride)


def problem(d: dict[str, int], config: AcceleratorConfig) -> str | None:
    """Which rule a descriptor breaks (the device answers ErrorCode.DESCRIPTOR), or None."""
    if d["magic"] != MAGIC:
        return f"magic must be {MAGIC:#x}, not {d['magic']:#x}"
    if d["opcode"] == Opcode.CONV:
        depthwise, maximum = bool(d["flags"] & Flag.DEPTHWISE), bool(d["flags"] & Flag.MAXIMUM)
        if d["kernel"] not in ((3, 5, 7) if maximum else (1, 3, 5, 7)):
            return f"kernel {d['kernel']} is not supported"
        if depthwise and maximum:
            return "flags depthwise and maximum exclude each other"
        if d["flags"] & Flag.PRODUCT and (d["kernel"] != 1 or depthwise):
            return f"a product needs a dense layer of kernel 1, not kernel {d['kernel']}"
        if d["flags"] & Flag.TRANSPOSE and not d["flags"] & Flag.PRODUCT:
            return "flag transpose needs flag product"
        if not (1 <= d["in_w"] <= MAX_SIDE and 1 <= d["in_h"] <= MAX_SIDE):
            return f"image {d['in_w']} x {d['in_h']} must be between 1 x 1 and {MAX_SIDE} x {MAX_SIDE}"
        if d["out_h"] < 1 or d["y_first"] + d["out_h"] > MAX_SIDE:
            return f"rows {d['y_first']} and {d['out_h']} more must be at least one and end by {MAX_SIDE}"
        if d["out_blocks"] < 1 or d["in_blocks"] < 1 or ((depthwise or maximum) and d["in_blocks"] != 1):
            return (f"out_blocks {d['out_blocks']} and in_blocks {d['in_blocks']} must be at least 1 "
                    "(depthwise, maximum: in_blocks 1)")
        alone = d["flags"] & (Flag.DEPTHWISE | Flag.MAXIMUM | Flag.POOL | Flag.SCALE)
        if 1 << d["split"] > config.groups or (d["split"] and alone):
            return (f"split {d['split']} needs {1 << d['split']} of {config.groups} groups and a dense layer "
                    "without pool or scale")
        if 1 + d["in_blocks"] * taps(d) > config.ring_words:
            return (f"an output block of {1 + d['in_blocks'] * taps(d)} words does not fit a dynamic buffer of "
                    f"{config.ring_words}")
        if d["flags"] & Flag.POLYPHASE and d["out_phase"] % config.banks != config.banks // 2:
            return f"out_phase {d['out_phase']} must be {config.banks // 2} modulo {config.banks}"
        if d["layer"] >= config.layers:
            return f"layer {d['layer']} is beyond the residency table of {config.layers} entries"
        return None
    if d["opcode"] in (Opcode.LOAD, Opcode.STORE):
        base = d["out_base"] if d["opcode"] == Opcode.LOAD else d["in_base"]
        if d["length"] < 1 or d["length"] % 8 or base % 8:
            return f"length {d['length']} and base {base} must be multiples of 8 pixel words"
        if d["length"] > config.ab_words:
            return f"length {d['length']} is beyond the activation buffer of {config.ab_words} pixel words"
        return None
    return f"unknown opcode {d['opcode']}"
