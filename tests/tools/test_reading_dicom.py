"""DICOM: values, pixel size and its source, orientation, refusals; on files made here."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from parser_model import FileError
from tests.tools.reading_files import SECRETS, dicom_dataset, item, sequence, write_dicom
from tools.reading import open_scan

GREY = np.array([[0, 1, 2], [1000, 2000, 4095]], np.uint16)
AXIAL = [1, 0, 0, 0, 1, 0]


@pytest.fixture
def opened(tmp_path):
    """Write a DICOM file with these pixels and tags, and open it."""

    def write_and_open(pixels=GREY, **tags):
        return open_scan(write_dicom(tmp_path / "image", pixels, **tags))

    return write_and_open


# ------------------------------------------------------------------ values


def test_stored_values_are_kept(opened):
    scan = opened()
    assert scan.pixels.dtype == np.uint16
    assert np.array_equal(scan.pixels, GREY)
    assert (scan.value_unit, scan.modality, scan.source_format) == ("1", None, "DICOM")


def test_ct_is_in_hounsfield_units(opened):
    scan = opened(Modality="CT", RescaleSlope=1, RescaleIntercept=-1024, BodyPartExamined="HEAD")
    assert (scan.modality, scan.value_unit, scan.body_part) == ("CT", "HU", "head")
    assert scan.pixels.dtype == np.int16
    assert np.array_equal(scan.pixels, GREY.astype(int) - 1024)
    assert scan.display_window == (40.0, 80.0)


def test_rescale_never_wraps(opened):
    pixels = np.array([[0, 65535]], np.uint16)
    scan = opened(pixels, RescaleSlope=2, RescaleIntercept=-1)
    assert scan.pixels.tolist() == [[-1, 131069]]
    scan = opened(pixels, RescaleSlope=0.5, RescaleIntercept=0.25)
    assert scan.pixels.tolist() == [[0.25, 32767.75]]


def test_ct_without_rescale_or_in_other_units_is_not_in_hounsfield(opened):
    assert opened(Modality="CT").value_unit == "1"
    other = {"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "US"}
    assert opened(Modality="CT", **other).value_unit == "1"


def test_a_localizer_is_a_projection(opened):
    scan = opened(
        Modality="CT",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        RescaleSlope=1,
        RescaleIntercept=-1024,
        PixelSpacing=[1, 1],
    )
    assert (scan.modality, scan.value_unit) == ("X-Ray", "1")
    assert len(scan.notes) == 2


def test_modality_table(opened):
    table = item(LUTDescriptor=[4, 0, 16], LUTData=[10, 20, 30, 40])
    table["LUTDescriptor"].VR = "US"
    table["LUTData"].VR = "US"
    scan = opened(np.array([[0, 1, 3, 9]], np.uint16), ModalityLUTSequence=sequence(table))
    assert scan.pixels.tolist() == [[10, 20, 40, 40]]


def test_monochrome1_is_shown_inverted_and_keeps_its_values(opened):
    pixels = np.array([[0, 10, 255]], np.uint8)
    scan = opened(pixels, PhotometricInterpretation="MONOCHROME1")
    assert scan.pixels.tolist() == pixels.tolist()
    assert scan.display()[0, :, 0].tolist() == [255, 245, 0]
    assert any("MONOCHROME1" in note for note in scan.notes)


def test_overlays_in_unused_bits_are_removed(opened):
    pixels = np.array([[0x8FFF, 0x1234]], np.uint16)
    scan = opened(pixels, BitsStored=12, HighBit=11)
    assert scan.pixels.tolist() == [[0xFFF, 0x234]]
    signed = np.array([[0x0FFF, 0x0800, 0x07FF]], np.uint16).view(np.int16)
    scan = opened(signed, BitsStored=12, HighBit=11)
    assert scan.pixels.tolist() == [[-1, -2048, 2047]]


def test_single_bits(opened):
    pixels = np.array([[0b10100101]], np.uint8)
    bits = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "Columns": 8}
    assert opened(pixels, **bits).pixels.tolist() == [[255, 0, 255, 0, 0, 255, 0, 255]]


def test_window_of_the_file(opened):
    assert opened(WindowCenter=[40, 300], WindowWidth=[400, 1500]).window == (40.0, 400.0)
    assert opened(WindowCenter=40, WindowWidth=0).window is None
    assert opened(WindowCenter=40).window is None


def voi_table(first, greys):
    table = item(LUTDescriptor=[len(greys), first, 16], LUTData=greys)
    for keyword in ("LUTDescriptor", "LUTData"):
        table[keyword].VR = "US"
    return {"VOILUTSequence": sequence(table)}


def test_a_table_for_display_gives_a_window(opened):
    # Dark up to 102, bright from 105 on: centre and width of what lies between.
    assert opened(**voi_table(100, [0, 0, 0, 300, 600, 900, 900])).window == (103.5, 3.0)
    assert opened(**voi_table(100, [900, 600, 0])).window == (101.0, 2.0)
    assert opened(**voi_table(100, [5, 5, 5])).window is None
    both = voi_table(100, [0, 1]) | {"WindowCenter": 40, "WindowWidth": 400}
    assert opened(**both).window == (40.0, 400.0)


def test_colour_and_palette(opened):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    scan = opened(pixels)
    assert scan.colour
    assert np.array_equal(scan.pixels, pixels)
    tables: dict[str, object] = {}
    for name, value in (("Red", 200), ("Green", 100), ("Blue", 50)):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        table = np.zeros(256, np.uint16)
        table[3] = value * 257
        tables[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    indices = np.array([[0, 3]], np.uint8)
    scan = opened(indices, PhotometricInterpretation="PALETTE COLOR", **tables)
    assert scan.pixels.tolist() == [[[0, 0, 0], [200, 100, 50]]]


def test_ybr_becomes_rgb(opened):
    # PS3.3 C.7.6.3.1.2: pure red in YBR_FULL.
    scan = opened(np.array([[[76, 85, 255]]], np.uint8), PhotometricInterpretation="YBR_FULL")
    np.testing.assert_allclose(scan.pixels, [[[254, 0, 0]]], atol=1)


# ------------------------------------------------------------------ pixel size


def test_pixel_spacing_is_rows_then_columns(opened):
    scan = opened(Modality="MR", PixelSpacing=[0.5, 0.7])
    assert scan.geometry.spacing_mm == (0.5, 0.7)
    assert scan.geometry.spacing_source == "dicom-pixel-spacing"
    assert scan.geometry.caveat == ""
    assert scan.modality == "MRI"


@pytest.mark.parametrize(
    ("tags", "source", "says"),
    [
        ({"ImagerPixelSpacing": [0.1, 0.1]}, "dicom-imager-pixel-spacing", "detector"),
        (
            {"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.1, 0.1]},
            "dicom-imager-pixel-spacing",
            "detector",
        ),
        (
            {"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.08, 0.08]},
            "dicom-pixel-spacing",
            "one depth",
        ),
        (
            {
                "ImagerPixelSpacing": [0.1, 0.1],
                "PixelSpacing": [0.1, 0.1],
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            "dicom-pixel-spacing",
            "one depth",
        ),
        ({"PixelSpacing": [0.1, 0.1]}, "dicom-pixel-spacing", "does not say"),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, "none", ""),
        ({"PixelSpacing": [0, 0.1]}, "none", ""),
        ({}, "none", ""),
    ],
)
def test_radiographs_say_which_plane_is_meant(opened, tags, source, says):
    scan = opened(Modality="DX", **tags)
    assert scan.geometry.spacing_source == source
    assert scan.modality == "X-Ray"
    assert says in scan.geometry.caveat
    assert (scan.geometry.caveat in scan.notes) is bool(says)


def region(y, x, units=3, kind=1):
    return item(
        RegionSpatialFormat=kind,
        PhysicalUnitsXDirection=units,
        PhysicalUnitsYDirection=units,
        PhysicalDeltaX=x,
        PhysicalDeltaY=y,
    )


def test_ultrasound_regions_are_in_centimetres(opened):
    regions = sequence(region(-0.02, 0.03), region(1.0, 1.0, units=4), region(9, 9, kind=3))
    scan = opened(Modality="US", SequenceOfUltrasoundRegions=regions)
    assert scan.geometry.spacing_mm == pytest.approx((0.2, 0.3))
    assert scan.geometry.spacing_source == "dicom-ultrasound-region"
    assert scan.modality == "ultrasound"


def test_ultrasound_regions_of_two_scales_give_none(opened):
    regions = sequence(region(0.02, 0.02), region(0.04, 0.04))
    scan = opened(Modality="US", SequenceOfUltrasoundRegions=regions)
    assert scan.geometry.spacing_mm is None
    assert any("different scales" in note for note in scan.notes)


def test_pixels_that_are_not_square_are_told(opened):
    assert any("not square" in note for note in opened(PixelAspectRatio=[1, 2]).notes)
    assert opened(PixelAspectRatio=[1, 1]).notes == ()


def test_slides_say_their_pixel_size(opened):
    scan = opened(Modality="SM", PixelSpacing=[0.0005, 0.0005])
    assert (scan.modality, scan.geometry.spacing_source) == ("pathology", "slide-mpp")


# ------------------------------------------------------------------ orientation


def test_position_and_orientation_make_the_affine(opened):
    place = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": [-10, -20, 30]}
    scan = opened(Modality="CT", PixelSpacing=[0.5, 0.7], **place)
    affine = scan.geometry.affine
    assert affine is not None
    np.testing.assert_allclose(affine @ (2, 1, 0, 1), (-8.6, -19.5, 30, 1))
    assert scan.geometry.patient_left_is_viewer_right is True


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"ImageOrientationPatient": AXIAL}, True),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, 1, 0]}, False),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, None),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, None),
        ({"PatientOrientation": ["L", "F"]}, True),
        ({"PatientOrientation": ["R", "F"]}, False),
        ({"PatientOrientation": ["A", "F"]}, None),
        ({"PatientOrientation": ["LE", "V"]}, None),
        ({}, None),
    ],
)
def test_left_and_right(opened, tags, expected):
    assert opened(**tags).geometry.patient_left_is_viewer_right is expected


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("kind", ["SEG", "SR", "PR", "KO", "RTSTRUCT", "DOC", "RTDOSE"])
def test_objects_without_an_image_are_refused_by_name(opened, kind):
    with pytest.raises(FileError, match=r"^This file is [^.]*\.$"):
        opened(Modality=kind)


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"Rows": 60_000, "Columns": 60_000}, "limit"),
        ({"Rows": 2000}, "cut short"),
        ({"Rows": 0}, "without pixels"),
        ({"NumberOfFrames": 500}, "cut short"),
        ({"PhotometricInterpretation": "XYZ"}, "not read"),
        ({"SamplesPerPixel": 3}, "not read"),
        ({"BitsAllocated": 13}, "damaged"),
    ],
)
def test_headers_that_lie_are_refused(opened, tags, says):
    with pytest.raises(FileError, match=says):
        opened(**tags)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, 0.99])
def test_a_truncated_file_is_refused(tmp_path, part):
    noise = np.random.default_rng(0).integers(0, 4095, (32, 32), np.uint16)
    path = write_dicom(tmp_path / "image", noise, WindowCenter=40, WindowWidth=400)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(FileError, match="cut short"):
        open_scan(path)


def test_a_header_without_pixels_is_refused(tmp_path):
    dataset = dicom_dataset(GREY)
    del dataset.PixelData
    dataset.save_as(tmp_path / "image", enforce_file_format=True)
    with pytest.raises(FileError, match="no pixels"):
        open_scan(tmp_path / "image")


# ------------------------------------------------------------------ odd files


def test_no_preamble_and_no_file_meta(tmp_path):
    dataset = dicom_dataset(GREY)
    del dataset.file_meta
    path = tmp_path / "image"
    dataset.save_as(path, implicit_vr=True, little_endian=True)
    assert path.read_bytes()[128:132] != b"DICM"
    assert np.array_equal(open_scan(path).pixels, GREY)


def test_implicit_vr(tmp_path):
    dataset = dicom_dataset(GREY)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(tmp_path / "image", enforce_file_format=True)
    assert np.array_equal(open_scan(tmp_path / "image").pixels, GREY)


def test_damaged_optional_tags_are_absent_ones(tmp_path):
    dataset = dicom_dataset(GREY, PixelSpacing=["0.5", "0.5"], WindowCenter="40", WindowWidth="400")
    path = tmp_path / "image"
    dataset.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"0.5\\0.5", b"a.b\\c.d").replace(b"400 ", b"4z0 "))
    scan = open_scan(path)
    assert (scan.geometry.spacing_mm, scan.window) == (None, None)


def test_nothing_of_the_patient_is_kept(opened):
    scan = opened(BodyPartExamined="QUILLFEATHER", StudyDescription=SECRETS[0])
    assert scan.body_part is None
    kept = repr([value for name, value in vars(scan).items() if name != "pixels"])
    assert not any(secret in kept for secret in SECRETS)
