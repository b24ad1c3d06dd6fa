"""DICOM series in folders and archives: order, places, what is odd, what is left out."""

from __future__ import annotations

import itertools
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from parser_model import FileError, RequestError
from tests.tools.reading_files import SECRETS, write_dicom
from tools.reading import Limits, list_series, open_scan
from tools.reading.stacks import arrange

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


@pytest.fixture
def folder(tmp_path):
    """Write slices in a shuffled order of names; their pixels hold their number."""

    def write(positions, *, name="study", uid="1", cosines=AXIAL, shape=(4, 6), **tags):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        numbers = itertools.count(len(list(place.iterdir())))
        for index, position in enumerate(positions):
            described = {
                "Modality": "CT",
                "SeriesInstanceUID": generate_uid(entropy_srcs=[uid]),
                "ImageOrientationPatient": list(cosines),
                "ImagePositionPatient": None if position is None else list(position),
                "PixelSpacing": [0.5, 0.75],
                "SliceThickness": 9,
                "RescaleSlope": 1,
                "RescaleIntercept": -1000,
                "InstanceNumber": 100 - index,
            } | tags
            pixels = np.full(shape, index, np.uint16)
            write_dicom(place / f"{(7 * next(numbers)) % 101:03}", pixels, **described)
        return place

    return write


def up(*heights):
    return [(1.0, 2.0, float(z)) for z in heights]


def order(scan):
    return [int(value) + 1000 for value in scan.pixels[0, 0]]


# ------------------------------------------------------------------ order and place


def test_slices_are_sorted_by_place(folder):
    scan = open_scan(folder(up(10, 5, 0, 15)))
    assert scan.shape == (4, 6, 4)
    assert order(scan) == [2, 1, 0, 3]
    assert scan.geometry.spacing_mm == (0.5, 0.75, 5.0)
    assert (scan.modality, scan.value_unit) == ("CT", "HU")
    assert scan.notes == ()
    assert scan.geometry.affine is not None
    np.testing.assert_allclose(scan.geometry.affine @ (1, 1, 3, 1), (1.75, 2.5, 15, 1))


@pytest.mark.parametrize(("cosines", "axis"), [(SAGITTAL, 0), (CORONAL, 1), (AXIAL, 2)])
@pytest.mark.parametrize("flipped", [False, True])
def test_slices_run_to_the_left_back_and_head(folder, cosines, axis, flipped):
    if flipped:
        cosines = tuple(-one for one in cosines[:3]) + cosines[3:]
    positions = [[0.0, 0.0, 0.0] for _ in range(3)]
    for position, place in zip(positions, (4, 0, 2), strict=True):
        position[axis] = float(place)
    scan = open_scan(folder(positions, cosines=cosines))
    assert order(scan) == [1, 2, 0]
    assert scan.geometry.affine is not None
    step = np.zeros(3)
    step[axis] = 2
    np.testing.assert_allclose(scan.geometry.affine[:3, 2], step, atol=1e-12)


@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    distance=st.floats(0.1, 20),
    count=st.integers(2, 9),
    seed=st.integers(0, 99),
)
def test_any_orientation_is_put_in_order(angles, distance, count, seed):
    x, y, z = angles
    turn = (
        np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
        @ np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        @ np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    )
    shuffled = np.random.default_rng(seed).permutation(count)
    positions = [tuple(turn[:, 2] * distance * place + 7) for place in shuffled]
    stack = arrange(positions, (*turn[:, 0], *turn[:, 1]), [(float(i),) for i in range(count)])
    assert stack.spacing == pytest.approx(distance)
    assert stack.notes == ()
    places = shuffled[list(stack.order)]
    assert places.tolist() in (list(range(count)), list(range(count))[::-1])
    assert stack.step is not None
    assert stack.step[np.abs(stack.step).argmax()] > 0
    assert stack.origin == pytest.approx(positions[stack.order[0]])


def test_a_single_slice_has_no_distance(folder):
    scan = open_scan(folder(up(3)))
    assert (scan.shape, scan.geometry.spacing_mm) == ((4, 6), (0.5, 0.75))


def test_gantry_tilt_keeps_the_true_direction_and_the_distance_of_planes(folder):
    tilt = np.radians(20)
    cosines = (1, 0, 0, 0, np.cos(tilt), np.sin(tilt))
    scan = open_scan(folder(up(0, 5, 10), cosines=cosines))
    assert scan.geometry.spacing_mm == pytest.approx((0.5, 0.75, 5 * np.cos(tilt)))
    assert scan.geometry.affine is not None
    np.testing.assert_allclose(scan.geometry.affine[:3, 2], (0, 0, 5), atol=1e-9)
    # The volume of a voxel is the determinant, whatever the shear.
    volume = abs(np.linalg.det(scan.geometry.affine[:3, :3]))
    assert volume == pytest.approx(0.5 * 0.75 * 5 * np.cos(tilt))
    assert any("20 degrees" in note for note in scan.notes)


