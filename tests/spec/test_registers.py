"""The register map: no overlaps, inside the address space, addresses by name."""
import pytest

from nigiri.spec.registers import (
    COUNTER_BASE,
    COUNTERS,
    PRODUCT_ID,
    REGISTERS,
    SPAN,
    Control,
    Interrupt,
    Status,
    address,
)


def test_registers_do_not_overlap_and_lie_in_the_span():
    taken = [r.address for r in REGISTERS]
    taken += [COUNTER_BASE + 4 * n for n in range(2 * len(COUNTERS))]
    assert all(a % 4 == 0 and 0 <= a < SPAN for a in taken)
    assert len(set(taken)) == len(taken)


def test_names_are_unique():
    names = [r.name for r in REGISTERS] + [name for name, _ in COUNTERS]
    assert len(set(names)) == len(names)


def test_identity_comes_first():
    assert [address(n) for n in ("PRODUCT_ID", "VERSION", "CONFIG_DIGEST")] == [0, 4, 8]
    assert PRODUCT_ID.to_bytes(4, "little") == b"NGRI"


def test_address_of_a_counter_is_its_low_half():
    assert address("CYCLES") == COUNTER_BASE
    assert address("BYTES_FILL") == COUNTER_BASE + 8 * (len(COUNTERS) - 1)


def test_unknown_register():
    with pytest.raises(KeyError, match="no register called 'CYCLE'"):
        address("CYCLE")


@pytest.mark.parametrize("group", [Control, Status, Interrupt])
def test_bits_are_single_and_distinct(group):
    bits = [v for k, v in vars(group).items() if not k.startswith("_")]
    assert sorted(bits) == [1 << n for n in range(len(bits))]


def test_access_is_one_of_the_documented_kinds():
    assert {r.access for r in REGISTERS} <= {"ro", "rw", "wo", "w1c"}
