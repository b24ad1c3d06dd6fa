"""Many files: what is one scan, and what the rows of a table say about it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parser_model import FileError
from tests.shapes_parser import ShapesParser
from tests.tools.reading_files import write_dicom
from tools.cohort import (
    COLUMNS,
    Source,
    find_places,
    measure_scan,
    rows_of,
    sources_in,
    tile_of,
)
from tools.geometry import Geometry
from tools.scan import Scan

# Boxes of 20 x 30 and 6 x 6 pixels: their areas are products, their diagonals Pythagoras.
BOXES = [(10, 10, 30, 40), (50, 50, 56, 56)]
LIVER = {"liver": BOXES, "tumor": BOXES}


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(grey).save(path)
    return path


def series(folder: Path, count: int, uid: str = "1.2.3", **tags) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        position = [0.0, 0.0, 2.5 * number]
        given = {
            "Modality": "CT",
            "SeriesInstanceUID": uid,
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": position,
            "PixelSpacing": [0.5, 0.5],
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
        } | tags
        path = folder / f"{uid}-{count - number}.dcm"
        write_dicom(path, np.full((64, 64), number, dtype=np.uint16), **given)


def found(*paths: Path, without=()) -> dict[tuple[str, str], Source]:
    sources = [s for place in find_places(paths, without=without) for s in sources_in(place)]
    keyed = {source.key: source for source in sources}
    assert len(keyed) == len(sources)
    return keyed


# ------------------------------------------------------------------ what is one scan


def test_a_folder_gives_pictures_one_by_one_and_slices_of_a_series_together(tmp_path):
    picture(tmp_path / "b.png")
    picture(tmp_path / "deep" / "er" / "a.png")
    picture(tmp_path / ".hidden" / "x.png")
    (tmp_path / "table.csv").write_text("a,b")
    series(tmp_path / "ct", 5)
    picture(tmp_path / "ct" / "photo.png")
    write_dicom(tmp_path / "xray.dcm", np.zeros((9, 9), np.uint8), Modality="DX")
    sources = found(tmp_path, without=[tmp_path / "table.csv"])
    assert set(sources) == {
        ("b.png", ""), ("deep/er/a.png", ""), ("ct", ""), ("ct/photo.png", ""), ("xray.dcm", ""),
    }  # fmt: skip
    scan = sources["ct", ""].open()
    assert scan.shape == (64, 64, 5)
    assert scan.geometry.spacing_mm == (0.5, 0.5, 2.5)
    assert not scan.notes  # the picture beside them is a scan of its own, not something left out
    assert [int(v) for v in scan.values(4)[0, :1]] == [4 - 1024]


def test_what_is_odd_in_a_series_is_told_in_its_rows(tmp_path):
    series(tmp_path, 7)
    (tmp_path / "1.2.3-4.dcm").unlink()  # a hole in the middle
    cut = tmp_path / "1.2.3-7.dcm"
    cut.write_bytes(cut.read_bytes()[:-3000])
    (source,) = found(tmp_path).values()
    scan = source.open()
    assert scan.shape == (64, 64, 5)
    total, *_ = rows(scan, ["liver"])
    assert "1 slice is damaged and was left out" in total["warnings"]
    assert "1 slice is missing inside the stack" in total["warnings"]


def test_a_tilted_gantry_is_told_and_planes_are_measured_apart(tmp_path):
    for z in range(5):
        place = [0.0, 0.5 * z, 2.5 * z]  # each slice half a millimetre further back
        one = tmp_path / str(z)
        series(one, 1, ImagePositionPatient=place)
        next(one.iterdir()).rename(tmp_path / f"{z}.dcm")
        one.rmdir()
    (source,) = found(tmp_path).values()
    total, *_ = rows(source.open(), ["liver"])
    assert total["slice_mm"] == pytest.approx(2.5)
    assert "tilted by 11 degrees" in total["warnings"]  # arctan(0.5 / 2.5)


def test_series_in_one_folder_are_numbered_as_list_series_numbers_them(tmp_path):
    series(tmp_path, 3, "1.2.1")
    series(tmp_path, 6, "1.2.2")
    sources = found(tmp_path)
    assert {key: s.open().shape for key, s in sources.items()} == {
        (".", "1"): (64, 64, 6),
        (".", "2"): (64, 64, 3),
    }


def test_series_of_an_archive_are_scans(tmp_path):
    series(tmp_path / "a", 3, "1.2.1")
    series(tmp_path / "a", 4, "1.2.2")
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for path in (tmp_path / "a").iterdir():
            archive.write(path, path.name)
    sources = found(tmp_path / "study.zip")
    assert [s.open().shape[2] for s in sources.values()] == [4, 3]
    assert list(sources) == [("study.zip", "1"), ("study.zip", "2")]


def test_slices_named_one_by_one_are_one_scan_too(tmp_path):
    series(tmp_path, 4)
    assert list(found(*sorted(tmp_path.iterdir()))) == [(".", "")]


def test_files_of_pixels_belong_to_their_header(tmp_path):
    (tmp_path / "v.mhd").write_text(
        "ObjectType = Image\nNDims = 2\nDimSize = 3 2\nElementType = MET_UCHAR\n"
        "ElementDataFile = v.raw\n"
    )
    (tmp_path / "v.raw").write_bytes(bytes(6))
    (tmp_path / "alone.raw").write_bytes(bytes(6))
    assert set(found(tmp_path)) == {("v.mhd", ""), ("alone.raw", "")}


def test_the_same_pixels_twice_are_two_scans_but_the_same_file_twice_is_one(tmp_path):
    first, second = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    assert len(found(tmp_path)) == 2
    assert len(found(first, second, first, tmp_path)) == 2


def test_two_links_to_one_file_are_two_scans_and_loops_of_folders_end(tmp_path):
    picture(tmp_path / "real.png")
    for name in "ab":
        (tmp_path / f"{name}.png").symlink_to("real.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert {name for name, _ in found(tmp_path)} == {"real.png", "a.png", "b.png"}
    assert found(tmp_path, without=[tmp_path / "real.png"]) == {}


def test_names_are_relative_to_what_was_given(tmp_path):
    first, second = picture(tmp_path / "x" / "1.png"), picture(tmp_path / "y" / "1.png")
    assert {name for name, _ in found(first.parent)} == {"1.png"}
    assert {name for name, _ in found(first, second)} == {"x/1.png", "y/1.png"}


def test_a_path_that_leads_nowhere_is_told_before_any_work(tmp_path):
    with pytest.raises(FileError, match="no such file or folder"):
        find_places([tmp_path / "missing"])
    with pytest.raises(FileError, match="Path 2 leads nowhere"):
        find_places([tmp_path, tmp_path / "missing"])


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert find_places([tmp_path]) == []
    (source,) = found(tmp_path / "pipe").values()
    with pytest.raises(FileError, match="not a regular file"):
        source.open()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("=1+1.png", "./=1+1.png"),
        ("-2.png", "./-2.png"),
        ("@sum.png", "./@sum.png"),
        ("+a.png", "./+a.png"),
        ("＝x.png", "./＝x.png"),
        ("a\nb.png", "a\\x0ab.png"),
        ("a\tb.png", "a\\x09b.png"),
        ("a\\x0ab.png", "a\\\\x0ab.png"),
        ("ü, ß.png", "ü, ß.png"),
        (b"\xff.png", "\\udcff.png"),
    ],
)
def test_no_name_is_a_formula_or_breaks_a_line(tmp_path, name, shown):
    path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
    Path(os.fsdecode(path)).write_bytes(b"")
    assert [key[0] for key in found(tmp_path)] == [shown]


# ------------------------------------------------------------------ what the rows say


def rows(scan: Scan, phrases=("liver", "spleen", "zork")):
    measured = measure_scan(ShapesParser(LIVER), scan, list(phrases))
    return rows_of(7, Source("a.png", Path("a.png")), measured)


def test_rows_hold_the_total_and_each_part_in_pixels():
    total, first, second, spleen, unknown = rows(Scan(np.full((64, 64), 50, np.uint8), Geometry()))
    assert (total["row"], total["part"], total["parts"]) == ("total", None, 2)
    assert (first["row"], first["part"], second["part"]) == ("part", 1, 2)
    assert [r["area_px2"] for r in (total, first, second)] == [636, 600, 36]
    assert first["longest_diameter_px"] == pytest.approx(np.hypot(20, 30))
    assert total["longest_diameter_px"] == first["longest_diameter_px"]
    assert second["longest_diameter_px"] == pytest.approx(np.hypot(6, 6))
    assert (total["count"], first["count"], total["density_per_mm2"]) == (2, None, None)
    assert total["fraction_of_image_percent"] == pytest.approx(100 * 636 / 64**2)
    assert total["mean_intensity"] == 50
    assert all(total[c] is None for c in COLUMNS if "_mm" in c)
    assert total["spacing_source"] == "none"
    assert (total["modality"], total["modality_source"]) == ("CT", "pixels")
    assert (spleen["present"], spleen["area_px2"], spleen["target"]) == (False, None, "spleen")
    assert (unknown["target"], unknown["presence"]) == (None, None)
    assert "not a word" in unknown["warnings"]
    assert all(set(row) == set(COLUMNS) for row in (total, first, spleen, unknown))


def test_millimetres_fill_their_own_columns_only():
    geometry = Geometry(spacing_mm=(0.5, 0.25), spacing_source="dicom-pixel-spacing")
    total, first, *_ = rows(Scan(np.zeros((64, 64), np.uint8), geometry), ["liver"])
    assert total["area_mm2"] == pytest.approx(636 * 0.125)
    # 20 rows of 0.5 mm and 30 columns of 0.25 mm
    assert first["longest_diameter_mm"] == pytest.approx(np.hypot(10, 7.5))
    assert all(total[c] is None for c in COLUMNS if "_px" in c)
    assert (total["pixel_height_mm"], total["pixel_width_mm"]) == (0.5, 0.25)


def test_touching_nuclei_are_counted_one_by_one():
    # Two squares that touch at a corner are one part with a neck of no width; a third lies apart.
    boxes = {"nuclei": [(10, 10, 22, 22), (22, 22, 34, 34), (44, 44, 56, 56)]}
    geometry = Geometry(spacing_mm=(0.5, 0.5), spacing_source="user")
    scan = Scan(np.zeros((64, 64), np.uint8), geometry, modality="pathology")
    parser = ShapesParser(boxes, modality="pathology")
    measured = measure_scan(parser, scan, ["nuclei"])
    total, *parts = rows_of(1, Source("a", Path("a")), measured)
    assert (total["parts"], len(parts), total["count"]) == (2, 2, 3)
    assert total["density_per_mm2"] == pytest.approx(3 / 32**2)


def volume(shape=(64, 64, 4), spacing=(0.5, 0.5, 5.0), **options) -> Scan:
    geometry = Geometry(spacing, "dicom-pixel-spacing") if spacing else Geometry()
    pixels = np.zeros(shape, np.int16)
    pixels[..., 2] = 40
    return Scan(pixels, geometry, modality="CT", value_unit="HU", **options)


def test_a_volume_is_measured_in_space():
    total, first, second = rows(volume(), ["tumor"])
    # The boxes are found on all four slices: 636 pixels of 0.25 mm2, 5 mm thick, four times.
    assert total["volume_mL"] == pytest.approx(636 * 0.25 * 5 * 4 / 1000)
    assert total["area_mm2"] == pytest.approx(159)
    assert [r["volume_mL"] for r in (first, second)] == pytest.approx([3.0, 0.18])
    assert first["longest_diameter_mm"] == pytest.approx(np.hypot(10, 15))
    assert total["fraction_of_image_percent"] == pytest.approx(100 * 636 / 64**2)
    assert (total["mean_intensity"], total["intensity_unit"]) == (10, "HU")
    assert (total["slice_mm"], total["modality_source"]) == (5.0, "file or user")
    assert total["slice"] is not None
    assert all(total[c] is None for c in COLUMNS if "_px" in c)


def test_a_volume_without_spacing_is_counted_in_voxels():
    total, *_ = rows(volume(spacing=None), ["tumor"])
    assert (total["volume_px3"], total["volume_mL"], total["area_px2"]) == (636 * 4, None, 636)


def test_where_the_distance_of_slices_is_unknown_the_plane_is_measured_and_the_reason_told():
    total, *_ = rows(volume(spacing=(0.5, 0.5)), ["tumor"])
    assert (total["area_mm2"], total["volume_mL"]) == (159, None)
    assert "distance between slices" in total["warnings"]


def test_a_tile_shows_the_slice_where_the_object_is_largest():
    measured = measure_scan(ShapesParser(LIVER), volume(), ["polyp", "tumor"])
    tile = tile_of(3, measured)
    assert tile.place == f"slice {(measured.objects[1].slice or 0) + 1} of 4"
    assert [text.split(":")[0] for text, _ in tile.lines] == ["tumor (2)", "polyp"]
    assert tile.outlines[1][0].sum() == 636


def test_of_a_film_one_frame_is_measured():
    total, *_ = rows(volume(spacing=(0.5, 0.5), stack_of="frames"), ["tumor"])
    assert (total["area_mm2"], total["volume_mL"], total["slice"]) == (159, None, 2)
    assert "Only frame 3 of 4" in total["warnings"]
    assert total["mean_intensity"] == 40
