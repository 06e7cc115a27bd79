"""Imported TFLite files against the TFLite interpreter, layer by layer and on the golden model."""
from dataclasses import replace

import numpy as np
import pytest

from nigiri import bundle
from nigiri.compiler import compile_network
from nigiri.compiler.graph import GraphError
from nigiri.compiler.interpret import Interpreter
from nigiri.importer import lower, read_model
from nigiri.importer.choose import fastest, pixel_table
from nigiri.importer.compare import differences
from nigiri.importer.lower import lowered_places
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.spec import get_config
from nigiri.spec.memory import default_memory

litert = pytest.importorskip("ai_edge_litert.interpreter")
pytest.importorskip("tflite")

from tflite_builder import B, Builder  # noqa: E402

RELU, RELU6 = 1, 3
pytestmark = pytest.mark.filterwarnings("ignore:Warning. Enabling `experimental_preserve_all_tensors`")


def residual(b: Builder) -> int:
    """ResNet-like: an even image halved twice with padding SAME, a projected shortcut, a global average pool."""
    x = b.conv(b.input, 16, 3, act=RELU)
    y = b.add(x, b.conv(b.conv(x, 16, 3, act=RELU), 16, 3), act=RELU)
    z = b.add(b.conv(y, 24, 1, 2), b.conv(b.conv(y, 24, 3, 2, act=RELU6), 24, 3), act=RELU)
    z = b.conv(z, 24, 5, 2)
    p = b.pool(B.AVERAGE_POOL_2D, z, b.shape(z)[1], 1, same=False)
    return b.softmax(b.dense(b.reshape(p, (1, 24)), 10))


def mobile(b: Builder) -> int:
    """MobileNet-like: depthwise kernels, hard swish, squeeze-and-excite, a mean, the sum of a tensor read twice."""
    x = b.unary(B.HARD_SWISH, b.conv(b.input, 16, 3, 2), 0.02, -110)
    y = b.conv(b.conv(x, 32, 1, act=RELU), 32, 3, depthwise=True, act=RELU)
    gate = b.unary(B.LOGISTIC, b.conv(b.conv(b.mean(y), 8, 1, act=RELU), 32, 1), 1 / 256, -128)
    x = b.add(x, b.conv(b.mul(y, gate), 16, 1))
    y = b.conv(x, 16, 3, 2, depthwise=True, act=RELU)
    y = b.add(y, b.conv(y, 16, 7, depthwise=True))
    return b.dense(b.reshape(b.mean(y), (1, 16)), 12)


def pooled(b: Builder) -> int:
    """A maximum pool, a tensor that is read at strides 1 and 2, an activation between convolution and sum."""
    x = b.pool(B.MAX_POOL_2D, b.conv(b.input, 8, 3, act=RELU), 3, 1)
    y = b.conv(x, 16, 3, 2, act=RELU)
    z = b.conv(b.conv(x, 8, 3, act=RELU), 16, 1, 2, act=RELU)
    y = b.add(z, y, act=RELU6)
    return b.dense(b.reshape(b.mean(y), (1, 16)), 5)


def run(raw: bytes, images: np.ndarray) -> dict[int, np.ndarray]:
    """Every int8 tensor of the TFLite interpreter by number, [N, ...]."""
    t = litert.Interpreter(model_content=raw, experimental_preserve_all_tensors=True,
                           experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF)
    t.allocate_tensors()
    kept = []
    for image in images:
        t.set_tensor(t.get_input_details()[0]["index"], (image.astype(np.int16) - 128).astype(np.int8)[None])
        t.invoke()
        kept.append({d["index"]: t.get_tensor(d["index"]).copy() for d in t.get_tensor_details()
                     if d["dtype"] == np.int8 and d["shape"][:1].tolist() == [1]})
    return {n: np.concatenate([k[n] for k in kept]) for n in kept[0]}


