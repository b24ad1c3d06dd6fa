"""Geometry is valid or not there, and says where it is known from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from parser_model import RequestError
from tools.geometry import DETECTOR_PLANE, Geometry, patient_affine

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)


def test_nothing_is_known_by_default():
    unknown = Geometry()
    assert (unknown.spacing_mm, unknown.spacing_source) == (None, "none")
    assert unknown.patient_left_is_viewer_right is None


@pytest.mark.parametrize(
    ("spacing", "source"),
    [
        (None, "user"),
        ((1.0, 1.0), "none"),
        ((1.0, 0.0), "user"),
        ((1.0, -1.0), "user"),
        ((math.nan, 1.0), "user"),
        ((math.inf, 1.0), "user"),
        ((1.0,), "user"),
        ((1.0,) * 4, "user"),
        ((1.0, 1.0), "dpi"),
    ],
)
def test_an_impossible_spacing_is_refused(spacing, source):
    with pytest.raises(ValueError, match="spacing"):
        Geometry(spacing, source)


def test_detector_spacing_carries_its_caveat():
    assert Geometry((0.1, 0.1), "dicom-imager-pixel-spacing").caveat == DETECTOR_PLANE
    assert Geometry((0.1, 0.1), "dicom-pixel-spacing").caveat == ""


def test_affine_maps_column_row_slice_to_the_patient():
    affine = patient_affine(AXIAL, (-100, -50, 7), (2.0, 3.0, 5.0))
    # Column 10 is 30 mm to the patient's left, row 20 is 40 mm to the back, slice 1 is 5 mm up.
    np.testing.assert_allclose(affine @ (10, 20, 1, 1), (-70, -10, 12, 1))


def test_slices_against_the_normal_keep_their_sign():
    affine = patient_affine(AXIAL, (0, 0, 0), (1.0, 1.0, -5.0))
    geometry = Geometry((1.0, 1.0, 5.0), "dicom-pixel-spacing", affine)
    assert geometry.affine is not None
    np.testing.assert_allclose(geometry.affine[:3, 2], (0, 0, -5))


@pytest.mark.parametrize("cosines", [(1, 0, 0, 1, 0, 0), (2, 0, 0, 0, 1, 0), (0,) * 6])
def test_an_impossible_orientation_is_refused(cosines):
    with pytest.raises(ValueError, match="perpendicular"):
        patient_affine(cosines, (0, 0, 0), (1, 1))


def test_affine_must_agree_with_spacing_and_be_invertible():
    with pytest.raises(ValueError, match="contradicts"):
        Geometry((1.0, 2.0), "user", patient_affine(AXIAL, (0, 0, 0), (2.0, 1.0)))
    with pytest.raises(ValueError, match="singular"):
        Geometry((1.0, 1.0), "user", np.zeros((4, 4)))
    with pytest.raises(ValueError, match="4 x 4"):
        Geometry((1.0, 1.0), "user", np.eye(3))


@pytest.mark.parametrize(
    ("cosines", "expected"),
    [
        (AXIAL, True),
        (CORONAL, True),
        ((-1, 0, 0, 0, 1, 0), False),
        (SAGITTAL, None),
        ((0.9, 0.436, 0, -0.436, 0.9, 0), True),
    ],
)
def test_left_and_right_from_the_affine(cosines, expected):
    geometry = Geometry((1.0, 1.0), "user", patient_affine(cosines, (0, 0, 0), (1, 1)))
    assert geometry.patient_left_is_viewer_right is expected


@pytest.mark.parametrize(
    ("letters", "expected"),
    [("L", True), ("R", False), ("LP", True), ("A", None), ("PL", None), ("F", None), (None, None)],
)
def test_left_and_right_from_letters(letters, expected):
    assert Geometry(column_direction=letters).patient_left_is_viewer_right is expected


def test_unknown_letters_are_refused():
    with pytest.raises(ValueError, match="letters"):
        Geometry(column_direction="LE")


def test_the_users_scale_replaces_pixels_and_keeps_slices_and_orientation():
    affine = patient_affine(CORONAL, (1, 2, 3), (0.5, 0.7, 4.0))
    before = Geometry((0.5, 0.7, 4.0), "nifti-affine", affine, caveat="old")
    after = before.with_user_scale(2.0)
    assert (after.spacing_mm, after.spacing_source, after.caveat) == ((2.0, 2.0, 4.0), "user", "")
    assert after.affine is not None
    np.testing.assert_allclose(np.linalg.norm(after.affine[:3, :3], axis=0), (2, 2, 4))
    np.testing.assert_allclose(after.affine[:3, 3], (1, 2, 3))
    assert before.spacing_mm == (0.5, 0.7, 4.0)


def test_the_users_pixels_need_not_be_square():
    affine = patient_affine(CORONAL, (1, 2, 3), (0.5, 0.7, 4.0))
    after = Geometry((0.5, 0.7, 4.0), "nifti-affine", affine).with_user_scale(2.0, 3.0)
    assert after.spacing_mm == (3.0, 2.0, 4.0)  # rows lie as far apart as a pixel is high
    assert after.affine is not None
    np.testing.assert_allclose(np.linalg.norm(after.affine[:3, :3], axis=0), (2, 3, 4))
    with pytest.raises(RequestError):
        Geometry().with_user_scale(1.0, 0.0)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf, 1e9, 1e-9])
def test_a_scale_that_cannot_be_is_a_request_error(scale):
    with pytest.raises(RequestError):
        Geometry().with_user_scale(scale)


def test_equal_content_is_equal():
    def make(z):
        return Geometry((1.0, 1.0), "user", patient_affine(AXIAL, (0, 0, z), (1, 1)))

    assert make(0) == make(0)
    assert hash(make(0)) == hash(make(0))
    assert make(0) != make(1)
    assert make(0) != "geometry"
