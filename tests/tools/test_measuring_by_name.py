"""Measuring by name: parts and totals, refusals. Ranges: test_measuring_ranges.py."""

import numpy as np
import pytest

from parser_model.errors import ToolError
from tools.measuring import (
    INTENSITIES,
    SHAPES,
    measure,
    measure_mask,
)


def two_parts():
    mask = np.zeros((60, 60), dtype=bool)
    mask[5:25, 5:25] = mask[40:50, 30:50] = mask[58:59, 1:2] = True
    return mask


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
