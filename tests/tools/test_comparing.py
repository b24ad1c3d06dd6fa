"""Comparisons as the agent makes them, on shapes with known answers; two scans of one patient."""

from __future__ import annotations

import numpy as np
import pytest

from parser_model import ToolError
from tests.shapes_parser import ShapesParser
from tools import Case, Scan
from tools.actions import ACTIONS, Bench
from tools.geometry import Geometry

SHAPES = {
    "liver": [(10, 10, 50, 40)],  # 40 × 30 pixels of 2 × 1 mm
    "tumor": [(20, 20, 30, 30)],
    "left lung": [(60, 60, 80, 90)],
    "right lung": [(60, 10, 90, 50)],
    "lung": [(60, 60, 80, 90), (60, 10, 90, 50)],
    "optic disc": [(20, 20, 60, 60)],
    "optic cup": [(30, 30, 50, 60)],
    "nuclei": [(12, 12, 16, 16), (20, 20, 24, 24), (60, 60, 64, 64)],
    "left heart ventricle": [(0, 0, 40, 50)],
}
LATER = {
    "tumor": [(20, 20, 35, 30), (60, 60, 65, 64)],
    "left heart ventricle": [(0, 0, 20, 40)],
    "liver": [(10, 10, 50, 40)],
}
SPACING = (2.0, 1.0)


class TwoScans(ShapesParser):
    """Finds the later shapes where the picture is bright."""

    def __init__(self, earlier, later):
        super().__init__(earlier)
        self.earlier, self.later = earlier, later

    def _one(self, image, phrase, modality):
        self.shapes = self.later if image.mean() > 128 else self.earlier
        return super()._one(image, phrase, modality)


def picture(grey, spacing=SPACING):
    place = Geometry(spacing, "dicom-pixel-spacing") if spacing else Geometry(None, "none")
    return Scan(np.full((100, 100), grey, np.uint8), place, modality="CT")


def bench_with(tmp_path, *scans, later=LATER):
    case = Case(tmp_path / "case")
    for scan in scans:
        case.add_scan(scan)
    return Bench(case, TwoScans(SHAPES, later))


@pytest.fixture
def bench(tmp_path):
    return bench_with(tmp_path, picture(20))


def ids(bench, *phrases, scan=None):
    return ACTIONS["segment"](bench, phrases=list(phrases), scan=scan).objects


def compared(bench, what, first, second):
    result = ACTIONS["compare"](bench, first=first, second=second, what=what)
    filed = [bench.case.measurements[m["id"]] for m in result.content["measurements"]]
    assert {m.id for m in filed} == set(result.measurements)
    assert all(m.measured.convention for m in filed)
    return result, filed


def test_difference_and_symmetry(bench):
    left, right = ids(bench, "left lung", "right lung")
    result, filed = compared(bench, "difference", left, right)
    assert (filed[0].name, filed[0].value, filed[0].unit) == ("change", 600 * 2, "mm2")
    assert filed[0].derived_from == tuple(m.id for m in filed[1:])
    result, filed = compared(bench, "symmetry", left, right)
    assert [m.name for m in filed] == ["ratio", "asymmetry", "area", "area"]
    assert [m.value for m in filed[:2]] == pytest.approx([0.5, 200 * (0.5 - 1) / (0.5 + 1)])
    assert result.content["larger"] == right


def test_distances_share_and_density(bench):
    tumor, lung, liver, nuclei = ids(bench, "tumor", "left lung", "liver", "nuclei")
    _, filed = compared(bench, "distance", tumor, lung)
    assert filed[0].value == pytest.approx(np.hypot(30 * 2, 30 * 1))
    _, filed = compared(bench, "centroid_distance", tumor, lung)
    assert filed[0].value == pytest.approx(np.hypot(45 * 2, 50 * 1))
    _, filed = compared(bench, "fraction_of", tumor, liver)
    assert filed[0].value == pytest.approx(100 * 100 / 1200)
    _, filed = compared(bench, "density", nuclei, liver)
    assert (filed[0].name, filed[0].unit) == ("density", "1/mm2")
    assert filed[0].value == pytest.approx(2 / (1200 * 2))  # two of three lie in it


def test_cup_to_disc_and_cardiothoracic(bench):
    cup, disc = ids(bench, "optic cup", "optic disc")
    _, filed = compared(bench, "cup_to_disc", cup, disc)
    assert [m.value for m in filed[:2]] == pytest.approx([600 / 1600, 20 / 40])
    assert "vertical" in filed[1].measured.convention
    # There is no heart in radiographs to be found yet; the rule is the same for any two masks.
    liver, lungs = ids(bench, "liver", "lung")
    _, filed = compared(bench, "cardiothoracic", liver, lungs)
    assert filed[0].value == pytest.approx(30 / 80)


