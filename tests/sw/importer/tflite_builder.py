"""Small int8 TFLite files, written with the schema of ai-edge-litert."""
from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as s

B = s.BuiltinOperator


class Builder:
    """Adds tensors and operators; `bytes()` is the file.  Scales are chosen so that results use the codes well."""

    def __init__(self, seed: int, shape: tuple[int, int, int], scale: float = 1 / 255, zp: int = -128):
        self.rng = np.random.default_rng(seed)
        self.model = s.ModelT()
        self.model.version, self.model.operatorCodes, self.model.buffers = 3, [], [s.BufferT()]
        self.graph = s.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]
        self.input = self.tensor((1, *shape), scale, zp)

    def tensor(self, shape, scale=None, zp=0, data=None, kind=s.TensorType.INT8, axis=0) -> int:
        t = s.TensorT()
        t.shape, t.type, t.name = list(shape), kind, f"tensor{len(self.graph.tensors)}".encode()
        t.buffer = 0
        if data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(b)
            t.buffer = len(self.model.buffers) - 1
        if scale is not None:
            q = s.QuantizationParametersT()
            q.scale = np.atleast_1d(np.asarray(scale, np.float32))
            q.zeroPoint = np.full(len(q.scale), zp, np.int64)
            q.quantizedDimension = axis
            t.quantization = q
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def shape(self, n: int) -> list[int]:
        return self.graph.tensors[n].shape

    def op(self, code: int, inputs, output: int, kind: int = 0, options=None) -> int:
        codes = [c.builtinCode for c in self.model.operatorCodes]
        if code not in codes:
            c = s.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), 1
            self.model.operatorCodes.append(c)
            codes.append(code)
        o = s.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = codes.index(code), list(inputs), [output]
        o.builtinOptionsType, o.builtinOptions = kind, options
        self.graph.operators.append(o)
        return output

    def conv(self, x: int, cout: int, kernel: int, stride: int = 1, *, depthwise=False, same=True, act=0, zp=None,
             spread=1.0) -> int:
        _, h, w, cin = self.shape(x)
        q = self.graph.tensors[x].quantization
        shape = (1, kernel, kernel, cin) if depthwise else (cout, kernel, kernel, cin)
        scales = self.rng.uniform(0.002, 0.02, cout)
        weights = self.tensor(shape, scales, 0, self.rng.integers(-127, 128, shape).astype(np.int8),
                              axis=3 if depthwise else 0)
        bias = self.tensor((cout,), scales * q.scale[0], 0, self.rng.integers(-9000, 9000, cout).astype(np.int32),
                           s.TensorType.INT32)
        size = [(-(-n // stride) if same else (n - kernel) // stride + 1) for n in (h, w)]
        products = kernel ** 2 * (1 if depthwise else cin)
        scale = float(spread * q.scale[0] * scales.mean() * 73 * 60 * np.sqrt(products) / 60)
        zp = (-128 if act else int(self.rng.integers(-20, 20))) if zp is None else zp
        out = self.tensor((1, *size, cout), scale, zp)
        o = s.DepthwiseConv2DOptionsT() if depthwise else s.Conv2DOptionsT()
        o.padding, o.strideH, o.strideW, o.fusedActivationFunction = (0 if same else 1), stride, stride, act
        o.dilationHFactor = o.dilationWFactor = 1
        if depthwise:
            o.depthMultiplier = 1
        kind = s.BuiltinOptions.DepthwiseConv2DOptions if depthwise else s.BuiltinOptions.Conv2DOptions
        return self.op(B.DEPTHWISE_CONV_2D if depthwise else B.CONV_2D, [x, weights, bias], out, kind, o)

    def like(self, x: int, scale=None, zp=None, shape=None) -> int:
        t = self.graph.tensors[x]
        q = t.quantization
        return self.tensor(shape or t.shape, q.scale[0] if scale is None else scale,
                           int(q.zeroPoint[0]) if zp is None else zp)

    def add(self, a: int, b: int, act=0, zp=None) -> int:
        o = s.AddOptionsT()
        o.fusedActivationFunction = act
        scale = 1.3 * max(self.graph.tensors[n].quantization.scale[0] for n in (a, b))
        return self.op(B.ADD, [a, b], self.like(a, scale, (-128 if act else 3) if zp is None else zp),
                       s.BuiltinOptions.AddOptions, o)

    def mul(self, a: int, b: int) -> int:
        scale = self.graph.tensors[a].quantization.scale[0]
        return self.op(B.MUL, [a, b], self.like(a, 0.6 * scale), s.BuiltinOptions.MulOptions, s.MulOptionsT())

    def mean(self, x: int) -> int:
        axes = self.tensor((2,), data=np.array([1, 2], np.int32), kind=s.TensorType.INT32)
        o = s.ReducerOptionsT()
        o.keepDims = True
        out = self.like(x, 0.5 * self.graph.tensors[x].quantization.scale[0], None, (1, 1, 1, self.shape(x)[3]))
        return self.op(B.MEAN, [x, axes], out, s.BuiltinOptions.ReducerOptions, o)

    def pool(self, code: int, x: int, kernel: int, stride: int, same=True) -> int:
        _, h, w, c = self.shape(x)
        o = s.Pool2DOptionsT()
        o.padding, o.strideH, o.strideW = 0 if same else 1, stride, stride
        o.filterHeight = o.filterWidth = kernel
        size = [-(-n // stride) if same else (n - kernel) // stride + 1 for n in (h, w)]
        return self.op(code, [x], self.like(x, shape=(1, *size, c)), s.BuiltinOptions.Pool2DOptions, o)

    def unary(self, code: int, x: int, scale: float, zp: int) -> int:
        return self.op(code, [x], self.like(x, scale, zp))

    def reshape(self, x: int, shape) -> int:
        to = self.tensor((len(shape),), data=np.array(shape, np.int32), kind=s.TensorType.INT32)
        return self.op(B.RESHAPE, [x, to], self.like(x, shape=shape))

    def dense(self, x: int, cout: int) -> int:
        cin = self.shape(x)[1]
        q = self.graph.tensors[x].quantization
        weights = self.tensor((cout, cin), 0.01, 0, self.rng.integers(-127, 128, (cout, cin)).astype(np.int8))
        bias = self.tensor((cout,), 0.01 * q.scale[0], 0, self.rng.integers(-500, 500, cout).astype(np.int32),
                           s.TensorType.INT32)
        out = self.tensor((1, cout), float(q.scale[0] * 0.01 * 73 * np.sqrt(cin) * 0.12), 7)
        return self.op(B.FULLY_CONNECTED, [x, weights, bias], out, s.BuiltinOptions.FullyConnectedOptions,
                       s.FullyConnectedOptionsT())

    def softmax(self, x: int) -> int:
        o = s.SoftmaxOptionsT()
        o.beta = 1.0
        return self.op(B.SOFTMAX, [x], self.like(x, 1 / 256, -128), s.BuiltinOptions.SoftmaxOptions, o)

    def bytes(self, output: int) -> bytes:
        self.graph.inputs, self.graph.outputs = [self.input], [output]
        f = flatbuffers.Builder(1024)
        f.Finish(self.model.Pack(f), b"TFL3")
        return bytes(f.Output())
