"""NRRD and MetaImage as SimpleITK writes and reads them, and as other programs may."""

from __future__ import annotations

import bz2
import gzip
import zipfile
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from parser_model import FileError, RequestError
from tests.tools.reading_volumes import ORDERS, PATIENT, shown, turned
from tools.reading import Limits, open_scan

STEPS = (0.75, 0.875, 3.0)
STORED, AFFINE = turned((0, 1, 2), (False, False, False), STEPS)
AXIAL = shown("axial")
CANARY = "Quillfeather"
NRRD_SPACE = (
    "space: left-posterior-superior\nspace directions: (0.75,0,0) (0,0.875,0) (0,0,3)\n"
    "space origin: (-31.5,12.25,-104)\n"
)
CUSTOM = "millimetres are taken"


@pytest.fixture(scope="module")
def itk() -> Any:
    return pytest.importorskip("SimpleITK")


def image_of(itk, stored, affine):
    """An image of SimpleITK; its arrays have the axes the other way round."""
    image = itk.GetImageFromArray(np.ascontiguousarray(stored.T))
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(steps.tolist())
    image.SetDirection((affine[:3, :3] / steps).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def nrrd(stored=STORED, body=None, **fields):
    """An NRRD file; a field of None is left out."""
    known = {
        "type": "short",
        "dimension": stored.ndim,
        "sizes": " ".join(map(str, stored.shape)),
        "endian": "little",
        "encoding": "raw",
    } | {name.replace("_", " "): value for name, value in fields.items()}
    lines = [f"{name}: {value}" for name, value in known.items() if value is not None]
    place = NRRD_SPACE if "space" not in known and "spacings" not in known else ""
    head = "NRRD0005\n# a comment\n" + "\n".join(lines) + "\n" + place
    return head.encode() + b"\n" + (stored.tobytes("F") if body is None else body)


def meta(stored=STORED, body=None, **fields):
    """A MetaImage file; a field of None is left out."""
    known = {
        "ObjectType": "Image",
        "NDims": stored.ndim,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "TransformMatrix": " ".join(str(number) for number in np.eye(stored.ndim).ravel()),
        "Offset": "-31.5 12.25 -104",
        "ElementSpacing": "0.75 0.875 3",
        "DimSize": " ".join(map(str, stored.shape)),
        "ElementType": "MET_SHORT",
        "ElementDataFile": "LOCAL",
    } | fields
    known["ElementDataFile"] = known.pop("ElementDataFile")  # the last, whatever was added
    lines = [f"{name} = {value}" for name, value in known.items() if value is not None]
    return ("\n".join(lines) + "\n").encode() + (stored.tobytes("F") if body is None else body)


@pytest.fixture
def opened(tmp_path):
    def write_and_open(data, **options):
        (tmp_path / "scan").write_bytes(data)
        return open_scan(tmp_path / "scan", **options)

    return write_and_open


def check_place(scan, origin=(-31.5, 12.25, -104.0)):
    assert np.array_equal(scan.pixels, AXIAL)
    assert scan.geometry.spacing_mm == pytest.approx((0.875, 0.75, 3.0))
    assert scan.geometry.affine is not None
    np.testing.assert_allclose(scan.geometry.affine[:3, 3], origin)


# ------------------------------------------------------------------ as SimpleITK writes


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", ["nrrd", "nhdr", "mha", "mhd", "nii", "nii.gz", "hdr"])
def test_files_of_simpleitk(tmp_path, itk, ending, packed):
    rng = np.random.default_rng(len(ending) + packed)
    for order, flips in (ORDERS[int(rng.integers(48))] for _ in range(3)):
        stored, straight = turned(order, flips, STEPS)
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("xyz", rng.uniform(-12, 12, 3), True).as_matrix()
        affine = turn @ straight
        image = image_of(itk, stored, affine)
        itk.WriteImage(image, str(tmp_path / f"scan.{ending}"), useCompression=packed)
        scan = open_scan(tmp_path / f"scan.{ending}")
        assert np.array_equal(scan.pixels, AXIAL)
        assert scan.geometry.affine is not None
        for value in (0, 17, PATIENT.size - 1):
            row, column, slice_ = np.argwhere(scan.pixels == value)[0]
            place = np.argwhere(stored == value)[0].tolist()
            np.testing.assert_allclose(
                (scan.geometry.affine @ (column, row, slice_, 1))[:3],
                image.TransformIndexToPhysicalPoint(place),
                atol=2e-3,  # NIfTI keeps 32 bits
            )


@pytest.mark.parametrize("kind", ["sitkUInt8", "sitkUInt16", "sitkInt32", "sitkUInt32",
                                  "sitkInt64", "sitkFloat32", "sitkFloat64"])  # fmt: skip
@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_types_of_numbers(tmp_path, itk, ending, kind):
    image = itk.Cast(image_of(itk, STORED % 200, AFFINE), getattr(itk, kind))
    itk.WriteImage(image, str(tmp_path / f"scan.{ending}"))
    assert np.array_equal(open_scan(tmp_path / f"scan.{ending}").pixels, AXIAL % 200)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_colours_and_vectors(tmp_path, itk, ending):
    values = np.random.default_rng(3).integers(0, 255, (6, 5, 3), np.uint8)
    path = str(tmp_path / f"scan.{ending}")
    itk.WriteImage(itk.GetImageFromArray(values, isVector=True), path)
    scan = open_scan(path)
    if scan.colour:
        assert np.array_equal(scan.pixels, values)
    else:  # a vector by its header: three volumes
        assert np.array_equal(open_scan(path, frame=2).pixels, values[:, :, 1])
        assert "3 volumes" in scan.notes[0]


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_volumes_over_time(tmp_path, itk, ending):
    film = np.stack([STORED.T, STORED.T + 400])  # time, k, j, i
    path = str(tmp_path / f"scan.{ending}")
    itk.WriteImage(itk.GetImageFromArray(film, isVector=False), path)
    assert np.array_equal(open_scan(path).pixels, AXIAL)
    assert np.array_equal(open_scan(path, frame=2).pixels, AXIAL + 400)
    assert "2 volumes" in open_scan(path).notes[0]
    with pytest.raises(RequestError, match="volumes 1 to 2"):
        open_scan(path, frame=3)


def test_samples(data_root, itk):
    folder = data_root / "data" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no samples in {folder}")
    for name in ("volume.mha", "ct_crop.nrrd", "mr_brain1_image.nrrd", "mr_brain1_label.nrrd"):
        image = itk.DICOMOrient(itk.ReadImage(str(folder / name)), "LPS")
        scan = open_scan(folder / name)
        assert np.array_equal(scan.pixels, itk.GetArrayFromImage(image).transpose(1, 2, 0))
        spacing = image.GetSpacing()
        assert scan.geometry.spacing_mm == pytest.approx((spacing[1], spacing[0], spacing[2]))
        assert scan.geometry.affine is not None
        np.testing.assert_allclose(scan.geometry.affine[:3, 3], image.GetOrigin(), atol=1e-6)


# ------------------------------------------------------------------ NRRD by hand


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("raw", bytes), ("gzip", gzip.compress), ("gz", gzip.compress), ("bzip2", bz2.compress)],
)
def test_encodings_of_nrrd(opened, encoding, pack):
    check_place(opened(nrrd(encoding=encoding, body=pack(STORED.tobytes("F")))))
    skipped = pack(b"abc" + STORED.tobytes("F"))
    check_place(opened(nrrd(encoding=encoding, body=b"x\ny\n" + skipped, line_skip=2, byte_skip=3)))


