"""Descriptors and fill entries: fields, encoding, and the rules they must keep."""
import random

import pytest

from nigiri.spec import CONFIGS, ErrorCode, descriptor, residency
from nigiri.spec.descriptor import Flag, Opcode
from nigiri.spec.fields import decode, encode

TINY, SMALL = CONFIGS["tiny"], CONFIGS["small"]
RECORDS = {"descriptor": descriptor, "residency": residency}
SEED = 20240601

CONV = {"opcode": Opcode.CONV, "kernel": 3, "in_w": 8, "in_h": 8, "out_h": 8, "out_blocks": 2, "in_blocks": 2,
        "layer": 3}
LOAD = {"opcode": Opcode.LOAD, "length": 64, "out_base": 8}
DEPTHWISE = CONV | {"flags": Flag.DEPTHWISE, "in_blocks": 1}
MAXIMUM = CONV | {"flags": Flag.MAXIMUM, "in_blocks": 1}
STORE = {"opcode": Opcode.STORE, "length": 64, "in_base": 8}
FILL = {"layer": 3, "out_blocks": 2, "in_blocks": 3, "taps": 9, "w_taps": 25, "w_blocks": 4}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
class TestFields:
    def test_fields_do_not_overlap(self, record):
        used: dict[int, int] = {}
        for f in record.FIELDS:
            assert 0 <= f.word < record.WORDS and 0 <= f.lsb and f.lsb + f.width <= 32, f.name
            mask = ((1 << f.width) - 1) << f.lsb
            assert used.get(f.word, 0) & mask == 0, f.name
            used[f.word] = used.get(f.word, 0) | mask

    def test_names_are_unique_and_documented(self, record):
        assert len({f.name for f in record.FIELDS}) == len(record.FIELDS)
        assert all(f.doc for f in record.FIELDS)

    def test_round_trip(self, record):
        rng = random.Random(SEED)
        for _ in range(200):
            values = {f.name: rng.choice([f.low, f.high, 0, rng.randint(f.low, f.high)]) for f in record.FIELDS}
            raw = encode(record.FIELDS, record.WORDS, values)
            assert len(raw) == record.BYTES == 4 * record.WORDS
            assert decode(record.FIELDS, raw) == values, f"seed {SEED}"

    def test_missing_values_are_zero(self, record):
        assert set(decode(record.FIELDS, encode(record.FIELDS, record.WORDS, {})).values()) == {0}

    def test_value_out_of_range_names_the_field(self, record):
        for f in record.FIELDS:
            for value in (f.low - 1, f.high + 1):
                with pytest.raises(ValueError) as e:
                    encode(record.FIELDS, record.WORDS, {f.name: value})
                assert str(e.value) == f"field {f.name} must be between {f.low} and {f.high}, not {value}"

    def test_pack_sets_the_magic_byte(self, record):
        assert record.unpack(record.pack())["magic"] == record.MAGIC


@pytest.mark.parametrize("good", [
    CONV, LOAD, STORE, DEPTHWISE | {"kernel": 7}, DEPTHWISE | {"kernel": 1}, MAXIMUM | {"kernel": 7},
    CONV | {"out_h": 1}, CONV | {"y_first": 1015}, CONV | {"y_first": 100, "out_h": 923}, CONV | {"w_blocks": 0},
    CONV | {"flags": Flag.SCALE | Flag.RESIDUAL}, CONV | {"in_blocks": 28},
    CONV | {"kernel": 1, "in_w": 1, "in_h": 1}, CONV | {"in_w": descriptor.MAX_SIDE},
    CONV | {"flags": Flag.POLYPHASE, "out_phase": 20}, CONV | {"layer": TINY.layers - 1},
    LOAD | {"length": TINY.ab_words}])
def test_sound_descriptor(good):
    assert descriptor.problem(descriptor.unpack(descriptor.pack(**good)), TINY) is None


