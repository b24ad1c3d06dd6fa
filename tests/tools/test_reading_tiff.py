"""TIFF of every depth and colour, as files made here say exactly."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from parser_model import FileError
from tools.reading import open_scan

COLOURS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3) * 4


@pytest.fixture
def opened(tmp_path):
    """Save with tifffile and open."""

    def save_and_open(pixels, **options):
        path = tmp_path / "picture"
        tifffile.imwrite(path, pixels, **options)
        return open_scan(path)

    return save_and_open


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32"])
def test_grey_values_are_kept(opened, dtype, compression):
    pixels = (np.arange(20).reshape(4, 5) * 12).astype(dtype)
    pixels[0, 0] = np.iinfo(dtype).max if dtype != "float32" else -1.5
    scan = opened(pixels, photometric="minisblack", compression=compression)
    assert scan.pixels.dtype == dtype
    assert np.array_equal(scan.pixels, pixels)
    assert (scan.colour, scan.source_format) == (False, "TIFF")


def test_doubles_become_floats_and_big_endian_is_read(opened):
    pixels = np.linspace(-1, 1, 20).reshape(4, 5)
    assert opened(pixels).pixels.dtype == np.float32
    scan = opened(np.array([[1, 256]], ">u2"), byteorder=">")
    assert scan.pixels.tolist() == [[1, 256]]


def test_not_a_number_is_refused(opened):
    with pytest.raises(FileError, match="not numbers"):
        opened(np.full((2, 2), np.nan, np.float32))


def test_one_bit(opened):
    scan = opened(np.array([[True, False], [False, True]]))
    assert scan.pixels.tolist() == [[255, 0], [0, 255]]


def test_white_is_zero_is_shown_inverted(opened):
    pixels = np.array([[0, 10, 255]], np.uint8)
    scan = opened(pixels, photometric="miniswhite")
    assert scan.pixels.tolist() == pixels.tolist()
    assert scan.display()[0, :, 0].tolist() == [255, 245, 0]
    assert any("inverted" in note for note in scan.notes)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour(opened, planar):
    stored = COLOURS if planar == "contig" else np.moveaxis(COLOURS, 2, 0)
    scan = opened(stored, photometric="rgb", planarconfig=planar)
    assert scan.colour
    assert np.array_equal(scan.pixels, COLOURS)


def test_deep_colour_is_reduced_and_said(opened):
    scan = opened(COLOURS.astype(np.uint16) * 257, photometric="rgb")
    assert np.array_equal(scan.pixels, COLOURS)
    assert any("16 bits per colour" in note for note in scan.notes)


@pytest.mark.parametrize(
    ("kind", "expected"), [("unassalpha", [40, 20, 10]), ("assocalpha", [200, 100, 50])]
)
def test_transparency_is_put_on_black(opened, kind, expected):
    pixels = np.array([[[200, 100, 50, 51]]], np.uint8)
    scan = opened(pixels, photometric="rgb", extrasamples=[kind])
    assert scan.pixels[0, 0].tolist() == expected
    assert any("transparent" in note for note in scan.notes)


def test_palette(opened):
    table = np.zeros((3, 256), np.uint16)
    table[:, 7] = (0xC8FF, 0x64FF, 0x32FF)
    scan = opened(np.array([[0, 7]], np.uint8), photometric="palette", colormap=table)
    assert scan.pixels.tolist() == [[[0, 0, 0], [200, 100, 50]]]


def test_cmyk(opened):
    inks = np.array([[[0, 255, 255, 0], [0, 0, 0, 0], [0, 0, 0, 255]]], np.uint8)
    scan = opened(inks, photometric="separated")
    assert scan.pixels.tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 0]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(opened, orientation):
    # TIFF 6.0, tag 274: which sides of the scene row 0 and column 0 show.
    scene = np.arange(6, dtype=np.uint8).reshape(2, 3)
    stored = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.T,
        6: np.rot90(scene),
        7: scene[::-1, ::-1].T,
        8: np.rot90(scene, -1),
    }[orientation]
    tag = (274, "H", 1, orientation, True)
    scan = opened(np.ascontiguousarray(stored), extratags=[tag])
    assert np.array_equal(scan.pixels, scene)


def test_the_first_of_several_pictures(opened):
    scan = opened(np.stack([COLOURS, 255 - COLOURS]), photometric="rgb")
    assert np.array_equal(scan.pixels, COLOURS)
    assert scan.notes == ("The file holds 2 pictures; the first one is read.",)


def test_resolution_for_printing_is_no_scale(opened):
    scan = opened(COLOURS, resolution=(300, 300), resolutionunit="inch")
    assert scan.geometry.spacing_source == "none"


def test_microscopes_say_their_scale(opened):
    metadata = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    scan = opened(COLOURS[:, :, 0], ome=True, metadata=metadata | units)
    assert scan.geometry.spacing_mm == pytest.approx((0.0005, 0.00025))
    assert scan.geometry.spacing_source == "slide-mpp"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Aperio Image Library v1\r\n5x4|AppMag = 20|MPP = 0.4990", 0.000499),
        ("Aperio Image Library v1\r\n5x4|AppMag = 20|MPP = 0", None),
        ("Aperio Image Library v1\r\n5x4|AppMag = 20", None),
        ("MPP = 0.5", None),
    ],
)
def test_slide_scanners_say_their_scale(opened, text, expected):
    scan = opened(COLOURS, description=text, metadata=None)
    spacing = scan.geometry.spacing_mm
    assert spacing == (pytest.approx((expected, expected)) if expected else None)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_half_a_file_is_no_picture(tmp_path, compression):
    path = tmp_path / "picture.tif"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    tifffile.imwrite(path, noise, compression=compression)
    whole = path.read_bytes()
    for part in (0.01, 0.3, 0.97):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(FileError):
            open_scan(path)


def test_volumes_in_one_page_are_refused(opened):
    volume = np.zeros((16, 16, 16), np.uint8)
    with pytest.raises(FileError, match="volume"):
        opened(volume, volumetric=True, tile=(16, 16, 16), photometric="minisblack")
