"""Masks of stacks (rows, columns, slices): parts, sizes, diameters over slices, what is missing."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parser_model.errors import ToolError
from tests.tools.test_measuring_ranges import calibration
from tools.measuring import (
    INTENSITIES,
    SHAPES,
    STACK_SHAPES,
    RangeRule,
    bounding_box,
    centroid,
    diameters,
    find_parts,
    longest_diameter,
    max_3d_diameter,
    measure,
    measure_mask,
    perpendicular_diameter,
    short_axis,
)

STACK_NAMES = (*SHAPES, *STACK_SHAPES)
SPACING = (0.5, 0.7, 2.5)


def boxes():
    """A box of 10 × 20 × 4 voxels, a plate of 30 × 4 × 2 away from it, and one speck."""
    mask = np.zeros((60, 50, 12), dtype=bool)
    mask[5:15, 10:30, 2:6] = True
    mask[20:50, 40:44, 8:10] = True
    mask[58, 1, 11] = True
    return mask


def slice_of(value):
    """The slice that a line was measured on, from 0."""
    start, end = value.endpoints
    assert start[2] == end[2]
    return int(start[2])


def numbers(names, mask, spacing=SPACING, **more):
    return {v.name: v for v in measure_mask(mask, names, spacing, **more)}


def test_parts_touch_across_slices_even_at_a_corner():
    mask = np.zeros((20, 20, 4), dtype=bool)
    mask[2:8, 2:8, 0] = mask[8:14, 8:14, 1] = True  # touch at one corner of a voxel
    mask[2:8, 2:8, 3] = True
    parts = find_parts(mask)
    assert list(parts.areas) == [72, 36]
    assert parts.part(2).sum() == 36
    assert parts.part(2)[2, 2, 3]


def test_sizes_of_boxes():
    got = numbers(["volume", "area", "count", "fraction_of_image", "slice"], boxes())
    assert got["volume"].number == pytest.approx((10 * 20 * 4 + 30 * 4 * 2) * 0.5 * 0.7 * 2.5)
    assert got["volume"].unit == "mm3"
    assert got["count"].number == 2  # the speck is too small
    assert got["fraction_of_image"].number == pytest.approx(100 * 1040 / (60 * 50 * 12))
    # 200 pixels on slices 2 to 5, of which the lower middle one is named.
    assert got["area"].number == pytest.approx(200 * 0.35)
    assert "slice 4 " in got["area"].convention
    assert got["slice"].value == 3
    assert got["slice"].text() == "4"


def test_diameters_are_those_of_one_slice_of_the_largest_part():
    got = numbers(["longest_diameter", "perpendicular_diameter", "short_axis"], boxes())
    assert {v.part for v in got.values()} == {1}
    flat = boxes()[..., 3]
    flat[16:] = False
    for value in got.values():
        alone = measure(value.name, flat, SPACING[:2])[0]
        assert value.number == pytest.approx(alone.number)
        assert slice_of(value) == 3
        assert "slice 4 " in value.convention
    of_second = numbers(["longest_diameter"], boxes(), part=2)["longest_diameter"]
    assert of_second.number == pytest.approx(np.hypot(15, 2.8))


def test_a_diameter_never_runs_through_slices_or_across_a_gap_in_one():
    # Two pillars joined by a bridge in slice 4: on the other slices they are two pieces.
    mask = np.zeros((40, 40, 5), dtype=bool)
    mask[2:8, 2:8] = mask[2:8, 32:38] = True
    mask[4:6, 2:12, 4] = mask[4:6, 30:38, 4] = True
    assert longest_diameter(mask).number == pytest.approx(np.hypot(4, 10))
    mask[4:6, 2:38, 4] = True
    assert len(find_parts(mask)) == 1
    line = longest_diameter(mask)
    assert line.number == pytest.approx(np.hypot(6, 36))
    assert slice_of(line) == 4


def test_the_short_axis_may_lie_on_another_slice_than_the_longest_diameter():
    mask = np.zeros((60, 60, 2), dtype=bool)
    mask[10:14, 5:55, 0] = True  # long and thin
    mask[10:30, 10:40, 1] = True  # shorter, but wide
    assert slice_of(longest_diameter(mask)) == 0
    assert slice_of(perpendicular_diameter(mask)) == 0
    wide = short_axis(mask)
    assert slice_of(wide) == 1
    assert wide.number == pytest.approx(perpendicular_diameter(mask[..., 1]).number)


@st.composite
def stacks(draw):
    shape = draw(st.tuples(*[st.integers(3, 9)] * 2, st.integers(1, 5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = rng.random(shape) < draw(st.sampled_from([0.3, 0.6, 0.9]))
    mask.flat[draw(st.integers(0, mask.size - 1))] = True
    return find_parts(mask).part(1)


def _pieces(mask):
    for k in range(mask.shape[2]):
        parts = find_parts(mask[..., k], keep_all=True)
        for number in range(1, len(parts) + 1):
            yield parts.part(number)


@settings(max_examples=60, deadline=None)
@given(stacks())
def test_skipping_slices_never_skips_the_answer(mask):
    of_slices = [diameters(piece, (0.5, 0.7)) for piece in _pieces(mask)]
    longest = max(d.longest.length for d in of_slices)
    assert longest_diameter(mask, SPACING).number == pytest.approx(longest)
    assert perpendicular_diameter(mask, SPACING).number == pytest.approx(
        max(d.perpendicular.length for d in of_slices if d.longest.length >= longest * (1 - 1e-9))
    )
    assert short_axis(mask, SPACING).number == pytest.approx(
        max(d.perpendicular.length for d in of_slices)
    )


@settings(max_examples=60, deadline=None)
@given(stacks())
def test_the_3d_diameter_is_the_largest_of_all_corners_of_the_mesh(mask):
    # Every voxel has six corners, half a voxel from its centre along an axis.
    steps = np.concatenate([0.5 * np.eye(3), -0.5 * np.eye(3)])
    corners = (np.argwhere(mask)[:, None] + steps).reshape(-1, 3) * SPACING
    apart = np.linalg.norm(corners[:, None] - corners[None], axis=-1)
    value = max_3d_diameter(mask, SPACING)
    assert value.number == pytest.approx(apart.max())
    assert value.endpoints is not None
    start, end = value.endpoints
    assert np.linalg.norm((np.array(end) - start) * SPACING) == pytest.approx(value.number)


def test_positions_have_three_numbers():
    mask = boxes()
    mask[20:, :, :] = False
    place = centroid(mask, SPACING)
    assert place.value == (9.5, 19.5, 3.5)
    assert place.components == ("row", "column", "slice")
    where, extent = bounding_box(mask, SPACING)
    assert where.value == (5, 10, 2, 15, 30, 6)
    assert extent.value == pytest.approx((5, 14, 10))
    assert extent.components == ("height", "width", "depth")


def test_every_name_of_the_registry_measures_a_stack():
    image = np.random.default_rng(0).normal(size=(60, 50, 12))
    names = [*STACK_NAMES, *INTENSITIES]
    values = measure_mask(boxes(), names, SPACING, values=image, value_unit="HU")
    assert {v.name for v in values} == set(names)
    inside = image[find_parts(boxes()).mask]
    mean = next(v for v in values if v.name == "mean_intensity")
    assert mean.number == pytest.approx(inside.mean())


def test_an_unknown_distance_between_slices_stops_only_what_needs_it():
    mask = boxes()
    for name in STACK_NAMES:
        if name in STACK_SHAPES and name != "slice":
            with pytest.raises(ToolError, match="needs the distance between slices"):
                measure(name, mask, SPACING[:2])
        else:
            measure_mask(mask, ["area", "longest_diameter", "slice", "bounding_box"], SPACING[:2])
    got = numbers(["longest_diameter", "area"], mask, SPACING[:2])
    assert [v.unit for v in got.values()] == ["mm", "mm2"]
    assert bounding_box(mask, SPACING[:2])[1].components == ("height", "width")


def test_without_any_spacing_a_volume_is_a_number_of_voxels_and_space_has_no_lengths():
    got = numbers(["volume", "area", "longest_diameter"], boxes(), None)
    assert [v.unit for v in got.values()] == ["px3", "px2", "px"]
    assert got["volume"].text() == "1040 voxels"
    with pytest.raises(ToolError, match="needs the size of a voxel"):
        measure("max_3d_diameter", boxes())


@pytest.mark.parametrize("name", STACK_SHAPES)
def test_a_picture_has_no_volume(name):
    with pytest.raises(ToolError, match="needs a stack of slices"):
        measure(name, np.ones((4, 4), dtype=bool), (1.0, 1.0))


def test_an_empty_stack_counts_nothing_and_measures_nothing():
    empty = np.zeros((4, 5, 6), dtype=bool)
    assert measure("count", empty)[0].number == 0
    for name in STACK_NAMES:
        if name != "count":
            with pytest.raises(ToolError, match="empty"):
                measure(name, empty, SPACING)


def test_ranges_of_a_stack_area_and_diameter_are_those_of_their_slice():
    mask = boxes()
    probability = np.where(mask, 0.9, 0.2).astype(np.float16)
    rule = RangeRule(calibration(), "CT", "liver")
    got = numbers(
        ["volume", "area", "longest_diameter", "fraction_of_image"],
        mask,
        probability=probability,
        ranges=rule,
    )
    assert all(v.low is not None and v.low < v.number < v.high for v in got.values())
    flat, soft = mask[..., 3], probability[..., 3]
    alone = measure("area", flat, SPACING[:2], probability=soft, ranges=rule)[0]
    assert (got["area"].low, got["area"].high) == pytest.approx((alone.low, alone.high))


def test_a_large_stack_is_measured_in_seconds():
    row, column, at = np.ogrid[:512, :512, :120]
    ball = ((row - 250) / 120) ** 2 + ((column - 240) / 110) ** 2 + ((at - 60) / 55) ** 2 < 1
    begin = time.process_time()
    numbers(["volume", "area", "longest_diameter", "short_axis", "max_3d_diameter"], ball)
    assert time.process_time() - begin < 20  # about 2 on one slow core