@pytest.mark.parametrize("make", [residual, mobile, pooled])
@pytest.mark.parametrize("side", [16, 40])
def test_every_layer_is_within_one_code(tmp_path, make, side):
    b = Builder(7, (side, side, 3))
    path = tmp_path / "model.tflite"
    path.write_bytes(b.bytes(make(b)))
    graph = read_model(path)
    table, *_ = pixel_table(graph)
    images = np.random.default_rng(3).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    tensors = run(path.read_bytes(), images)
    ways = 0
    for turned in (False, True):
        for fold in (False, True):
            network = lower(graph, table, turned=turned, fold=fold)
            places = {ours: tensors[int(n[1:])] for ours, n in lowered_places(graph, network).items()}
            rows = differences(network, images, places)
            assert len(rows) >= len(network.subnets[0].layers) - 2
            assert max(r.largest for r in rows) <= 1, rows
            assert min(r.equal for r in rows) > 0.8, rows
            values = tensors[int(graph.nodes[-1].inputs[0][1:])] if make is residual else tensors[int(graph.output[1:])]
            assert np.ptp(values.astype(int)) > 20, "the test's own network is dead"
            ways += 1
    assert ways == 4


@pytest.mark.parametrize("make", [residual, mobile, pooled])
def test_the_device_computes_what_the_interpreter_does(tmp_path, make):
    b = Builder(11, (16, 16, 3))
    path = tmp_path / "model.tflite"
    path.write_bytes(b.bytes(make(b)))
    graph, config = read_model(path), get_config("tiny")
    made = fastest(graph, pixel_table(graph)[0], config, default_memory(config))
    assert len(made.tried) >= 2 and made.cycles == min(made.tried.values())
    images = np.random.default_rng(5).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    engine = Engine(GoldenDevice(config), compile_network(made.network, config))
    got = [engine.infer("model", image).logits for image in images]
    assert np.array_equal(got, Interpreter(made.network, "model").logits(images))


@pytest.mark.parametrize("side", [16, 40])
def test_a_plane_of_the_image_is_read_as_it_is(tmp_path, side):
    """A shortcut of kernel 1 and stride 2 in a turned network reads odd rows and columns, in bands too."""
    b = Builder(13, (side, side, 3))
    path = tmp_path / "model.tflite"
    path.write_bytes(b.bytes(residual(b)))
    graph, config = read_model(path), get_config("tiny")
    network = lower(graph, pixel_table(graph)[0], turned=True)
    assert [(x.kernel, x.plane) for x in network.subnets[0].layers if x.plane] == [(1, 3)]
    bundle.save(tmp_path / "model.nigiri", network, config)
    compiled = bundle.load(tmp_path / "model.nigiri").compiled(config)
    assert any(t.tensor != t.name for t in compiled.dumps["model"]) == (side == 40), "bands were expected"
    images = np.random.default_rng(5).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    engine = Engine(GoldenDevice(config), compiled)
    wanted = Interpreter(network, "model").logits(images)
    assert np.array_equal([engine.infer("model", image).logits for image in images], wanted)
    layers = network.subnets[0].layers
    n = next(n for n, x in enumerate(layers) if x.plane)
    for wrong in (replace(layers[n], plane=4), replace(layers[0], plane=1)):
        parts = tuple(wrong if x.name == wrong.name else x for x in layers)
        with pytest.raises(GraphError, match="only dense layers of kernel 1 and stride 2 over even images read one"):
            replace(network, subnets=(replace(network.subnets[0], layers=parts),)).check()


def test_pixels(tmp_path):
    for scale, zp, expected in ((1.0, -128, (0, 1)), (1 / 255, -128, (0, 255)), (2 / 255, 0, (127.5, 127.5))):
        b = Builder(1, (8, 8, 3), scale, zp)
        path = tmp_path / "model.tflite"
        path.write_bytes(b.bytes(b.dense(b.reshape(b.mean(b.conv(b.input, 8, 3)), (1, 8)), 3)))
        table, mean, std = pixel_table(read_model(path))
        assert (mean, std) == expected and table[0, 0] <= -127 and table[2, 255] >= 126
