"""Measuring by name: parts and totals, ranges, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parser_model.errors import ToolError
from tools.measuring import (
    INTENSITIES,
    SHAPES,
    area,
    area_range,
    diameter_ranges,
    diameters,
    find_parts,
    measure,
    measure_mask,
)
from tools.measuring.ranges import tight_and_wide

MASKS = arrays(bool, st.tuples(st.integers(2, 12), st.integers(2, 12))).filter(np.any)


def two_parts():
    mask = np.zeros((60, 60), dtype=bool)
    mask[5:25, 5:25] = mask[40:50, 30:50] = mask[58:59, 1:2] = True
    return mask


def soft_disc(radius=15.0, softness=4.0, size=60):
    """Probability falling from 1 to 0 over about twice `softness` around a circle."""
    y, x = np.mgrid[:size, :size] - size / 2
    return np.clip(0.5 + (radius - np.hypot(x, y)) / (2 * softness), 0, 1).astype(np.float16)


def test_totals_are_of_the_whole_and_diameters_of_the_largest_part():
    values = measure_mask(two_parts(), ["area", "longest_diameter", "count"], (0.5, 0.5))
    assert [(v.name, v.part) for v in values] == [
        ("area", None), ("longest_diameter", 1), ("count", None),
    ]  # fmt: skip
    assert [v.number for v in values] == pytest.approx([150, 10 * np.sqrt(2), 2])


def test_one_part_alone():
    values = measure_mask(two_parts(), ["area", "longest_diameter", "count"], part=2)
    assert [v.part for v in values] == [2, 2, 2]
    assert [v.number for v in values] == pytest.approx([200, np.hypot(10, 20), 1])
    with pytest.raises(ToolError, match=r"no part 3; the mask has 2"):
        measure_mask(two_parts(), ["area"], part=3)


def test_every_name_of_the_registry_gives_values_of_that_name():
    image = np.random.default_rng(0).normal(size=(60, 60))
    values = measure_mask(two_parts(), [*SHAPES, *INTENSITIES], values=image, value_unit="HU")
    assert {v.name for v in values} == {*SHAPES, *INTENSITIES}
    assert all(v.convention for v in values)
    assert all(v.unit == "HU" for v in values if v.name in INTENSITIES)


def test_refusals_say_what_is_missing():
    with pytest.raises(ToolError, match="can't measure 'weight'; I can measure area"):
        measure("weight", two_parts())
    with pytest.raises(ToolError, match="mean intensity needs the pixel values"):
        measure("mean_intensity", two_parts())
    with pytest.raises(ToolError, match="empty"):
        measure_mask(np.zeros((5, 5), dtype=bool), ["longest_diameter"])
    assert measure("count", np.zeros((5, 5), dtype=bool))[0].number == 0


def test_sizes_get_a_range_from_the_probability():
    probability = soft_disc()
    names = ["area", "fraction_of_image", "longest_diameter", "perpendicular_diameter", "centroid"]
    values = measure_mask(probability >= 0.5, names, (0.5, 0.5), probability=probability)
    for value in values[:4]:
        assert value.low is not None
        assert value.high is not None
        assert value.low < value.number < value.high
    assert values[4].low is None
    lows = [value.low or 0 for value in values]
    assert lows[1] == pytest.approx(lows[0] / 0.25 / 3600 * 100)


def test_softer_edges_give_wider_ranges():
    widths = []
    for softness in (2.0, 8.0, 16.0):
        probability = soft_disc(softness=softness)
        low, high = area_range(probability, probability >= 0.5)
        widths.append(high - low)
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_sharp_edges_leave_the_pixel_limit():
    """Half a pixel along the outline, inside and outside: a ring one pixel wide around 40 × 40."""
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:50, 10:50] = True
    low, high = area_range(mask.astype(np.float32), mask, (0.5, 0.5))
    assert (high - low) / 0.25 == pytest.approx(160, rel=0.06)
    longest, _ = diameter_ranges(mask.astype(np.float32), mask)
    # On the diagonal, a pixel takes sqrt(2); less that, it is the distance between end pixels.
    assert longest == pytest.approx((39 * np.sqrt(2), 41 * np.sqrt(2)))


@pytest.mark.parametrize("radius", [5, 10.5, 20, 33.3])
def test_the_true_diameter_of_a_sharp_disc_lies_within(radius):
    y, x = np.mgrid[-40:41, -40:41]
    mask = np.hypot(x, y) <= radius
    for low, high in diameter_ranges(mask.astype(np.float32), mask):
        assert low - 1e-6 <= 2 * radius <= high
    low, high = area_range(mask.astype(np.float32), mask)
    assert low <= np.pi * radius**2 <= high


def test_a_neighbouring_part_is_not_counted_as_possible():
    probability = np.full((20, 41), 0.4)
    probability[5:15, 2:18] = probability[5:15, 23:39] = 0.9
    parts = find_parts(probability >= 0.5)
    _, wide = tight_and_wide(probability, parts.part(1))
    assert not (wide & parts.part(2)).any()


def test_nothing_sure_makes_low_zero():
    probability = np.where(two_parts(), 0.6, 0.1)
    assert area_range(probability, two_parts()).low == 0
    assert diameter_ranges(probability, find_parts(two_parts()).part(1))[0].low == 0


@given(MASKS, st.integers(0, 2**31))
def test_the_measured_size_always_lies_within(mask, seed):
    noise = np.random.default_rng(seed).random(mask.shape)
    probability = np.where(mask, 0.5 + noise / 2, noise / 2).astype(np.float16)
    part = find_parts(mask).part(1)
    spacing = (0.5, 0.8)
    low, high = area_range(probability, part, spacing)
    assert 0 <= low <= area(part, spacing).number <= high
    for segment, (low, high) in zip(
        diameters(part, spacing), diameter_ranges(probability, part, spacing), strict=True
    ):
        assert 0 <= low <= segment.length <= high


def test_a_probability_of_another_image_is_refused():
    with pytest.raises(ValueError, match="probability"):
        area_range(np.zeros((3, 3)), two_parts())
    with pytest.raises(ValueError, match="probability"):
        area_range(two_parts(), two_parts())
