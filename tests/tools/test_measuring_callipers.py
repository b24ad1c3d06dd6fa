"""Diameters against shapes whose answer is known, and against scikit-image."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import regionprops

from parser_model.errors import ToolError
from tools.measuring import diameters, find_parts, longest_diameter, perpendicular_diameter
from tools.measuring.outline import without_holes

SMALL_MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any)


def rectangle(height, width, shape=(40, 60)):
    mask = np.zeros(shape, dtype=bool)
    mask[3 : 3 + height, 4 : 4 + width] = True
    return mask


def ellipse(a, b, degrees=0.0, spacing=(1.0, 1.0)):
    """Semi-axes in mm on a grid of `spacing`; a pixel belongs if its centre does."""
    half = max(a, b) + 3
    rows, columns = (np.arange(-half, half + s / 2, s) for s in spacing)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    turn = np.radians(degrees)
    u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    return (u / a) ** 2 + (v / b) ** 2 <= 1


def ends(value):
    assert value.endpoints is not None
    return value.endpoints


def distance_mm(value, spacing):
    (r0, c0), (r1, c1) = ends(value)
    return np.hypot((r1 - r0) * spacing[0], (c1 - c0) * spacing[1])


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 2.0), (0.7, 0.7)])
@pytest.mark.parametrize(("height", "width"), [(10, 10), (4, 25), (1, 10), (10, 1), (1, 1)])
def test_rectangle_is_exact(height, width, spacing):
    """The longest is the diagonal; at right angles to it through a corner: h·w / (longer side)."""
    h, w = height * spacing[0], width * spacing[1]
    diagonal = np.hypot(h, w)
    measured = diameters(rectangle(height, width), spacing)
    assert measured.longest.length == pytest.approx(diagonal)
    assert measured.perpendicular.length == pytest.approx(diagonal * min(h, w) / max(h, w))


def test_a_row_of_ten_is_ten_long_not_nine():
    """Edge to edge: its diagonal is sqrt(10² + 1²), between centres it would be 9."""
    assert longest_diameter(rectangle(1, 10)).number == pytest.approx(np.hypot(10, 1))


@pytest.mark.parametrize("degrees", [0, 10, 30, 45, 77, 90])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.4, 0.8)])
def test_ellipse_within_the_size_of_a_pixel(degrees, spacing):
    """Pixels whose centre is inside may stick out by half a diagonal at each end, not more."""
    measured = diameters(ellipse(30, 15, degrees, spacing), spacing)
    pixel = np.hypot(*spacing)
    assert measured.longest.length == pytest.approx(60, abs=pixel)
    assert measured.perpendicular.length == pytest.approx(30, abs=pixel)


@pytest.mark.parametrize("degrees", [5, 30, 60])
def test_rotated_rectangle_within_the_size_of_a_pixel(degrees):
    grid = np.mgrid[-40:41, -40:41]
    turn = np.radians(degrees)
    u = grid[1] * np.cos(turn) + grid[0] * np.sin(turn)
    v = -grid[1] * np.sin(turn) + grid[0] * np.cos(turn)
    mask = (abs(u) <= 25) & (abs(v) <= 10)
    assert longest_diameter(mask).number == pytest.approx(np.hypot(50, 20), abs=np.sqrt(2))


def test_l_shape_chord_stays_inside():
    """Arms of 20 by 4 along two sides of a square: the longest joins the far corners of the
    square; at right angles to it, the longest way inside an arm is 4 wide at 45 degrees.
    """
    mask = np.zeros((30, 30), dtype=bool)
    mask[5:25, 5:9] = True
    mask[21:25, 5:25] = True
    measured = diameters(mask)
    assert measured.longest.length == pytest.approx(np.hypot(20, 20))
    assert measured.perpendicular.length == pytest.approx(4 * np.sqrt(2), abs=1e-6)


def test_ring_is_measured_across_its_hole():
    y, x = np.mgrid[-30:31, -30:31]
    disc = y**2 + x**2 <= 25**2
    ring = disc & (y**2 + x**2 > 15**2)
    assert diameters(ring) == diameters(disc)


def test_touching_at_a_corner_is_one_part():
    mask = np.zeros((12, 12), dtype=bool)
    mask[1:5, 1:5] = mask[5:9, 5:9] = True
    assert len(find_parts(mask)) == 1
    assert longest_diameter(mask).number == pytest.approx(np.hypot(8, 8))
    assert perpendicular_diameter(mask).number == pytest.approx(np.hypot(4, 4))


@given(SMALL_MASKS)
def test_longest_equals_brute_force_over_all_pixel_corners(mask):
    pixels = np.argwhere(mask)
    points = np.concatenate([pixels + np.array([i, j]) for i in (0, 1) for j in (0, 1)])
    gaps = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    assert diameters(mask).longest.length == pytest.approx(gaps.max())


@given(SMALL_MASKS)
def test_perpendicular_is_perpendicular_inside_and_not_longer(mask):
    spacing = (0.6, 1.3)
    longest, across = (f(mask, spacing) for f in (longest_diameter, perpendicular_diameter))
    assert across.number <= longest.number * (1 + 1e-9)
    for value in (longest, across):
        assert distance_mm(value, spacing) == pytest.approx(value.number)
    along = np.subtract(*ends(longest)) * spacing
    side = np.subtract(*ends(across)) * spacing
    assert along @ side == pytest.approx(0, abs=1e-6)
    steps = np.linspace(0.001, 0.999, 97)[:, None]
    places = ends(across)[0] + steps * np.subtract(ends(across)[1], ends(across)[0])
    inside = np.floor(places).astype(int)
    assert without_holes(mask)[inside[:, 0], inside[:, 1]].all()


@given(SMALL_MASKS)
def test_no_chord_of_a_dense_search_is_longer(mask):
    """Many parallel lines, drawn densely, never find a longer way through the part."""
    measured = diameters(mask)
    filled = np.pad(without_holes(mask), 1)
    start, end = (np.array(p) + 1 for p in (measured.longest.start, measured.longest.end))
    axis = (end - start) / measured.longest.length
    side = np.array([-axis[1], axis[0]])
    step, reach = 0.05, measured.longest.length
    for t in np.arange(0.0131, reach, 0.217):
        places = start + t * axis + np.arange(-reach, reach, step)[:, None] * side
        cells = np.floor(places).astype(int)
        valid = ((cells >= 0) & (cells < filled.shape)).all(axis=1)
        inside = np.zeros(len(cells), dtype=bool)
        inside[valid] = filled[cells[valid, 0], cells[valid, 1]]
        runs = np.diff(np.flatnonzero(np.diff(np.pad(inside.astype(int), 1))))[::2]
        longest = (runs.max() - 1) * step if len(runs) else 0
        assert longest <= measured.perpendicular.length + 1e-6


@given(SMALL_MASKS, st.integers(1, 3), st.booleans())
def test_turning_the_image_changes_nothing(mask, quarters, mirror):
    here = diameters(mask, (0.5, 0.8))
    turned = np.rot90(mask[::-1] if mirror else mask, quarters)
    there = diameters(turned, (0.5, 0.8) if quarters == 2 else (0.8, 0.5))
    assert here.longest.length == pytest.approx(there.longest.length)
    assert here.perpendicular.length == pytest.approx(there.perpendicular.length, rel=1e-6)


@given(SMALL_MASKS, st.floats(0.01, 50))
def test_scaling_the_spacing_scales_lengths(mask, k):
    here, there = diameters(mask, (0.7, 1.1)), diameters(mask, (0.7 * k, 1.1 * k))
    for first, second in zip(here, there, strict=True):
        assert second.length == pytest.approx(k * first.length, rel=1e-6)


@settings(max_examples=25)
@given(SMALL_MASKS)
def test_agrees_with_scikit_image_up_to_its_outline(mask):
    """scikit-image takes the outline through half-pixel points, so it is up to one pixel less."""
    part = find_parts(mask, keep_all=True).part(1)
    yardstick = regionprops(part.astype(np.uint8))[0].feret_diameter_max
    ours = longest_diameter(part).number
    assert yardstick - 1e-9 <= ours <= yardstick + np.sqrt(2)


def test_unknown_spacing_gives_pixels():
    assert longest_diameter(rectangle(3, 4)).unit == "px"
    assert longest_diameter(rectangle(3, 4), (0.5, 0.5)).unit == "mm"


def test_ends_lie_where_the_part_lies_in_the_image():
    value = longest_diameter(rectangle(10, 1))
    assert sorted(ends(value))[0][0] == 3
    assert sorted(ends(value))[1][0] == 13


def test_empty_mask_says_so():
    with pytest.raises(ToolError, match="empty"):
        diameters(np.zeros((5, 5), dtype=bool))


def test_ragged_mask_of_2048_is_quick():
    """Well under 0.3 s on a free machine; the limit leaves room for a busy one."""
    y, x = np.mgrid[:2048, :2048]
    noise = np.random.default_rng(0).random((2048, 2048)) < 0.6
    mask = ((y - 1000) ** 2 + (x - 1000) ** 2 < 1000**2) & noise
    begin = time.perf_counter()
    diameters(mask)
    assert time.perf_counter() - begin < 2
