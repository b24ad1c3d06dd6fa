"""Volumes: parsed slice by slice, put together, measured, and written on the grid of the file."""

from __future__ import annotations

import tracemalloc
from typing import Any

import nibabel
import numpy as np
import pytest

from parser_model import RequestError, ToolError
from parser_model.ontology import ontology
from tests.shapes_parser import BrightParser
from tests.tools.reading_volumes import ORDERS, write_nifti
from tools import Case, Scan, open_scan
from tools.actions import ACTIONS, Bench, Watch
from tools.actions.segment import segment_slice
from tools.geometry import Geometry
from tools.volumes import _ONE_PIECE, parse_volume

SPACING = (2.0, 1.0, 4.0)


def drawn(shape=(30, 40, 12)):
    """A box of 10 x 20 x 6 voxels and a smaller one, bright in the dark."""
    pixels = np.zeros(shape, np.uint8)
    pixels[5:15, 10:30, 3:9] = 200
    pixels[20:24, 5:11, 4:7] = 200
    return pixels


def scan_of(pixels, spacing: Any = SPACING, **fields):
    geometry = Geometry(spacing, "user") if spacing else Geometry()
    return Scan(pixels, geometry, modality="CT", value_unit="HU", window=(100, 200), **fields)


@pytest.fixture
def bench(tmp_path):
    case = Case(tmp_path / "case")
    case.add_scan(scan_of(drawn()))
    return Bench(case, BrightParser())


def measured(bench, name, **arguments):
    result = ACTIONS["measure"](bench, object=name, **arguments)
    return {
        (m.name, m.part): m for m in (bench.case.measurements[key] for key in result.measurements)
    }


# ------------------------------------------------------------------ parsing


@pytest.mark.parametrize(("order", "flips"), ORDERS)
def test_a_mask_returns_to_the_voxels_of_the_file(tmp_path, order, flips):
    """Whatever the order and direction of its axes: odd sizes, voxels of three different sides."""
    shape, steps = (11, 13, 9), (0.75, 1.25, 3.0)
    patient = np.zeros(shape, np.int16)  # towards left, posterior, head
    patient[2:9, 3:7, 2:7] = 1000
    patient[2:4, 3:11, 3:7] = 1000  # an L with a thick foot: no axis or direction like another
    patient[6:9, 3:7, 6:8] = 1000
    stored, affine = patient.transpose(order), np.eye(4)
    affine[:3, :3] = 0
    for axis, along in enumerate(order):
        affine[along, axis] = -steps[along] if flips[axis] else steps[along]
        affine[along, 3] = steps[along] * (shape[along] - 1) * flips[axis] - 20
        stored = np.flip(stored, axis) if flips[axis] else stored
    path = write_nifti(tmp_path / "scan.nii.gz", np.ascontiguousarray(stored), affine)
    case = Case(tmp_path / "case")
    name = case.add_scan(open_scan(path))
    (found,) = parse_volume(BrightParser(), case.scans[name], ["tumor"])
    filed = case.add_object(name, found)
    assert filed.mask_file is not None
    written: Any = nibabel.load(filed.mask_file)
    assert np.array_equal(np.asarray(written.dataobj), stored > 0)
    original: Any = nibabel.load(path)
    np.testing.assert_allclose(written.affine, original.affine, atol=1e-5)


def test_slices_come_in_small_numbers_and_progress_is_told():
    parser, told = BrightParser(), []
    parse_volume(
        parser, scan_of(drawn()), ["tumor"], progress=lambda done, total: told.append((done, total))
    )
    assert sum(parser.sizes) == 12
    assert max(parser.sizes) <= 8
    assert told == [(sum(parser.sizes[: n + 1]), 12) for n in range(len(parser.sizes))]


def test_cancelling_ends_it_before_the_next_slices(bench):
    parser = bench.parser
    watch = Watch(cancelled=lambda: parser.parsed >= 4)
    stopped = Bench(bench.case, parser, lambda: watch)
    with pytest.raises(ToolError, match="Stopped after 4 of 12 slices"):
        ACTIONS["segment"](stopped, phrases=["tumor"])
    assert parser.parsed == 4
    assert not bench.case.objects


