"""Masks written as NIfTI lie where they were drawn, as other libraries read them."""

from __future__ import annotations

import gzip
from typing import Any

import nibabel
import numpy as np
import pytest

from tests.tools.reading_volumes import LPS_TO_RAS, turned, write_nifti
from tools.geometry import Geometry, patient_affine
from tools.reading import open_scan
from tools.reading.masks import open_masks
from tools.scan import Scan
from tools.writing import write_mask_nifti

PIXELS = np.random.default_rng(0).integers(0, 255, (5, 7, 4), np.uint8)
DRAWN = PIXELS > 150
COSINES = (0.8, 0.6, 0.0, -0.6, 0.8, 0.0)


def written(path, mask, scan) -> Any:
    write_mask_nifti(path, mask, scan)
    return nibabel.load(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mask.nii.gz"


def test_on_a_series(path):
    affine = patient_affine(COSINES, (10, 20, 30), (0.5, 0.75, 4.0))
    scan = Scan(PIXELS, Geometry((0.5, 0.75, 4.0), "dicom-pixel-spacing", affine))
    image = written(path, DRAWN, scan)
    assert image.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(image.dataobj), DRAWN.swapaxes(0, 1))
    np.testing.assert_allclose(image.affine, LPS_TO_RAS @ affine, rtol=1e-6, atol=1e-6)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header.get_zooms() == pytest.approx((0.75, 0.5, 4.0))
    (again,) = open_masks(path, scan)
    assert np.array_equal(again.mask, DRAWN)


def test_on_a_real_series(path, data_root):
    folder = data_root / "data" / "samples" / "ct_series_j2k"
    if not folder.is_dir():
        pytest.skip(f"no series in {folder}")
    itk = pytest.importorskip("SimpleITK")
    scan = open_scan(folder)
    drawn = scan.pixels > 100
    write_mask_nifti(path, drawn, scan)
    loader = itk.ImageSeriesReader()
    loader.SetFileNames(loader.GetGDCMSeriesFileNames(str(folder)))
    series, mask = loader.Execute(), itk.ReadImage(str(path))
    assert mask.GetSize() == series.GetSize()
    np.testing.assert_allclose(mask.GetOrigin(), series.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(mask.GetSpacing(), series.GetSpacing(), rtol=1e-5)
    np.testing.assert_allclose(mask.GetDirection(), series.GetDirection(), atol=1e-5)
    labelled = itk.LabelStatisticsImageFilter()
    series.CopyInformation(mask)
    labelled.Execute(series, mask)
    assert labelled.GetCount(1) == np.count_nonzero(drawn)
    assert labelled.GetMean(1) == pytest.approx(float(scan.pixels[drawn].mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("geometry", "sizes", "unit"),
    [
        (Geometry((0.5, 0.75, 4.0), "user"), (0.75, 0.5, 4.0), "mm"),
        (Geometry((0.5, 0.75), "user"), (1.0, 1.0, 1.0), "unknown"),  # no distance of slices
        (Geometry(), (1.0, 1.0, 1.0), "unknown"),
    ],
)
def test_without_a_place_there_is_none(path, geometry, sizes, unit):
    image = written(path, DRAWN, Scan(PIXELS, geometry))
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (0, 0)
    assert image.header.get_zooms() == pytest.approx(sizes)
    assert image.header.get_xyzt_units()[0] == unit
    assert np.array_equal(np.asarray(image.dataobj), DRAWN.swapaxes(0, 1))


def test_pictures(path):
    scan = Scan(PIXELS[:, :, 0], Geometry())
    image = written(path, DRAWN[:, :, 0], scan)
    assert np.array_equal(np.asarray(image.dataobj)[:, :, 0], DRAWN[:, :, 0].T)


def test_a_file_without_place_gets_a_mask_on_its_own_axes(tmp_path, path):
    stored, _ = turned((2, 0, 1), (True, False, True), (1.0, 1.0, 1.0))
    image = nibabel.AnalyzeImage(stored, np.diag([0.75, 0.5, 4.0, 1.0]))
    nibabel.save(image, tmp_path / "scan.img")
    scan = open_scan(tmp_path / "scan.img")
    drawn = scan.pixels % 3 == 0
    mask = written(path, drawn, scan)
    assert np.array_equal(np.asarray(mask.dataobj), stored % 3 == 0)
    assert int(mask.header["sform_code"]) == 0
    assert mask.header.get_zooms() == pytest.approx((0.75, 0.5, 4.0))
    (again,) = open_masks(path, scan)
    assert np.array_equal(again.mask, drawn)


def test_nothing_of_the_file_is_in_the_mask(tmp_path, path):
    stored, affine = turned((0, 1, 2), (False,) * 3, (1.0, 1.0, 4.0))
    scan = open_scan(
        write_nifti(tmp_path / "Quillfeather.nii", stored, affine, descrip="Quillfeather")
    )
    write_mask_nifti(path, scan.pixels > 9, scan)
    first = path.read_bytes()
    assert b"Quill" not in first + gzip.decompress(first)
    write_mask_nifti(path, scan.pixels > 9, scan)
    assert path.read_bytes() == first


def test_masks_fit_their_scan(path):
    scan = Scan(PIXELS, Geometry())
    for wrong in (DRAWN[:, :, 0], PIXELS, DRAWN.swapaxes(0, 1)):
        with pytest.raises(ValueError, match="mask"):
            write_mask_nifti(path, wrong, scan)
    assert not path.exists()
