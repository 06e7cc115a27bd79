"""The safetensors reader and writer against the package of that name, and every way in which a file is refused."""
from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from safetensors import numpy as package

from nigiri import bundle
from nigiri.bundle import archive, safetensors
from nigiri.bundle.safetensors import dump, parse

KINDS = ["?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]


def some(seed):
    """Tensors of every type and of odd shapes, zero elements and no dimension included."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    shapes = [(), (0,), (3,), (2, 5), (4, 0, 3), (7, 1, 3)]
    return {f"{kind} {n}": np.asarray(rng.normal(0, 60, shape) % 100).astype(kind) for kind in KINDS
            for n, shape in enumerate(shapes)}


def equal(a, b):
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and a[n].shape == b[n].shape and
                                        a[n].tobytes() == b[n].tobytes() for n in a)


def test_against_the_package():
    tensors = some(1)
    assert equal(package.load(dump(tensors, {"format": "x"})), tensors)
    assert equal(parse(package.save(tensors, {"format": "x"})), tensors)


def test_the_package_reads_the_shipped_bundle():
    with archive.Opened(bundle.demo_path()) as opened:
        assert equal(package.load(opened.listed()[archive.TENSORS]), opened.tensors())


def test_round_trip():
    tensors = some(2)
    assert equal(parse(dump(tensors)), tensors)
    assert parse(dump({})) == {}
    turned = {"x": np.arange(12, dtype=">i4").reshape(3, 4).T}
    assert np.array_equal(parse(dump(turned))["x"], turned["x"])
    out = parse(dump({"x": np.zeros(3)}))["x"]
    out[0] = 1                                        # an array of its own


def test_types_without_a_name():
    with pytest.raises(ValueError, match=r"^tensor x has element type complex128, which safetensors files do not "
                                         r"have$"):
        dump({"x": np.zeros(3, complex)})


def packed(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype="U8", shape=(2,), offsets=(0, 2)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(("raw", "message"), [
    (b"", "it is too short"),
    (struct.pack("<Q", 1 << 40), "its header is larger than the file, or than any that is needed"),
    (packed(b" " * ((1 << 20) + 1)), "its header is larger than the file, or than any that is needed"),
    (packed(b"\xff\xff"), "its header is not JSON"),
    (packed(b"[" * 50_000), "its header is not JSON"),
    (packed([1]), "its header is not an object"),
    (packed(b'{"a": 1, "a": 1}'), "its header names something twice"),
    *((packed(header, body), "its header does not agree with its contents") for header, body in (
        ({"a": 1}, b""),
        ({"a": entry("F8")}, b"12"),
        ({"a": entry(shape=(3,))}, b"12"),
        ({"a": entry(shape=(-2,))}, b"12"),
        ({"a": entry(shape=(True, 2))}, b"12"),
        ({"a": entry(shape=(1.0, 2))}, b"12"),
        ({"a": entry(shape="2")}, b"12"),
        ({"a": entry(offsets=(1, 3))}, b"123"),
        ({"a": entry(offsets=(0, 2, 2))}, b"12"),
        ({"a": entry(), "b": entry()}, b"12"),
        ({"a": entry(), "b": entry(offsets=(3, 5))}, b"12345"),
        ({"a": entry()}, b"1"),
        ({"a": entry()}, b"123"),
        ({"a": entry(offsets=(0, "2"))}, b"12"))),
])
def test_refused(raw, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse(raw)


def test_damaged_bytes_are_refused_or_make_other_tensors():
    raw = dump({"a": np.arange(6, dtype="i2"), "b": np.zeros((2, 2), "f4")})
    for at in range(len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 0x11
        try:
            parse(bytes(damaged))
        except ValueError as e:
            assert str(e).startswith("it")


def test_the_header_limit_is_above_what_bundles_need():
    assert safetensors.HEADER_LIMIT >= 1 << 20
