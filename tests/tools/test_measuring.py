"""Sizes, parts, positions, outlines and intensities against exact shapes and outside yardsticks."""

import math

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import perimeter_crofton, regionprops

from parser_model.errors import ToolError
from tools.measuring import (
    INTENSITIES,
    SHAPES,
    area,
    bounding_box,
    centroid,
    circularity,
    count,
    find_parts,
    fraction_of_image,
    mean_intensity,
    median_intensity,
    p10_intensity,
    p90_intensity,
    perimeter,
    sd_intensity,
)

MASKS = arrays(bool, st.tuples(st.integers(1, 15), st.integers(1, 15))).filter(np.any)
RNG = np.random.default_rng(7)


def rectangle(height, width, shape=(40, 60)):
    mask = np.zeros(shape, dtype=bool)
    mask[3 : 3 + height, 4 : 4 + width] = True
    return mask


def disc(radius, spacing=(1.0, 1.0)):
    rows, columns = (np.arange(-radius - 2, radius + 2 + s / 2, s) for s in spacing)
    return rows[:, None] ** 2 + columns[None] ** 2 <= radius**2


def dots(*sizes):
    """Squares of the given sides in one row, apart from each other."""
    mask = np.zeros((max(sizes) + 2, sum(sizes) + 2 * len(sizes)), dtype=bool)
    at = 1
    for side in sizes:
        mask[1 : 1 + side, at : at + side] = True
        at += side + 2
    return mask


# --- sizes ---------------------------------------------------------------------------------------


def test_area_counts_pixels():
    assert area(rectangle(10, 20)).number == 200
    assert area(rectangle(10, 20)).unit == "px2"
    assert area(rectangle(10, 20), (0.5, 2.0)).number == pytest.approx(200)
    assert area(rectangle(10, 20), (0.5, 0.5)).unit == "mm2"


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.25), (0.2, 0.2)])
def test_area_of_a_disc(spacing):
    """Pixel errors along the outline cancel: within 1 % from forty pixels across."""
    assert area(disc(20, spacing), spacing).number == pytest.approx(math.pi * 400, rel=0.01)


def test_fraction_of_image_needs_no_spacing():
    assert fraction_of_image(rectangle(10, 12)).number == pytest.approx(5.0)
    assert fraction_of_image(rectangle(10, 12), (0.5, 0.5)).unit == "percent"


@given(MASKS, st.floats(0.01, 100))
def test_spacing_times_k_gives_area_times_k_squared(mask, k):
    here, there = area(mask, (0.7, 1.1)), area(mask, (0.7 * k, 1.1 * k))
    assert there.number == pytest.approx(k * k * here.number)


@given(MASKS, st.floats(0.01, 100))
def test_spacing_times_k_gives_outline_times_k(mask, k):
    here, there = perimeter(mask, (0.7, 1.1)), perimeter(mask, (0.7 * k, 1.1 * k))
    assert there.number == pytest.approx(k * here.number)


@given(MASKS)
def test_turning_the_image_changes_no_size(mask):
    turned = np.rot90(mask)
    for measured in (area, perimeter, circularity):
        here, there = measured(mask, (0.6, 0.9)), measured(turned, (0.9, 0.6))
        assert here.number == pytest.approx(there.number)


@given(MASKS)
def test_area_agrees_with_simpleitk(mask):
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing((0.8, 0.5))  # SimpleITK takes (column, row)
    shape = SimpleITK.LabelShapeStatisticsImageFilter()
    shape.Execute(image)
    assert area(mask, (0.5, 0.8)).number == pytest.approx(shape.GetPhysicalSize(1))


# --- parts ---------------------------------------------------------------------------------------


def test_parts_are_numbered_by_area():
    parts = find_parts(dots(5, 9, 7))
    assert list(parts.areas) == [81, 49, 25]
    assert parts.labels.dtype == np.int32
    assert [np.count_nonzero(parts.part(n)) for n in (1, 2, 3)] == [81, 49, 25]
    with pytest.raises(IndexError, match="no part 4"):
        parts.part(4)


def test_parts_touching_at_a_corner_are_one():
    mask = np.zeros((10, 10), dtype=bool)
    mask[0:4, 0:4] = mask[4:8, 4:8] = True
    assert len(find_parts(mask)) == 1


