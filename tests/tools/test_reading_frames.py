"""DICOM files of several frames: slices of the body, moments, colour films."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tools.reading_files import item, sequence, write_dicom
from tools.reading import open_scan

AXIAL = [1, 0, 0, 0, 1, 0]
GREY = np.array([[0, 1, 2], [1000, 2000, 4095]], np.uint16)


@pytest.fixture
def opened(tmp_path):
    """Write a DICOM file with these pixels and tags, and open it."""

    def write_and_open(pixels=GREY, **tags):
        return open_scan(write_dicom(tmp_path / "image", pixels, **tags))

    return write_and_open


def enhanced(heights, **measures):
    frames = [
        item(
            PlanePositionSequence=sequence(item(ImagePositionPatient=[0, 0, z])),
            PixelValueTransformationSequence=sequence(item(RescaleSlope=1, RescaleIntercept=n)),
        )
        for n, z in enumerate(heights)
    ]
    shared = item(
        PixelMeasuresSequence=sequence(item(PixelSpacing=[2, 3])),
        PlaneOrientationSequence=sequence(item(ImageOrientationPatient=AXIAL)),
    )
    return {
        "PerFrameFunctionalGroupsSequence": sequence(*frames),
        "SharedFunctionalGroupsSequence": sequence(shared),
    }


STACK = np.stack([GREY, GREY + 1, GREY + 2])


def test_frames_become_slices_with_their_distance(opened):
    scan = opened(STACK, Modality="MR", **enhanced([0, 5, 10]))
    assert scan.shape == (2, 3, 3)
    assert scan.geometry.spacing_mm == (2.0, 3.0, 5.0)
    assert scan.is_volume
    assert np.array_equal(scan.values(2), (GREY + 2 + 2).astype(np.float32))  # own rescale
    down = opened(STACK, Modality="MR", **enhanced([10, 5, 0])).geometry
    assert down.spacing_mm == (2.0, 3.0, 5.0)
    assert down.affine is not None
    np.testing.assert_allclose(down.affine @ (0, 0, 2, 1), (0, 0, 10, 1), atol=1e-9)


def test_frames_are_sorted_towards_the_head(opened):
    scan = opened(STACK, Modality="MR", **enhanced([10, 0, 5]))
    expected = [(GREY + 1 + 1), (GREY + 2 + 2), GREY]  # with the rescale of their own
    for index, plane in enumerate(expected):
        assert np.array_equal(scan.values(index), plane.astype(np.float32))


def test_uneven_frames_are_told(opened):
    scan = opened(STACK, Modality="MR", **enhanced([0, 5, 11]))
    assert scan.geometry.spacing_mm == (2.0, 3.0, 5.5)
    assert any("varies from 5 to 6 mm" in note for note in scan.notes)


def test_of_two_moments_the_first_is_read(opened):
    tags = enhanced([0, 5, 0])
    for frame, moment in zip(tags["PerFrameFunctionalGroupsSequence"], (2, 1, 1), strict=True):
        frame.FrameContentSequence = sequence(item(TemporalPositionIndex=moment))
    scan = opened(STACK, Modality="MR", **tags)
    assert scan.geometry.spacing_mm == (2.0, 3.0, 5.0)
    assert np.array_equal(scan.values(0), (GREY + 2 + 2).astype(np.float32))
    assert any("where another one does" in note for note in scan.notes)


def test_moments_at_one_place_are_a_film(opened):
    scan = opened(STACK, Modality="MR", **enhanced([0, 0, 0]))
    assert (scan.shape, scan.geometry.spacing_mm) == ((2, 3, 3), (2.0, 3.0))
    assert any("film of 3 frames" in note for note in scan.notes)
    assert scan.stack_of == "frames"


def test_of_two_orientations_the_larger_stack_is_read(opened):
    tags = enhanced([0, 5, 10])
    turned = item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    tags["PerFrameFunctionalGroupsSequence"][1].PlaneOrientationSequence = sequence(turned)
    scan = opened(STACK, Modality="MR", **tags)
    assert (scan.shape, scan.geometry.spacing_mm) == ((2, 3, 2), (2.0, 3.0, 10.0))
    assert any("2 stacks" in note for note in scan.notes)


@pytest.mark.parametrize(
    "tags", [{"Modality": "US"}, {"FrameTime": 33, "FrameIncrementPointer": 0x00181063}]
)
def test_a_film_is_a_stack_without_distance(opened, tags):
    scan = opened(STACK, PixelSpacing=[1, 1], **tags)
    assert (scan.shape, scan.geometry.spacing_mm) == ((2, 3, 3), (1.0, 1.0))
    assert any("follow each other in time" in note for note in scan.notes)


@pytest.mark.parametrize(("distance", "lowest"), [(4.0, 30.0), (-4.0, 22.0)])
def test_a_nuclear_tomogram_is_a_volume(opened, distance, lowest):
    detector = item(ImageOrientationPatient=AXIAL, ImagePositionPatient=[0, 0, 30])
    scan = opened(
        STACK,
        Modality="NM",
        ImageType=["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"],
        PixelSpacing=[2, 3],
        SpacingBetweenSlices=distance,
        DetectorInformationSequence=sequence(detector),
    )
    assert scan.geometry.spacing_mm == (2.0, 3.0, 4.0)
    assert scan.geometry.affine is not None
    assert scan.geometry.affine[2, 3] == lowest
    assert np.array_equal(scan.pixels[:, :, 0], GREY if distance > 0 else GREY + 2)


def test_other_nuclear_frames_are_no_slices(opened):
    scan = opened(STACK, Modality="NM", PixelSpacing=[2, 3], SpacingBetweenSlices=4)
    assert scan.geometry.spacing_mm == (2.0, 3.0)
    assert any("no volumes" in note for note in scan.notes)


def test_colour_films(opened):
    film = np.random.default_rng(0).integers(0, 255, (3, 2, 4, 3), np.uint8)
    scan = opened(film, Modality="ES")
    assert scan.colour
    assert np.array_equal(scan.pixels, film[0])
    assert any("3 colour frames" in note for note in scan.notes)
    grey = opened(film, Modality="US")
    assert grey.shape == (2, 4, 3)
    np.testing.assert_allclose(grey.pixels, np.moveaxis(film @ [0.299, 0.587, 0.114], 0, 2), atol=1)