def test_big_endian_and_the_last_bytes(opened):
    check_place(opened(nrrd(endian="big", body=STORED.astype(">i2").tobytes("F"))))
    check_place(opened(nrrd(body=b"whatever" + STORED.tobytes("F"), byte_skip=-1)))


@pytest.mark.parametrize("encoding", ["ascii", "text", "hex", "zrl"])
def test_encodings_that_are_refused(opened, encoding):
    with pytest.raises(FileError, match="as text"):
        opened(nrrd(encoding=encoding))


def test_spaces(opened):
    directions = {"space_directions": "(0.75,0,0) (0,0.875,0) (0,0,3)", "space_origin": "(1,2,3)"}
    for name in ("RAS", "right-anterior-superior"):
        scan = opened(nrrd(space=name, **directions))
        assert np.array_equal(scan.pixels, AXIAL[::-1, ::-1])
        assert scan.geometry.affine is not None
        np.testing.assert_allclose(scan.geometry.affine @ (4, 6, 0, 1), (-1, -2, 3, 1))
    assert np.array_equal(opened(nrrd(space="LAS", **directions)).pixels, AXIAL[::-1])
    scan = opened(nrrd(space="scanner-xyz", **directions))
    assert scan.geometry.affine is None
    assert scan.geometry.spacing_mm == pytest.approx((0.875, 0.75, 3))
    assert "left and right may be exchanged" in " ".join(scan.notes)


