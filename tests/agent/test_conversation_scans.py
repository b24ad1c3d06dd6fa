"""Questions about one of several pictures, and about which of them: from words to the answer."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from agent.conversation import Conversation
from agent.planner.scan_names import named_scans
from agent.settings import Settings
from tests.shapes_parser import ShapesParser


@pytest.fixture
def parser():
    return ShapesParser({"lesion": [(20, 20, 30, 30)], "liver": [(50, 10, 90, 40)]})


@pytest.fixture
def conversation(parser, tmp_path, monkeypatch):
    """Two pictures of 1 mm a pixel, in the second of which the lesion is twice as large."""
    monkeypatch.chdir(tmp_path)  # no .env of whoever runs the tests
    made = Conversation(Settings(), parser=parser, directory=tmp_path / "case")
    add_picture(made, tmp_path, 90)
    made.ask("How large is the lesion?")
    parser.shapes["lesion"] = [(20, 20, 40, 30)]
    add_picture(made, tmp_path, 200)
    yield made
    made.close()


def add_picture(conversation, folder, grey):
    Image.fromarray(np.full((100, 100), grey, np.uint8)).save(folder / f"{grey}.png")
    conversation.set_scale(conversation.add_file(folder / f"{grey}.png"), 1.0)


def add_again(conversation):
    """Both, together."""
    for scan in list(conversation.case.scans.values()):
        conversation.add_scan(scan)


@pytest.mark.parametrize(
    "question",
    [
        "Which picture has the larger lesion?",
        "In which scan is the lesion bigger?",
        "Is the lesion in the first image bigger than in the second?",
        "Compare the lesion in the two scans",
        "Compare the lesion in scan 1 and scan 2",
        "Is the lesion larger in the second picture?",
        "Is the lesion smaller in the first picture?",
    ],
)
def test_which_picture_has_the_larger_one(conversation, question):
    """Of two pictures in no order of time: nothing is said to have grown."""
    turn = conversation.ask(question)
    assert turn.answer == (
        "The lesion measures 100 mm² in scan-1 and 200 mm² in scan-2. It is larger in scan-2; the "
        "area in scan-1 over that in scan-2 is 0.500."
    )
    assert turn.unverified == ()


def test_one_of_several_pictures_is_asked_about(conversation):
    turn = conversation.ask("How large is the lesion in the second picture?")
    assert turn.answer.startswith("In scan-2: The lesion covers 200 mm²")
    turn = conversation.ask("and in the first?")
    assert turn.answer.startswith("In scan-1: The lesion covers 100 mm²")
    turn = conversation.ask("how wide is it?")
    assert turn.answer.startswith("In scan-1: The longest diameter of the lesion")
    turn = conversation.ask("Where is the liver in scan 2?")
    assert turn.answer.startswith("In scan-2: The liver is in the lower left")
    turn = conversation.ask("What do you see in the first picture?")
    assert turn.answer.startswith("In scan-1: I recognise")
    turn = conversation.ask("What kind of image is the first picture?")
    assert turn.answer.startswith("In scan-1: This looks like")
    assert turn.calls[0].arguments == {"scan": "scan-1"}
    turn = conversation.ask("How large is the lesion in scan 1 and in scan 2?")
    assert [line.split(" mm²")[0] for line in turn.answer.splitlines()] == [
        "- scan-1: The lesion covers 100",
        "- scan-2: The lesion covers 200",
    ]
    assert "There is no scan-7" in conversation.ask("How large is the liver in scan 7?").answer


def test_a_picture_that_does_not_show_it_is_named(conversation, parser):
    parser.shapes["lesion"] = []
    conversation.case.objects.clear()
    turn = conversation.ask("Which picture has the larger lesion?")
    assert "On scan-1: I don't see a lesion" in turn.answer
    assert "On scan-2: I don't see a lesion" in turn.answer


def test_what_is_not_compared_between_pictures_is_told_of_each(conversation):
    turn = conversation.ask("In which scan is the liver brighter?")
    assert "ask for anything else scan by scan" in turn.answer.lower()
    turn = conversation.ask("Is the liver brighter in scan 1 than in scan 2?")
    assert "this is what I measure of each" in turn.answer
    assert "- scan-1: Inside the liver the mean intensity is 90" in turn.answer
    assert "- scan-2: Inside the liver the mean intensity is 200" in turn.answer
    assert turn.unverified == ()


def test_of_three_pictures_the_ones_to_compare_are_asked_for(conversation, tmp_path):
    add_again(conversation)
    add_picture(conversation, tmp_path, 120)
    turn = conversation.ask("Which picture has the larger lesion?")
    assert turn.answer.startswith("Name the scans")
    turn = conversation.ask("Is the lesion larger in scan 3 than in scan 1?")
    assert turn.answer.startswith("The lesion measures 100 mm² in scan-1 and 200 mm² in scan-3")


def test_objects_are_compared_on_each_of_the_pictures(conversation, parser):
    """Both were seen in both, and were said to be missing."""
    parser.shapes |= {"optic disc": [(0, 0, 40, 40)], "optic cup": [(10, 0, 30, 20)]}
    add_again(conversation)
    turn = conversation.ask("Which picture has the bigger cup-to-disc ratio?")
    assert [line.split(";")[0] for line in turn.answer.splitlines()] == [
        "- scan-1: The vertical cup-to-disc ratio is 0.500",
        "- scan-2: The vertical cup-to-disc ratio is 0.500",
    ]
    turn = conversation.ask("Is the liver larger than the lesion?")
    assert [line.count("The liver is larger") for line in turn.answer.splitlines()] == [1, 1]


@pytest.mark.parametrize(
    ("text", "scans"),
    [
        ("the second picture", ("scan-2",)),
        ("scan 2, scan-3 and image no. 4", ("scan-2", "scan-3", "scan-4")),
        ("in scans 1 and 3", ("scan-1", "scan-3")),
        ("in the first and the second photo", ("scan-1", "scan-2")),
        ("in the first photo larger than in the second?", ("scan-1", "scan-2")),
        ("the second polyp", ()),
        ("in the first?", ()),
        ("a picture 20 mm wide", ()),
        ("image 512 x 512", ()),
    ],
)
def test_scans_are_named_by_number(text, scans):
    assert named_scans(text) == scans