def test_specks_beside_an_organ_are_ignored_and_reported():
    """1 % of 100 × 100 is 100 pixels: squares of 2 and 9 are specks, of 11 a second part."""
    parts = find_parts(dots(100, 2, 9, 11))
    assert list(parts.areas) == [10000, 121]
    assert parts.ignored == 2
    assert np.count_nonzero(parts.mask) == 10121


def test_a_clump_does_not_swallow_single_nuclei():
    """Sixty nuclei of 7 × 7 and a clump of 50 × 50: 1 % of the clump is 25, yet 16 counts."""
    parts = find_parts(dots(50, *[7] * 60, 4))
    assert len(parts) == 62
    assert parts.ignored == 0


def test_tiny_objects_among_their_like_all_count():
    assert len(find_parts(dots(*[2] * 30))) == 30


@pytest.mark.parametrize("sizes", [(1,), (1, 1), (3, 1, 1, 1), (200, 15, 1)])
def test_the_largest_part_always_counts(sizes):
    assert len(find_parts(dots(*sizes))) >= 1


@given(MASKS)
def test_cleaning_twice_changes_nothing(mask):
    once = find_parts(mask)
    twice = find_parts(once.mask)
    assert twice.ignored == 0
    assert (twice.labels == once.labels).all()
    assert once.areas.sum() == np.count_nonzero(once.mask)
    assert not (once.mask & ~mask).any()


@given(MASKS)
def test_keep_all_keeps_every_pixel(mask):
    parts = find_parts(mask, keep_all=True)
    assert (parts.mask == mask).all()
    assert parts.ignored == 0


def test_empty_mask_has_no_parts():
    parts = find_parts(np.zeros((4, 5), dtype=bool))
    assert (len(parts), parts.ignored) == (0, 0)
    assert count(np.zeros((4, 5), dtype=bool)).number == 0


def test_count():
    assert count(dots(5, 6, 7)).number == 3
    assert count(dots(5, 6, 7)).text() == "3"


# --- positions -----------------------------------------------------------------------------------


@given(MASKS)
def test_position_agrees_with_scikit_image(mask):
    yardstick = regionprops(mask.astype(np.uint8))[0]
    assert centroid(mask).value == pytest.approx(yardstick.centroid)
    where, extent = bounding_box(mask, (0.5, 2.0))
    assert where.value == pytest.approx(yardstick.bbox)
    top, left, bottom, right = yardstick.bbox
    assert extent.value == pytest.approx(((bottom - top) * 0.5, (right - left) * 2.0))


def test_positions_are_in_pixels_and_extents_in_mm():
    assert centroid(rectangle(2, 4), (0.5, 0.5)).as_dict() == {
        "part": None, "name": "centroid", "value": [3.5, 5.5], "unit": "px", "low": None,
        "high": None, "convention": centroid(rectangle(2, 4)).convention,
        "components": ["row", "column"],
    }  # fmt: skip
    where, extent = bounding_box(rectangle(2, 4), (0.5, 0.5))
    assert (where.unit, where.value) == ("px", (3, 4, 5, 8))
    assert (extent.unit, extent.value) == ("mm", (1.0, 2.0))
    with pytest.raises(ToolError, match="4 numbers"):
        _ = where.number


# --- outline -------------------------------------------------------------------------------------


@given(MASKS)
def test_outline_agrees_with_scikit_image(mask):
    # Padded, because scikit-image would not see an edge that lies on the border of the image.
    yardstick = perimeter_crofton(np.pad(mask, 2), directions=4)
    assert perimeter(mask).number == pytest.approx(yardstick)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (0.5, 0.75)])
def test_outline_of_a_disc(spacing):
    """Four directions see a circle alike, whatever the pixel: within 2 %."""
    assert perimeter(disc(20, spacing), spacing).number == pytest.approx(40 * math.pi, rel=0.02)


def test_outline_of_an_upright_rectangle_is_five_per_cent_short():
    """The price of four directions: 2 (h + w) · π/8 · (1 + √2) = 0.948 of the truth."""
    measured = perimeter(rectangle(300, 200, (310, 210))).number
    assert measured / 1000 == pytest.approx(math.pi / 8 * (1 + math.sqrt(2)), rel=0.002)


