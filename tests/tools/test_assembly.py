"""Slices put together, on exact shapes: what is right is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.assembly import assemble, presence_of

THIN = (1.0, 1.0, 1.0)
SHAPE = (40, 44, 31)


def ball(centre=(20, 22, 15), radius=10.0, spacing=THIN, shape=SHAPE):
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    away = sum(((g - c) * mm) ** 2 for g, c, mm in zip(grid, centre, spacing, strict=True))
    return away <= radius**2


def found_in(mask):
    return mask.any(axis=(0, 1))


@given(st.integers(6, 24))
def test_a_doubted_slice_inside_an_organ_counts_as_it_was_outlined(doubted):
    whole = ball()
    present = found_in(whole)
    present[doubted] = False
    made = assemble(whole, present, THIN)
    assert np.array_equal(made.mask, whole)
    assert made.doubted == (doubted,)
    assert made.filled == ()


@given(st.integers(6, 24))
def test_an_empty_slice_inside_an_organ_is_filled_where_both_neighbours_hold_it(empty):
    whole = ball()
    outlined = whole.copy()
    outlined[:, :, empty] = False
    made = assemble(outlined, found_in(outlined), THIN)
    # A section of a ball holds the smaller of its neighbours, except in the middle.
    expected = whole.copy()
    expected[:, :, empty] = whole[:, :, empty - 1] & whole[:, :, empty + 1]
    assert np.array_equal(made.mask, expected)
    assert made.filled == (empty,)
    missing = np.count_nonzero(whole) - np.count_nonzero(made.mask)
    assert missing <= 0.02 * np.count_nonzero(whole)


def test_a_gap_of_several_thin_slices_is_filled_up_to_five_millimetres():
    column = np.zeros(SHAPE, bool)
    column[10:20, 10:20, 3:28] = True
    for gap, millimetres, closed in ((5, 1.0, True), (6, 1.0, False), (1, 6.0, False)):
        outlined = column.copy()
        outlined[:, :, 12 : 12 + gap] = False
        made = assemble(outlined, found_in(outlined), (1.0, 1.0, millimetres))
        assert np.array_equal(made.mask, column if closed else outlined), (gap, millimetres)


def test_what_is_outlined_in_the_gap_is_its_shape():
    """A waist is no hole: where the slice holds some of the object nothing is filled."""
    waist = np.zeros(SHAPE, bool)
    waist[10:30, 10:30, 5:25] = True
    waist[:, :, 15] = False
    waist[18:22, 18:22, 15] = True
    assert np.array_equal(assemble(waist, found_in(waist), THIN).mask, waist)


def test_ragged_edges_are_no_gaps():
    """A pixel of the rim that one slice lacks is noise of the outline, not a hole in the organ."""
    organ = np.zeros(SHAPE, bool)
    organ[10:30, 10:30, 5:25] = True
    ragged = organ.copy()
    ragged[10, 12:18, 10] = False
    assert np.array_equal(assemble(ragged, found_in(ragged), THIN).mask, ragged)


def test_a_gap_in_one_of_two_organs_is_filled():
    """The other one is outlined in that slice, so the slice itself is not empty."""
    both = np.zeros(SHAPE, bool)
    both[5:15, 5:15, 5:25] = both[25:35, 25:35, 5:25] = True
    outlined = both.copy()
    outlined[5:15, 5:15, 11] = False
    made = assemble(outlined, found_in(outlined), THIN)
    assert np.array_equal(made.mask, both)
    assert made.filled == (11,)


@pytest.mark.parametrize(("most", "millimetres"), [(15, 1.0), (3, 5.0), (1, 20.0)])
def test_doubt_is_bridged_over_fifteen_millimetres_or_one_slice(most, millimetres):
    column = np.zeros((30, 30, 41), bool)
    column[10:20, 10:20] = True
    for doubted in (most, most + 1):
        present = np.ones(41, bool)
        present[10 : 10 + doubted] = False
        made = assemble(column, present, (1.0, 1.0, millimetres))
        assert found_in(made.mask)[10 : 10 + doubted].all() == (doubted == most)


def test_doubt_at_the_ends_does_not_count():
    column = np.zeros(SHAPE, bool)
    column[10:20, 10:20] = True
    present = np.zeros(SHAPE[2], bool)
    present[8:20] = True
    made = assemble(column, present, THIN)
    assert np.array_equal(found_in(made.mask), present)


@given(st.integers(1, 29), st.integers(3, 15))
def test_a_wide_outline_in_one_thin_slice_is_a_flicker(where, side):
    organ = ball((28, 30, 15), 7)
    outlined = organ.copy()
    outlined[1 : 1 + side, 1 : 1 + side, where] = True  # apart from the organ
    made = assemble(outlined, found_in(outlined), THIN)
    assert np.array_equal(made.mask, organ)
    assert made.flickers == 1


def test_what_may_lie_in_one_slice_stays():
    organ = np.zeros(SHAPE, bool)
    organ[20:35, 20:35, 5:25] = True

    def with_speck(side, where, spacing):
        outlined = organ.copy()
        outlined[2 : 2 + side, 2 : 2 + side, where] = True
        return outlined, assemble(outlined, found_in(outlined), spacing).mask

    # Eight millimetres wide in slices of five: a lesion of that size lies in one or two.
    outlined, made = with_speck(8, 12, (1.0, 1.0, 5.0))
    assert np.array_equal(made, outlined)
    # At the end of the stack no neighbour says no: the rest of it was not scanned.
    outlined, made = with_speck(12, 0, THIN)
    assert np.array_equal(made, outlined)
    # Without a distance between slices nobody knows how flat it is.
    for unknown in (None, (1.0, 1.0)):
        outlined, made = with_speck(12, 12, unknown)
        assert np.array_equal(made, outlined)


def test_two_lesions_stay_two_and_keep_every_voxel():
    both = ball((10, 10, 6), 4) | ball((30, 34, 24), 5)
    made = assemble(both, found_in(both), THIN)
    assert np.array_equal(made.mask, both)
    assert made.filled == ()


def test_what_lies_in_doubted_slices_only_does_not_count():
    """Bridging keeps the organ whole; it lends no presence to something else nearby."""
    organ = np.zeros(SHAPE, bool)
    organ[20:30, 20:30, 5:25] = True
    outlined = organ.copy()
    outlined[2:4, 2:4, 12:14] = True
    present = found_in(organ)
    present[11:15] = False
    made = assemble(outlined, present, THIN)
    assert np.array_equal(made.mask, organ)


def test_nothing_present_is_nothing():
    made = assemble(ball(), np.zeros(SHAPE[2], bool), THIN)
    assert not made.mask.any()
    assert not assemble(np.zeros(SHAPE, bool), np.ones(SHAPE[2], bool), THIN).mask.any()


@given(st.data())
def test_mirrored_and_turned_volumes_are_put_together_alike(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    outlined = rng.random((9, 8, 11)) < rng.choice([0.1, 0.3, 0.6])
    outlined[:, :, rng.random(11) < 0.3] = False
    present = found_in(outlined) & (rng.random(11) < 0.8)
    spacing = (1.0, 1.0, float(rng.choice([0.5, 1.0, 3.0])))
    made = assemble(outlined, present, spacing).mask
    assert not (made & ~outlined)[:, :, [0, -1]].any()  # nothing grows beyond the outlines
    mirrored = assemble(outlined[::-1, :, ::-1], present[::-1], spacing).mask
    assert np.array_equal(mirrored[::-1, :, ::-1], made)
    turned = assemble(outlined.swapaxes(0, 1), present, spacing).mask
    assert np.array_equal(turned.swapaxes(0, 1), made)


def test_the_volume_is_present_as_far_as_two_neighbours_agree():
    mask = np.zeros((4, 4, 6), bool)
    presence = np.array([0.1, 0.9, 0.2, 0.7, 0.8, 0.1])
    present = presence > 0.5
    assert presence_of(presence, present, mask) == 0.7
    mask[1, 1, 3:5] = True
    assert presence_of(presence, present, mask) == 0.7
    mask[:] = False
    mask[1, 1, 1] = True  # a lesion in one thick slice
    assert presence_of(presence, present, mask) == 0.9
    assert presence_of(presence[:1], present[:1], mask[:, :, :1] & False) == 0.1
