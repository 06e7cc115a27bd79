"""Imported ONNX models in QDQ form against onnxruntime, and what is refused."""
import re

import numpy as np
import pytest

from nigiri.importer import BadModel, UnsupportedModel, UnsupportedOperator, lower, read_model
from nigiri.importer.choose import pixel_table
from nigiri.importer.compare import differences
from nigiri.importer.lower import lowered_places

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


class Builder:
    """Operators on rounded tensors; every method returns the name of the float behind a DequantizeLinear."""

    def __init__(self, seed: int, shape, code=np.uint8):
        self.rng, self.code = np.random.default_rng(seed), code
        self.nodes, self.constants, self.codes, self.scales = [], [], [], {}
        self.shape = [1, *shape]
        self.input = self.round("image", 1 / 255, 0 if code == np.uint8 else -128)

    def constant(self, value, kind) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def node(self, kind, inputs, **attributes) -> str:
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=f"{kind.lower()}{len(self.nodes)}", **attributes))
        return out

    def round(self, value, scale, zp) -> str:
        """QuantizeLinear and DequantizeLinear."""
        s, z = self.constant(scale, np.float32), self.constant(zp, self.code)
        q = self.node("QuantizeLinear", [value, s, z])
        self.codes.append(q)
        out = self.node("DequantizeLinear", [q, s, z])
        self.scales[out] = scale
        return out

    def weights(self, shape, scales, axis=0) -> str:
        w = self.constant(self.rng.integers(-127, 128, shape), np.int8)
        return self.node("DequantizeLinear", [w, self.constant(scales, np.float32),
                                              self.constant(np.zeros(len(scales)), np.int8)], axis=axis)

    def conv(self, x, cin, cout, kernel, stride=1, pads=None, depthwise=False, act=None, zp=None) -> str:
        scales = self.rng.uniform(0.002, 0.02, cout)
        w = self.weights((cout, 1 if depthwise else cin, kernel, kernel), scales)
        b = self.node("DequantizeLinear", [self.constant(self.rng.integers(-5000, 5000, cout), np.int32),
                                           self.constant(self.scales[x] * scales, np.float32),
                                           self.constant(np.zeros(cout), np.int32)], axis=0)
        p = kernel // 2
        v = self.node("Conv", [x, w, b], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads or [p] * 4,
                      group=cin if depthwise else 1)
        scale = self.scales[x] * scales.mean() * 73 * np.sqrt(kernel ** 2 * (1 if depthwise else cin))
        if act:
            v = self.node(act, [v]) if act != "Clip" else self.node(
                "Clip", [v, self.constant(0, np.float32), self.constant(40 * scale, np.float32)])
        low = 0 if self.code == np.uint8 else -128
        return self.round(v, float(scale), low if act else low + 120 if zp is None else zp)

    def zero(self, positive) -> int:
        return (0 if positive else 125) - (0 if self.code == np.uint8 else 128)

    def save(self, path, result, rank=4) -> None:
        graph = helper.make_graph(
            self.nodes, "test", [helper.make_tensor_value_info("image", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, [None] * rank)], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, path)


def residual(b):
    x = b.conv(b.input, 3, 16, 3, act="Relu")
    y = b.conv(b.conv(x, 16, 16, 3, act="Clip"), 16, 16, 3)
    x = b.round(b.node("Relu", [b.node("Add", [x, y])]), 1.3 * b.scales[y], b.zero(True))
    x = b.round(b.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), b.scales[x],
                b.zero(True))
    x = b.conv(x, 16, 24, 3, 2, act="Relu")
    x = b.round(b.node("GlobalAveragePool", [x]), 0.4 * b.scales[x], b.zero(True))
    w = b.weights((10, 24), np.full(10, 0.01))
    v = b.node("Gemm", [b.node("Flatten", [x]), w, b.constant(np.linspace(-1, 1, 10), np.float32)], transB=1)
    return b.node("Softmax", [b.round(v, 0.4, b.zero(False))])


def mobile(b):
    x = b.conv(b.input, 3, 16, 3, 2, pads=[0, 0, 1, 1])          # as TensorFlow pads even images
    x = b.round(b.node("HardSwish", [x]), 0.7 * b.scales[x], b.zero(False) - 90)
    y = b.conv(b.conv(x, 16, 32, 1, act="Relu"), 32, 32, 5, depthwise=True, act="Relu")
    p = b.round(b.node("ReduceMean", [y], axes=[2, 3], keepdims=1), 0.4 * b.scales[y], b.zero(True))
    g = b.conv(b.conv(p, 32, 8, 1, act="Relu"), 8, 32, 1)
    g = b.round(b.node("HardSigmoid", [g], alpha=1 / 6), 1 / 256, b.zero(True))
    y = b.round(b.node("Mul", [y, g]), 0.6 * b.scales[y], b.zero(True))
    y = b.conv(y, 32, 16, 1)
    x = b.round(b.node("Add", [x, y]), 1.3 * b.scales[y], b.zero(False))
    x = b.round(b.node("Sigmoid", [x]), 1 / 256, b.zero(True))
    x = b.round(b.node("GlobalAveragePool", [x]), 1 / 256, b.zero(True))
    w = b.weights((16, 7), np.full(7, 0.02), axis=1)
    v = b.node("Add", [b.node("MatMul", [b.node("Reshape", [x, b.constant([1, 16], np.int64)]), w]),
                       b.constant(np.linspace(-1, 1, 7), np.float32)])
    return b.round(v, 0.1, b.zero(False))


