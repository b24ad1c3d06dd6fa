"""Thickness of strips and rings whose width is known, and the average size of several objects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser_model.errors import ToolError
from tools.measuring import mean_area, mean_area_of_parts, measure_mask, thickness

ROWS, COLUMNS = np.mgrid[:301, :301] - 150.0


def strip(width, degrees=0.0, half_length=math.inf, spacing=(1.0, 1.0)):
    """A straight band about the middle of the image; a pixel belongs if its centre does."""
    angle = math.radians(degrees)
    y, x = ROWS * spacing[0], COLUMNS * spacing[1]
    across, along = y * math.cos(angle) + x * math.sin(angle), x * math.cos(angle)
    along = along - y * math.sin(angle)
    return (np.abs(across) < width / 2) & (np.abs(along) < half_length)


@given(st.integers(1, 60), st.integers(1, 150), st.booleans())
def test_a_layer_through_the_whole_image_is_as_thick_as_its_rows(rows, top, turned):
    """No end is in view, so the outline is twice the width of the image: exact."""
    mask = np.zeros((220, 90), bool)
    mask[top : top + rows] = True
    if turned:
        mask = mask.T
    assert thickness(mask).number == pytest.approx(rows)
    spacing = (0.5, 2.0)
    found = thickness(mask, spacing)
    assert found.number == pytest.approx(rows * spacing[turned])
    assert found.unit == "mm"


@pytest.mark.parametrize("degrees", [5, 10, 22.5, 30, 60, 85])
@pytest.mark.parametrize("width", [10, 24])
def test_an_oblique_layer_is_measured_at_right_angles_to_its_course(width, degrees):
    """Along its columns it is thicker by 1 / cos."""
    assert thickness(strip(width, degrees)).number == pytest.approx(width, rel=0.01)
    spacing = (0.7, 1.0)
    oblong = strip(width, degrees, spacing=spacing)
    assert thickness(oblong, spacing).number == pytest.approx(width, rel=0.01)


def test_a_thin_oblique_layer_is_within_four_per_cent():
    for degrees in (5, 10, 22.5, 30):
        assert thickness(strip(4, degrees)).number == pytest.approx(4, rel=0.04)


def test_the_ends_of_a_strip_are_taken_off():
    """With both ends left in, 21 x 140 would be 18.3 thick."""
    for degrees in (0, 10, 30, 90):
        assert thickness(strip(21, degrees, 70)).number == pytest.approx(21, rel=0.03)
    one_end = strip(21)
    one_end[:, :100] = False
    assert thickness(one_end).number == pytest.approx(21, rel=0.03)


@pytest.mark.parametrize(("inner", "outer"), [(40, 60), (100, 110), (20, 100)])
def test_the_wall_of_a_ring(inner, outer):
    """Half the outline, pi (inner + outer), times the difference of the radii is the area."""
    away = np.hypot(ROWS, COLUMNS)
    ring = (away >= inner) & (away < outer)
    assert thickness(ring).number == pytest.approx(outer - inner, rel=0.01)
    stack = np.zeros((*ring.shape, 3), bool)
    stack[..., 1] = ring
    stack[..., 2] = ring & (ROWS < 0)
    found = thickness(stack, (0.8, 0.8, 5.0))
    assert found.number == pytest.approx(0.8 * (outer - inner), rel=0.01)
    assert "on slice 2" in found.convention


@given(st.integers(0, 89), st.floats(0.01, 100), st.booleans(), st.booleans())
def test_thickness_follows_the_size_of_a_pixel_and_not_the_way_up(degrees, k, flip, turn):
    mask, spacing = strip(12, degrees, 60), (0.7, 1.1)
    found = thickness(mask, spacing).number
    assert thickness(mask, (0.7 * k, 1.1 * k)).number == pytest.approx(k * found)
    other = mask[:, ::-1] if flip else mask
    other, spacing = (other.T, spacing[::-1]) if turn else (other, spacing)
    assert thickness(np.ascontiguousarray(other), spacing).number == pytest.approx(found)


def test_what_is_round_or_fills_the_image_has_no_thickness():
    for mask in (np.hypot(ROWS, COLUMNS) < 80, np.ones((30, 30), bool)):
        with pytest.raises(ToolError, match="neither a layer nor a wall"):
            thickness(mask)


def test_what_the_frame_cuts_lengthwise_has_no_thickness():
    """Only one of its sides is in view, which would double it."""
    mask = np.zeros((100, 100), bool)
    mask[:8] = True
    for turned in (mask, mask.T, mask[::-1]):
        with pytest.raises(ToolError, match="cuts it lengthwise"):
            thickness(np.ascontiguousarray(turned))


def test_the_average_size_of_several_objects():
    mask = np.zeros((60, 60), bool)
    mask[5:15, 5:15] = mask[30:50, 30:50] = True  # 100 and 400 pixels
    assert mean_area_of_parts(mask).number == 250
    found = mean_area_of_parts(mask, (0.5, 2.0))
    assert (found.name, found.number, found.unit) == ("mean_area", 250, "mm2")
    with pytest.raises(ToolError, match="mean area needs a picture"):
        mean_area_of_parts(np.ones((4, 4, 2), bool))


def test_objects_that_touch_are_averaged_one_by_one():
    mask = np.zeros((80, 120), bool)
    for column in (40, 76):
        mask |= np.hypot(*np.ogrid[-40:40, -column : 120 - column]) < 20
    (together,), (apart,) = (
        measure_mask(mask, ["mean_area"], split_touching=split) for split in (False, True)
    )
    assert together.number == mask.sum()
    assert apart.number == mean_area(mask).number == mask.sum() / 2
