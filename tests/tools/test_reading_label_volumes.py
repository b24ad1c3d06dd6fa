"""Label volumes become masks on the grid of a scan, whatever the order of their axes."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from parser_model import FileError
from tests.tools.reading_volumes import ORDERS, PATIENT, turned, write_nifti
from tools.reading import open_scan
from tools.reading.masks import open_masks

STEPS = (0.75, 0.875, 3.0)
LABELS = PATIENT % 4
SCAN_ORDER = ((2, 0, 1), (True, False, True))


@pytest.fixture
def scan(tmp_path):
    stored, affine = turned(*SCAN_ORDER, STEPS)
    return open_scan(write_nifti(tmp_path / "scan.nii", stored, affine))


def labels_of(stored):
    return (stored % 4).astype(np.uint8)


@pytest.mark.parametrize(("order", "flips"), ORDERS[::5])
def test_labels_in_other_orders_of_axes(tmp_path, scan, order, flips):
    stored, affine = turned(order, flips, STEPS)
    masks = open_masks(write_nifti(tmp_path / "seg.nii.gz", labels_of(stored), affine), scan)
    assert [one.label for one in masks] == ["label 1", "label 2", "label 3"]
    for one in masks:
        assert np.array_equal(one.mask, scan.pixels % 4 == one.value)


@pytest.mark.parametrize("ending", ["nrrd", "mha", "nii"])
def test_labels_of_other_formats(tmp_path, scan, ending):
    itk = pytest.importorskip("SimpleITK")
    stored, affine = turned(*ORDERS[11], STEPS)
    image = itk.GetImageFromArray(np.ascontiguousarray(labels_of(stored).T))
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(steps.tolist())
    image.SetDirection((affine[:3, :3] / steps).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    itk.WriteImage(image, str(tmp_path / f"seg.{ending}"))
    masks = open_masks(tmp_path / f"seg.{ending}", scan)
    assert all(np.array_equal(one.mask, scan.pixels % 4 == one.value) for one in masks)


def test_the_same_file_grid_without_a_place(tmp_path):
    stored, affine = turned(*SCAN_ORDER, STEPS)
    nibabel.save(nibabel.AnalyzeImage(stored, np.diag([1.0, 2.0, 3.0, 1.0])), tmp_path / "a.img")
    scan = open_scan(tmp_path / "a.hdr")
    masks = open_masks(write_nifti(tmp_path / "seg.nii", labels_of(stored), affine), scan)
    assert scan.geometry.affine is None
    assert all(np.array_equal(one.mask, scan.pixels % 4 == one.value) for one in masks)


def test_a_part_of_the_grid_and_another_place(tmp_path, scan):
    stored, affine = turned((0, 1, 2), (False, False, False), STEPS)
    part = affine.copy()
    part[:3, 3] += affine[:3, :3] @ (1, 2, 3)
    (one, *_) = open_masks(
        write_nifti(tmp_path / "part.nii", labels_of(stored)[1:, 2:, 3:], part), scan
    )
    expected = np.zeros(PATIENT.shape, bool)
    expected[1:, 2:, 3:] = LABELS[1:, 2:, 3:] == 1
    assert np.array_equal(one.mask, expected[np.unravel_index(scan.pixels, PATIENT.shape)])
    part[:3, 3] += 1000
    with pytest.raises(FileError, match="elsewhere"):
        open_masks(write_nifti(tmp_path / "far.nii", labels_of(stored), part), scan)


def test_samples(data_root):
    folder = data_root / "data" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no samples in {folder}")
    tumour = nrrd_voxels(folder / "mr_brain1_label.nrrd")
    scan = open_scan(folder / "mr_brain1_image.nrrd")
    (mask,) = open_masks(folder / "mr_brain1_label.nrrd", scan)
    assert np.count_nonzero(mask.mask) == tumour > 1000
    # Drawn on the DICOM series, kept as NIfTI: each label on the slices of the series.
    series = open_scan(folder / "ct_series_j2k")
    image = nibabel.Nifti1Image.from_filename(folder / "ct_series_j2k_seg.nii.gz")
    stored = np.asarray(image.dataobj)
    masks = open_masks(folder / "ct_series_j2k_seg.nii.gz", series)
    assert masks
    for one in masks:
        assert np.count_nonzero(one.mask) == np.count_nonzero(stored == one.value)


def nrrd_voxels(path):
    itk = pytest.importorskip("SimpleITK")
    return int(np.count_nonzero(itk.GetArrayFromImage(itk.ReadImage(str(path)))))