def test_units_of_nrrd(opened):
    directions = {"space": "LPS", "space_directions": "(0.75,0,0) (0,0.875,0) (0,0,3)"}
    assert CUSTOM in opened(nrrd(**directions)).geometry.caveat
    stated = opened(nrrd(space_units='"mm" "mm" "mm"', **directions)).geometry
    assert (stated.caveat, stated.spacing_source) == ("", "nrrd-header")
    small = opened(nrrd(space_units='"um" "um" "um"', **directions)).geometry
    assert small.spacing_mm == pytest.approx((0.875e-3, 0.75e-3, 3e-3))
    odd = opened(nrrd(space_units='"ell" "ell" "ell"', **directions))
    assert odd.geometry.spacing_mm is None
    assert odd.geometry.column_direction == "L"
    # Distances without a unit, in a space that is no patient's, are no millimetres.
    assert opened(nrrd(spacings="1 1 2")).geometry.spacing_mm is None
    known = opened(nrrd(spacings="1 1 2", units='"mm" "mm" "mm"')).geometry
    assert (known.spacing_mm, known.affine) == ((1.0, 1.0, 2.0), None)


def test_axes_of_nrrd_that_are_no_space(opened):
    both = np.stack([STORED, STORED + 400])
    kinds = {"kinds": "list domain domain domain", "space": "LPS"}
    directions = "none (0.75,0,0) (0,0.875,0) (0,0,3)"
    data = nrrd(both, space_directions=directions, space_origin="(-31.5,12.25,-104)", **kinds)
    check_place(opened(data))
    assert np.array_equal(opened(data, frame=2).pixels, AXIAL + 400)
    film = nrrd(np.moveaxis(both, 0, 3), kinds="domain domain domain time", spacings="1 1 1 5")
    assert "over time" in opened(film).notes[0]
    assert np.array_equal(opened(film, frame=2).pixels, AXIAL + 400)
    between = nrrd(np.moveaxis(both, 0, 1), kinds="domain list domain domain", spacings="1 1 1 1")
    with pytest.raises(FileError, match="arranges its axes"):
        opened(between)


def test_rgb_of_nrrd(opened):
    colours = np.random.default_rng(1).integers(0, 255, (3, 6, 4), np.uint8)
    scan = opened(nrrd(colours, type="uchar", kinds="RGB-color domain domain", spacings="1 1 1"))
    assert scan.colour
    assert np.array_equal(scan.pixels, colours.transpose(2, 1, 0))


# ------------------------------------------------------------------ MetaImage by hand


def test_meta_images(opened):
    scan = opened(meta(Modality="MET_MOD_CT"))
    check_place(scan)
    assert (scan.modality, scan.geometry.spacing_source) == ("CT", "metaimage-header")
    assert CUSTOM in scan.geometry.caveat
    assert opened(meta(DistanceUnits="mm")).geometry.caveat == ""
    assert opened(meta(DistanceUnits="um")).geometry.spacing_mm == pytest.approx(
        (0.875e-3, 0.75e-3, 3e-3)
    )
    check_place(opened(meta(HeaderSize=-1, body=b"whatever" + STORED.tobytes("F"))))
    big = {"BinaryDataByteOrderMSB": "True", "body": STORED.astype(">i2").tobytes("F")}
    check_place(opened(meta(**big)))
    scaled = opened(meta(ElementToIntensityFunctionSlope=2, ElementToIntensityFunctionOffset=-7))
    assert np.array_equal(scaled.pixels, AXIAL * 2 - 7)


def test_meta_images_without_a_place(opened):
    scan = opened(meta(TransformMatrix=None))
    assert scan.geometry.affine is None
    assert scan.geometry.spacing_mm == pytest.approx((0.875, 0.75, 3))
    assert "left and right may be exchanged" in " ".join(scan.notes)
    assert opened(meta(ElementSpacing=None)).geometry.spacing_mm is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"ObjectType": "Tube"}, "shapes"),
        ({"BinaryData": "False"}, "as text"),
        ({"ElementType": "MET_STRING"}, "numbers in a way"),
        ({"ElementDataFile": "LIST"}, "several files"),
        ({"ElementDataFile": "slice%03d.raw 1 9 1"}, "several files"),
        ({"DimSize": "99999 99999 99999"}, "99,999 x 99,999"),
        ({"DimSize": "5 7 9 11"}, "damaged"),
        ({"DimSize": "5 7 10"}, "cut short"),
        ({"DimSize": "5 7 -9"}, "damaged"),
        ({"HeaderSize": "many", "ElementSpacing": "1 1 1"}, "damaged"),
    ],
)
def test_meta_images_that_are_refused(opened, fields, says):
    with pytest.raises(FileError, match=says):
        opened(meta(**fields))


