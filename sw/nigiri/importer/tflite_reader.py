"""int8 TFLite files to the common graph.  Source of the formats: the TFLite 8-bit quantisation specification."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nigiri.importer import ir
from nigiri.importer.errors import BadModel, UnsupportedModel, UnsupportedOperator
from nigiri.importer.operators import TFLITE, instead
from nigiri.importer.tables import FUNCTIONS, hard_swish, table

__all__ = ["read_tflite"]

INT8, INT32 = 9, 2
SAME_PADDING = 0
RELU, RELU6, RELU_N1_TO_1 = 1, 3, 2


def read_tflite(raw: bytes, name: str) -> ir.Graph:
    """The graph in a file's bytes.

    Raises
    ------
    BadModel: no sound TFLite file.  UnsupportedModel, UnsupportedOperator.
    """
    import tflite

    if raw[4:8] != b"TFL3":
        raise BadModel(f"{name} is not a TFLite file: its identifier is missing")
    try:
        return _Reader(tflite, tflite.Model.GetRootAsModel(raw, 0), name).graph()
    except (UnsupportedModel, BadModel):
        raise
    except Exception as e:         # a flatbuffer has no checksum: any field may point anywhere
        raise BadModel(f"{name} is not a sound TFLite file ({type(e).__name__}: {e}): copy or convert it "
                       f"again") from e


class _Reader:
    def __init__(self, tflite: Any, model: Any, name: str):
        self.t, self.model, self.name = tflite, model, name
        if model.SubgraphsLength() != 1:
            raise UnsupportedModel(f"{name} has {model.SubgraphsLength()} subgraphs: convert a model with one")
        self.g = model.Subgraphs(0)
        if self.g.InputsLength() != 1 or self.g.OutputsLength() != 1:
            raise UnsupportedModel(f"{name} has {self.g.InputsLength()} inputs and {self.g.OutputsLength()} outputs: "
                                   f"convert a classifier with one image and one result")
        self.codes = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
        self.tensors: dict[str, ir.Tensor] = {}
        self.nodes: list[ir.Node] = []
        self.notes: list[str] = []
        self.pads: dict[str, tuple[str, tuple[int, int]]] = {}
        """Result of a PAD to what it pads, and by how much."""

    # Fields of the file.

    def tensor(self, n: int) -> Any:
        return self.g.Tensors(n)

    def key(self, n: int) -> str:
        """Name of a tensor in the graph; names in the file need not differ."""
        return f"t{n}"

    def constant(self, n: int) -> np.ndarray:
        t = self.tensor(n)
        buffer = self.model.Buffers(t.Buffer()).DataAsNumpy()
        kind = {INT8: np.int8, INT32: np.int32}.get(t.Type())
        if kind is None or isinstance(buffer, int):
            raise UnsupportedModel(f"tensor {n} ({_text(t.Name())}) is no int8 or int32 constant: convert the model "
                                   f"with full integer quantisation")
        shape = t.ShapeAsNumpy() if t.ShapeLength() else np.zeros(0, int)
        return np.frombuffer(np.asarray(buffer).tobytes(), kind).reshape(shape)

    def scales(self, n: int) -> tuple[np.ndarray, int]:
        q = self.tensor(n).Quantization()
        if q is None or not q.ScaleLength():
            raise UnsupportedModel(f"tensor {n} ({_text(self.tensor(n).Name())}) has no scale: convert the model with "
                                   f"full integer quantisation")
        return q.ScaleAsNumpy().astype(np.float64), int(q.ZeroPoint(0)) if q.ZeroPointLength() else 0

    def activation(self, n: int) -> str:
        """Declares tensor `n` and returns its key."""
        key = self.key(n)
        if key not in self.tensors:
            t = self.tensor(n)
            if t.Type() != INT8:
                raise UnsupportedModel(f"tensor {n} ({_text(t.Name())}) is not int8: convert the model with full "
                                       f"integer quantisation, inputs and outputs too")
            scales, zp = self.scales(n)
            if len(scales) != 1 or not math.isfinite(scales[0]) or scales[0] <= 0 or not -128 <= zp <= 127:
                raise BadModel(f"tensor {n} ({_text(t.Name())}) has an unsound scale or zero point")
            self.tensors[key] = ir.Tensor(name=key, shape=_shape([int(v) for v in t.ShapeAsNumpy()]),
                                          scale=float(scales[0]), zp=zp)
        return key

    def options(self, op: Any, kind: str) -> Any:
        out = getattr(self.t, kind)()
        table = op.BuiltinOptions()
        if table is None:
            raise BadModel(f"an operator has no {kind}")
        out.Init(table.Bytes, table.Pos)
        return out

    # Operators.

    def graph(self) -> ir.Graph:
        source, result = self.g.Inputs(0), self.g.Outputs(0)
        handlers: dict[str, Callable[[Any, list[int], int, str], None]] = {
            "CONV_2D": self.conv, "DEPTHWISE_CONV_2D": self.depthwise, "FULLY_CONNECTED": self.dense,
            "ADD": self.add, "MUL": self.gate, "AVERAGE_POOL_2D": self.average, "MEAN": self.mean,
            "MAX_POOL_2D": self.max_pool, "RESHAPE": self.reshape, "SQUEEZE": self.reshape, "SOFTMAX": self.softmax,
            "PAD": self.pad, "LOGISTIC": self.unary, "TANH": self.unary, "HARD_SWISH": self.unary,
            "RELU": self.unary, "RELU6": self.unary, "QUANTIZE": self.unary}
        for n in range(self.g.OperatorsLength()):
            op = self.g.Operators(n)
            code = self.model.OperatorCodes(op.OpcodeIndex())
            kind = self.codes.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "CUSTOM")
            ins = [int(op.Inputs(k)) for k in range(op.InputsLength())]
            out = int(op.Outputs(0))
            place = f"operator {n} (writes {_text(self.tensor(out).Name())})"
            if kind not in handlers:
                raise UnsupportedOperator(kind, place, "the accelerator has no such operator", instead(kind, TFLITE))
            self.kind = kind
            handlers[kind](op, ins, out, place)
        return ir.Graph(name=self.name, tensors=self.tensors, nodes=tuple(self.nodes), input=self.activation(source),
                        output=self.activation(result), notes=self.notes)

    def clamp(self, act: int, out: int, place: str) -> dict[str, Any]:
        scale, zp = self.tensors[self.activation(out)].scale, self.tensors[self.key(out)].zp
        limits = {0: (-math.inf, math.inf), RELU: (0, math.inf), RELU6: (0, 6), RELU_N1_TO_1: (-1, 1)}
        if act not in limits:
            raise UnsupportedOperator(self.kind, place, "its fused activation is not RELU, RELU6 or RELU_N1_TO_1",
                                      "use one of these")
        low, high = (max(-128, min(127, round(v / scale) + zp)) if math.isfinite(v) else (-128 if v < 0 else 127)
                     for v in limits[act])
        return {"low": low, "high": high}

    def source(self, n: int) -> tuple[str, tuple[int, int]]:
        """(tensor, pixels above and left of it) that tensor `n` is."""
        key = self.activation(n)
        return self.pads.get(key, (key, (0, 0)))

    def weights(self, ins: list[int], channels: int) -> dict[str, Any]:
        w = self.constant(ins[1])
        scales, zp = self.scales(ins[1])
        if zp or w.dtype != np.int8:
            raise UnsupportedModel(f"tensor {ins[1]} holds weights that are not symmetric int8: convert the model with "
                                   f"the TFLite int8 quantiser")
        if (w == -128).any():
            w = np.maximum(w, -127).astype(np.int8)
            self.notes.append(f"tensor {ins[1]}: weights of -128 became -127")
        bias = self.constant(ins[2]).astype(np.int64) if len(ins) > 2 and ins[2] >= 0 else np.zeros(channels, np.int64)
        return {"weights": w, "w_scale": np.broadcast_to(scales, (channels,)).copy(), "bias": bias.reshape(-1)}

    def conv(self, op: Any, ins: list[int], out: int, place: str) -> None:
        o = self.options(op, "Conv2DOptions")
        x, extra = self.source(ins[0])
        facts = self.weights(ins, self.tensor(ins[1]).Shape(0))
        facts["weights"] = facts["weights"].transpose(0, 3, 1, 2)
        cin = self.tensors[x].shape[2]
        if facts["weights"].shape[1] != cin:
            raise UnsupportedOperator(self.kind, place, f"groups of {facts['weights'].shape[1]} of {cin} channels",
                                      "use a dense or a depthwise convolution")
        self.window(o, ins, out, place, facts, extra, x, depthwise=False)

    def depthwise(self, op: Any, ins: list[int], out: int, place: str) -> None:
        o = self.options(op, "DepthwiseConv2DOptions")
        x, extra = self.source(ins[0])
        channels = self.tensor(ins[1]).Shape(3)
        if channels != self.tensors[x].shape[2]:
            raise UnsupportedOperator(self.kind, place, "more results than channels (depth multiplier above 1)",
                                      "use a dense convolution")
        facts = self.weights(ins, channels)
        facts["weights"] = facts["weights"].transpose(3, 0, 1, 2)
        self.window(o, ins, out, place, facts, extra, x, depthwise=True)

    def window(self, o: Any, ins: list[int], out: int, place: str, facts: dict[str, Any], extra: tuple[int, int],
               x: str, depthwise: bool) -> None:
        if o.DilationHFactor() != 1 or o.DilationWFactor() != 1 or o.StrideH() != o.StrideW():
            raise UnsupportedOperator(self.kind, place, "dilation, or strides that differ", "use dilation 1 and one "
                                      "stride")
        kernel = facts["weights"].shape[2:]
        pads = self.padding(o.Padding(), kernel, o.StrideH(), ins[0], out)
        self.nodes.append(ir.Conv(inputs=(x,), output=self.activation(out), place=place, stride=o.StrideH(),
                                  pads=(pads[0] + extra[0], pads[1] + extra[1]), depthwise=depthwise, **facts,
                                  **self.clamp(o.FusedActivationFunction(), out, place)))

    def padding(self, kind: int, kernel: tuple[int, int], stride: int, source: int, out: int) -> tuple[int, int]:
        """Pixels above and left of the image, as TensorFlow places them: the odd one goes below and right."""
        if kind != SAME_PADDING:
            return 0, 0
        size = self.tensors[self.activation(source)].shape
        result = self.tensors[self.activation(out)].shape
        top, left = (max(0, (r - 1) * stride + k - s) // 2 for r, k, s in zip(result[:2], kernel, size[:2],
                                                                              strict=True))
        return top, left

    def dense(self, op: Any, ins: list[int], out: int, place: str) -> None:
        o = self.options(op, "FullyConnectedOptions")
        x = self.activation(ins[0])
        facts = self.weights(ins, self.tensor(ins[1]).Shape(0))
        facts["weights"] = facts["weights"][:, :, None, None]
        if self.tensors[x].pixels != 1:
            raise UnsupportedOperator(self.kind, place, f"it reads {self.tensors[x].pixels} pixels",
                                      "put a global average pool before it")
        self.nodes.append(ir.Conv(inputs=(x,), output=self.activation(out), place=place, stride=1, pads=(0, 0), **facts,
                                  **self.clamp(o.FusedActivationFunction(), out, place)))

    def add(self, op: Any, ins: list[int], out: int, place: str) -> None:
        a, b = (self.activation(n) for n in ins)
        if self.tensors[a].shape != self.tensors[b].shape:
            raise UnsupportedOperator(self.kind, place, "its terms have different shapes", "add tensors of one shape")
        act = self.options(op, "AddOptions").FusedActivationFunction() if op.BuiltinOptions() else 0
        self.nodes.append(ir.Add(inputs=(a, b), output=self.activation(out), place=place,
                                 **self.clamp(act, out, place)))

    def gate(self, op: Any, ins: list[int], out: int, place: str) -> None:
        a, b = sorted((self.activation(n) for n in ins), key=lambda k: -self.tensors[k].pixels)
        if self.tensors[b].pixels != 1 or self.tensors[a].shape[2] != self.tensors[b].shape[2]:
            raise UnsupportedOperator(self.kind, place, "neither factor is one value per channel",
                                      "only the gates of squeeze-and-excite are supported")
        act = self.options(op, "MulOptions").FusedActivationFunction() if op.BuiltinOptions() else 0
        self.nodes.append(ir.Gate(inputs=(a, b), output=self.activation(out), place=place,
                                  **self.clamp(act, out, place)))

    def average(self, op: Any, ins: list[int], out: int, place: str) -> None:
        o = self.options(op, "Pool2DOptions")
        x = self.tensors[self.activation(ins[0])]
        if (o.FilterHeight(), o.FilterWidth()) != x.shape[:2] or self.tensors[self.activation(out)].pixels != 1:
            raise UnsupportedOperator(self.kind, place, "it does not cover the whole image",
                                      "use a global average pool, or a convolution of stride 2")
        self.nodes.append(ir.Pool(inputs=(x.name,), output=self.key(out), place=place,
                                  **self.clamp(o.FusedActivationFunction(), out, place)))

    def mean(self, op: Any, ins: list[int], out: int, place: str) -> None:
        axes = sorted(int(v) % 4 for v in self.constant(ins[1]).reshape(-1))
        if axes != [1, 2]:
            raise UnsupportedOperator(self.kind, place, f"mean over axes {axes}", "take it over height and width")
        self.nodes.append(ir.Pool(inputs=(self.activation(ins[0]),), output=self.activation(out), place=place))

    def max_pool(self, op: Any, ins: list[int], out: int, place: str) -> None:
        o = self.options(op, "Pool2DOptions")
        if o.FilterHeight() != o.FilterWidth() or o.StrideH() != o.StrideW():
            raise UnsupportedOperator(self.kind, place, "its window or stride is not square", "use a square one")
        k = o.FilterHeight()
        self.nodes.append(ir.MaxPool(inputs=(self.activation(ins[0]),), output=self.activation(out), place=place,
                                     kernel=k, stride=o.StrideH(),
                                     pads=self.padding(o.Padding(), (k, k), o.StrideH(), ins[0], out),
                                     **self.clamp(o.FusedActivationFunction(), out, place)))

    def reshape(self, op: Any, ins: list[int], out: int, place: str) -> None:
        a, b = self.activation(ins[0]), self.activation(out)
        if self.tensors[a].shape != self.tensors[b].shape:
            raise UnsupportedOperator(self.kind, place, "it changes the order of pixels and channels",
                                      "reshape single pixels only, after a global pool")
        self.nodes.append(ir.Same(inputs=(a,), output=b, place=place))

    def softmax(self, op: Any, ins: list[int], out: int, place: str) -> None:
        if out != self.g.Outputs(0):
            raise UnsupportedOperator(self.kind, place, "it is not the last operator", "end the model with it")
        a, b = self.activation(ins[0]), self.activation(out)
        self.tensors[b] = ir.Tensor(name=b, shape=self.tensors[a].shape, scale=self.tensors[a].scale,
                                    zp=self.tensors[a].zp)
        self.nodes.append(ir.Same(inputs=(a,), output=b, place=place))
        self.notes.append("the soft-maximum at the end is left out: results are logits, the largest wins")

    def pad(self, op: Any, ins: list[int], out: int, place: str) -> None:
        amounts = self.constant(ins[1])
        x = self.activation(ins[0])
        if amounts.shape != (4, 2) or amounts[0].any() or amounts[3].any():
            raise UnsupportedOperator(self.kind, place, "it pads more than height and width", "pad pixels only")
        readers = [self.g.Operators(k) for k in range(self.g.OperatorsLength())
                   if out in self.g.Operators(k).InputsAsNumpy()]
        kinds = {self.codes[max(c.BuiltinCode(), c.DeprecatedBuiltinCode())]
                 for c in (self.model.OperatorCodes(r.OpcodeIndex()) for r in readers)}
        if not kinds <= {"CONV_2D", "DEPTHWISE_CONV_2D"}:
            raise UnsupportedOperator(self.kind, place, "something else than a convolution reads it",
                                      "pad only before convolutions")
        self.activation(out)
        self.pads[self.key(out)] = x, (int(amounts[1, 0]), int(amounts[2, 0]))

    def unary(self, op: Any, ins: list[int], out: int, place: str) -> None:
        a, b = self.activation(ins[0]), self.activation(out)
        function = hard_swish if self.kind == "HARD_SWISH" else FUNCTIONS[self.kind]
        self.nodes.append(ir.Unary(inputs=(a,), output=b, place=place,
                                   table=table(function, self.tensors[a], self.tensors[b])))


def _shape(shape: list[int]) -> tuple[int, int, int]:
    if len(shape) == 2:
        shape = [shape[0], 1, 1, shape[1]]
    if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
        raise UnsupportedModel(f"an activation has shape {shape}: convert the model for a batch of one image")
    return shape[1], shape[2], shape[3]


def _text(name: bytes | None) -> str:
    text = (name or b"?").decode("utf-8", "replace")
    return text if len(text) < 60 else f"{text[:57]}..."
