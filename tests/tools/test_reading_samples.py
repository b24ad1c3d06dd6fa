"""Real files end in the right pixels or in one sentence: the samples, and what pydicom brings."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from pydicom import dcmread
from pydicom.data import get_testdata_file

from parser_model import FileError
from tools.reading import open_scan


@pytest.fixture(scope="module")
def samples(data_root):
    folder = data_root / "data" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no samples in {folder}")
    return folder


def by_simpleitk(path: Path) -> np.ndarray:
    """Pixels (rows, columns[, slices or channels]) as another library decodes them."""
    reader = pytest.importorskip("SimpleITK")
    reader.ProcessObject.SetGlobalWarningDisplay(False)
    pixels = reader.GetArrayFromImage(reader.ReadImage(str(path)))
    return pixels[0] if pixels.shape[0] == 1 else pixels


@pytest.mark.parametrize(
    "name",
    [
        "ct_small_explicit_le.dcm",
        "ct_image_highdicom.dcm",
        "ct_lung_nodule.dcm",
        "ct_slice_rle.dcm",
        "ct_series_j2k/slice_00.dcm",
        "mr_small_explicit_le.dcm",
        "mr_small_implicit_le.dcm",
        "mr_small_bigendian.dcm",
        "mr_small_rle.dcm",
        "mr_small_jpeg2000_lossless.dcm",
        "mr_small_jpegls_lossless.dcm",
        "nm_jpeg2000_lossy.dcm",
        "us_palette_color_bigendian.dcm",
    ],
)
def test_values_are_those_of_another_library(samples, name):
    scan = open_scan(samples / name)
    np.testing.assert_allclose(scan.pixels, by_simpleitk(samples / name), rtol=1e-6)


@pytest.mark.parametrize("name", ["dx_image.dcm", "cr_dicomdir_sample_noext"])
def test_monochrome1_keeps_its_values_and_is_shown_inverted(samples, name):
    # SimpleITK turns these over without saying so; pydicom alone gives what is stored.
    header = dcmread(samples / name)
    stored = header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
    scan = open_scan(samples / name)
    np.testing.assert_allclose(scan.pixels, stored, rtol=1e-6)
    darkest, brightest = (
        np.unravel_index(end, scan.shape) for end in (stored.argmax(), stored.argmin())
    )
    shown = scan.display()[:, :, 0]
    assert shown[darkest] == shown.min()
    assert shown[brightest] == shown.max()


@pytest.mark.parametrize(
    ("name", "modality", "spacing", "source"),
    [
        ("ct_small_explicit_le.dcm", "CT", (0.661468, 0.661468), "dicom-pixel-spacing"),
        ("ct_lung_nodule.dcm", "CT", (0.513671875, 0.513671875), "dicom-pixel-spacing"),
        ("mr_small_bigendian.dcm", "MRI", (0.3125, 0.3125), "dicom-pixel-spacing"),
        ("dx_image.dcm", "X-Ray", (1.2, 1.201199999999), "dicom-imager-pixel-spacing"),
        ("cr_dicomdir_sample_noext", "X-Ray", (0.1, 0.1), "dicom-imager-pixel-spacing"),
        ("nm_jpeg_extended12.dcm", None, (2.26, 2.26), "dicom-pixel-spacing"),
        ("mr_enhanced_multiframe.dcm", "MRI", (3.375, 3.375, 2.4), "dicom-pixel-spacing"),
        ("us_multiframe_jpeg.dcm", "ultrasound", None, "none"),
        ("us_palette_color_bigendian.dcm", "ultrasound", None, "none"),
        ("histology_aperio_like.svs", "pathology", (0.0005, 0.0005), "slide-mpp"),
        ("sm_wsi_tiled.dcm", "pathology", (0.000499, 0.000499), "slide-mpp"),
        ("histology_pyramid.ome.tif", None, (0.0005, 0.0005), "slide-mpp"),
        ("cxr_16bit.png", None, None, "none"),
        ("cxr_16bit_lzw.tif", None, None, "none"),
        ("histology.webp", None, None, "none"),
    ],
)
def test_kind_and_spacing(samples, name, modality, spacing, source):
    scan = open_scan(samples / name)
    found = scan.geometry.spacing_mm
    assert scan.modality == modality
    assert scan.geometry.spacing_source == source
    assert found == (None if spacing is None else pytest.approx(spacing))


def test_colour_dicom_is_rgb(samples):
    # The test picture of pydicom: red, green and blue bands on the left.
    shown = open_scan(samples / "sc_rgb_jpeg_baseline_ybr.dcm").display()
    np.testing.assert_allclose(shown[5, 50], (255, 0, 0), atol=6)
    np.testing.assert_allclose(shown[25, 50], (0, 255, 0), atol=6)
    np.testing.assert_allclose(shown[45, 50], (0, 0, 255), atol=6)


@pytest.mark.parametrize("name", ["ct_slice_rle.dcm", "ct_series_j2k/slice_00.dcm"])
@pytest.mark.parametrize("missing", [8, 1000, 100_000])
def test_compressed_files_that_end_early_are_refused(samples, tmp_path, name, missing):
    whole = (samples / name).read_bytes()
    (tmp_path / "image").write_bytes(whole[:-missing])
    with pytest.raises(FileError, match="cut short"):
        open_scan(tmp_path / "image")


@pytest.mark.parametrize("name", ["cxr_16bit.png", "cxr_16bit_lzw.tif"])
def test_sixteen_bits_survive(samples, name):
    with Image.open(samples / name) as picture:
        expected = np.asarray(picture)
    scan = open_scan(samples / name)
    assert scan.pixels.dtype == np.uint16
    assert np.array_equal(scan.pixels, expected)
    assert np.ptp(scan.display()) == 255


@pytest.mark.parametrize(
    "name",
    [
        "histology_cmyk.jpg",
        "histology_exif_orientation6.jpg",
        "histology_palette.png",
        "histology_rgba.png",
        "histology_progressive.jpg",
        "histology.webp",
    ],
)
def test_pictures_look_as_in_any_viewer(samples, name):
    with Image.open(samples / name) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    assert np.array_equal(open_scan(samples / name).display(), expected)


@pytest.mark.parametrize("name", ["SAMPLES.md", "dicom_seg_ct_binary.dcm"])
def test_what_is_no_image_is_refused_in_a_sentence(samples, name):
    with pytest.raises(FileError, match=r"^This [^.]*\.$") as caught:
        open_scan(samples / name)
    assert name not in str(caught.value)


# pydicom brings these with it; what is expected of each is in the tables below.
REFUSED = {
    "MR_truncated.dcm": "cut short",
    "rtplan_truncated.dcm": "treatment plan",
    "rtplan.dcm": "treatment plan",
    "rtstruct.dcm": "contours",
    "rtdose_1frame.dcm": "dose",
    "test-SR.dcm": "structured report",
    "reportsi.dcm": "structured report",
    "waveform_ecg.dcm": "electrocardiogram",
    "ExplVR_BigEndNoMeta.dcm": "treatment plan",
    "ExplVR_LitEndNoMeta.dcm": "treatment plan",
    "badVR.dcm": "dose",
    "UN_sequence.dcm": "no image",
    "no_meta_group_length.dcm": "no image",
    "meta_missing_tsyntax.dcm": "without pixels",
    # libjpeg and Pillow refuse these too.
    "JPEG-lossy.dcm": "cannot be decoded",
    "JPEG2000-embedded-sequence-delimiter.dcm": "cannot be decoded",
    "dicomdirtests/DICOMDIR": "DICOMDIR",
    "liver_1frame.dcm": "segmentation",
    "SC_rgb_rle_32bit.dcm": "colours",
}
READ = (
    "693_J2KI.dcm", "CT_small.dcm", "J2K_pixelrep_mismatch.dcm", "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm", "MR_small_padded.dcm", "SC_rgb_gdcm_KY.dcm",
    "SC_rgb_jpeg_lossy_gdcm.dcm", "SC_rgb_small_odd_jpeg.dcm", "examples_overlay.dcm",
    "examples_palette.dcm", "image_dfl.dcm", "SC_rgb_rle_16bit.dcm",
)  # fmt: skip


def bundled(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"{name} is not part of this pydicom")
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_bundled_files_that_are_refused(name):
    with pytest.raises(FileError, match=REFUSED[name]):
        open_scan(bundled(name))


@pytest.mark.parametrize("name", READ)
def test_bundled_files_that_are_read(name):
    scan = open_scan(bundled(name))
    assert scan.display(scan.middle_slice).shape == (*scan.shape[:2], 3)
