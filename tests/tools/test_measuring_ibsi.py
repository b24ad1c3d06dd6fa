"""The digital phantom of the Image Biomarker Standardisation Initiative: an outside yardstick.

The phantom is data_sets/ibsi_1_digital_phantom of theibsi (CC BY 4.0), written out; the reference
values and tolerances are those of its reference manual (Zwanenburg et al., Radiology 295, 2020).
"""

import numpy as np
import pytest

from tools.measuring import measure, measure_mask

# Grey values of the four slices, row by row; a dot follows a voxel outside the mask.
SLICES = (
    "1 1 4 4  4 4 1 4  4 6 6 6  1 1 4 4  1 1 1 1",
    "1 1 1.4  4 1 1 4  4 6 3 6  1 1 1 1  1 1 1 1",
    "1 1 1 1  4 1 1 1  4 1 9.6  1.1 1 1  1.1 1 1",
    "1 1 1 1  4 1 1 1  4 1 1 6  1.1 1 1  1.1 1 1",
)
SPACING = (2.0, 2.0, 2.0)
SHAPE = {
    "volume": (592, 4, "mm3"),
    "volume_mesh": (556, 4, "mm3"),
    "surface_area": (388, 3, "mm2"),
    "sphericity": (0.843, 0.005, "1"),
    "max_3d_diameter": (13.1, 0.1, "mm"),
    "major_axis": (11.4, 0.1, "mm"),
    "minor_axis": (9.31, 0.06, "mm"),
    "least_axis": (8.54, 0.05, "mm"),
    "elongation": (0.816, 0.005, "1"),
    "flatness": (0.749, 0.005, "1"),
}
BRIGHTNESS = {
    "mean_intensity": 2.15,
    "sd_intensity": np.sqrt(3.05),
    "median_intensity": 1,
    "min_intensity": 1,
    "max_intensity": 6,
    "p10_intensity": 1,
    "p90_intensity": 4,
}


def phantom():
    values, inside = [], []
    for text in SLICES:
        voxels = [(int(v[0]), not v.endswith(".")) for v in text.replace(".", ". ").split()]
        values.append(np.array([v for v, _ in voxels]).reshape(5, 4))
        inside.append(np.array([i for _, i in voxels]).reshape(5, 4))
    return np.stack(values, axis=2), np.stack(inside, axis=2)


def test_the_phantom_is_the_published_one():
    values, mask = phantom()
    assert mask.shape == (5, 4, 4)
    assert np.count_nonzero(mask) == 74
    assert values[mask].sum() == 159  # 74 voxels of mean 2.149


@pytest.mark.parametrize("name", SHAPE)
def test_shape(name):
    expected, tolerance, unit = SHAPE[name]
    value = measure(name, phantom()[1], SPACING)[0]
    assert value.number == pytest.approx(expected, abs=tolerance)
    assert value.unit == unit
    assert "IBSI" in value.convention


@pytest.mark.parametrize("name", BRIGHTNESS)
def test_brightness(name):
    values, mask = phantom()
    measured = measure(name, mask, SPACING, values=values)[0]
    # Mean and variance are published with three figures, the others exactly.
    assert measured.number == pytest.approx(BRIGHTNESS[name], abs=0.005)
    assert "IBSI" in measured.convention


def test_by_name_all_at_once_the_phantom_is_one_part():
    values, mask = phantom()
    measured = measure_mask(mask, [*SHAPE, *BRIGHTNESS, "count"], SPACING, values=values)
    assert {v.name: v.number for v in measured}["count"] == 1
    assert measured[0].number == 592
