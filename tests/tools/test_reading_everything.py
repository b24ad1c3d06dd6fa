"""Every DICOM file at hand holds what pydicom itself decodes, or is refused for a good reason."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from parser_model import FileError
from tests.tools.mutations import BUNDLED
from tools.reading import open_scan
from tools.reading.dicom_words import NO_IMAGES


def decoded(path: Path) -> tuple[Dataset, np.ndarray] | None:
    """What pydicom makes of a file: header and pixels in the units of the modality."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(path, force=True)
            stored = dataset.pixel_array
        except Exception:  # no DICOM, no image, or damaged; each in its own way
            return None
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        return dataset, eight_bits(apply_color_lut(stored, dataset))
    if not photometric.startswith("MONOCHROME"):
        return dataset, eight_bits(stored)
    values = apply_modality_lut(stored, dataset).astype(np.float64)
    return dataset, values * 255 if dataset.BitsAllocated == 1 else values


def eight_bits(colours: np.ndarray) -> np.ndarray:
    return colours >> 8 if colours.dtype == np.uint16 else colours


def expected(dataset: Dataset, pixels: np.ndarray) -> np.ndarray:
    """How `Scan` keeps them."""
    colour = pixels.shape[-1] == 3 and pixels.ndim > 2
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        if not colour:
            return np.moveaxis(pixels, 0, 2)  # all at hand are sorted already
        if dataset.Modality == "US":
            return np.moveaxis(np.rint(pixels @ [0.299, 0.587, 0.114]), 0, 2)
        pixels = pixels[0]
    if colour and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    return pixels


def check(path: Path) -> bool:
    """Compare a file; says whether it was read."""
    known, scan, said = decoded(path), None, ""
    try:
        scan = open_scan(path)
    except FileError as error:
        said = str(error)
    if scan is None:
        assert said.endswith(".")
        if known is not None:  # pydicom can, so there is a reason why it is no scan
            assert known[0].Modality in NO_IMAGES or known[1].dtype == np.uint32, said
        return False
    assert known is not None
    dataset, pixels = known
    if "TotalPixelMatrixRows" in dataset:
        assert scan.shape == (dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns)
        first = scan.pixels[: dataset.Rows, : dataset.Columns]
        assert np.array_equal(first, pixels[0])
        return True
    np.testing.assert_allclose(scan.pixels, expected(dataset, pixels), rtol=1e-5, atol=1e-3)
    return True


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("name", names(BUNDLED))
def test_what_pydicom_brings(name):
    check(BUNDLED / name)


def test_samples(data_root):
    folder = data_root / "data" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no samples in {folder}")
    dicom = [name for name in names(folder) if name.endswith((".dcm", "noext"))]
    assert [name for name in dicom if not check(folder / name)] == ["dicom_seg_ct_binary.dcm"]


def test_a_real_series(data_root):
    folder = data_root / "data" / "samples" / "ct_series_j2k"
    if not folder.is_dir():
        pytest.skip(f"no series in {folder}")
    slices = [dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda one: one.ImagePositionPatient[2])
    scan = open_scan(folder)
    assert scan.shape == (512, 512, 20)
    for index, one in enumerate(slices):
        assert np.array_equal(scan.pixels[:, :, index], apply_modality_lut(one.pixel_array, one))
    assert scan.geometry.spacing_mm == pytest.approx((0.9765625, 0.9765625, 2.0))
    assert scan.geometry.affine is not None
    corner = scan.geometry.affine @ (0, 0, 19, 1)
    np.testing.assert_allclose(corner[:3], slices[-1].ImagePositionPatient)


def test_a_real_series_is_where_another_library_puts_it(data_root):
    reader = pytest.importorskip("SimpleITK")
    folder = data_root / "data" / "samples" / "ct_series_j2k"
    if not folder.is_dir():
        pytest.skip(f"no series in {folder}")
    loader = reader.ImageSeriesReader()
    loader.SetFileNames(loader.GetGDCMSeriesFileNames(str(folder)))
    image = loader.Execute()
    scan = open_scan(folder)
    assert scan.geometry.affine is not None
    assert np.array_equal(np.moveaxis(reader.GetArrayFromImage(image), 0, 2), scan.pixels)
    for index in ((0, 0, 0), (100, 50, 7), (511, 511, 19)):
        ours = scan.geometry.affine @ (*index, 1)
        np.testing.assert_allclose(ours[:3], image.TransformIndexToPhysicalPoint(index), atol=1e-3)
