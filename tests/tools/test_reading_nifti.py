"""NIfTI and Analyze: values, sizes, places, volumes over time; real files as nibabel reads them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import nibabel
import nibabel.testing
import numpy as np
import pytest

from parser_model import FileError, RequestError
from tests.tools.reading_volumes import turned, write_nifti
from tools.reading import open_scan

BUNDLED = Path(str(nibabel.testing.data_path))
STEPS = (0.75, 0.875, 3.0)
STRAIGHT = ((0, 1, 2), (False, False, False))
STORED, AFFINE = turned(*STRAIGHT, STEPS)
AXIAL = STORED.transpose(1, 0, 2)
CANARY = "Quillfeather"
UNKNOWN = "does not say how it lies"


@pytest.fixture
def opened(tmp_path):
    """Write a NIfTI file and open it."""

    def write_and_open(array=STORED, lps=AFFINE, frame=None, **fields):
        return open_scan(write_nifti(tmp_path / "scan.nii.gz", array, lps, **fields), frame=frame)

    return write_and_open


# ------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        ("uint8", "uint8"), ("int8", "int8"), ("uint16", "uint16"), ("int16", "int16"),
        ("uint32", "uint32"), ("int32", "int32"), ("float32", "float32"), ("float64", "float32"),
        ("int64", "int16"), ("uint64", "int16"), (">i2", "int16"), (">f8", "float32"),
    ],
)  # fmt: skip
def test_types_of_numbers(opened, stored, kept):
    values = (STORED % 100).astype(stored)
    scan = opened(values)
    assert scan.pixels.dtype == kept
    assert np.array_equal(scan.pixels, AXIAL % 100)


def test_long_numbers_that_do_not_fit_become_fractions(opened):
    scan = opened(STORED.astype(np.int64) * 2**40)
    assert scan.pixels.dtype == np.float32
    assert np.array_equal(scan.pixels, AXIAL.astype(np.float64) * 2**40)


def test_slope_and_intercept(opened):
    assert np.array_equal(opened(scl_slope=1, scl_inter=-1024).pixels, AXIAL - 1024)
    assert opened(scl_slope=1, scl_inter=-1024).pixels.dtype == np.int16
    scan = opened(scl_slope=0.25, scl_inter=3)
    assert np.array_equal(scan.pixels, AXIAL * 0.25 + 3)
    assert np.array_equal(opened(scl_slope=0, scl_inter=7).pixels, AXIAL)  # 0: not scaled


@pytest.mark.parametrize(("dtype", "says"), [("complex64", "complex"), ("complex128", "complex")])
def test_numbers_that_are_no_image(opened, dtype, says):
    with pytest.raises(FileError, match=says):
        opened(STORED.astype(dtype))


def test_what_is_no_number_becomes_the_lowest(opened):
    values = AXIAL.astype(np.float32)
    stored = STORED.astype(np.float32) - 50
    stored[0, 0, 0], stored[1, 0, 0], stored[2, 0, 0] = np.nan, -np.inf, np.inf
    scan = opened(stored)
    expected = values - 50
    low, high = stored[np.isfinite(stored)].min(), stored[np.isfinite(stored)].max()
    expected[0, :3, 0] = low, low, high
    assert np.array_equal(scan.pixels, expected)
    assert "1.0 % of the values are no finite numbers" in scan.notes[0]
    with pytest.raises(FileError, match="no finite number"):
        opened(np.full((4, 4, 4), np.nan, np.float32))
    assert "highest" in opened(np.where(STORED == 5, 1e300, STORED)).notes[0]


def test_colours(opened):
    rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    channels = np.random.default_rng(0).integers(0, 255, (6, 4, 1, 3), np.uint8)
    scan = opened(np.ascontiguousarray(channels).view(rgb)[..., 0])
    assert scan.colour
    assert np.array_equal(scan.pixels, channels[:, :, 0].transpose(1, 0, 2))
    with pytest.raises(FileError, match="volume in colour"):
        opened(np.zeros((4, 4, 4), rgb))


# ------------------------------------------------------------------ sizes and places


def test_the_affine_gives_sizes_and_place(opened):
    scan = opened()
    assert scan.geometry.spacing_mm == pytest.approx((STEPS[1], STEPS[0], STEPS[2]))
    assert scan.geometry.spacing_source == "nifti-affine"
    assert scan.geometry.column_direction == "L"
    assert scan.modality is None
    assert scan.notes == ()


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000.0), ("micron", 0.001)])
def test_units(tmp_path, unit, factor):
    image = nibabel.Nifti1Image(STORED, np.diag([-0.5, -0.5, 2.0, 1.0]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "scan.nii")
    geometry = open_scan(tmp_path / "scan.nii").geometry
    assert geometry.spacing_mm == pytest.approx((0.5 * factor, 0.5 * factor, 2 * factor))
    assert geometry.affine is not None
    assert geometry.affine[2, 2] == pytest.approx(2 * factor)


def test_a_unit_that_is_not_stated_is_told(opened):
    scan = opened(xyzt_units=0)
    assert scan.geometry.spacing_mm is not None
    assert "does not name its unit" in scan.geometry.caveat


def test_the_sform_counts_before_the_qform(tmp_path):
    image = nibabel.Nifti1Image(STORED, None)
    image.set_qform(np.diag([2.0, 2.0, 2.0, 1.0]), 1)
    image.set_sform(np.diag([-2.0, 2.0, 2.0, 1.0]), 4)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "both.nii")
    scan = open_scan(tmp_path / "both.nii")
    assert np.array_equal(scan.pixels, AXIAL[::-1])  # the sform says that columns run to the left
    image.header["sform_code"] = 0
    nibabel.save(nibabel.Nifti1Image(STORED, None, image.header), tmp_path / "q.nii")
    scan = open_scan(tmp_path / "q.nii")
    assert np.array_equal(scan.pixels, AXIAL[::-1, ::-1])


def test_two_sizes_are_told(opened):
    scan = opened(pixdim=[1, 0.75, 0.875, 4.0, 0, 0, 0, 0])
    assert scan.geometry.spacing_mm == pytest.approx((0.875, 0.75, 3.0))
    assert "two pixel sizes" in scan.geometry.caveat


@pytest.mark.parametrize("sizes", [(0.75, 0.875, 3.0), (1.0, 1.0, 1.0)])
def test_without_a_form_only_sizes_are_known(opened, sizes):
    fields = {"pixdim": [1, *sizes, 0, 0, 0, 0], "sform_code": 0, "qform_code": 0}
    scan = opened(lps=None, **fields)
    assert scan.geometry.affine is None
    assert scan.geometry.patient_left_is_viewer_right is None
    assert any(UNKNOWN in note for note in scan.notes)
    assert scan.geometry.spacing_mm == pytest.approx((sizes[1], sizes[0], sizes[2]))
    assert np.array_equal(scan.pixels, AXIAL[::-1])  # as Analyze has it: the front on top


def test_a_header_to_which_nothing_was_written_has_no_size(opened):
    fields = {"pixdim": [1] * 4 + [0] * 4, "sform_code": 0, "qform_code": 0, "xyzt_units": 0}
    scan = opened(lps=None, **fields)
    assert scan.geometry.spacing_mm is None
    assert any("no lengths" in note for note in scan.notes)


@pytest.mark.parametrize("number", [0.0, np.nan])
def test_an_affine_that_is_none_does_not_count(tmp_path, number):
    path = write_nifti(tmp_path / "scan.nii", STORED, AFFINE, qform_code=0)
    data = bytearray(path.read_bytes())
    data[280:296] = struct.pack("<4f", number, 0, 0, 0)  # srow_x
    path.write_bytes(data)
    scan = open_scan(path)
    assert scan.geometry.affine is None
    assert any(UNKNOWN in note for note in scan.notes)


def test_a_sheared_grid_is_told(opened):
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.2
    scan = opened(lps=sheared)
    assert "not at a right angle" in scan.geometry.caveat
    assert scan.geometry.affine is not None


def test_slices_that_lean_keep_the_distance_of_their_planes(opened):
    leaning = AFFINE.copy()
    leaning[1, 2] = 1.0
    assert opened(lps=leaning).geometry.spacing_mm == pytest.approx((0.875, 0.75, 3.0))


# ------------------------------------------------------------------ axes besides three


def test_volumes_over_time(opened):
    film = np.stack([STORED, STORED + 400, STORED + 800], axis=3)
    first = opened(film)
    assert np.array_equal(first.pixels, AXIAL)
    assert first.notes == ("This file holds 3 volumes over time; this is the first.",)
    third = opened(film, frame=3)
    assert np.array_equal(third.pixels, AXIAL + 800)
    assert "number 3" in third.notes[0]
    for wrong in (0, 4, -1):
        with pytest.raises(RequestError, match="volumes 1 to 3"):
            opened(film, frame=wrong)
    with pytest.raises(RequestError, match="one volume"):
        opened(frame=2)


def test_vectors_are_volumes_of_one_place(opened):
    field = np.stack([STORED, STORED + 400], axis=3)[:, :, :, np.newaxis]
    scan = opened(field, frame=2)
    assert np.array_equal(scan.pixels, AXIAL + 400)
    assert "2 volumes of one place" in scan.notes[0]


def test_pictures(opened):
    one = opened(STORED[:, :, :1])
    assert np.array_equal(one.pixels, AXIAL[:, :, 0])
    assert one.geometry.spacing_mm == pytest.approx((0.875, 0.75))
    flat = opened(STORED[:, :, 0])
    assert flat.shape == (7, 5)


def test_frames_of_what_has_none(tmp_path):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    assert open_scan(tmp_path / "a.png", frame=1).shape == (8, 8)
    with pytest.raises(RequestError, match="no volume 2"):
        open_scan(tmp_path / "a.png", frame=2)


# ------------------------------------------------------------------ real files

READ = ("anatomical.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii",
        "reoriented_anat_moved.nii", "resampled_anat_moved.nii", "standard.nii.gz")  # fmt: skip
REFUSED = {
    "row_major.dconn.nii": "CIFTI",
    "analyze.hdr": "not beside it",
    "nifti1.hdr": "not beside it",
    "nifti2.hdr": "not beside it",
    "test.mgz": "gzip archive",
    "small.mnc": "HDF5",
    "example4d+orig.HEAD": "text",
    "standard.trk": "not of a kind",
}


def as_nibabel(path):
    """The first volume in the order of `radiological`, by nibabel's own reorientation to LPS."""
    image: Any = nibabel.load(path)
    values = np.asanyarray(image.dataobj).reshape((*image.shape[:3], -1))[..., 0]
    first = nibabel.Nifti1Image(values.astype(np.float64), image.affine)
    axes = nibabel.orientations
    turn = axes.ornt_transform(axes.io_orientation(image.affine), axes.axcodes2ornt("LPS"))
    lps = first.as_reoriented(turn)
    return lps.get_fdata(), tuple(float(zoom) for zoom in lps.header.get_zooms())


