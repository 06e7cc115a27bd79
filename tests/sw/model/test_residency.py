"""Residency changes no result and gives exact byte counts; fills are checked entry by entry."""
import numpy as np
import pytest

from nigiri.model import GoldenDevice, Memory
from nigiri.model.dma import Window
from nigiri.model.programs import execute, random_program
from nigiri.model.residency import FillFault, Residency
from nigiri.runtime.driver import Driver
from nigiri.spec import ErrorCode, descriptor, get_config, residency
from nigiri.spec.descriptor import Opcode

TINY = get_config("tiny")
BOX = {"layer": 1, "out_blocks": 2, "in_blocks": 3, "taps": 4, "pb_base": 10, "mem_offset": 50, "w_taps": 5,
       "w_blocks": 4}


def expected_bytes(p):
    """(weights from DRAM, weights from PB, tables, activations in, out) of a program, word by word."""
    table = {}
    for raw in p.fill_entries:
        e = residency.unpack(raw)
        table[e["layer"]] = e
    count = np.zeros(5, int)
    for n in range(p.n_descriptors):
        d = descriptor.unpack(p.image[64 * p.program_offset + 128 * n:][:128].tobytes())
        if d["opcode"] == Opcode.CONV:
            e = table.get(d["layer"], {"out_blocks": 0, "in_blocks": 0, "taps": 0})
            for ob in range(d["out_blocks"]):
                for ib in range(d["in_blocks"]):
                    for t in range(descriptor.taps(d)):
                        hit = ob < e["out_blocks"] and ib < e["in_blocks"] and t < e["taps"]
                        count[int(hit)] += 64
            count[2] += 64 * d["out_blocks"] + (256 if d["flags"] & 4 else 0)
        else:
            count[3 if d["opcode"] == Opcode.LOAD else 4] += 8 * d["length"]
    return count.tolist()


@pytest.mark.parametrize("name", ["tiny", "kv260"])
def test_residency_changes_no_result_and_counts_exactly(name):
    driver = Driver(GoldenDevice(get_config(name), 1 << 20))
    hits = 0
    for seed in range(40):
        print("seed", seed)
        p = random_program(np.random.default_rng(seed), get_config(name))
        window, c = execute(driver, p)
        bare, _ = execute(driver, p, resident=False)
        assert (window == bare).all(), p.description
        got = [c.bytes_weights_dram, c.bytes_weights_pb, c.bytes_tables, c.bytes_act_in, c.bytes_act_out]
        assert got == expected_bytes(p)
        assert c.bytes_descriptors == 128 * p.n_descriptors and c.cycles == 0
        assert c.bytes_fill == sum(64 + 64 * residency.size(residency.unpack(e)) for e in p.fill_entries)
        hits += c.bytes_weights_pb > 0
    assert hits > 5


@pytest.fixture
def machine():
    memory = Memory(1 << 16)
    memory.data[:] = np.random.default_rng(0).integers(0, 256, memory.data.size)
    return Residency(TINY), Window(memory, memory.base, 512)


def fill(machine, *entries, offset=0, count=None):
    table, window = machine
    raw = b"".join(e if isinstance(e, bytes) else residency.pack(**e) for e in entries)
    window.memory.data[64 * offset:64 * offset + len(raw)] = np.frombuffer(raw, np.uint8)
    return table.fill(window, offset, len(entries) if count is None else count)


def test_box_is_copied_densely(machine):
    table, window = machine
    assert fill(machine, BOX) == 64 + 64 * 24
    for n, (ob, ib, t) in enumerate(np.ndindex(2, 3, 4)):
        assert (table.pb[10 + n] == window.memory.rows[50 + (ob * 4 + ib) * 5 + t]).all()
        assert table.locate(1, *map(np.array, (ob, ib, t))) == 10 + n
    assert (table.pb[:10] == 0).all() and (table.pb[34:] == 0).all()
    for outside in ((2, 0, 0), (0, 3, 0), (0, 0, 4)):
        assert table.locate(1, *map(np.array, outside)) == -1
    assert table.locate(2, *map(np.array, (0, 0, 0))) == -1


def test_invalidation_keeps_the_bytes(machine):
    fill(machine, BOX)
    before = machine[0].pb.copy()
    assert fill(machine, {"layer": 1}) == 64
    assert not machine[0].entries and (machine[0].pb == before).all()


def test_a_layer_may_move_over_itself(machine):
    fill(machine, BOX, BOX | {"pb_base": 12})
    assert machine[0].entries[1]["pb_base"] == 12


BAD = {
    "magic": (b"\0" * 64, ErrorCode.FILL_ENTRY),
    "layer": (BOX | {"layer": 16}, ErrorCode.FILL_ENTRY),
    "no input block": (BOX | {"in_blocks": 0}, ErrorCode.FILL_ENTRY),
    "no tap": (BOX | {"taps": 0}, ErrorCode.FILL_ENTRY),
    "taps beyond the stored": (BOX | {"taps": 6}, ErrorCode.FILL_ENTRY),
    "blocks beyond the stored": (BOX | {"in_blocks": 5}, ErrorCode.FILL_ENTRY),
    "too many taps": (BOX | {"taps": 50, "w_taps": 64, "in_blocks": 1, "out_blocks": 1}, ErrorCode.FILL_ENTRY),
    "range": (BOX | {"pb_base": 489}, ErrorCode.FILL_RANGE),
    "overlap": (BOX | {"layer": 2, "pb_base": 33}, ErrorCode.FILL_OVERLAP),
    "window": (BOX | {"mem_offset": 512 - 33}, ErrorCode.WINDOW),
}


@pytest.mark.parametrize("case", BAD)
def test_refused_entry(machine, case):
    entry, code = BAD[case]
    with pytest.raises(FillFault) as caught:
        fill(machine, BOX, entry, BOX | {"layer": 3, "pb_base": 100})
    assert (caught.value.code, caught.value.index) == (code, 1)
    lost = case == "window"
    assert set(machine[0].entries) == (set() if lost else {1}), "only an entry that is sound by itself takes effect"


def test_limits_that_are_still_allowed(machine):
    fill(machine, BOX | {"pb_base": 488}, BOX | {"layer": 15, "pb_base": 464, "mem_offset": 512 - 34})
    assert set(machine[0].entries) == {1, 15}


def test_list_beyond_the_window(machine):
    with pytest.raises(FillFault) as caught:
        fill(machine, {"layer": 1}, {"layer": 2}, offset=510, count=3)
    assert (caught.value.code, caught.value.index) == (ErrorCode.WINDOW, 2)
