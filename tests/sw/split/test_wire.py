"""Messages at a cut: they come back as they were, and everything else is refused with one sentence."""
import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_toy import COUNT, NETWORK, SUBNET, message

from nigiri.compiler.toy import toy_network
from nigiri.runtime.errors import BadArgument
from nigiri.split.wire import HEAD, BadMessage, WrongNetwork, digest, pack, size, unpack


def sealed(raw):
    return raw + struct.pack("<I", zlib.crc32(raw))


def with_header(**fields):
    raw = pack(NETWORK, message())
    length = HEAD.unpack_from(raw)[2]
    header = json.loads(raw[HEAD.size:HEAD.size + length]) | fields
    text = json.dumps(header).encode()
    return sealed(HEAD.pack(b"NGSP", 1, len(text)) + text + raw[HEAD.size + length:-4])


def with_tensor(**fields):
    raw = pack(NETWORK, message())
    header = json.loads(raw[HEAD.size:HEAD.size + HEAD.unpack_from(raw)[2]])
    return with_header(tensors=[header["tensors"][0] | fields, *header["tensors"][1:]])


@pytest.mark.parametrize("at", range(1, COUNT + 1))
def test_messages_come_back(at):
    sent = message(at)
    got = unpack(NETWORK, pack(NETWORK, sent))
    assert len(pack(NETWORK, sent)) == size(NETWORK, NETWORK.subnet(SUBNET), at)
    assert (got.subnet, got.at) == (SUBNET, at) and list(got.tensors) == list(sent.tensors)
    assert all(np.array_equal(got.tensors[t], v) for t, v in sent.tensors.items())


def test_header_has_zero_points():
    raw = pack(NETWORK, message(1))
    header = json.loads(raw[HEAD.size:HEAD.size + HEAD.unpack_from(raw)[2]])
    layer = NETWORK.subnet(SUBNET).layers[0]
    assert header["tensors"][0] == {"name": layer.name, "shape": [16, *NETWORK.out_side(layer)], "type": "int8",
                                    "zero_point": layer.zp_out, "scale": None}


@pytest.mark.parametrize(("raw", "text"), [
    (b"", "these bytes are no message"), (b"GET / HTTP/1.1\r\n\r\n", "these bytes are no message"),
    (pack(NETWORK, message())[:-9] + b"x" * 9, "damaged: its checksum"),
    (sealed(HEAD.pack(b"NGSP", 9, 2) + b"{}"), "has version 9, this software speaks 1"),
    (sealed(HEAD.pack(b"NGSP", 1, 999) + b"{}"), "header cannot have 999 bytes"),
    (sealed(HEAD.pack(b"NGSP", 1, 2) + b"{}"), r"header is not understood \(KeyError\)"),
    (sealed(HEAD.pack(b"NGSP", 1, 2) + b"[["), r"header is not understood \(JSONDecodeError\)"),
    (sealed(HEAD.pack(b"NGSP", 1, 60_000) + b"[" * 60_000), r"header is not understood \(RecursionError\)"),
    (with_header(ms="soon"), r"header is not understood \(ValueError\)"),
    (with_header(ms=10**400), r"header is not understood \(OverflowError\)"),
    (with_header(ms=-1), "a server cannot take -1.0 ms"), (with_header(ms=float("nan")), "a server cannot take nan ms"),
    (with_header(subnet="x" * 999), r"no SubNet 'x{76}\.\.\.$"),
    (with_tensor(shape=[1]), r"tensor dw1 is int8 \[\d+, \d+, \d+\] with zero point -?\d+, not 'int8' \[1\] with"),
    (with_tensor(type="uint8"), "not 'uint8' "), (with_tensor(zero_point=99), "with 99$"),
    (with_header(digest="0"), "both sides need the same bundle"), (with_header(subnet="none"), "no SubNet 'none'"),
    (with_header(subnet=["mid"]), "no SubNet"), (with_header(at=99), f"has cuts 0 to {COUNT}, not 99"),
    (with_header(at=True), "not True"), (with_header(at=COUNT), "cross fc, not"),
    (with_header(tensors=[]), "cross .*, not "),
    (sealed(pack(NETWORK, message())[:-5]), r"carries \d+ bytes of codes, not \d+"),
])
def test_bad_messages(raw, text):
    with pytest.raises(BadMessage, match=text):
        unpack(NETWORK, raw)


def test_limit():
    with pytest.raises(BadMessage, match="at most 10 bytes, not"):
        unpack(NETWORK, pack(NETWORK, message()), limit=10)
    assert digest(NETWORK) != digest(toy_network(3))


def test_every_number_of_the_network_is_in_the_digest():
    subnet = NETWORK.subnet(SUBNET)
    layer = subnet.layers[1]
    changed = [replace(layer, bias=layer.bias + 1), replace(layer, mult=layer.mult + 1), replace(layer, zp_in=9),
               replace(layer, shift=layer.shift + 1), replace(layer, act_max=3), replace(layer, plane=1)]
    others = [replace(NETWORK, subnets=(replace(subnet, layers=(subnet.layers[0], x, *subnet.layers[2:])),))
              for x in changed]
    others += [replace(NETWORK, **c) for c in ({"input_zp": 7}, {"turned": True}, {"classes": 9}, {"subnets": ()})]
    assert len({digest(n) for n in [NETWORK, *others]}) == len(others) + 1
    # A number of NumPy's is the same number.
    same = replace(layer, zp_in=np.int64(layer.zp_in))
    assert digest(replace(NETWORK, subnets=(replace(subnet, layers=(subnet.layers[0], same, *subnet.layers[2:])),))) \
        == digest(replace(NETWORK, subnets=(subnet,)))
    with pytest.raises(WrongNetwork, match="both sides need the same bundle"):
        unpack(others[0], pack(NETWORK, message()))


def test_only_what_crosses_is_packed():
    good = message()
    name, value = next(iter(good.tensors.items()))
    for tensors, text in (({}, "not nothing$"), ({"x": value}, r"not x int8 \["),
                          ({name: value.astype(float)}, "float64"), ({name: value[:1]}, r"not \w+ int8 \[1, ")):
        with pytest.raises(BadArgument, match=f"at cut 3 of SubNet mid cross .*{text}"):
            pack(NETWORK, replace(good, tensors=tensors))


GOOD = pack(NETWORK, message())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(1, 255)), min_size=1, max_size=4),
       st.integers(0, len(GOOD)))
def test_damage_is_refused(flips, length):
    raw = bytearray(GOOD)
    for at, bits in flips:
        raw[at] ^= bits
    for changed in (bytes(raw), GOOD[:length], GOOD + bytes(raw[:1])):
        if changed != GOOD:
            with pytest.raises(BadMessage):
                unpack(NETWORK, changed)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=60), st.integers(0, 250))
def test_noise_is_refused(header, payload, length):
    for raw in (header, sealed(HEAD.pack(b"NGSP", 1, length) + header + payload)):
        with pytest.raises(BadMessage):
            unpack(NETWORK, raw)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3),
                    max_leaves=6)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["digest", "subnet", "at", "tensors"]), JSON)
def test_wrong_headers_are_refused(field, value):
    if (field, value) != ("at", 3):
        with pytest.raises(BadMessage):
            unpack(NETWORK, with_header(**{field: value}))


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["name", "shape", "type", "zero_point"]), JSON)
def test_wrong_tensors_are_refused(field, value):
    t = json.loads(GOOD[HEAD.size:HEAD.size + HEAD.unpack_from(GOOD)[2]])["tensors"][0]
    if t[field] != value:
        with pytest.raises(BadMessage):
            unpack(NETWORK, with_tensor(**{field: value}))