def test_hole_adds_its_outline():
    ring = rectangle(30, 30)
    ring[10:20, 10:20] = False
    hole = perimeter(rectangle(10, 10)).number
    assert perimeter(ring).number == pytest.approx(perimeter(rectangle(30, 30)).number + hole, 0.02)


def test_circularity():
    # Twice the error of the outline, since that is squared.
    assert circularity(disc(20)).number == pytest.approx(1, abs=0.04)
    assert circularity(rectangle(30, 30)).number == pytest.approx(math.pi / 4 / 0.948**2, rel=0.03)
    assert circularity(rectangle(1, 40)).number < 0.2
    assert circularity(rectangle(1, 1)).number == 1


# --- intensities ---------------------------------------------------------------------------------


def test_intensities_of_the_ibsi_phantom():
    """The 74 values of the IBSI-1 digital phantom (theibsi/data_sets, CC BY 4.0), as a row."""
    values = np.repeat([1, 3, 4, 6], [50, 1, 16, 7])[None]
    mask = np.ones(values.shape, dtype=bool)
    reference = {
        "mean_intensity": 2.15, "median_intensity": 1, "min_intensity": 1, "max_intensity": 6,
        "p10_intensity": 1, "p90_intensity": 4, "sd_intensity": math.sqrt(3.05),
    }  # fmt: skip
    for name, expected in reference.items():
        assert INTENSITIES[name](mask, values, "1").number == pytest.approx(expected, abs=0.005)


def test_intensities_agree_with_simpleitk():
    mask = disc(20)
    values = RNG.normal(40, 12, mask.shape)
    yardstick = SimpleITK.LabelStatisticsImageFilter()
    yardstick.Execute(
        SimpleITK.GetImageFromArray(values), SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    )
    assert mean_intensity(mask, values).number == pytest.approx(yardstick.GetMean(1), rel=1e-6)
    # SimpleITK divides by n - 1: for a thousand pixels that is 0.04 % more.
    assert sd_intensity(mask, values).number == pytest.approx(yardstick.GetSigma(1), rel=1e-3)


def test_intensity_keeps_its_unit_and_ignores_what_lies_outside():
    mask = rectangle(2, 2)
    values = np.where(mask, -50.0, 1000.0)
    assert mean_intensity(mask, values, "HU").text() == "-50.0 HU"
    values[0, 0] = np.nan
    assert median_intensity(mask, values).number == -50


def test_percentiles_interpolate():
    values = np.arange(11.0)[None]
    mask = np.ones(values.shape, dtype=bool)
    assert (p10_intensity(mask, values).number, p90_intensity(mask, values).number) == (1, 9)


def test_half_precision_does_not_overflow():
    mask = np.ones((300, 300), dtype=bool)
    assert mean_intensity(mask, np.full(mask.shape, 1000, np.float16)).number == 1000


def test_pixel_without_value_in_the_mask_says_so():
    with pytest.raises(ToolError, match="no value"):
        mean_intensity(rectangle(2, 2), np.full((40, 60), np.nan))


# --- what everything refuses ---------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"count"}))
def test_empty_mask_says_so(name):
    with pytest.raises(ToolError, match="empty"):
        SHAPES[name].function(np.zeros((5, 5), dtype=bool), None)


@pytest.mark.parametrize("name", sorted(INTENSITIES))
def test_empty_mask_has_no_intensity(name):
    with pytest.raises(ToolError, match="empty"):
        INTENSITIES[name](np.zeros((5, 5), dtype=bool), np.zeros((5, 5)), "1")


@pytest.mark.parametrize("mask", [np.ones((3, 3)), np.ones((2, 3, 3, 1), dtype=bool)])
def test_only_masks_of_bool_with_two_or_three_axes(mask):
    with pytest.raises(ValueError, match="bool"):
        area(mask)


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0,)])
def test_spacing_must_be_two_positive_numbers(spacing):
    with pytest.raises(ValueError, match="positive"):
        area(rectangle(2, 2), spacing)


def test_values_of_another_image_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        mean_intensity(rectangle(2, 2), np.zeros((3, 3)))
