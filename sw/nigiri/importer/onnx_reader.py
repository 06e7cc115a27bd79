"""ONNX models in QDQ form (QuantizeLinear, DequantizeLinear round every tensor) to the common graph."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nigiri.importer import ir
from nigiri.importer.errors import BadModel, UnsupportedModel, UnsupportedOperator
from nigiri.importer.operators import ONNX, instead
from nigiri.importer.tables import FUNCTIONS, hard_swish, table

__all__ = ["read_onnx"]

PASSES = ("Flatten", "Reshape", "Squeeze", "Identity", "Dropout")
"""Operators that leave the values of a single pixel alone."""
UNARY = {"Sigmoid": FUNCTIONS["LOGISTIC"], "Tanh": FUNCTIONS["TANH"], "HardSwish": hard_swish,
         "HardSigmoid": FUNCTIONS["HARD_SIGMOID"], "Relu": FUNCTIONS["RELU"]}


def read_onnx(raw: bytes, name: str) -> ir.Graph:
    """The graph in a file's bytes.

    Raises
    ------
    BadModel: no sound ONNX file.  UnsupportedModel, UnsupportedOperator.
    """
    import onnx

    try:
        model = onnx.load_model_from_string(raw)
        onnx.checker.check_model(model)
        model = onnx.shape_inference.infer_shapes(model)
    except Exception as e:
        raise BadModel(f"{name} is not a sound ONNX model ({str(e).strip().splitlines()[0] or type(e).__name__}): "
                       f"export it again") from e
    try:
        return _Reader(onnx, model.graph, name).graph()
    except (KeyError, IndexError, TypeError, ValueError) as e:
        if isinstance(e, UnsupportedModel | BadModel):
            raise
        raise BadModel(f"{name} is not a sound ONNX model ({type(e).__name__}: {e}): export it again") from e


class _Reader:
    """Every QuantizeLinear defines a tensor of codes by the operators between it and the DequantizeLinear before."""

    def __init__(self, onnx: Any, graph: Any, name: str):
        self.onnx, self.name = onnx, name
        self.constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        self.nodes_in = list(graph.node)
        for n in self.nodes_in:
            if n.op_type == "Constant":
                self.constants[n.output[0]] = onnx.numpy_helper.to_array(n.attribute[0].t)
        self.maker = {out: (k, n) for k, n in enumerate(self.nodes_in) for out in n.output}
        self.shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
                       for v in [*graph.value_info, *graph.input, *graph.output]}
        inputs = [v.name for v in graph.input if v.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise UnsupportedModel(f"{name} has {len(inputs)} inputs and {len(graph.output)} outputs: export a "
                                   f"classifier with one image and one result")
        self.source, self.result = inputs[0], graph.output[0].name
        self.tensors: dict[str, ir.Tensor] = {}
        self.nodes: list[ir.Node] = []
        self.notes: list[str] = []
        self.input = ""

    # Values.

    def shape(self, name: str) -> tuple[int, int, int]:
        s = self.shapes.get(name, [])
        if len(s) == 2:
            s = [*s, 1, 1]
        if len(s) != 4 or min(s[1:]) < 1:
            raise UnsupportedModel(f"tensor {name} has shape {s}: export the model with fixed image size, channels "
                                   f"first")
        return s[2], s[3], s[1]

    def place(self, n: Any) -> str:
        k = self.maker[n.output[0]][0]
        return f"node {k} ({n.name or 'writes ' + n.output[0]})"

    def attributes(self, n: Any) -> dict[str, Any]:
        return {a.name: self.onnx.helper.get_attribute_value(a) for a in n.attribute}

    def refuse(self, n: Any, why: str, what: str) -> UnsupportedOperator:
        return UnsupportedOperator(n.op_type, self.place(n), why, what)

    def quantisation(self, n: Any) -> tuple[np.ndarray, int, int]:
        """(scales, zero point, what to take from unsigned codes to make them signed) of a Quantize- or
        DequantizeLinear."""
        scale = np.asarray(self.constants[n.input[1]], np.float64).reshape(-1)
        zp = np.asarray(self.constants[n.input[2]]) if len(n.input) > 2 else np.zeros(1, np.uint8)
        if zp.dtype not in (np.int8, np.uint8, np.int32) or not (scale > 0).all() or not np.isfinite(scale).all():
            raise self.refuse(n, f"codes of type {zp.dtype}", "quantise to int8")
        off = 128 if zp.dtype == np.uint8 else 0
        values = np.unique(zp.astype(np.int64))
        if len(values) != 1:
            raise self.refuse(n, "zero points that differ by channel", "quantise weights symmetrically")
        return scale, int(values[0]) - off, off

    def activation(self, name: str) -> str | None:
        """The tensor of codes whose values a float tensor has, or None when it is made by an operator."""
        _, n = self.maker.get(name, (0, None))
        if n is None:
            return None
        if n.op_type in PASSES and n.input[0] not in self.constants:
            inner = self.activation(n.input[0])
            if inner and self.tensors[inner].pixels != 1 and n.op_type not in ("Identity", "Dropout"):
                raise self.refuse(n, "it changes the order of pixels and channels", "reshape single pixels only, after "
                                  "a global pool")
            return inner
        if n.op_type == "DequantizeLinear" and n.input[0] in self.tensors:
            return str(n.input[0])
        return None

    def weights(self, name: str, n: Any) -> tuple[np.ndarray, np.ndarray]:
        """(codes, scales) of a constant behind a DequantizeLinear."""
        _, d = self.maker.get(name, (0, None))
        if d is None or d.op_type != "DequantizeLinear" or d.input[0] not in self.constants:
            raise self.refuse(n, "its weights are not quantised", "quantise them to int8 in QDQ form")
        w = self.constants[d.input[0]]
        scale, zp, _ = self.quantisation(d)
        if w.dtype != np.int8 or zp:
            raise self.refuse(n, "its weights are not symmetric int8", "quantise weights with zero point 0")
        if (w == -128).any():
            w = np.maximum(w, -127).astype(np.int8)
            self.notes.append(f"{d.input[0]}: weights of -128 became -127")
        return w, scale

    def bias(self, name: str, scale: np.ndarray, channels: int) -> np.ndarray:
        """Bias codes, in units of `scale` per channel, of a float constant or one behind a DequantizeLinear."""
        if name in self.constants:
            real = self.constants[name].astype(np.float64)
        else:
            d = self.maker[name][1]
            real = self.constants[d.input[0]].astype(np.float64) * self.constants[d.input[1]]
        return np.rint(np.broadcast_to(real.reshape(-1), (channels,)) / scale).astype(np.int64)

    # The graph.

    def graph(self) -> ir.Graph:
        for n in self.nodes_in:
            if n.op_type == "QuantizeLinear" and n.input[0] not in self.constants:
                self.quantise(n)
        out = self.output()
        if not self.input:
            raise UnsupportedModel(f"{self.name}: no QuantizeLinear rounds the image: export the model in QDQ form")
        return ir.Graph(name=self.name, tensors=self.tensors, nodes=tuple(self.nodes), input=self.input, output=out,
                        notes=self.notes)

    def output(self) -> str:
        name = self.result
        n = self.maker[name][1]
        if n.op_type == "Softmax":
            self.notes.append("the soft-maximum at the end is left out: results are logits, the largest wins")
            name = n.input[0]
        if name in self.tensors:
            return name
        found = self.activation(name)
        if found is None:
            n = self.maker[name][1]
            if n.op_type not in ("Gemm", "MatMul", "Add", "Conv", *PASSES):
                raise self.refuse(n, "the accelerator has no such operator", instead(n.op_type, ONNX))
            raise self.refuse(n, "its result, the model's, is not quantised", "quantise the result as well")
        return found

    def quantise(self, q: Any) -> None:
        """The operators before a QuantizeLinear as nodes."""
        scale, zp, _ = self.quantisation(q)
        name, value, clamp = q.output[0], q.input[0], (-128, 127)
        if len(scale) != 1:
            raise self.refuse(q, "an activation with a scale per channel", "use one scale per tensor")
        if value == self.source:
            self.input = name
        self.tensors[name] = y = ir.Tensor(name=name, shape=self.shape(value), scale=float(scale[0]), zp=zp)
        if value == self.source:
            return
        n = self.maker[value][1]
        if n.op_type in ("Relu", "Clip") and self.activation(n.input[0]) is None:
            low, high = (0.0, math.inf) if n.op_type == "Relu" else self.limits(n)
            clamp = (max(-128, round(low / y.scale) + zp) if math.isfinite(low) else -128,
                     min(127, round(high / y.scale) + zp) if math.isfinite(high) else 127)
            n = self.maker[n.input[0]][1]
        self.operator(n, y, clamp, value)

    def limits(self, n: Any) -> tuple[float, float]:
        a = self.attributes(n)
        low, high = (float(self.constants[n.input[k]]) if len(n.input) > k and n.input[k] else a.get(key, default)
                     for k, key, default in ((1, "min", -math.inf), (2, "max", math.inf)))
        return low, high

    def operator(self, n: Any, y: ir.Tensor, clamp: tuple[int, int], value: str) -> None:
        common: dict[str, Any] = {"output": y.name, "place": self.place(n), "low": clamp[0], "high": clamp[1]}
        alone = self.activation(value)
        if alone is not None:            # codes of another scale, or other names for the same
            x = self.tensors[alone]
            if (x.scale, x.zp) == (y.scale, y.zp):
                self.nodes.append(ir.Same(inputs=(alone,), **common))
            else:
                self.nodes.append(ir.Unary(inputs=(alone,), table=table(FUNCTIONS["QUANTIZE"], x, y), **common))
            return
        kind, extra = n.op_type, None
        if kind == "Add" and any(i in self.constants for i in n.input):          # MatMul with a bias behind it
            extra = next(i for i in n.input if i in self.constants)
            n = self.maker[next(i for i in n.input if i not in self.constants)][1]
            kind = n.op_type
            if kind != "MatMul":
                raise self.refuse(n, "a constant is added to its result", "use a bias")
        if kind in ("Conv", "Gemm", "MatMul"):
            self.linear(n, kind, y, common, extra)
        elif kind == "MaxPool":
            a = self.attributes(n)
            k, strides = a["kernel_shape"], a.get("strides", [1, 1])
            if len(set(k)) > 1 or len(set(strides)) > 1 or a.get("ceil_mode", 0):
                raise self.refuse(n, "its window or stride is not square", "use a square one")
            self.nodes.append(ir.MaxPool(inputs=(self.input_of(n, 0),), kernel=k[0], stride=strides[0],
                                         pads=self.pads(n, a), **common))
        elif kind in ("Add", "Mul"):
            self.two(n, kind, common)
        elif kind in ("GlobalAveragePool", "ReduceMean"):
            if kind == "ReduceMean" and sorted(v % 4 for v in self.axes(n)) != [2, 3]:
                raise self.refuse(n, "a mean over other axes than height and width", "take it over these")
            self.nodes.append(ir.Pool(inputs=(self.input_of(n, 0),), **common))
        elif kind in UNARY or kind == "Clip":
            x = self.tensors[self.input_of(n, 0)]
            self.nodes.append(ir.Unary(inputs=(x.name,), table=table(self.function(n), x, y), **common))
        else:
            raise self.refuse(n, "the accelerator has no such operator", instead(kind, ONNX))

    def two(self, n: Any, kind: str, common: dict[str, Any]) -> None:
        first, second = sorted((self.input_of(n, k) for k in (0, 1)), key=lambda t: -self.tensors[t].pixels)
        big, small = self.tensors[first], self.tensors[second]
        if kind == "Add" and big.shape == small.shape:
            self.nodes.append(ir.Add(inputs=(first, second), **common))
        elif kind == "Mul" and small.pixels == 1 and big.shape[2] == small.shape[2]:
            self.nodes.append(ir.Gate(inputs=(first, second), **common))
        else:
            raise self.refuse(n, "its inputs have different shapes", "add tensors of one shape, multiply by one value "
                              "per channel")

    def function(self, n: Any) -> Callable[[np.ndarray], np.ndarray]:
        """What a unary operator computes of real numbers."""
        if n.op_type == "Clip":
            low, high = self.limits(n)
            return lambda v: np.clip(v, low, high)
        if n.op_type == "HardSigmoid":
            given = self.attributes(n)
            alpha, beta = given.get("alpha", 0.2), given.get("beta", 0.5)
            return lambda v: np.clip(alpha * v + beta, 0, 1)
        return UNARY[n.op_type]

    def axes(self, n: Any) -> list[int]:
        a = self.attributes(n)
        return [int(v) for v in (a["axes"] if "axes" in a else self.constants[n.input[1]])]

    def input_of(self, n: Any, k: int) -> str:
        found = self.activation(n.input[k])
        if found is None:
            raise self.refuse(n, f"its input {n.input[k]} is not quantised", "round every tensor (QDQ form)")
        return found

    def pads(self, n: Any, a: dict[str, Any]) -> tuple[int, int]:
        auto = a.get("auto_pad", b"NOTSET").decode()
        if auto not in ("NOTSET", "VALID"):
            raise self.refuse(n, f"padding {auto}", "state the pads")
        pads = a.get("pads", [0, 0, 0, 0])
        return int(pads[0]), int(pads[1])

    def linear(self, n: Any, kind: str, y: ir.Tensor, common: dict[str, Any], extra: str | None) -> None:
        x, a = self.tensors[self.input_of(n, 0)], self.attributes(n)
        w, w_scale = self.weights(n.input[1], n)
        stride, pads, depthwise = 1, (0, 0), False
        if kind == "Conv":
            strides, group = a.get("strides", [1, 1]), a.get("group", 1)
            if len(set(strides)) > 1 or max(a.get("dilations", [1])) > 1:
                raise self.refuse(n, "dilation, or strides that differ", "use dilation 1 and one stride")
            depthwise = group > 1
            if depthwise and not (w.shape[1] == 1 and w.shape[0] == group == x.shape[2]):
                raise self.refuse(n, f"{group} groups of {w.shape[1]} channels", "use a dense or a depthwise one")
            stride, pads = strides[0], self.pads(n, a)
        else:
            if x.pixels != 1:
                raise self.refuse(n, f"it reads {x.pixels} pixels", "put a global average pool before it")
            if kind == "Gemm" and (a.get("alpha", 1.0) != 1.0 or a.get("beta", 1.0) != 1.0 or a.get("transA", 0)):
                raise self.refuse(n, "alpha, beta or transA", "leave them out")
            if kind == "MatMul" or not a.get("transB", 0):
                w = w.T
            w = w[:, :, None, None]
        cout = w.shape[0]
        scales = np.broadcast_to(w_scale, (cout,)).copy()
        term = extra or (n.input[2] if kind != "MatMul" and len(n.input) > 2 and n.input[2] else None)
        bias = self.bias(term, x.scale * scales, cout) if term else np.zeros(cout, np.int64)
        self.nodes.append(ir.Conv(inputs=(x.name,), weights=np.ascontiguousarray(w), w_scale=scales, bias=bias,
                                  stride=stride, pads=pads, depthwise=depthwise, **common))