@pytest.mark.parametrize(("bad", "message"), [
    (CONV | {"magic": 0x46}, "magic must be 0x4e, not 0x46"),
    ({"opcode": 0}, "unknown opcode 0"),
    ({"opcode": 9}, "unknown opcode 9"),
    (CONV | {"kernel": 2}, "kernel 2 is not supported"),
    (CONV | {"kernel": 9}, "kernel 9 is not supported"),
    (DEPTHWISE | {"kernel": 2}, "kernel 2 is not supported"),
    (MAXIMUM | {"kernel": 1}, "kernel 1 is not supported"),
    (MAXIMUM | {"flags": Flag.MAXIMUM | Flag.DEPTHWISE}, "flags depthwise and maximum exclude each other"),
    (CONV | {"out_h": 0}, "rows 0 and 0 more must be at least one and end by 1023"),
    (CONV | {"y_first": 1016}, "rows 1016 and 8 more must be at least one and end by 1023"),
    (CONV | {"y_first": 65535, "out_h": 65535}, "rows 65535 and 65535 more must be at least one and end by 1023"),
    (CONV | {"split": 1}, "split 1 needs 2 of 1 groups and a dense layer without pool or scale"),
    (CONV | {"in_w": 0}, "image 0 x 8 must be between 1 x 1 and 1023 x 1023"),
    (CONV | {"in_h": 1024}, "image 8 x 1024 must be between 1 x 1 and 1023 x 1023"),
    (CONV | {"out_blocks": 0}, "out_blocks 0 and in_blocks 2 must be at least 1 (depthwise, maximum: in_blocks 1)"),
    (CONV | {"in_blocks": 0}, "out_blocks 2 and in_blocks 0 must be at least 1 (depthwise, maximum: in_blocks 1)"),
    (CONV | {"flags": Flag.DEPTHWISE},
     "out_blocks 2 and in_blocks 2 must be at least 1 (depthwise, maximum: in_blocks 1)"),
    (CONV | {"flags": Flag.MAXIMUM},
     "out_blocks 2 and in_blocks 2 must be at least 1 (depthwise, maximum: in_blocks 1)"),
    (CONV | {"in_blocks": 29}, "an output block of 262 words does not fit a dynamic buffer of 256"),
    (CONV | {"flags": Flag.POLYPHASE, "out_phase": 16}, "out_phase 16 must be 4 modulo 8"),
    (CONV | {"layer": 16}, "layer 16 is beyond the residency table of 16 entries"),
    (LOAD | {"length": 0}, "length 0 and base 8 must be multiples of 8 pixel words"),
    (LOAD | {"length": 12}, "length 12 and base 8 must be multiples of 8 pixel words"),
    (LOAD | {"out_base": 4}, "length 64 and base 4 must be multiples of 8 pixel words"),
    (STORE | {"in_base": 4}, "length 64 and base 4 must be multiples of 8 pixel words"),
    (STORE | {"length": 4104}, "length 4104 is beyond the activation buffer of 4096 pixel words"),
])
def test_descriptor_problem(bad, message):
    assert descriptor.problem(descriptor.unpack(descriptor.pack(**bad)), TINY) == message


@pytest.mark.parametrize("good", [
    CONV | {"split": 1}, CONV | {"split": 2}, CONV | {"split": 2, "out_blocks": 5}, CONV | {"in_blocks": 28},
    CONV | {"split": 1, "flags": Flag.STRIDE2 | Flag.TABLE | Flag.RESIDUAL | Flag.DISCARD}])
def test_sound_descriptor_with_groups(good):
    assert descriptor.problem(descriptor.unpack(descriptor.pack(**good)), SMALL) is None


@pytest.mark.parametrize(("bad", "message"), [
    (CONV | {"split": 3}, "split 3 needs 8 of 4 groups and a dense layer without pool or scale"),
    (CONV | {"split": 1, "flags": Flag.POOL}, "split 1 needs 2 of 4 groups and a dense layer without pool or scale"),
    (CONV | {"split": 1, "flags": Flag.SCALE},
     "split 1 needs 2 of 4 groups and a dense layer without pool or scale"),
    (DEPTHWISE | {"split": 1}, "split 1 needs 2 of 4 groups and a dense layer without pool or scale"),
    (MAXIMUM | {"split": 2}, "split 2 needs 4 of 4 groups and a dense layer without pool or scale"),
    (CONV | {"in_blocks": 29}, "an output block of 262 words does not fit a dynamic buffer of 256"),
    (CONV | {"flags": Flag.POLYPHASE, "out_phase": 20}, "out_phase 20 must be 8 modulo 16"),
])
def test_descriptor_problem_with_groups(bad, message):
    assert descriptor.problem(descriptor.unpack(descriptor.pack(**bad)), SMALL) == message


def test_out_rows():
    assert [descriptor.out_rows(h, 1) for h in (1, 7)] == [1, 7]
    assert [descriptor.out_rows(h, 2) for h in (1, 2, 7, 8)] == [1, 1, 4, 4]


def test_taps():
    assert descriptor.taps({"kernel": 3, "flags": Flag.MAXIMUM}) == 9
    assert descriptor.taps({"kernel": 5, "flags": 0}) == 25
    assert descriptor.taps({"kernel": 5, "flags": Flag.DEPTHWISE}) == 5


@pytest.mark.parametrize(("change", "code"), [
    ({}, ErrorCode.NONE),
    ({"out_blocks": 0, "in_blocks": 0}, ErrorCode.NONE),
    ({"magic": 0x4E}, ErrorCode.FILL_ENTRY),
    ({"layer": 16}, ErrorCode.FILL_ENTRY),
    ({"in_blocks": 0}, ErrorCode.FILL_ENTRY),
    ({"taps": 0}, ErrorCode.FILL_ENTRY),
    ({"taps": 26}, ErrorCode.FILL_ENTRY),
    ({"taps": 50, "w_taps": 50}, ErrorCode.FILL_ENTRY),
    ({"in_blocks": 5}, ErrorCode.FILL_ENTRY),
    ({"pb_base": 512 - 54}, ErrorCode.NONE),
    ({"pb_base": 512 - 53}, ErrorCode.FILL_RANGE),
])
def test_fill_entry_problem(change, code):
    assert residency.problem(residency.unpack(residency.pack(**(FILL | change))), TINY) is code


def test_overlap_of_fill_entries_against_sets_of_words():
    rng = random.Random(SEED)

    def entry():
        return {"out_blocks": rng.randint(1, 3), "in_blocks": rng.randint(1, 3), "taps": rng.randint(1, 3),
                "pb_base": rng.randint(0, 40)}

    def words(e):
        return set(range(e["pb_base"], e["pb_base"] + residency.size(e)))

    for _ in range(500):
        a, b = entry(), entry()
        assert residency.overlaps(a, b) == residency.overlaps(b, a) == bool(words(a) & words(b)), f"seed {SEED}"
