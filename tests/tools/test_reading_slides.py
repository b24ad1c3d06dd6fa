"""Whole slides: the level that fits, its pixel size, tiles in their places."""

from __future__ import annotations

import numpy as np
import pytest
from tifffile import TiffWriter

from parser_model import FileError
from tests.tools.reading_files import item, sequence, write_dicom
from tools.reading import Limits, open_scan

COLOURS = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)


@pytest.fixture
def pyramid(tmp_path):
    """Write a TIFF of full size, half and quarter, as microscopes do."""
    path = tmp_path / "slide.tif"
    with TiffWriter(path, ome=True) as tiff:
        micrometres = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
        units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
        tiff.write(
            COLOURS, subifds=2, photometric="rgb", metadata={"axes": "YXS"} | micrometres | units
        )
        for step in (2, 4):
            tiff.write(COLOURS[::step, ::step], subfiletype=1, photometric="rgb")
    return path


@pytest.mark.parametrize(("most", "step"), [(64 * 96, 1), (64 * 96 - 1, 2), (32 * 48 - 1, 4)])
def test_the_finest_level_that_fits(pyramid, most, step):
    scan = open_scan(pyramid, limits=Limits(pixels=most))
    assert np.array_equal(scan.pixels, COLOURS[::step, ::step])
    assert scan.geometry.spacing_mm == pytest.approx((0.0005 * step, 0.00025 * step))
    assert scan.geometry.spacing_source == "slide-mpp"
    rows, columns = scan.shape
    assert f"({columns} x {rows} pixels)" in scan.notes[0]


def test_a_slide_without_a_level_that_fits_is_refused(pyramid):
    with pytest.raises(FileError, match="smallest level"):
        open_scan(pyramid, limits=Limits(pixels=100))


def tiles(rows=5, columns=8):
    """COLOURS[:rows, :columns] in tiles of 2 x 3, row by row, those at the ends filled up."""
    padded = np.zeros((6, 9, 3), np.uint8)
    padded[:rows, :columns] = COLOURS[:rows, :columns]
    return np.stack([padded[y : y + 2, x : x + 3] for y in range(0, 6, 2) for x in range(0, 9, 3)])


LEVEL = {"Modality": "SM", "TotalPixelMatrixRows": 5, "TotalPixelMatrixColumns": 8}


def test_tiles_row_by_row(tmp_path):
    scan = open_scan(
        write_dicom(tmp_path / "slide", tiles(), PixelSpacing=[0.0005, 0.00025], **LEVEL)
    )
    assert np.array_equal(scan.pixels, COLOURS[:5, :8])
    assert scan.geometry.spacing_mm == (0.0005, 0.00025)
    assert scan.modality == "pathology"


def test_tiles_with_places(tmp_path):
    order = [8, 0, 3, 0]  # one tile twice, as of two focal planes; most absent
    keys = ("RowPositionInTotalImagePixelMatrix", "ColumnPositionInTotalImagePixelMatrix")
    places = [
        item(**dict(zip(keys, (1 + 2 * (n // 3), 1 + 3 * (n % 3)), strict=True))) for n in order
    ]
    frames = [item(PlanePositionSlideSequence=sequence(place)) for place in places]
    stored = tiles()[order]
    stored[3] = 0
    path = write_dicom(
        tmp_path / "slide", stored, PerFrameFunctionalGroupsSequence=sequence(*frames), **LEVEL
    )
    scan = open_scan(path)
    expected = np.full((5, 8, 3), 255, np.uint8)
    for top, left in ((4, 6), (0, 0), (2, 0)):
        expected[top : top + 2, left : left + 3] = COLOURS[:5, :8][top : top + 2, left : left + 3]
    assert np.array_equal(scan.pixels, expected)
    assert any("not scanned everywhere" in note for note in scan.notes)


def test_fluorescence_is_grey_on_black(tmp_path):
    grey = tiles()[:2, :, :, 0].astype(np.uint16)
    scan = open_scan(write_dicom(tmp_path / "slide", grey, **LEVEL))
    expected = np.zeros((5, 8), np.uint16)
    expected[:2, :6] = COLOURS[:2, :6, 0]
    assert np.array_equal(scan.pixels, expected)


def test_of_a_folder_of_levels_the_finest_that_fits(tmp_path):
    levels = tmp_path / "levels"
    levels.mkdir()
    write_dicom(levels / "1", tiles(), **LEVEL)
    write_dicom(levels / "2", tiles()[:1], **LEVEL | {"TotalPixelMatrixRows": 2})
    write_dicom(levels / "3", tiles()[:1], ImageType=["ORIGINAL", "PRIMARY", "LABEL"], **LEVEL)
    assert open_scan(levels).shape == (5, 8)
    assert open_scan(levels, limits=Limits(pixels=20)).shape == (2, 8)
    with pytest.raises(FileError, match="level of 8 x 5 pixels"):
        open_scan(levels / "1", limits=Limits(pixels=20))
    with pytest.raises(FileError, match="label"):
        open_scan(levels / "3")