def test_ejection_fraction_of_two_frames(tmp_path):
    bench = bench_with(tmp_path, picture(20), picture(200))
    full, empty = ids(bench, "left ventricle")
    _, filed = compared(bench, "ejection_fraction", full, empty)
    assert (filed[0].name, filed[0].value) == ("fractional_area_change", pytest.approx(60))


def test_change_of_a_tumour_with_its_category(tmp_path):
    bench = bench_with(tmp_path, picture(20), picture(200))
    before, after = ids(bench, "tumour")
    result, filed = compared(bench, "change", before, after)
    by_name = {(m.name, m.unit, m.object): m for m in filed}
    # 200 mm² at first, 300 + 40 later.
    assert by_name["change", "mm2", after].value == pytest.approx(140)
    percents = [m for m in filed if m.unit == "percent"]
    assert percents[0].value == pytest.approx(70)
    # The one lesion of the first scan: 20 × 10 mm, later 30 × 10 mm.
    assert by_name["sum_of_diameters", "mm", before].value == pytest.approx(np.hypot(20, 10))
    assert by_name["sum_of_diameters", "mm", after].value == pytest.approx(np.hypot(30, 10))
    assert percents[1].value == pytest.approx(100 * (np.hypot(30, 10) / np.hypot(20, 10) - 1))
    assert "progressive disease" in percents[1].measured.convention
    assert result.content["direction"] == "grew"
    assert result.content["recist"]["category"] == "progressive disease"
    assert result.content["recist"]["ranges_known"] is False
    assert by_name["count", "1", after].value == 2
    assert any("same level" in w for w in result.warnings)


def stack(grey, spacing):
    place = Geometry(spacing, "dicom-pixel-spacing")
    pixels = np.full((100, 100, 5), grey, np.uint8)
    return Scan(pixels, place, modality="CT", stack_of="slices")


def test_volumes_are_compared_as_volumes(tmp_path):
    bench = bench_with(tmp_path, stack(20, (2.0, 1.0, 5.0)), stack(200, (2.0, 1.0, 2.5)))
    before, after = ids(bench, "liver")
    result, filed = compared(bench, "change", before, after)
    assert (filed[0].value, filed[0].unit) == (-40 * 30 * 2 * 5 * 2.5, "mm3")
    assert result.content["direction"] == "shrank"
    assert result.warnings == ()
    before, after = ids(bench, "tumour")
    result, filed = compared(bench, "change", before, after)
    sums = [m.value for m in filed if m.name == "sum_of_diameters"]
    assert sums == pytest.approx([np.hypot(20, 10), np.hypot(30, 10)])  # in plane, on any slice
    lung, tumor = ids(bench, "left lung", "tumour", scan="scan-1")
    _, filed = compared(bench, "distance", tumor, lung)
    assert filed[0].value == pytest.approx(np.hypot(30 * 2, 30 * 1))
    unknown = bench_with(tmp_path / "flat", stack(20, (2.0, 1.0)))
    lung, tumor = ids(unknown, "left lung", "tumour")
    with pytest.raises(ToolError, match="distance between slices"):
        compared(unknown, "distance", tumor, lung)


def test_an_organ_has_no_response_and_may_not_change(tmp_path):
    bench = bench_with(tmp_path, picture(20), picture(200))
    result, filed = compared(bench, "change", *ids(bench, "liver"))
    assert result.content["direction"] == "unchanged"
    assert "recist" not in result.content
    assert [m.value for m in filed[:2]] == [0, 0]


def test_a_tumour_that_is_gone_or_new(tmp_path):
    bench = bench_with(tmp_path, picture(20), picture(200), later={})
    before, after = ids(bench, "tumour")
    result, filed = compared(bench, "change", before, after)
    assert result.content["direction"] == "disappeared"
    assert result.content["recist"]["category"] == "complete response"
    result, filed = compared(bench, "change", after, before)
    assert result.content["direction"] == "appeared"
    assert "recist" not in result.content
    assert [m.name for m in filed] == ["area", "count"]


def test_what_cannot_be_compared_says_why(tmp_path):
    bench = bench_with(tmp_path, picture(20), picture(200))
    tumor, liver = ids(bench, "tumour", "liver", scan="scan-1")
    later, gone = ids(bench, "tumour", "left lung", scan="scan-2")
    with pytest.raises(ToolError, match="both of these are on one"):
        compared(bench, "change", tumor, liver)
    with pytest.raises(ToolError, match="same object twice"):
        compared(bench, "change", liver, later)
    with pytest.raises(ToolError, match="two objects of the same scan"):
        compared(bench, "distance", tumor, later)
    with pytest.raises(ToolError, match="was not found"):
        compared(bench, "ratio", tumor, gone)
    pixels = bench_with(tmp_path / "px", picture(20, None), picture(200, None))
    with pytest.raises(ToolError, match="both scales are known"):
        compared(pixels, "change", *ids(pixels, "tumour"))
