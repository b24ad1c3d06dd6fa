"""What the agent can do, on shapes with known answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from parser_model import ToolError
from tests.shapes_parser import ShapesParser
from tools import Case, Scan
from tools.actions import ACTIONS, Bench
from tools.geometry import Geometry

SHAPES = {
    "liver": [(10, 10, 50, 40)],
    "left lung": [(60, 60, 80, 90)],
    "right lung": [(60, 10, 90, 50)],
    "lung": [(60, 60, 80, 90), (60, 10, 90, 50)],
    "tumor": [(20, 20, 30, 30)],
}


@pytest.fixture
def bench(tmp_path):
    ramp = np.tile(np.arange(100, dtype=np.int16), (100, 1))  # value = column
    scan = Scan(ramp, Geometry((2.0, 1.0), "dicom-pixel-spacing"), modality="CT", value_unit="HU")
    case = Case(tmp_path / "case")
    case.add_scan(scan)
    return Bench(case, ShapesParser(SHAPES))


def call(bench, name, **arguments):
    return ACTIONS[name](bench, **arguments)


def values(bench, result):
    return {
        bench.case.measurements[m].name: bench.case.measurements[m] for m in result.measurements
    }


def test_segment_tells_present_absent_and_unknown_apart(bench):
    result = call(bench, "segment", phrases=["the liver", "polyp", "dragon"])
    by_phrase = {o["phrase"]: o for o in result.content["objects"]}
    assert by_phrase["liver"]["present"]
    assert by_phrase["polyp"]["known"]
    assert not by_phrase["polyp"]["present"]
    assert not by_phrase["dragon"]["known"]
    assert result.refused
    assert result.encoded


@pytest.mark.parametrize(
    ("site", "phrase", "learnt"),
    [
        ("abdomen", "tumour", False),
        ("abdomen", "lung", False),  # its bases may be in view
        ("abdomen", "spleen", True),
        ("lung", "tumour", True),
        (None, "tumour", True),  # of lungs or kidneys: where this is nobody knows
    ],
)
def test_what_was_not_learnt_in_such_images_is_not_said_to_be_absent(bench, site, phrase, learnt):
    bench = Bench(bench.case, ShapesParser({}, site=site))
    (entry,) = call(bench, "segment", phrases=[phrase]).content["objects"]
    assert entry["known"]
    assert not entry["present"]
    assert entry.get("not_learnt_in") == (None if learnt else f"{site} CT")


def test_of_a_parser_whose_training_is_not_known_nothing_is_said(bench):
    parser = ShapesParser({}, site="abdomen")
    parser.info = replace(parser.info, places=())  # as BiomedParse
    bench = Bench(bench.case, parser)
    (entry,) = call(bench, "segment", phrases=["tumour"]).content["objects"]
    assert "not_learnt_in" not in entry


def test_what_was_found_is_not_called_unlearnt(bench):
    bench = Bench(bench.case, ShapesParser(SHAPES, site="abdomen"))
    (entry,) = call(bench, "segment", phrases=["tumour"]).content["objects"]
    assert entry["present"]
    assert "not_learnt_in" not in entry


def test_what_was_found_before_is_returned_without_new_work(bench):
    first = call(bench, "segment", phrases=["liver"])
    again = call(bench, "segment", phrases=["the liver", "hepatic tissue"])
    assert first.objects == again.objects == ("mask-1",)
    assert again.encoded is False
    assert bench.parser.asked == [["liver"]]


def test_anisotropic_pixels_are_measured_in_millimetres(bench):
    call(bench, "segment", phrases=["liver"])
    wanted = ["area", "longest_diameter", "bounding_box", "mean_intensity", "min_intensity"]
    found = values(bench, call(bench, "measure", object="mask-1", quantities=wanted))
    assert (found["area"].value, found["area"].unit) == (40 * 2 * 30 * 1, "mm2")
    assert found["longest_diameter"].value == pytest.approx(np.hypot(80, 30))
    assert (found["mean_intensity"].value, found["mean_intensity"].unit) == (24.5, "HU")
    assert found["min_intensity"].value == 10


def test_measuring_twice_keeps_the_id(bench):
    call(bench, "segment", phrases=["liver"])
    first = call(bench, "measure", object="mask-1")
    again = call(bench, "measure", object="mask-1")
    assert first.measurements == again.measurements


def test_one_part_can_be_measured(bench):
    call(bench, "segment", phrases=["lung"])
    result = call(bench, "measure", object="mask-1", quantities=["area"], part=2)
    area = values(bench, result)["area"]
    assert (area.value, area.part) == (20 * 30 * 2, 2)
    with pytest.raises(ToolError, match="no part 3"):
        call(bench, "measure", object="mask-1", quantities=["area"], part=3)


def test_position_is_the_viewers(bench):
    call(bench, "segment", phrases=["right lung", "left lung"])
    where = [
        call(bench, "measure", object=o, quantities=["centroid"]).content["position"]
        for o in ("mask-1", "mask-2")
    ]
    assert where == ["lower left", "lower right"]


@pytest.mark.parametrize(
    ("box", "where"),
    [
        ((0, 40, 10, 60), "upper part"),
        ((40, 0, 60, 10), "left part"),
        ((40, 40, 60, 60), "middle"),
    ],
)
def test_position_fits_into_a_sentence(bench, box, where):
    bench.parser.shapes = {"tumor": [box]}
    call(bench, "segment", phrases=["tumor"])
    result = call(bench, "measure", object="mask-1", quantities=["centroid"])
    assert result.content["position"] == where


def test_comparisons(bench):
    call(bench, "segment", phrases=["left lung", "right lung", "liver", "tumor"])
    ratio = call(bench, "compare", first="mask-1", second="mask-2", what="ratio")
    assert values(bench, ratio)["ratio"].value == pytest.approx(0.5)
    assert ratio.content["larger"] == "mask-2"
    share = call(bench, "compare", first="mask-4", second="mask-3", what="fraction_of")
    assert values(bench, share)["fraction_of"].value == pytest.approx(100 / 12)
    apart = call(bench, "compare", first="mask-1", second="mask-2", what="distance")
    assert values(bench, apart)["distance"].value == pytest.approx(10.0)  # columns 50 to 60, 1 mm
    with pytest.raises(ToolError, match="different objects"):
        call(bench, "compare", first="mask-1", second="mask-1")


def test_everything_is_found_without_overlaps(bench):
    result = call(bench, "find_everything")
    found = {bench.case.objects[o].target: bench.case.objects[o] for o in result.objects}
    assert {"liver", "left lung", "right lung"} <= set(found)
    assert "lung" not in found  # its sides are there
    total = np.sum([o.mask for o in found.values()], axis=0)
    assert total.max() == 1


def test_a_stated_scale_replaces_that_of_the_file_and_says_so(bench):
    call(bench, "segment", phrases=["liver"])
    call(bench, "measure", object="mask-1", quantities=["area"])
    result = call(bench, "set_scale", mm_per_pixel=0.5)
    assert any("replaced" in w for w in result.warnings)
    area = values(bench, call(bench, "measure", object="mask-1", quantities=["area"]))["area"]
    assert (area.value, area.id) == (300.0, "m-3")
    with pytest.raises(ToolError, match="No scanner"):
        call(bench, "set_scale", mm_per_pixel=-1)
    bar = call(bench, "set_scale", bar_mm=1.0, bar_pixels=4.0)
    assert bar.warnings == ()  # it replaces what the user said
    assert bench.case.scans["scan-1"].geometry.spacing_mm == (0.25, 0.25)
    with pytest.raises(ToolError, match="either"):
        call(bench, "set_scale", bar_mm=1.0)


def test_show_draws_objects_together(bench):
    call(bench, "segment", phrases=["liver", "left lung", "polyp"])
    call(bench, "show", objects=["mask-1", "mask-2"])
    assert (bench.case.directory / "overlay-mask-1-mask-2.png").is_file()
    with pytest.raises(ToolError, match="was not found"):
        call(bench, "show", objects=["mask-3"])


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("segment", {"phrases": []}, "at least one"),
        ("segment", {"phrases": ["x"] * 5 + [f"o{i}" for i in range(30)]}, "at most 20"),
        ("segment", {"phrases": ["x" * 300]}, "200 characters"),
        ("segment", {"phrases": ["liver"], "scan": "scan-7"}, "no scan-7"),
        ("measure", {"object": "mask-7"}, "no mask-7"),
        ("show", {"objects": []}, "at least one"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(bench, name, arguments, reason):
    with pytest.raises(ToolError, match=reason):
        call(bench, name, **arguments)


def test_unknown_quantity_is_refused(bench):
    call(bench, "segment", phrases=["liver"])
    with pytest.raises(ToolError, match="can't measure"):
        call(bench, "measure", object="mask-1", quantities=["weight"])


def test_nothing_of_a_case_names_a_path_or_pixels_to_the_model(bench):
    for result in (
        call(bench, "segment", phrases=["liver"]),
        call(bench, "measure", object="mask-1"),
        call(bench, "describe_scan"),
    ):
        text = json.dumps(result.content)
        assert str(bench.case.directory) not in text


def test_the_same_scan_keeps_its_id_and_the_case_can_be_deleted(bench):
    scan = bench.case.scans["scan-1"]
    assert bench.case.add_scan(scan) == "scan-1"
    index = json.loads((bench.case.directory / "case.json").read_text())
    assert index["scans"][0]["spacing_mm"] == [2.0, 1.0]
    bench.case.delete()
    assert not bench.case.directory.exists()


def test_pixels_of_another_kind_than_stated_are_told_and_findings_held_back(bench):
    bench.parser.modality = "fundus"  # the file says CT
    asked = call(bench, "segment", phrases=["tumor"])
    assert any("does not look like the CT images" in w for w in asked.warnings)
    found = call(bench, "find_everything")
    assert "tumor" not in {bench.case.objects[o].target for o in found.objects}
    assert call(bench, "describe_scan").content["modality"] == "CT"