def test_slices_without_places_follow_their_numbers(folder):
    scan = open_scan(folder([None] * 3, ImageOrientationPatient=None))
    assert order(scan) == [2, 1, 0]
    assert scan.geometry.spacing_mm == (0.5, 0.75)
    assert any("no volumes" in note for note in scan.notes)


def test_radiographs_without_places_are_no_stack(folder):
    place = folder([None] * 3, ImageOrientationPatient=None, Modality="DX")
    scan = open_scan(place)
    assert scan.shape == (4, 6)
    assert len(list_series(place)) == 3


# ------------------------------------------------------------------ what is odd


@pytest.mark.parametrize(
    ("heights", "kept", "spacing", "says"),
    [
        ((0, 5, 15, 20), [0, 1, 2, 3], 5.0, "1 slice is missing"),
        ((0, 5, 10, 25, 30, 35), [0, 1, 2, 3, 4, 5], 5.0, "2 slices are missing"),
        ((0, 5, 10.4, 15.4), [0, 1, 2, 3], 5.0, "varies from 5 to 5.4 mm"),
        ((0, 5, 10, 15, 200), [0, 1, 2, 3], 5.0, "1 slice lies far from the others"),
        ((-300, -295, 0, 5, 10), [2, 3, 4], 5.0, "2 slices lie far from the others"),
        ((0, 5, 5, 10), [0, 2, 3], 5.0, "1 slice lies where another one does"),
        ((0, 5, 10, 10, 5, 0), [5, 4, 3], 5.0, "is there 2 times"),
    ],
)
def test_what_is_odd_is_told(folder, heights, kept, spacing, says):
    scan = open_scan(folder(up(*heights)))
    assert order(scan) == kept  # of one place, the lowest InstanceNumber
    assert scan.geometry.spacing_mm == (0.5, 0.75, spacing)
    assert len(scan.notes) == 1
    assert says in scan.notes[0]


def test_rounded_places_are_even(folder):
    assert open_scan(folder(up(0, 3.33, 6.67, 10, 13.33))).notes == ()


def test_rescale_of_each_slice(folder):
    place = folder(up(0))
    folder(up(5), RescaleSlope=2, RescaleIntercept=-7)
    folder(up(10), RescaleSlope=0.5, RescaleIntercept=0.25)
    scan = open_scan(place)
    assert scan.pixels.dtype == np.float32
    assert scan.pixels[0, 0].tolist() == [-1000, -7, 0.25]


def test_a_damaged_slice_is_left_out(folder):
    place = folder(up(0, 5, 10, 15))
    name = sorted(place.iterdir())[1]
    name.write_bytes(name.read_bytes()[:-20])
    scan = open_scan(place)
    assert scan.shape == (4, 6, 3)
    assert any("1 slice is damaged and was left out" in note for note in scan.notes)
    assert any("1 slice is missing" in note for note in scan.notes)


def test_a_series_of_damaged_slices_is_refused(folder):
    place = folder(up(0, 5))
    for name in place.iterdir():
        name.write_bytes(name.read_bytes()[:-20])
    with pytest.raises(FileError, match="cut short"):
        open_scan(place)


# ------------------------------------------------------------------ which series


@pytest.fixture
def study(folder):
    """One series of 5 axial slices, 2 coronal of the same, 3 of another, and what is no image."""
    place = folder(up(*range(5)), uid="a")
    folder([(0, y, 0) for y in (0, 4)], uid="a", cosines=CORONAL)
    folder(up(0, 2, 4), uid="b", shape=(2, 2), Modality="MR", BodyPartExamined="BRAIN")
    folder(up(0), uid="c", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], shape=(400, 400))
    folder(up(0), uid="d", Modality="SR", name="study/nested")
    (place / "notes.txt").write_text(SECRETS[0])
    (place / ".hidden").write_text("x")
    return place


def test_the_largest_series_is_read_and_the_rest_told(study):
    scan = open_scan(study)
    assert scan.shape == (4, 6, 5)
    assert scan.notes == (
        "This folder holds 4 series; the largest one (5 slices) was read; others: 2 slices, "
        "3 slices and 1 slice.",
        "Left out: 1 DICOM file without an image and 1 other file.",
    )