def test_presence_is_kept_for_every_slice_and_given_for_the_whole():
    (found,) = parse_volume(BrightParser(), scan_of(drawn()), ["tumor"])
    assert [p == 0.97 for p in found.slice_presence] == [3 <= k < 9 for k in range(12)]
    assert (found.present, found.presence) == (True, 0.97)
    assert (found.target, found.mask.shape) == ("tumor", (30, 40, 12))


def test_doubt_in_the_middle_does_not_break_an_organ():
    (found,) = parse_volume(BrightParser(doubted=[5]), scan_of(drawn()), ["tumor"])
    assert found.slice_presence[5] == 0.02
    assert np.array_equal(found.mask, drawn() > 0)


def test_absent_and_unknown_objects_of_a_volume(bench):
    bench.case.scans["scan-1"] = scan_of(np.zeros((30, 40, 12), np.uint8))
    result = ACTIONS["segment"](bench, phrases=["liver", "dragon"])
    liver, dragon = (bench.case.objects[name] for name in result.objects)
    assert (liver.present, liver.presence, liver.slice, liver.mask_file) == (
        False,
        0.02,
        None,
        None,
    )
    assert (dragon.target, dragon.presence) == (None, None)
    assert result.refused


def test_an_organ_of_one_piece_is_its_main_body(bench):
    """What is outlined elsewhere is something else, and the user is told how much it was."""
    result = ACTIONS["segment"](bench, phrases=["spleen"])
    spleen = bench.case.objects[result.objects[0]]
    expected = drawn() > 0
    expected[20:24, 5:11] = False
    assert np.array_equal(spleen.mask, expected)
    assert spleen.parts == 1
    apart = 4 * 6 * 3 / (10 * 20 * 6 + 4 * 6 * 3)
    assert any(f"{100 * apart:.0f} % of what was outlined" in w for w in result.warnings)
    assert set(ontology().targets) >= _ONE_PIECE


def test_a_film_is_no_volume(tmp_path):
    film = scan_of(drawn(), spacing=None, stack_of="frames")
    with pytest.raises(RequestError, match="no volume"):
        parse_volume(BrightParser(), film, ["tumor"])
    case = Case(tmp_path)
    case.add_scan(film)
    result = ACTIONS["segment"](Bench(case, BrightParser()), phrases=["tumor"])
    found = case.objects[result.objects[0]]
    assert (found.slice, found.mask.shape) == (6, (30, 40))
    assert found.mask_file is not None
    assert found.mask_file.suffix == ".png"
    assert any("Only frame 7 of 12 was looked at" in w for w in result.warnings)


