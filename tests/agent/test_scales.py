"""A scale in the user's words: what is understood, what is asked back, what states no scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import Conversation
from agent.planner.scales import read_scale
from agent.settings import Settings
from tests.shapes_parser import ShapesParser
from tools.geometry import Geometry
from tools.scan import Scan

PIXEL, BAR = "mm_per_pixel", ("bar_mm", "bar_pixels")


@pytest.mark.parametrize(
    ("text", "mm"),
    [
        ("one pixel is 0.3 mm", 0.3),
        ("0.3 mm per pixel", 0.3),
        ("0,3 mm per pixel", 0.3),
        (".3 mm/px", 0.3),
        ("5 µm per pixel", 0.005),
        ("a pixel is 5 μm", 0.005),  # the Greek letter
        ("each pixel equals 5 microns", 0.005),
        ("pixels measure 0.3 millimetres", 0.3),
        ("pixel size: 250 nm", 0.00025),
        ("the pixel spacing is 0.7 mm", 0.7),
        ("the scale is 0,2 mm", 0.2),
        ("spacing 0.5 x 0.5 mm", 0.5),
        ("a voxel is 0.5x0.5 mm", 0.5),
        ("0.25 mpp", 0.00025),
        ("how large is the liver? one pixel is 0.05 cm", 0.5),
    ],
)
def test_the_size_of_a_pixel(text, mm):
    scale = read_scale(text)
    assert scale
    assert scale.arguments == {PIXEL: pytest.approx(mm)}


@pytest.mark.parametrize(
    ("text", "mm", "pixels"),
    [
        ("the bar is 200 pixels for 1 mm", 1, 200),
        ("the scale bar of 200 px is 1 mm", 1, 200),
        ("200 px = 1 mm", 1, 200),
        ("1 mm are 200 pixels", 1, 200),
        ("the 1 mm scale bar is 200 px long", 1, 200),
        ("the scale bar is 200 px long and is 1 mm", 1, 200),
        ("200 px (1 mm)", 1, 200),
        ("1,000 pixels are 5 mm", 5, 1000),
        ("200 pixels correspond to 1,5 cm", 15, 200),
        ("10 pixels per mm", 1, 10),
        ("12.5 px/mm", 1, 12.5),
        ("100 µm are 40 px", 0.1, 40),
    ],
)
def test_a_bar_of_known_length(text, mm, pixels):
    scale = read_scale(text)
    assert scale
    assert scale.arguments == dict(zip(BAR, (pytest.approx(mm), pixels), strict=True))


def test_width_and_height_are_told_apart_by_words_only():
    scale = read_scale("a pixel is 0.5 mm wide and 0.7 mm high")
    assert scale
    assert scale.arguments == {PIXEL: 0.5, "pixel_height_mm": 0.7}
    turned = read_scale("pixels are 0.7 high and 0.5 mm wide")
    assert turned
    assert turned.arguments == {PIXEL: 0.5, "pixel_height_mm": 0.7}
    for text in ("a pixel is 0.5 by 0.7 mm", "spacing 0.5 x 0.7 mm", "0.5 × 0.7 mm per pixel"):
        asked = read_scale(text)
        assert asked
        assert not asked.arguments
        assert "0.5 mm wide and 0.7 mm high" in asked.problem


def test_what_cannot_be_taken_over_is_said():
    for text, word in [("spacing 0.5 x 0.5 x 5 mm", "slices"), ("pixel is 1.2.3 mm", "number")]:
        asked = read_scale(text)
        assert asked
        assert word in asked.problem


@pytest.mark.parametrize(
    ("text", "scan"),
    [
        ("scan 2: one pixel is 0.3 mm", "scan-2"),
        ("in scan-3 one pixel is 0.3 mm", "scan-3"),
        ("for the second image 12 px are 1 mm", "scan-2"),
        ("in the image 12 px are 1 mm", None),
    ],
)
def test_a_scan_can_be_named(text, scan):
    scale = read_scale(text)
    assert scale
    assert scale.arguments.get("scan") == scan


@pytest.mark.parametrize(
    "text",
    [
        "is the scale 0.3 mm?",
        "how many pixels is the 10 x 12 mm lesion?",
        "How large is the lesion in mm?",
        "is the lesion larger than 5 mm?",
        "the tumour was 12 mm last time",
        "what is the area in pixels?",
        "Is the polyp 5 mm or 200 px?",
        "how large is a pixel?",
        "what is the scale?",
        "the lesion is 200 px wide",
    ],
)
def test_these_state_no_scale(text):
    assert read_scale(text) is None


@given(st.text(alphabet="0123456789.,-−e xby=mµunpcixels/ aris", max_size=60))
def test_no_text_breaks_it(text):
    found = read_scale(text)
    assert found is None or bool(found.problem) != bool(found.arguments)


# ------------------------------------------------------------------ in a conversation


@pytest.fixture
def talk(tmp_path):
    parser = ShapesParser({"liver": [(10, 10, 30, 40)]})
    return Conversation(Settings(), parser=parser, directory=tmp_path / "case")


def add(talk, spacing=None, slices=None, source="dicom-pixel-spacing"):
    shape = (64, 64, slices) if slices else (64, 64)
    pixels = np.random.default_rng(len(talk.case.scans)).integers(0, 255, shape, dtype=np.uint8)
    geometry = Geometry(spacing, source) if spacing else Geometry()
    return talk.add_scan(Scan(pixels, geometry, modality="CT"))


def sizes(talk, turn):
    return {talk.case.measurements[m].name: talk.case.measurements[m] for m in turn.measurement_ids}


@pytest.mark.parametrize(
    ("words", "mm"),
    [("one pixel is 0.5 mm", 0.5), ("the bar is 40 pixels for 1 cm", 0.25), ("4 px = 1 mm", 0.25)],
)
def test_sizes_are_measured_anew_and_the_scale_is_shown_as_the_users(talk, words, mm):
    add(talk)
    assert sizes(talk, talk.ask("how large is the liver?"))["area"].unit == "px2"
    turn = talk.ask(words)
    area = sizes(talk, turn)["area"]
    assert (area.value, area.unit) == (pytest.approx(600 * mm**2), "mm2")
    assert "the one you gave" in turn.answer
    assert not turn.unverified
    scan = talk.case.scans_as_dicts()[0]
    assert (scan["spacing_mm"], scan["spacing_source"]) == ([mm, mm], "user")


def test_pixels_that_are_not_square(talk):
    add(talk)
    talk.ask("how large is the liver?")
    turn = talk.ask("a pixel is 0.5 mm wide and 0.7 mm high")
    found = sizes(talk, turn)
    # 20 rows of 0.7 mm and 30 columns of 0.5 mm
    assert found["area"].value == pytest.approx(600 * 0.35)
    assert found["longest_diameter"].value == pytest.approx(np.hypot(14, 15))
    assert talk.case.scans_as_dicts()[0]["spacing_mm"] == [0.7, 0.5]


def test_a_spacing_of_the_file_is_replaced_only_aloud(talk):
    add(talk, spacing=(0.9, 0.9))
    talk.ask("how large is the liver?")
    turn = talk.ask("one pixel is 0.5 mm")
    assert any("(dicom-pixel-spacing) was replaced" in w for w in turn.warnings)
    assert sizes(talk, turn)["area"].value == pytest.approx(150)
    # It stays true for every later answer; what replaces the user's own words adds nothing.
    again = talk.ask("one pixel is 0.25 mm")
    assert [w for w in again.warnings if "replaced" in w] == [
        "The scale of the file (dicom-pixel-spacing) was replaced by the one you gave."
    ]


def test_a_stack_keeps_the_distance_of_its_slices(talk):
    add(talk, spacing=(0.9, 0.9, 5.0), slices=3)
    talk.ask("one pixel is 0.5 mm")
    assert talk.case.scans["scan-1"].geometry.spacing_mm == (0.5, 0.5, 5.0)
    add(talk, spacing=(0.9, 0.9), slices=3)
    talk.ask("scan 2: one pixel is 0.5 mm")
    assert talk.case.scans["scan-2"].geometry.spacing_mm == (0.5, 0.5)


def test_one_scan_of_several_is_addressed_or_all_that_the_question_is_about(talk):
    add(talk)
    add(talk)
    turn = talk.ask("scan 2: one pixel is 0.5 mm; how large is the liver?")
    spacings = [scan.geometry.spacing_mm for scan in talk.case.scans.values()]
    assert spacings == [None, (0.5, 0.5)]
    assert {talk.case.objects[o].scan for o in turn.object_ids} == {"scan-2"}
    both = talk.ask("one pixel is 0.25 mm")
    assert "for scan-1 and scan-2" in both.answer
    spacings = [scan.geometry.spacing_mm for scan in talk.case.scans.values()]
    assert spacings == [(0.25, 0.25), (0.25, 0.25)]


@pytest.mark.parametrize(
    "words",
    ["one pixel is -3 mm", "one pixel is 0 mm", "one pixel is 1e9 mm", "0 px = 1 mm",
     "one pixel is 1e999 mm", "-5 px are 1 mm", "scan 7: one pixel is 0.3 mm"],
)  # fmt: skip
def test_nonsense_is_one_clear_sentence_and_changes_nothing(talk, words):
    add(talk)
    talk.ask("how large is the liver?")
    turn = talk.ask(words)
    assert len(turn.answer.split(". ")) == 1
    assert not turn.unverified
    assert talk.case.scans["scan-1"].geometry.spacing_source == "none"
