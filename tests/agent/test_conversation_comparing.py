"""Counting, lists of parts and comparisons, from the question to the answer."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from agent.conversation import Conversation
from agent.settings import Settings
from tests.agent.conftest import SHAPES
from tests.agent.test_conversation import value
from tests.shapes_parser import ShapesParser


@pytest.fixture
def parser():
    return ShapesParser(dict(SHAPES))


@pytest.fixture
def conversation(parser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no .env of whoever runs the tests
    Image.fromarray(np.full((100, 100), 90, np.uint8)).save(tmp_path / "picture.png")
    made = Conversation(Settings(), parser=parser, directory=tmp_path / "case")
    made.add_file(tmp_path / "picture.png")
    yield made
    made.close()


def test_nuclei_are_counted_one_by_one_and_per_area_once_the_scale_is_known(conversation, parser):
    # Two squares that meet at a narrow bridge, and one alone.
    parser.shapes["nuclei"] = [
        (10, 10, 30, 30),
        (10, 33, 30, 53),
        (19, 29, 21, 34),
        (60, 60, 75, 75),
    ]
    turn = conversation.ask("How many nuclei are there per mm2?")
    assert value(conversation, turn, "count").value == 3
    assert turn.answer.startswith("I count 3 nuclei; those that touch are told apart")
    assert "tell me the scale" in turn.answer
    assert turn.unverified == ()
    turn = conversation.ask("one pixel is 0.5 µm")
    dense = value(conversation, turn, "density")
    assert (dense.value, dense.unit) == (pytest.approx(3 / (100 * 0.0005) ** 2), "1/mm2")
    assert "The number of nuclei per area of the image is 1200 /mm²." in turn.answer
    turn = conversation.ask("how many nuclei are there per mm²?")
    assert "That is 1200 /mm² of the image." in turn.answer


def test_a_list_of_the_parts(conversation):
    turn = conversation.ask("How large is each of the lungs?")
    assert turn.answer.splitlines() == [
        "I find the lungs in 2 separate parts; in all 1800 px², and the longest diameters add up "
        "to 86.1 px. Largest first:",
        "1. 1200 px², 50 px at its longest and 37.5 px across",
        "2. 600 px², 36.1 px at its longest and 24.0 px across",
    ]
    assert turn.unverified == ()
    total = value(conversation, turn, "sum_of_diameters")
    assert total.value == pytest.approx(50 + np.hypot(20, 30))
    assert value(conversation, turn, "area", part=2).value == 600


def test_each_part_has_its_own_place(conversation):
    # Lungs in rows 60-90, columns 10-50, and rows 60-80, columns 60-90: between pixel centres.
    turn = conversation.ask("Where are the lungs and the liver?")
    assert turn.answer.splitlines() == [
        "I find the lungs in 2 separate parts. Largest first:",
        "1. lower left, as you look at it: centre (row, column) at 74.5, 29.5 px",
        "2. lower right, as you look at it: centre (row, column) at 69.5, 74.5 px",
        "",
        "The liver is in the upper left of the picture, as you look at it. Its centre (row, "
        "column) is at 29.5, 24.5 px; the overlay shows its outline.",
    ]
    assert turn.unverified == ()
    turn = conversation.ask("are there lungs?")
    assert turn.answer.startswith("Yes, I see the lungs, in 2 separate parts; they cover 18.0 %")


def test_questions_about_two_objects(conversation, parser):
    parser.shapes["optic disc"], parser.shapes["optic cup"] = [(0, 0, 40, 40)], [(10, 0, 30, 20)]
    turn = conversation.ask("How far is the tumour from the left lung?")
    assert value(conversation, turn, "distance").value == pytest.approx(np.hypot(30, 30))
    assert turn.answer.startswith("Between the nearest edges of the tumour and the left lung lie")
    turn = conversation.ask("how far apart are the centres of the tumour and the left lung?")
    assert value(conversation, turn, "distance").value == pytest.approx(np.hypot(45, 50))
    turn = conversation.ask("what is the short axis of the liver?")
    assert turn.answer == "The short axis of the liver is 37.5 px."  # 30 × 50 / 40
    turn = conversation.ask("how far is the tumour from the liver?")
    assert "touch or overlap" in turn.answer
    turn = conversation.ask("what is the cup to disc ratio?")
    assert turn.answer.startswith("The vertical cup-to-disc ratio is 0.500; the ratio of the areas")
    turn = conversation.ask("are the lungs symmetric?")
    assert "The right lung is larger: the left lung over the right lung is 0.500" in turn.answer
    assert turn.unverified == ()
    turn = conversation.ask("what is the cardiothoracic ratio?")
    assert turn.refused
    assert 'do not know what "heart" is' in turn.answer
    assert "needs the outlines of the heart and of both lungs" in turn.answer
    turn = conversation.ask("what is the ejection fraction?")
    assert "don't see a left ventricle" in turn.answer


def test_change_since_an_earlier_scan(conversation, parser, tmp_path):
    turn = conversation.ask("did the tumour grow?")
    assert "add that scan too" in turn.answer
    conversation.ask("one pixel is 1 mm")
    later = tmp_path / "later.png"
    Image.fromarray(np.full((100, 100), 200, np.uint8)).save(later)
    conversation.add_file(later)
    turn = conversation.ask("did the tumour grow since the first scan?")
    assert "both scales" in turn.answer or "give the scale of both" in turn.answer
    conversation.ask("one pixel is 1 mm")
    parser.shapes["tumor"] = [(20, 20, 40, 30)]
    conversation.case.objects.pop(conversation.case.known_object("scan-2", "tumor", "").id)
    turn = conversation.ask("did the tumour grow since the first scan?")
    assert turn.answer.startswith("The tumour grew: from 100 mm² in scan-1 to 200 mm² in scan-2")
    assert "(100 %)" in turn.answer
    assert "by the limits of RECIST that is progressive disease" in turn.answer
    assert "no diagnosis" in turn.answer
    assert turn.unverified == ()


def test_what_no_tool_compares_is_told_side_by_side(conversation):
    turn = conversation.ask("Which lung is longer?")
    assert turn.answer == (
        "I compare areas and volumes, of one object with another; this is what I measure of each. "
        "The longest diameter of the left lung is 36.1 px and the diameter across it 24.0 px. "
        "The longest diameter of the right lung is 50 px and the diameter across it 37.5 px."
    )
    assert turn.unverified == ()
