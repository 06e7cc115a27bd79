"""The memory image: one copy of the weights for all SubNets, equal tables stored once."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.compiler.compile import compile_network
from nigiri.compiler.constants import collect
from nigiri.compiler.graph import SuperLayer
from nigiri.compiler.pack import pack_params, pack_weights, unpack_params, unpack_weights
from nigiri.spec import CONFIGS, get_config
from nigiri.spec.descriptor import Opcode
from nigiri.spec.layout import ROWS, SLOT_OFFSETS, tap_order


def layer(**values):
    return SuperLayer(**({"id": 0, "name": "x", "cin": 20, "cout": 12, "kernel": 5} | values))


def test_dense_words():
    s = layer()
    w = np.random.default_rng(0).integers(-127, 128, (12, 20, 5, 5)).astype(np.int8)
    words = pack_weights(s, w).view(np.int8).reshape(2, 3, 25, 8, 8)
    for t, (dy, dx) in enumerate(tap_order(5)):
        assert (words[0, 1, t] == w[:8, 8:16, 2 + dy, 2 + dx]).all()
    assert (words[1, :, :, 4:] == 0).all() and (words[:, 2, :, :, 4:] == 0).all()
    assert (unpack_weights(s, pack_weights(s, w)) == w).all()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_depthwise_words(stride, kernel):
    s, r = layer(cin=12, kernel=kernel, stride=stride, depthwise=True), kernel // 2
    w = np.random.default_rng(0).integers(-127, 128, (12, 1, kernel, kernel)).astype(np.int8)
    words = pack_weights(s, w).view(np.int8).reshape(2, kernel, 8, 8)
    for t, slot, o in np.ndindex(kernel, 8, 12):
        dx = SLOT_OFFSETS[stride][slot] if slot < 7 else 99
        want = w[o, 0, r + ROWS[t], r + dx] if abs(dx) <= r else 0
        assert words[o // 8, t, o % 8, slot] == want
    assert (unpack_weights(s, pack_weights(s, w)) == w).all()


def test_wrong_weights_are_refused():
    with pytest.raises(ValueError, match=r"^layer x: weights must be int8 of the layer's shape, not int16 \[12, 20, 5, "
                       r"5\]$"):
        pack_weights(layer(), np.zeros((12, 20, 5, 5), np.int16))


def test_parameters():
    words = pack_params(np.array([-5, 2**31 - 1]), np.array([65535, 1]), np.array([63, 0]))
    assert words.shape == (1, 64)
    assert words[0, :16].tolist() == [0xFB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 63, 0, 0xFF, 0xFF, 0xFF, 0x7F, 1, 0, 0, 0]
    assert [x.tolist() for x in unpack_params(words, 2)] == [[-5, 2**31 - 1], [65535, 1], [63, 0]]


@pytest.mark.parametrize("values,message", [
    ((2**31, 0, 0), r"^bias must be between -2147483648 and 2147483647, not 2147483648\.\.2147483648$"),
    ((0, -1, 0), r"^mult must be between 0 and 65535, not -1\.\.-1$"),
    ((0, 0, 64), r"^shift must be between 0 and 63, not 64\.\.64$")])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=message):
        pack_params(*(np.array([v]) for v in values))


@pytest.mark.parametrize("config", ["pynq_z2", "kv260", "zcu104"])
def test_one_copy_of_the_weights(demo, config):
    """Programs of all SubNets name the same weights, and the image holds the weight image once."""
    compiled = compile_network(demo.network, get_config(config))
    offsets = {}
    for subnet in compiled.programs:
        for dump in (False, True):
            for d in compiled.descriptors(subnet, dump):
                if d["opcode"] == Opcode.CONV:
                    offsets.setdefault(d["layer"], set()).add((d["mem_offset"], d["w_taps"], d["w_blocks"]))
    assert all(len(places) == 1 for places in offsets.values())
    assert offsets == {x.id: {(x.mem_offset, x.w_taps, x.w_blocks)} for x in compiled.layers}
    weights = compiled.image[:64 * compiled.weight_words]
    assert weights.tobytes() == demo.network.weights.tobytes()
    assert compiled.weight_words == sum(x.words for x in compiled.layers)
    assert compiled.image.tobytes().count(weights[:4096].tobytes()) == 1


def test_all_configurations_share_weights_and_constants(demo):
    size = 64 * (len(demo.network.weights) + len(collect(demo.network).words))
    images = [compile_network(demo.network, CONFIGS[c]).image[:size].tobytes() for c in ("pynq_z2", "kv260", "zcu104")]
    assert len(set(images)) == 1


def test_equal_tables_are_stored_once(toy):
    """The SubNets mid and max share their stem's parameters when they are equal."""
    from dataclasses import replace
    mid, large = toy.subnet("mid"), toy.subnet("max")
    twin = replace(large, layers=(mid.layers[0], *large.layers[1:]))
    network = replace(toy, subnets=(mid, twin))
    c = collect(network)
    assert c.params["mid", "stem"] == c.params["max", "stem"]
    assert len(c.words) < len(collect(replace(toy, subnets=(mid, large))).words)


def test_boxes_are_prefixes(demo):
    compiled = demo.compiled()
    full = {x.id: (x.out_blocks, x.in_blocks, x.taps) for x in compiled.layers}
    assert compiled.subnet_boxes("max") == full
    for subnet in compiled.programs:
        info = next(s for s in demo.subnets if s.name == subnet)
        boxes = compiled.subnet_boxes(subnet)
        assert all(a <= b for layer, box in boxes.items() for a, b in zip(box, full[layer], strict=True))
        assert info.weight_bytes == 64 * sum(o * i * t for o, i, t in boxes.values())


def test_areas_do_not_overlap(demo):
    compiled = demo.compiled()
    last = max(t.offset + -(-t.nbytes // 64) for tensors in compiled.dumps.values() for t in tensors)
    output = max(t.nbytes for t in compiled.outputs.values()) // 64
    assert compiled.image.size // 64 <= compiled.input_offset
    assert compiled.input_offset + compiled.input.nbytes // 64 <= compiled.output_offset
    assert compiled.output_offset + output <= compiled.fill_offset
    assert compiled.fill_offset + compiled.fill_entries < last <= compiled.window_words
