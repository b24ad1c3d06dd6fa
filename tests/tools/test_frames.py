"""Volumes in any order of axes are shown the right way round, and masks return to their voxels."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tests.tools.reading_volumes import (
    LPS_TO_RAS,
    ORDERS,
    PATIENT,
    place_of,
    shown,
    turned,
    write_nifti,
)
from tools.frames import FileFrame, radiological
from tools.reading import open_scan
from tools.writing import write_mask_nifti

# Steps along the patient's axes. The thick one counts the slices; without one, head-foot does.
PLANES = {
    "axial": (0.75, 0.875, 3.0),
    "coronal": (0.75, 2.5, 0.875),
    "sagittal": (4.0, 0.875, 0.75),
    "isotropic": (1.0, 1.125, 0.9375),
}


def plane_shown(name):
    return shown("axial" if name == "isotropic" else name)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(("order", "flips"), ORDERS)
def test_all_48_orders_through_files(tmp_path, plane, order, flips):
    steps = PLANES[plane]
    stored, affine = turned(order, flips, steps)
    scan = open_scan(write_nifti(tmp_path / "scan.nii", stored, affine))
    assert np.array_equal(scan.pixels, plane_shown(plane))
    assert scan.geometry.affine is not None
    for row, column, slice_ in ((0, 0, 0), (2, 3, 1), tuple(side - 1 for side in scan.shape)):
        found = scan.geometry.affine @ (column, row, slice_, 1)
        value = int(scan.pixels[row, column, slice_])
        np.testing.assert_allclose(found[:3], place_of(value, steps), atol=1e-4)
    assert scan.geometry.patient_left_is_viewer_right is (None if plane == "sagittal" else True)

    # What is drawn on the picture lands on exactly those voxels of the file.
    drawn = np.random.default_rng(5).random(scan.shape) < 0.3
    write_mask_nifti(tmp_path / "mask.nii.gz", drawn, scan)
    written: Any = nibabel.load(tmp_path / "mask.nii.gz")
    assert np.array_equal(np.asarray(written.dataobj), np.isin(stored, scan.pixels[drawn]))
    assert np.array_equal(written.affine, LPS_TO_RAS @ affine)


@given(
    order=st.sampled_from(ORDERS),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    steps=st.tuples(*[st.floats(0.1, 10)] * 3),
)
def test_there_and_back_is_the_same(order, shape, steps):
    axes, flips = order
    affine = np.zeros((4, 4))
    for axis, along in enumerate(axes):
        affine[along, axis] = -steps[along] if flips[axis] else steps[along]
    affine[3, 3] = 1
    frame = radiological(shape, affine)
    array = np.arange(np.prod(shape)).reshape(shape)
    there = frame.to_display(array)
    assert there.shape == frame.display_shape
    assert np.array_equal(frame.to_file(there), array)
    assert np.array_equal(frame.to_display(frame.to_file(there > 7)), there > 7)


@given(angles=st.tuples(*[st.floats(-40, 40)] * 3), order=st.sampled_from(ORDERS))
def test_oblique_volumes_keep_their_exact_affine(angles, order):
    stored, straight = turned(order[0], order[1], (1.0, 1.1, 5.0))
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", np.array(angles) / 3, degrees=True).as_matrix()
    affine = affine @ straight
    depth, height, width = stored.shape
    frame = radiological((depth, height, width), affine)
    assert np.array_equal(frame.to_display(stored), shown("axial"))
    display = frame.display_affine(affine)
    marked = np.argwhere(frame.to_display(stored) == PATIENT[1, 4, 6])[0]
    in_file = np.argwhere(stored == PATIENT[1, 4, 6])[0]
    row, column, slice_ = marked
    np.testing.assert_allclose(display @ (column, row, slice_, 1), affine @ (*in_file, 1))


def test_one_slice_is_a_picture_in_its_own_plane():
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    frame = radiological((1, 6, 8), affine)  # thin, but there is only one sagittal slice
    array = np.arange(48).reshape(1, 6, 8)
    assert np.array_equal(frame.to_display(array), array[0].T[::-1])
    assert np.array_equal(frame.to_file(frame.to_display(array)), array)


def test_frames_are_valid():
    good: dict[str, Any] = {"shape": (2, 3, 4), "axes": (0, 1, 2), "flips": (False,) * 3}
    FileFrame(**good)
    for wrong in (
        {"shape": (2, 3)},
        {"shape": (0, 3, 4)},
        {"axes": (0, 1, 1)},
        {"flips": (True,)},
        {"affine": np.eye(3)},
        {"affine": np.full((4, 4), np.nan)},
    ):
        with pytest.raises(ValueError, match=r"axes|axis|affine"):
            FileFrame(**(good | wrong))
    with pytest.raises(ValueError, match="shape"):
        FileFrame(**good).to_display(np.zeros((4, 3, 2)))
    with pytest.raises(ValueError, match="shape"):
        FileFrame(**good).to_file(np.zeros((4, 3, 2)))