# ------------------------------------------------------------------ files of numbers beside


def headers(name):
    detached = nrrd(body=b"", data_file=name)
    return {"nhdr": detached, "mhd": meta(body=b"", ElementDataFile=name)}


@pytest.mark.parametrize("ending", ["nhdr", "mhd"])
@pytest.mark.parametrize("given", ["header", "numbers", "folder", "zip"])
def test_numbers_beside_a_header(tmp_path, ending, given):
    folder = tmp_path / "pair"
    folder.mkdir()
    (folder / f"scan.{ending}").write_bytes(headers("scan.raw")[ending])
    (folder / "scan.raw").write_bytes(STORED.tobytes("F"))
    with zipfile.ZipFile(tmp_path / "pair.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    path = {
        "header": folder / f"scan.{ending}",
        "numbers": folder / "scan.raw",
        "folder": folder,
        "zip": tmp_path / "pair.zip",
    }[given]
    scan = open_scan(path)
    check_place(scan)
    assert not any("Left out" in note for note in scan.notes)


@pytest.mark.parametrize("ending", ["nhdr", "mhd"])
@pytest.mark.parametrize(
    "name", ["../scan.raw", "/etc/passwd", "a/scan.raw", "..\\scan.raw", "C:scan.raw", ".."]
)
def test_headers_that_point_elsewhere(tmp_path, ending, name):
    (tmp_path / "scan.raw").write_bytes(STORED.tobytes("F"))
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "scan.raw").write_bytes(STORED.tobytes("F"))
    (folder / f"scan.{ending}").write_bytes(headers(name)[ending])
    with pytest.raises(FileError, match="another place"):
        open_scan(folder / f"scan.{ending}")
    with zipfile.ZipFile(tmp_path / "pair.zip", "w") as archive:
        archive.writestr(f"a/scan.{ending}", headers(name)[ending])
        archive.writestr("scan.raw", STORED.tobytes("F"))
    with pytest.raises(FileError, match="another place"):
        open_scan(tmp_path / "pair.zip")


def test_missing_and_large_numbers(tmp_path):
    path = tmp_path / "scan.mhd"
    path.write_bytes(headers("other.raw")["mhd"])
    with pytest.raises(FileError, match="not beside it"):
        open_scan(path)
    (tmp_path / "other.raw").write_bytes(bytes(10_000))
    with pytest.raises(FileError, match="too large"):
        open_scan(path, limits=Limits(file_bytes=5000))


# ------------------------------------------------------------------ hostile files


@pytest.mark.parametrize(
    "sizes", ["99999 99999 9", "0 7 9", "-5 7 9", "5 7", "5 7 1e9", "9" * 4000]
)
def test_absurd_sizes_of_nrrd(opened, sizes):
    with pytest.raises(FileError, match=r"damaged|99,999 x 99,999"):
        opened(nrrd(sizes=sizes))


def test_bombs(opened):
    body = gzip.compress(STORED.tobytes("F") + bytes(300_000_000), 1)
    limits = Limits(seconds=5, memory_bytes=1 << 30)
    check_place(opened(nrrd(encoding="gzip", body=body), limits=limits))
    check_place(
        opened(nrrd(encoding="bzip2", body=bz2.compress(STORED.tobytes("F"))), limits=limits)
    )
    with pytest.raises(FileError, match="does not end"):
        opened(b"NRRD0004\n" + b"# more\n" * 100_000)


def test_texts_of_headers_are_found_nowhere(opened):
    for data in (
        nrrd(content=CANARY, sample_units=f'"{CANARY}"').replace(
            b"# a comment", f"# {CANARY}\npatient:={CANARY}\n{CANARY}: x".encode()
        ),
        meta(Comment=CANARY, Name=CANARY, AnatomicalOrientation=CANARY, Modality=CANARY),
        b"Comment = " + CANARY.encode() + b"\n" + meta(),
    ):
        assert CANARY.encode() in data
        scan = opened(data)
        assert CANARY not in repr([vars(scan), vars(scan.geometry), vars(scan.frame)])