def test_another_series_can_be_chosen(study):
    listed = list_series(study)
    assert [(one.number, one.slices, one.plane) for one in listed] == [
        (1, 5, "axial"),
        (2, 2, "coronal"),
        (3, 3, "axial"),
        (4, 1, "axial"),
    ]
    assert (listed[2].modality, listed[2].body_part) == ("MRI", "brain")
    scan = open_scan(study, series=3)
    assert (scan.shape, scan.modality) == ((2, 2, 3), "MRI")
    assert "series 3 (3 slices) was read" in scan.notes[0]
    for wrong in (0, 5):
        with pytest.raises(RequestError, match="no series"):
            open_scan(study, series=wrong)


def test_series_of_a_single_file(folder):
    (path,) = folder(up(0)).iterdir()
    assert open_scan(path, series=1).shape == (4, 6)
    with pytest.raises(RequestError, match="single file"):
        open_scan(path, series=2)
    with pytest.raises(FileError, match="single file"):
        list_series(path)


def test_a_series_that_is_too_large_is_refused(folder):
    with pytest.raises(FileError, match="the limit is 24 pixels"):
        open_scan(folder(up(0, 1)), limits=Limits(pixels=8))


def test_nothing_of_the_patient_is_told(study):
    scan = open_scan(study)
    kept = repr([value for name, value in vars(scan).items() if name != "pixels"])
    assert not any(secret in kept + repr(list_series(study)) for secret in SECRETS)


# ------------------------------------------------------------------ other folders


def test_a_folder_with_one_picture_is_that_picture(tmp_path, folder):
    from PIL import Image

    Image.new("L", (8, 8), 3).save(tmp_path / "one.png")
    (tmp_path / "notes.txt").write_text("x")
    scan = open_scan(tmp_path)
    assert (scan.shape, scan.notes) == ((8, 8), ("Left out: 1 other file.",))
    Image.new("L", (8, 8), 4).save(tmp_path / "two.png")
    with pytest.raises(FileError, match="holds 2 images and no DICOM series"):
        open_scan(tmp_path)


def test_the_folder_of_a_dicomdir(folder, tmp_path):
    from pydicom.data import get_testdata_file

    place = folder(up(0, 5))
    directory = get_testdata_file("dicomdirtests/DICOMDIR", download=False)
    if directory is None:
        pytest.skip("this pydicom brings no DICOMDIR")
    shutil.copy(directory, place / "DICOMDIR")
    assert open_scan(place).notes == ()


# ------------------------------------------------------------------ archives


@pytest.fixture
def packed(tmp_path):
    def pack(place, names=None):
        target = tmp_path / "study.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            files = sorted(path for path in place.rglob("*") if path.is_file())
            for index, path in enumerate(files):
                archive.write(path, names(index) if names else path.relative_to(place))
        return target

    return pack


def test_an_archive_is_read_as_its_folder(study, packed):
    scan, same = open_scan(packed(study)), open_scan(study)
    assert np.array_equal(scan.pixels, same.pixels)
    assert scan.geometry == same.geometry
    assert scan.notes[0].startswith("This zip archive holds 4 series; the largest one (5 slices)")
    assert open_scan(packed(study), series=2).shape == (4, 6, 2)
    assert list_series(packed(study)) == list_series(study)


@pytest.mark.parametrize("prefix", ["../../", "/etc/", "C:\\", "./a/../b/"])
def test_names_in_an_archive_lead_nowhere(folder, packed, prefix, tmp_path):
    path = packed(folder(up(0, 5)), lambda index: f"{prefix}{index}")
    before = sorted(tmp_path.rglob("*"))
    assert open_scan(path).shape == (4, 6, 2)
    assert sorted(tmp_path.rglob("*")) == before


def test_archives_that_are_refused(tmp_path, folder, packed):
    path = tmp_path / "x.zip"

    def refused(says, limits=None):
        with pytest.raises(FileError, match=says) as caught:
            open_scan(path, limits=limits)
        assert str(caught.value).endswith(".")

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(300_000_000))
    refused("times its size")
    refused("GiB together", Limits(file_bytes=1_000_000))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(packed(folder(up(0))), "inner.zip")
    refused("holds another archive")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
    refused("office document")
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_001):
            archive.writestr(str(number), b"")
    refused("more than 20,000 files")
    path.write_bytes(packed(folder(up(0))).read_bytes()[:-30])
    refused("damaged or cut short")


def test_an_encrypted_archive_is_refused(folder, packed):
    path = packed(folder(up(0)))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(mark)
        while start >= 0:
            data[start + offset] |= 1
            start = data.find(mark, start + 1)
    path.write_bytes(data)
    with pytest.raises(FileError, match="encrypted"):
        open_scan(path)