@pytest.mark.parametrize("make", [residual, mobile])
@pytest.mark.parametrize("code", [np.uint8, np.int8])
def test_every_layer_is_within_one_code(tmp_path, make, code):
    ort = pytest.importorskip("onnxruntime")
    b = Builder(5, (3, 16, 16), code)
    path = tmp_path / "model.onnx"
    b.save(path, make(b), 2)
    graph = read_model(path)
    images = np.random.default_rng(3).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=q) for q in b.codes)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    runs = [session.run(b.codes, {"image": (i.transpose(2, 0, 1)[None] / 255).astype(np.float32)}) for i in images]
    off = 128 if code == np.uint8 else 0
    tensors = {}
    for n, q in enumerate(b.codes):
        t = (np.concatenate([r[n] for r in runs]).astype(int) - off).astype(np.int8)
        tensors[q] = t.transpose(0, 2, 3, 1) if t.ndim == 4 else t[:, None, None]
    for turned in (False, True):
        for fold in (False, True):
            try:
                network = lower(graph, pixel_table(graph)[0], turned=turned, fold=fold)
            except UnsupportedOperator as e:          # turned, the pool of an even image is not centred
                assert turned and "MaxPool" in str(e)
                continue
            places = {ours: tensors[q] for ours, q in lowered_places(graph, network).items() if q in tensors}
            rows = differences(network, images, places)
            assert len(rows) >= len(network.subnets[0].layers) - 2
            assert max(r.largest for r in rows) <= 1, rows
            assert np.ptp(tensors[b.codes[-1]].astype(int)) > 15, "the test's own network is dead"


def plain(b):
    return b.conv(b.input, 3, 8, 3)


CASES = [
    (lambda b: b.round(b.node("LeakyRelu", [plain(b)]), 0.1, 0), UnsupportedOperator,
     r"LeakyRelu at node \d+ \(leakyrelu\d+\) is not supported: the accelerator has no such operator; use Relu or"),
    (lambda b: b.node("Sin", [plain(b)]), UnsupportedOperator, r"Sin at node \d+ .*: the accelerator has no such"),
    (lambda b: b.round(b.node("Relu", [b.node("Conv", [b.input, b.constant(np.ones((4, 3, 1, 1)), np.float32)])]), 1.0,
                       0), UnsupportedOperator, r"Conv at node \d+ .*: its weights are not quantised; quantise them"),
    (lambda b: b.node("Conv", [b.input, b.weights((4, 3, 1, 1), np.ones(4))]), UnsupportedOperator,
     r"Conv at node \d+ .*: its result, the model's, is not quantised; quantise the result as well"),
    (lambda b: b.round(b.node("Add", [b.node("Conv", [b.input, b.weights((8, 3, 3, 3), np.ones(8))], pads=[1] * 4),
                                      plain(b)]), 1.0, 0), UnsupportedOperator,
     r"Add at node \d+ .*: its input v\d+ is not quantised; round every tensor"),
    (lambda b: b.conv(b.input, 3, 8, 3, pads=[0, 0, 0, 0]), UnsupportedOperator, r"Conv at node \d+ .*16 x 16 pixels "
     r"become 14 x 14 at stride 1; use padding 'SAME'"),
    (plain, UnsupportedModel, r"the result v\d+ has 16 x 16 pixels: only classifiers are supported"),
]


@pytest.mark.parametrize(("make", "kind", "message"), CASES)
def test_refused_models(tmp_path, make, kind, message):
    b = Builder(2, (3, 16, 16))
    path = tmp_path / "model.onnx"
    b.save(path, make(b))
    with pytest.raises(kind) as error:
        graph = read_model(path)
        lower(graph, pixel_table(graph)[0])
    assert re.match(message, str(error.value)), error.value


def test_files_that_are_no_models(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x00nothing")
    with pytest.raises(BadModel, match=r"model is not a sound ONNX model \(.*\): export it again"):
        read_model(path)
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g",
                              [helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 3, 8, 8])],
                              [helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 3, 8, 8])])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    with pytest.raises(UnsupportedModel, match=r"the accelerator has no such|no QuantizeLinear rounds the image"):
        read_model(path)
