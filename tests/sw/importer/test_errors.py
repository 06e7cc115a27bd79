"""What cannot be imported is refused in one sentence: which operator, where, what to do."""
import re

import numpy as np
import pytest

from nigiri.importer import BadModel, UnsupportedModel, UnsupportedOperator, lower, read_model
from nigiri.importer import read as reading
from nigiri.importer.choose import pixel_table

pytest.importorskip("ai_edge_litert.schema_py_generated")
pytest.importorskip("tflite")

from ai_edge_litert import schema_py_generated as s
from tflite_builder import B, Builder


def concatenation(b):
    o = s.ConcatenationOptionsT()
    o.axis = 3
    x = b.conv(b.input, 8, 3)
    return b.op(B.CONCATENATION, [x, x], b.like(x, shape=(1, 8, 8, 16)), s.BuiltinOptions.ConcatenationOptions, o)


def deep(b):
    x = b.conv(b.input, 8, 3, depthwise=False)
    y = b.conv(x, 16, 3)
    b.graph.operators[-1].builtinOptions.dilationHFactor = 2
    return y


def float_input(b):
    b.graph.tensors[b.input].type = s.TensorType.FLOAT32
    return b.conv(b.input, 8, 3)


def no_scale(b):
    x = b.conv(b.input, 8, 3)
    b.graph.tensors[x].quantization = None
    return x


def asymmetric(b):
    x = b.conv(b.input, 8, 3)
    b.graph.tensors[b.graph.operators[0].inputs[1]].quantization.zeroPoint[:] = 3
    return x


CASES = [
    (concatenation, UnsupportedOperator, r"CONCATENATION at operator 1 \(writes tensor\d+\) is not supported: the "
                                         r"accelerator has no such operator; use a sum of tensors"),
    (deep, UnsupportedOperator, r"CONV_2D at operator 1 .* dilation, or strides that differ; use dilation 1 and one"),
    (lambda b: b.conv(b.input, 8, 3, 3), UnsupportedOperator, r"Conv at operator 0 .*: stride 3; use 1 or 2"),
    (lambda b: b.conv(b.input, 8, 3, same=False), UnsupportedOperator,
     r"Conv at operator 0 .*: 8 x 8 pixels become 6 x 6 at stride 1; use padding 'SAME'"),
    (lambda b: b.pool(B.MAX_POOL_2D, b.conv(b.input, 8, 3), 2, 2), UnsupportedOperator,
     r"MaxPool at operator 1 .*: its window of 2 x 2 is not centred; use kernel 3 with padding 'SAME'"),
    (lambda b: b.pool(B.AVERAGE_POOL_2D, b.conv(b.input, 8, 3), 2, 2), UnsupportedOperator,
     r"AVERAGE_POOL_2D at operator 1 .*: it does not cover the whole image; use a global average pool"),
    (lambda b: b.mul(b.conv(b.input, 8, 3), b.conv(b.input, 8, 3)), UnsupportedOperator,
     r"MUL at operator 2 .*: neither factor is one value per channel; only the gates of squeeze-and-excite"),
    (lambda b: b.mul(b.conv(b.input, 8, 3), b.mean(b.conv(b.input, 8, 3, zp=5))), UnsupportedOperator,
     r"Gate at operator 3 .*: its factor has zero point 5; use a sigmoid, whose results are positive"),
    (lambda b: b.reshape(b.conv(b.input, 8, 3), (1, 512)), UnsupportedOperator,
     r"RESHAPE at operator 1 .*: it changes the order of pixels and channels; reshape single pixels only"),
    (lambda b: b.conv(b.input, 8, 3), UnsupportedModel, r"the result t\d+ has 8 x 8 pixels: only classifiers are"),
    (float_input, UnsupportedModel, r"tensor 0 \(tensor0\) is not int8: convert the model with full integer"),
    (no_scale, UnsupportedModel, r"tensor \d+ \(tensor\d+\) has no scale: convert the model with full integer"),
    (asymmetric, UnsupportedModel, r"tensor \d+ holds weights that are not symmetric int8: convert the model with"),
]


@pytest.mark.parametrize(("make", "kind", "message"), CASES)
def test_refused_models(tmp_path, make, kind, message):
    b = Builder(2, (8, 8, 3))
    path = tmp_path / "model.tflite"
    path.write_bytes(b.bytes(make(b)))
    with pytest.raises(kind) as error:
        graph = read_model(path)
        lower(graph, pixel_table(graph)[0])
    assert re.match(message, str(error.value)), error.value
    assert "\n" not in str(error.value)


def test_files_that_are_no_models(tmp_path, monkeypatch):
    with pytest.raises(BadModel, match=r"there is no model at .*none\.tflite: check the path"):
        read_model(tmp_path / "none.tflite")
    with pytest.raises(BadModel, match=r"model\.pb is neither a \.tflite nor an \.onnx file: convert the model"):
        read_model(tmp_path / "model.pb")
    path = tmp_path / "noise.tflite"
    path.write_bytes(b"no model at all")
    with pytest.raises(BadModel, match=r"noise is not a TFLite file: its identifier is missing"):
        read_model(path)
    monkeypatch.setattr(reading, "SIZE_LIMIT", 10)
    with pytest.raises(BadModel, match=r"noise\.tflite has 15 bytes, more than 10: it is no model"):
        read_model(path)


def test_damaged_files_are_refused_or_read(tmp_path):
    """A flatbuffer has no checksum: whatever a flipped byte does, nothing but the package's own errors come out."""
    b = Builder(3, (8, 8, 3))
    raw = b.bytes(b.dense(b.reshape(b.mean(b.conv(b.input, 8, 3)), (1, 8)), 3))
    rng, refused = np.random.default_rng(9), 0
    path = tmp_path / "model.tflite"
    for _ in range(150):
        broken = bytearray(raw)
        for _ in range(3):
            broken[rng.integers(8, len(raw))] ^= 1 << rng.integers(8)
        path.write_bytes(broken[:rng.integers(len(raw) // 2, len(raw) + 1)])
        try:
            graph = read_model(path)
            lower(graph, pixel_table(graph)[0])
        except (BadModel, UnsupportedModel):
            refused += 1
    assert refused > 30


def test_pixels_that_nobody_can_guess(tmp_path):
    b = Builder(4, (8, 8, 3), 0.02, -100)
    path = tmp_path / "model.tflite"
    path.write_bytes(b.bytes(b.dense(b.reshape(b.mean(b.conv(b.input, 8, 3)), (1, 8)), 3)))
    graph = read_model(path)
    with pytest.raises(UnsupportedModel, match=r"the input covers -0\.56\.\.4\.54: say with --mean and --std how"):
        pixel_table(graph)
    with pytest.raises(UnsupportedModel, match=r"--std must be positive, not 0"):
        pixel_table(graph, 1.0, 0.0)
    assert pixel_table(graph, 124.0, 60.0)[1:] == (124.0, 60.0)
