"""Agreement with SimpleITK's label statistics on real scans, to 0.1 %: another team's code."""

import numpy as np
import pytest

from tools.measuring import find_parts, measure, measure_mask
from tools.reading import open_scan
from tools.reading.masks import open_masks

itk = pytest.importorskip("SimpleITK")
NAMES = ("volume", "mean_intensity", "sd_intensity", "min_intensity", "max_intensity")
CASES = {
    "mr_brain1": ("mr_brain1_image.nrrd", "mr_brain1_label.nrrd"),
    "ct_series_j2k": ("ct_series_j2k", "ct_series_j2k_seg.nii.gz"),
}


@pytest.fixture(scope="module", params=CASES)
def case(request, data_root):
    """Our scan and masks, and SimpleITK's own reading of the same files."""
    folder = data_root / "data" / "samples"
    image, labels = (folder / name for name in CASES[request.param])
    if not image.exists():
        pytest.skip(f"no {image.name} in {folder}")
    scan = open_scan(image)
    if image.is_dir():
        reader = itk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(image)))
        theirs = reader.Execute()
    else:
        theirs = itk.ReadImage(str(image))
    drawn = itk.Cast(itk.ReadImage(str(labels)), itk.sitkUInt8)
    drawn = itk.Resample(drawn, theirs, itk.Transform(), itk.sitkNearestNeighbor)
    return scan, open_masks(labels, scan), theirs, drawn


def test_sizes_and_brightness(case):
    scan, masks, theirs, drawn = case
    shapes, bright = itk.LabelShapeStatisticsImageFilter(), itk.LabelStatisticsImageFilter()
    shapes.Execute(drawn)
    bright.Execute(theirs, drawn)
    assert masks
    for one in masks:
        assert one.value in shapes.GetLabels()
        mask = find_parts(one.mask, keep_all=True).mask
        ours = {
            name: measure(name, mask, scan.geometry.spacing_mm, values=scan.pixels)[0].number
            for name in NAMES
        }
        voxels = shapes.GetNumberOfPixels(one.value)
        # SimpleITK divides the variance by n - 1, IBSI by n.
        spread = bright.GetSigma(one.value) * np.sqrt((voxels - 1) / voxels)
        expected = {
            "volume": shapes.GetPhysicalSize(one.value),
            "mean_intensity": bright.GetMean(one.value),
            "sd_intensity": spread,
            "min_intensity": bright.GetMinimum(one.value),
            "max_intensity": bright.GetMaximum(one.value),
        }
        assert ours == pytest.approx(expected, rel=1e-3)


def test_principal_axes(case):
    scan, masks, _, drawn = case
    shapes = itk.LabelShapeStatisticsImageFilter()
    shapes.Execute(drawn)
    for one in masks:
        voxels = np.count_nonzero(one.mask)
        axes = [
            measure(name, one.mask, scan.geometry.spacing_mm)[0].number
            for name in ("least_axis", "minor_axis", "major_axis")
        ]
        moments = np.array(shapes.GetPrincipalMoments(one.value)) * voxels / (voxels - 1)
        assert axes == pytest.approx(4 * np.sqrt(moments), rel=1e-3)


def test_feret_diameters_on_slices_lie_within_a_pixel(case):
    # SimpleITK measures between pixel centres, callipers from edge to edge.
    scan, masks, _, _ = case
    spacing = scan.geometry.spacing_mm
    assert spacing is not None
    for one in masks:
        for k in np.flatnonzero(one.mask.any(axis=(0, 1)))[::5]:
            piece = find_parts(one.mask[..., k]).part(1)
            image = itk.GetImageFromArray(piece.astype(np.uint8))
            image.SetSpacing((spacing[1], spacing[0]))
            shapes = itk.LabelShapeStatisticsImageFilter()
            shapes.SetComputeFeretDiameter(True)
            shapes.Execute(image)
            (longest,) = measure_mask(piece, ["longest_diameter"], spacing[:2])
            beyond = longest.number - shapes.GetFeretDiameter(1)
            assert 0 <= beyond <= np.hypot(*spacing[:2]) + 1e-6
