"""Ratios with names, the change of a tumour, and masks of stacks against each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser_model.errors import ToolError
from tools.measuring import Value, dice, distance, fraction_of
from tools.measuring.ratios import (
    asymmetry,
    cardiothoracic,
    cup_to_disc_area,
    cup_to_disc_vertical,
    ejection_fraction,
)
from tools.measuring.response import response, sum_of_diameters


def box(top, left, bottom, right, size=(100, 120)):
    mask = np.zeros(size, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def size(number, low=None, high=None, name="area", unit="mm2"):
    return Value(name, number, unit, low=low, high=high)


# --- cup and disc, heart and chest ------------------------------------------------------------


def test_vertical_cup_to_disc_ratio_is_of_the_heights():
    cup, disc = box(40, 50, 60, 90), box(30, 40, 70, 90)  # 20 of 40 rows
    value = cup_to_disc_vertical(cup, disc, (0.01, 0.02))
    assert (value.name, value.number, value.unit) == ("ratio", 0.5, "1")
    assert "vertical" in value.convention
    with pytest.raises(ToolError, match="empty"):
        cup_to_disc_vertical(cup & ~cup, disc)
    with pytest.raises(ToolError, match="single picture"):
        cup_to_disc_vertical(cup[..., None], disc[..., None])


def test_area_cup_to_disc_ratio_has_the_range_of_both_areas():
    value = cup_to_disc_area(size(100, 80, 120), size(400, 320, 500))
    assert (value.low, value.number, value.high) == pytest.approx((80 / 500, 0.25, 120 / 320))
    assert "cup-to-disc" in value.convention


def test_cardiothoracic_ratio_is_heart_over_chest_on_its_widest_row():
    lungs = box(10, 10, 50, 40) | box(10, 70, 50, 110) | box(60, 20, 80, 30)
    # 100 columns from 10 to 110. The heart is widest over two rows: from 35 to 60 and to 85.
    heart = box(40, 35, 60, 60) | box(50, 55, 70, 85)
    assert cardiothoracic(heart, lungs).number == pytest.approx(50 / 100)
    # Lungs that are far apart only on different rows do not widen the chest.
    apart = box(0, 0, 5, 40) | box(90, 80, 95, 120)
    assert cardiothoracic(heart, apart).number == pytest.approx(50 / 40)
    with pytest.raises(ToolError, match="different size"):
        cardiothoracic(heart, lungs[:50])


# --- a chamber that empties, two sides --------------------------------------------------------


def test_ejection_fraction_whichever_comes_first():
    full, empty = (size(v, name="volume", unit="mm3") for v in (120_000, 48_000))
    for pair in ((full, empty), (empty, full)):
        value = ejection_fraction(*pair)
        assert (value.name, value.unit) == ("ejection_fraction", "percent")
        assert value.number == pytest.approx(60)
    assert value.low is None


def test_of_areas_it_is_the_fractional_area_change_with_its_range():
    value = ejection_fraction(size(200, 180, 210), size(120, 100, 150))
    assert value.name == "fractional_area_change"
    assert (value.low, value.number, value.high) == pytest.approx(
        (100 * (1 - 150 / 180), 40, 100 * (1 - 100 / 210))
    )
    with pytest.raises(ToolError, match="two volumes, or two areas"):
        ejection_fraction(size(1, name="volume", unit="mm3"), size(2))


def test_asymmetry_is_signed_and_bounded():
    assert asymmetry(size(110), size(90)).number == pytest.approx(20)
    assert asymmetry(size(90), size(110)).number == pytest.approx(-20)
    assert asymmetry(size(90), size(0)).number == 200
    assert asymmetry(size(0), size(90)).number == -200
    ranged = asymmetry(size(110, 100, 120), size(90, 80, 100))
    assert (ranged.low, ranged.high) == pytest.approx((0, 40))
    with pytest.raises(ToolError, match="nothing to compare"):
        asymmetry(size(0), size(0))


# --- RECIST 1.1 -------------------------------------------------------------------------------


def line(number, low=None, high=None, unit="mm"):
    return size(number, low, high, name="longest_diameter", unit=unit)


def test_sum_of_diameters():
    total = sum_of_diameters([line(20, 18, 22), line(1.5, 1.4, 1.7, unit="cm")])
    assert (total.low, total.number, total.high) == pytest.approx((32, 35, 39))
    assert sum_of_diameters([line(20, 18, 22), line(15)]).low is None
    with pytest.raises(ToolError, match="no diameter"):
        sum_of_diameters([])


@pytest.mark.parametrize(
    ("before", "after", "category"),
    [
        ([50], [35], "partial response"),  # exactly -30 %
        ([50], [35.1], "stable disease"),
        ([50], [60], "progressive disease"),  # exactly +20 % and 10 mm
        ([50], [59.9], "stable disease"),
        ([20], [24.9], "stable disease"),  # +24 %, but less than 5 mm
        ([20], [25], "progressive disease"),
        ([20], [], "complete response"),
        ([20, 30], [25], "partial response"),  # 50 to 25
        ([20, 30, 12, 11], [31, 20, 19], "stable disease"),  # two of an organ: 50 to 51
        ([20, 8], [20, 18], "stable disease"),  # the second is too small to follow at baseline
    ],
)
def test_categories(before, after, category):
    found = response([line(v) for v in before], [line(v) for v in after])
    assert found is not None
    assert found.category == category
    assert found.possible == (category,)
    assert found.difference.number == pytest.approx(found.after.number - found.before.number)


def test_nothing_to_follow_and_no_scale():
    assert response([line(9.9)], [line(30)]) is None
    assert response([], [line(30)]) is None
    with pytest.raises(ToolError, match="scale"):
        response([line(50, unit="px")], [line(60, unit="px")])


@pytest.mark.parametrize(
    ("before", "after", "possible"),
    [
        ((50, 48, 52), (50, 48, 52), ("stable disease",)),
        ((50, 45, 55), (57, 52, 63), ("stable disease", "progressive disease")),
        ((50, 45, 55), (36, 33, 40), ("partial response", "stable disease")),
        ((50, 49, 51), (70, 68, 72), ("progressive disease",)),
        (
            (50, 30, 70), (50, 30, 70),
            ("partial response", "stable disease", "progressive disease"),
        ),
    ],
)  # fmt: skip
def test_ranges_may_allow_another_category(before, after, possible):
    found = response([line(*before)], [line(*after)])
    assert found is not None
    assert found.possible == possible


POSITIVE = st.floats(10, 100)


@given(POSITIVE, POSITIVE, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_wherever_the_true_sums_lie_their_category_is_named(first, last, down, up, s, t):
    a = line(first, first * (1 - down), first * (1 + up))
    b = line(last, last * (1 - down), last * (1 + up))
    found = response([a], [b])
    true_first = a.low + s * (a.high - a.low)
    true_last = b.low + t * (b.high - b.low)
    truly = response([line(max(true_first, 10))], [line(true_last)])
    assert found is not None
    assert truly is not None
    if true_first >= 10 and abs(true_last / true_first - 1.2) > 1e-9:
        assert truly.category in found.possible


# --- two masks of one stack -------------------------------------------------------------------

SPACING = (0.5, 0.7, 2.5)


def solid(rows, columns, slices):
    mask = np.zeros((20, 20, 10), dtype=bool)
    mask[slice(*rows), slice(*columns), slice(*slices)] = True
    return mask


def test_distance_runs_through_the_slices():
    first, second = solid((2, 6), (2, 6), (1, 3)), solid((8, 12), (9, 12), (6, 8))
    value = distance(first, second, SPACING)
    # 2 rows, 3 columns and 3 slices lie between.
    assert value.number == pytest.approx(np.linalg.norm([2 * 0.5, 3 * 0.7, 3 * 2.5]))
    assert value.endpoints == ((6, 6, 3), (8, 9, 6))
    middle = distance(first, second, SPACING, between="centroids")
    assert middle.number == pytest.approx(np.linalg.norm([6 * 0.5, 6.5 * 0.7, 5 * 2.5]))
    assert distance(first, solid((6, 9), (2, 6), (1, 3)), SPACING).number == 0
    assert distance(first, first, SPACING).number == 0
    for spacing in (None, SPACING[:2]):
        with pytest.raises(ToolError, match="distance needs the"):
            distance(first, second, spacing)


def test_overlap_and_share_of_stacks():
    whole, part = solid((0, 10), (0, 10), (0, 4)), solid((5, 15), (0, 10), (2, 4))
    assert fraction_of(part, whole).number == pytest.approx(25)
    assert dice(part, whole).number == pytest.approx(2 * 100 / (400 + 200))


def test_a_share_has_the_range_that_both_sizes_leave():
    whole, part = box(0, 0, 40, 50), box(0, 0, 20, 20)  # 2000 and 400 px, all inside
    sizes = (size(400, 300, 600), size(2000, 1500, 2500))
    value = fraction_of(part, whole, sizes=sizes)
    assert (value.low, value.number, value.high) == pytest.approx((12, 20, 40))
    half = fraction_of(box(30, 0, 50, 20), whole, sizes=sizes)  # half of the part is inside
    assert (half.low, half.number, half.high) == pytest.approx((6, 10, 20))
    assert fraction_of(whole, whole, sizes=(sizes[1], sizes[1])).high == 100
    assert fraction_of(part, whole, sizes=(size(400), size(2000))).low is None