def check(path):
    """Compare pixels and sizes with nibabel's."""
    scan = open_scan(path)
    lps, zooms = as_nibabel(path)
    thick = int(np.argmax(zooms)) if max(zooms) > 1.2 * sorted(zooms)[1] else 2
    turn = {0: (2, 1, 0), 1: (2, 0, 1), 2: (1, 0, 2)}[thick]
    expected = lps.transpose(turn)
    if thick != 2:
        expected = expected[::-1]
    known = np.isfinite(expected)
    np.testing.assert_allclose(scan.pixels[known], expected[known].astype(np.float32), rtol=1e-6)
    assert scan.geometry.spacing_mm == pytest.approx([zooms[axis] for axis in turn], rel=1e-4)


@pytest.mark.parametrize("name", READ)
def test_what_nibabel_brings(name):
    check(BUNDLED / name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_nibabel_brings_and_is_refused(name):
    with pytest.raises(FileError, match=REFUSED[name]):
        open_scan(BUNDLED / name)


@pytest.mark.parametrize(
    "name",
    [
        "analyze_pair.hdr",
        "ct_series_j2k_seg.nii.gz",
        "mr_abdomen_sm.nii.gz",
        "mr_abdomen_sm_seg.nii.gz",
        "mr_hippocampus_001.nii.gz",
        "mr_hippocampus_001_label.nii.gz",
    ],
)
def test_samples(data_root, name):
    path = data_root / "data" / "samples" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    check(path)
