"""Two masks against each other, and arithmetic between measurements."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parser_model.errors import ToolError
from tools.measuring import (
    Value,
    change,
    dice,
    distance,
    fraction_inside,
    fraction_of,
    ratio,
    relative_change,
)


def box(top, left, bottom, right, shape=(40, 60)):
    mask = np.zeros(shape, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def test_fraction_of_is_the_share_of_the_whole():
    whole, part = box(0, 0, 10, 20), box(0, 0, 5, 10)
    assert fraction_of(part, whole).number == pytest.approx(25)
    assert fraction_inside(part, whole).number == pytest.approx(100)


def test_what_lies_outside_the_whole_does_not_count():
    whole, part = box(0, 0, 10, 10), box(0, 5, 10, 15)
    assert fraction_of(part, whole).number == pytest.approx(50)
    assert fraction_inside(part, whole).number == pytest.approx(50)


def test_dice():
    a, b, nothing = box(0, 0, 10, 10), box(0, 5, 10, 15), np.zeros((40, 60), dtype=bool)
    assert dice(a, a).number == 1
    assert dice(a, b).number == pytest.approx(0.5)
    assert dice(a, nothing).number == 0
    with pytest.raises(ToolError, match="empty"):
        dice(nothing, nothing)


@pytest.mark.parametrize(
    ("second", "spacing", "expected"),
    [
        (box(0, 13, 4, 20), None, 9),  # nine empty columns between 4 and 13
        (box(0, 13, 4, 20), (2.0, 0.5), 4.5),
        (box(7, 8, 9, 9), None, 5),  # 3 rows and 4 columns apart, corner to corner
        (box(7, 8, 9, 9), (2.0, 0.5), np.hypot(6, 2)),
        (box(4, 0, 8, 4), None, 0),  # side by side
        (box(4, 4, 8, 8), None, 0),  # corner at corner
        (box(2, 2, 8, 8), None, 0),  # overlapping
        (box(10, 1, 11, 2), None, 6),  # before the middle of an edge
    ],
)
def test_distance_between_edges(second, spacing, expected):
    measured = distance(box(0, 0, 4, 4), second, spacing)
    assert measured.number == pytest.approx(expected)
    assert measured.unit == ("px" if spacing is None else "mm")


def test_distance_between_centroids():
    measured = distance(box(0, 0, 4, 4), box(3, 4, 7, 8), (1.0, 1.0), between="centroids")
    assert measured.number == pytest.approx(5)
    assert measured.endpoints == ((2.0, 2.0), (5.0, 6.0))


@given(arrays(np.int8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)))
def test_distance_equals_the_smallest_gap_of_all_pairs(labels):
    first, second = labels == 1, labels == 2
    assume(first.any() and second.any())
    offsets = abs(np.argwhere(first)[:, None] - np.argwhere(second)[None])
    gaps = np.hypot(*(np.maximum(offsets - 1, 0) * (0.5, 2.0)).transpose(2, 0, 1))
    assert distance(first, second, (0.5, 2.0)).number == pytest.approx(gaps.min())
    assert distance(second, first, (0.5, 2.0)).number == pytest.approx(gaps.min())


def test_distance_from_within_a_ring():
    y, x = np.mgrid[-20:21, -20:21]
    ring = (np.hypot(x, y) > 12) & (np.hypot(x, y) < 18)
    centre = (x == 0) & (y == 0)
    # Both pixels have extent: half a diagonal each is not part of the gap.
    assert 12 - np.sqrt(2) <= distance(centre, ring).number <= 12


def test_masks_of_different_images_are_refused():
    with pytest.raises(ToolError, match="different size"):
        dice(box(0, 0, 2, 2), box(0, 0, 2, 2, (10, 10)))


# --- arithmetic ----------------------------------------------------------------------------------


def size(value, low=None, high=None, unit="mm2", name="area"):
    return Value(name, value, unit, low, high)


def test_ratio_by_interval_arithmetic():
    measured = ratio(size(100.0, 80.0, 120.0), size(50.0, 40.0, 60.0))
    assert (measured.name, measured.unit) == ("ratio", "1")
    assert measured.number == 2
    assert (measured.low, measured.high) == pytest.approx((80 / 60, 120 / 40))


def test_ratio_across_units():
    assert ratio(size(1.0, unit="cm2"), size(50.0)).number == pytest.approx(2)
    with pytest.raises(ToolError, match="scale"):
        ratio(size(1.0, unit="px2"), size(50.0))


def test_ratio_has_a_range_only_where_both_have_and_it_has_a_limit():
    assert ratio(size(100.0), size(50.0, 40.0, 60.0)).low is None
    assert ratio(size(100.0, 80.0, 120.0), size(50.0, 0.0, 60.0)).high is None
    with pytest.raises(ToolError, match="zero"):
        ratio(size(1.0), size(0.0))


def test_change_has_a_sign():
    before, after = size(100.0, 90.0, 110.0), size(130.0, 120.0, 140.0)
    grown, shrunk = change(before, after), change(after, before)
    assert (grown.number, grown.unit, grown.name) == (30, "mm2", "change")
    assert (grown.low, grown.high) == (10, 50)
    assert (shrunk.number, shrunk.low, shrunk.high) == (-30, -50, -10)


def test_relative_change():
    measured = relative_change(size(100.0, 90.0, 110.0), size(130.0, 120.0, 140.0))
    assert (measured.name, measured.unit) == ("change", "percent")
    assert measured.number == pytest.approx(30)
    assert measured.low == pytest.approx(100 * (120 / 110 - 1))
    assert measured.high == pytest.approx(100 * (140 / 90 - 1))


def test_change_of_different_things_is_refused():
    with pytest.raises(ToolError, match="same measurement"):
        change(size(1.0), size(1.0, name="perimeter", unit="mm"))
    with pytest.raises(ToolError, match="true zero"):
        relative_change(*[size(-50.0, unit="HU", name="mean_intensity")] * 2)
    with pytest.raises(ToolError, match="zero or below"):
        relative_change(size(0.0), size(1.0))


RANGED = st.tuples(*[st.floats(0.1, 1e4)] * 3).map(sorted)


@given(RANGED, RANGED, st.floats(0, 1), st.floats(0, 1))
def test_ranges_hold_whatever_the_true_sizes_are(a, b, s, t):
    first, second = (size(mid, low, high) for low, mid, high in (a, b))
    true_first, true_second = a[0] + s * (a[2] - a[0]), b[0] + t * (b[2] - b[0])
    for measured, truth in [
        (ratio(first, second), true_first / true_second),
        (change(first, second), true_second - true_first),
        (relative_change(first, second), 100 * (true_second / true_first - 1)),
    ]:
        slack = 1e-9 * max(1, abs(truth), abs(measured.number)) + 1e-9
        assert measured.low - slack <= truth <= measured.high + slack


# --- the value itself ----------------------------------------------------------------------------


def test_value_is_valid_once_made():
    with pytest.raises(ValueError, match="finite"):
        size(np.nan)
    with pytest.raises(ValueError, match="both ends"):
        size(1.0, low=0.5)
    with pytest.raises(ValueError, match="outside"):
        size(1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="component"):
        Value("centroid", (1.0, 2.0), "px")


def test_value_reads_in_the_unit_of_a_radiologist_or_the_one_asked_for():
    value = size(1234.0, 1100.0, 1400.0)
    assert value.text() == "12.3 cm² (11.0–14.0)"
    assert value.text("mm2") == "1234 mm² (1100–1400)"
    assert value.to("cm2").to("mm2").number == pytest.approx(1234)


@pytest.mark.parametrize(
    ("low", "high", "called"),
    [(10.0, 30.0, ""), (10.0, 31.0, ", very uncertain"), (0.0, 20.0, ", very uncertain")],
)
def test_a_size_whose_ends_differ_by_more_than_three_times_is_called_very_uncertain(
    low, high, called
):
    value = Value("area", 15.0, "mm2", low=low, high=high)
    assert value.text() == f"15.0 mm² ({low:.1f}–{high:.1f}{called})"


def test_a_change_that_may_go_either_way_is_no_wide_size():
    assert Value("change", 1.0, "mm", low=-2.0, high=8.0).text() == "1.00 mm (-2.00 to 8.00)"
