"""Orders of taps and column slots, against brute force."""
import pytest

from nigiri.spec.layout import DENSE_TAPS, ROWS, SLOT_BASE, SLOT_OFFSETS, slot_mask, tap_order

KERNELS = (1, 3, 5, 7)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_smaller_kernel_is_a_prefix(kernel):
    r = kernel // 2
    square = {(y, x) for y in range(-r, r + 1) for x in range(-r, r + 1)}
    assert set(DENSE_TAPS[:kernel ** 2]) == square
    assert tap_order(kernel) == DENSE_TAPS[:kernel ** 2]
    assert set(ROWS[:kernel]) == set(range(-r, r + 1))


def test_taps_go_ring_by_ring_and_row_major_inside():
    rings = [max(abs(y), abs(x)) for y, x in DENSE_TAPS]
    assert rings == sorted(rings)
    for ring in range(4):
        members = [t for t in DENSE_TAPS if max(map(abs, t)) == ring]
        assert members == sorted(members)
    assert len(set(DENSE_TAPS)) == 49


@pytest.mark.parametrize("stride", [1, 2])
def test_every_column_has_one_slot(stride):
    assert sorted(SLOT_OFFSETS[stride]) == list(range(-3, 4))


@pytest.mark.parametrize("kernel", KERNELS)
def test_slot_mask_stride_1(kernel):
    columns = [dx for s, dx in enumerate(SLOT_OFFSETS[1]) if slot_mask(1, kernel) >> s & 1]
    assert columns == list(range(-(kernel // 2), kernel // 2 + 1))
    assert slot_mask(1, kernel) < 128


@pytest.mark.parametrize("kernel", KERNELS)
def test_slot_masks_of_the_two_parities_split_the_kernel(kernel):
    even, odd = slot_mask(2, kernel, 0), slot_mask(2, kernel, 1)
    assert even & odd == 0
    assert bin(even | odd).count("1") == kernel
    for parity, mask in ((0, even), (1, odd)):
        columns = {dx for s, dx in enumerate(SLOT_OFFSETS[2]) if mask >> s & 1}
        assert columns == {dx for dx in range(-(kernel // 2), kernel // 2 + 1) if dx % 2 == parity}


@pytest.mark.parametrize(("stride", "parity"), SLOT_BASE)
def test_slots_read_the_column_they_stand_for(stride, parity):
    """In the plane of its parity, output column x and slot s read input column stride * x + dx."""
    base = SLOT_BASE[stride, parity]
    for s, dx in enumerate(SLOT_OFFSETS[stride]):
        if stride == 2 and dx % 2 != parity:
            continue
        for x in range(4):
            in_plane = x + base + s
            column = in_plane if stride == 1 else 2 * in_plane + parity
            assert column == stride * x + dx