def test_memory_stays_near_what_is_kept(tmp_path):
    """Two bytes a voxel for the probability, one for the mask, and little more on the way."""
    pixels = np.zeros((256, 256, 100), np.uint8)
    pixels[60:200, 60:200, 20:80] = 200
    scan = scan_of(pixels)
    tracemalloc.start()
    try:
        parse_volume(BrightParser(), scan, ["tumor"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    kept = 3 * pixels.size
    assert peak < kept + 8 * pixels.size


# ------------------------------------------------------------------ measuring and showing


def test_sizes_of_a_volume(bench):
    ACTIONS["segment"](bench, phrases=["tumor"])
    wanted = ["volume", "slice", "longest_diameter", "perpendicular_diameter", "count", "area"]
    found = measured(bench, "mask-1", quantities=[*wanted, "mean_intensity", "fraction_of_image"])
    voxels = 10 * 20 * 6 + 4 * 6 * 3
    assert found["volume", None].value == voxels * 8
    assert found["volume", None].unit == "mm3"
    assert found["count", None].value == 2
    # Slices 4 to 6 hold both boxes, so they are the largest; of equals the middle one.
    assert found["slice", None].value == 5
    assert found["area", None].value == (10 * 20 + 4 * 6) * 2
    # 20 mm by 20 mm: a square.
    assert found["longest_diameter", 1].value == pytest.approx(np.hypot(20, 20))
    assert 3 <= found["slice", 1].value <= 8
    assert found["mean_intensity", None].value == 200
    assert found["fraction_of_image", None].value == pytest.approx(100 * voxels / (30 * 40 * 12))
    one = bench.case.objects["mask-1"]
    assert (one.slice, one.in_volume, one.looked_at) == (5, True, None)


def test_the_overlay_shows_the_key_slice(bench):
    ACTIONS["segment"](bench, phrases=["tumor"])
    one = bench.case.objects["mask-1"]
    assert one.overlay_file is not None
    from PIL import Image

    picture = np.asarray(Image.open(one.overlay_file))
    coloured = np.ptp(picture.astype(int), axis=2) > 0
    assert np.array_equal(coloured, drawn()[:, :, 5] > 0)
    result = ACTIONS["show"](bench, objects=["mask-1"])
    assert result.objects == ("mask-1",)


@pytest.mark.parametrize(
    ("spacing", "left_out", "unit"),
    [((2.0, 1.0), "distance between slices", "mm"), (None, "", "px")],
)
def test_without_a_distance_between_slices(tmp_path, spacing, left_out, unit):
    case = Case(tmp_path)
    case.add_scan(scan_of(drawn(), spacing=spacing))
    bench = Bench(case, BrightParser())
    warnings = ACTIONS["segment"](bench, phrases=["tumor"]).warnings
    assert any("distance between the slices is not known" in w for w in warnings) == bool(left_out)
    result = ACTIONS["measure"](
        bench, object="mask-1", quantities=["volume", "longest_diameter", "slice"]
    )
    found = {m.name: m for m in (case.measurements[key] for key in result.measurements)}
    assert found["longest_diameter"].unit == unit
    if left_out:
        assert "volume" not in found
        assert any(left_out in w for w in result.warnings)
        with pytest.raises(ToolError, match=left_out):
            ACTIONS["measure"](bench, object="mask-1", quantities=["volume"])
    else:
        assert found["volume"].unit == "px3"


def test_objects_of_a_volume_are_compared_in_space(bench, monkeypatch):
    ACTIONS["segment"](bench, phrases=["tumor", "spleen"])  # all of it, and its larger piece
    result = ACTIONS["compare"](bench, first="mask-2", second="mask-1", what="ratio")
    ratio = bench.case.measurements[result.measurements[-1]]
    large, small = 10 * 20 * 6, 4 * 6 * 3
    assert ratio.value == pytest.approx(large / (large + small))
    assert result.content["larger"] == "mask-1"
    result = ACTIONS["compare"](bench, first="mask-2", second="mask-1", what="fraction_of")
    share = bench.case.measurements[result.measurements[-1]]
    assert share.value == pytest.approx(100 * large / (large + small))
    segment_slice(bench, ["tumor"], 4)
    with pytest.raises(ToolError, match="two of one kind"):
        ACTIONS["compare"](bench, first="mask-1", second="mask-3")


# ------------------------------------------------------------------ one slice alone


def test_one_slice_of_a_volume(bench):
    result = segment_slice(bench, ["tumor"], 7)
    one = bench.case.objects[result.objects[0]]
    assert (one.slice, one.mask.shape, one.in_volume) == (7, (30, 40), False)
    assert any("Only slice 8 of 12 was looked at" in w for w in result.warnings)
    written: Any = nibabel.load(one.mask_file)
    expected = np.zeros((30, 40, 12), bool)
    expected[:, :, 7] = drawn()[:, :, 7] > 0
    assert np.array_equal(np.asarray(written.dataobj), expected.swapaxes(0, 1))
    # The whole volume and another slice are other objects; the same slice again is not.
    assert ACTIONS["segment"](bench, phrases=["tumor"]).objects == ("mask-2",)
    assert segment_slice(bench, ["tumor"], 6).objects == ("mask-3",)
    assert segment_slice(bench, ["tumor"], 7).objects == ("mask-1",)
    found = measured(bench, "mask-1", quantities=["area", "mean_intensity"])
    assert found["area", None].value == 10 * 20 * 2


def test_slices_that_are_not_there(bench):
    for slice in (12, -1):
        with pytest.raises(ToolError, match="slices 0 to 11"):
            segment_slice(bench, ["tumor"], slice)
    bench.case.add_scan(scan_of(drawn()[:, :, 5], spacing=(1.0, 1.0)))
    with pytest.raises(ToolError, match="single picture"):
        segment_slice(bench, ["tumor"], 0)


def test_everything_in_a_volume(bench):
    result = ACTIONS["find_everything"](bench)
    # All targets are outlined alike; each voxel goes to one of them.
    masks = [bench.case.objects[name].mask for name in result.objects]
    assert masks
    assert np.sum(masks, axis=0).max() == 1
