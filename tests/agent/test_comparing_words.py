"""The offline planner's reading of questions that compare."""

import pytest

from agent.planner.request import Request
from agent.planner.understand import understand
from agent.planner.words import BRIGHTNESS, DIAMETERS, SIZE, THICKNESS
from parser_model.ontology import ontology

LUNGS, ORGANS, LAYERS = ("left lung", "right lung"), ("liver", "spleen"), ("ONL", "retina")
BOX = ("bounding_box",)


def read(*questions, modality=None):
    requests: list[Request] = []
    for question in questions:
        requests.append(understand(question, requests, ontology(), modality))
    return requests[-1]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Compare the left kidney and the right kidney", "compare"),
        ("Compare left kidney and right kidney", "compare"),
        ("Compare the left and right kidneys", "compare"),
        ("How large are the left and right kidney?", "measure"),
        ("How large are the left and the right kidneys?", "measure"),
        ("What is the difference between the left and the right kidney?", "compare"),
    ],
)
def test_the_left_and_the_right_one_are_two(question, kind):
    """They were taken for one object, "kidney", so neither had a size."""
    request = read(question, modality="CT")
    assert (request.kind, request.phrases) == (kind, ("left kidney", "right kidney"))


@pytest.mark.parametrize(
    "question",
    [
        "Which lung is larger?",
        "Which of the lungs is bigger?",
        "Which is the bigger lung?",
        "Which lung is larger, left or right?",
        "Which lung is larger, the left or the right lung?",
        "Are both lungs the same size?",
        "Is one lung smaller than the other?",
        "By how much do the two lungs differ?",
        "What is the difference between the two lungs?",
        "Compare the lungs",
        "Which lung is larger, the left or the right one?",
        "Are the lungs of equal size?",
        "Do the lungs have the same area?",
    ],
)
def test_a_pair_is_compared_side_with_side(question):
    request = read(question, modality="X-Ray")
    assert (request.kind, request.phrases) == ("compare", ("left lung", "right lung"))


@pytest.mark.parametrize(
    "question",
    [
        "Which ventricle is larger?",
        "Which ventricle is larger, the left or the right one?",
        "Compare the ventricles",
        "By how much do the two ventricles differ?",
    ],
)
def test_a_pair_may_have_a_name_with_its_side_alone(question):
    request = read("How large is the myocardium?", question, modality="MRI")
    assert (request.kind, request.phrases) == ("compare", ("left ventricle", "right ventricle"))


@pytest.mark.parametrize(
    ("question", "kind", "phrases"),
    [
        ("How large are both lungs?", "measure", ("lungs",)),
        ("Are the lungs larger than before?", "change", ("lungs",)),
        ("Have both lungs grown between the two scans?", "change", ("lungs",)),
        ("Has the lung changed between the two?", "change", ("lung",)),
        ("Compare the lungs with the liver", "compare", ("lungs", "liver")),
        ("Compare the lungs to normal ones", "measure", ("lungs",)),
        ("Is the lung larger than two litres?", "measure", ("lung",)),
        ("Is the lung smaller than 5 cm in scan 2?", "measure", ("lung",)),
    ],
)
def test_a_pair_that_is_not_compared_side_with_side_stays_whole(question, kind, phrases):
    request = read(question)
    assert (request.kind, request.phrases) == (kind, phrases)


def test_what_is_joined_by_an_article_is_two():
    request = read("Compare the tumor and the edema", modality="MRI-FLAIR")
    assert (request.kind, request.phrases) == ("compare", ("tumor", "edema"))
    assert read("How large is the tumor and edema?").phrases == ("tumor and edema",)


@pytest.mark.parametrize(
    ("question", "modality", "phrases"),
    [
        ("left lung to right lung ratio", "X-Ray", ("left lung", "right lung")),
        ("What is the ratio of left to right lung area?", "X-Ray", ("left lung", "right lung")),
        ("Compare left lung/right lung", "X-Ray", ("left lung", "right lung")),
        ("left lung : right lung ratio", "X-Ray", ("left lung", "right lung")),
        ("left/right lung ratio", "X-Ray", ("left lung", "right lung")),
        ("Compare right and left lung", "X-Ray", ("right lung", "left lung")),
        ("Compare the left lung to the right lung", "X-Ray", ("left lung", "right lung")),
        ("ratio of left to right kidney volume", "CT", ("left kidney", "right kidney")),
        ("ONL / retina ratio", "OCT", ("ONL", "retina")),
        ("ratio of tumor core to whole tumor", "MRI", ("tumor core", "whole tumor")),
    ],
)
def test_a_ratio_is_of_what_stands_on_either_side_of_to(question, modality, phrases):
    """No name goes from the one to the other: "ONL / retina" is not the ONL of the retina."""
    request = read(question, modality=modality)
    assert (request.kind, request.phrases) == ("compare", phrases)


@pytest.mark.parametrize(
    ("question", "modality", "kind", "phrases", "quantities"),
    [
        ("Which lung is brighter?", "X-Ray", "measure", LUNGS, BRIGHTNESS),
        ("which lung is darker?", "X-Ray", "measure", LUNGS, BRIGHTNESS),
        ("Which lung is longer?", "X-Ray", "measure", LUNGS, DIAMETERS),
        ("Is the left lung wider than the right?", "X-Ray", "measure", LUNGS, DIAMETERS),
        ("Is the liver denser than the spleen?", "CT", "measure", ORGANS, BRIGHTNESS),
        ("Is the liver rounder than the spleen?", "CT", "measure", ORGANS, ("circularity",)),
        ("Compare where the liver and the spleen are", "CT", "where", ORGANS, ()),
        ("How dark is the ONL compared to the retina?", "OCT", "measure", LAYERS, BRIGHTNESS),
        ("Compare the thickness of the ONL and the retina", "OCT", "measure", LAYERS, THICKNESS),
        ("Is the ONL thinner than the retina?", "OCT", "measure", LAYERS, THICKNESS),
        ("Compare the number of nuclei and glands", "pathology", "count", ("nuclei", "glands"), ()),
        ("ratio of disc to vertebra height", "MRI", "measure", ("disc", "vertebra"), BOX),
    ],
)
def test_what_no_tool_compares_is_told_of_each(question, modality, kind, phrases, quantities):
    """Never the areas instead, which is what was answered."""
    request = read(question, modality=modality)
    assert (request.kind, request.phrases, request.quantities) == (kind, phrases, quantities)
    assert request.side_by_side


def test_of_three_each_is_measured():
    request = read("Compare the liver, the spleen and the pancreas", modality="CT")
    assert (request.kind, request.quantities, request.side_by_side) == ("measure", SIZE, True)


@pytest.mark.parametrize(
    "question",
    [
        "Is the liver larger than the spleen?",
        "How many times larger is the liver than the spleen?",
        "How much bigger is the liver than the spleen?",
        "Compare the area of the liver and the spleen",
        "How sure are you that the liver is larger than the spleen?",
    ],
)
def test_sizes_are_compared(question):
    request = read(question, modality="CT")
    assert (request.kind, request.phrases) == ("compare", ORGANS)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Is the liver brighter than before?", "unclear"),
        ("Has the thickness of the retina changed?", "unclear"),
        ("Is the liver longer than before?", "unclear"),
        ("Has the diameter of the tumour changed?", "change"),  # told with the RECIST category
        ("Has the volume of the liver changed?", "change"),
        ("Has the number of lesions changed?", "change"),  # parts are told
        ("Is the tumour no longer growing?", "change"),
    ],
)
def test_between_scans_sizes_alone_are_compared(question, kind):
    request = read(question)
    assert request.kind == kind
    assert kind == "change" or "scan by scan" in request.ask_back


@pytest.mark.parametrize(
    ("questions", "phrases"),
    [
        (
            ("How large is the right lung?", "And the left lung?", "Which one is larger?"),
            LUNGS[::-1],
        ),
        (("How large is the liver?", "and the spleen?", "compare them"), ORGANS),
        (
            ("Where is the liver?", "How large is the spleen?", "by how much do they differ?"),
            ORGANS,
        ),
        (("How large are the liver and the spleen?", "which of them is smaller?"), ORGANS),
        (("How large are the lungs?", "which one is larger?"), LUNGS),
        (("How large are the lungs?", "which is larger, the left or the right?"), LUNGS),
        (("How large are the lungs?", "which side is larger?"), LUNGS),
        (("Is the liver as big as the spleen?", "by how much do they differ?"), ORGANS),
        (("How large is the left lung?", "is it larger than the right one?"), LUNGS),
        (("How large is the left lung?", "is it smaller than the other?"), LUNGS),
    ],
)
def test_which_one_is_of_the_last_two_that_were_spoken_of(questions, phrases):
    request = read(*questions)
    assert (request.kind, request.phrases) == ("compare", phrases)


@pytest.mark.parametrize(
    "question",
    [
        "how much larger is it now?",
        "what is the difference between the two scans?",
        "what is its aspect ratio?",
    ],
)
def test_what_is_asked_of_one_is_no_question_about_the_object_before(question):
    request = read("How large is the liver?", "how large is the tumour?", question)
    assert request.phrases == ("tumour",)
    grown = read("How large is the liver?", "did the tumour grow?", "by how much?")
    assert grown.phrases == ("tumour",)
    assert read("How large is the liver?", "which one is larger?").kind == "unclear"
    wide = read("How large is the liver?", "has its diameter changed?")
    assert "scan by scan" in wide.ask_back


def test_which_of_two_has_a_thing_compares_no_thing_with_its_place():
    assert read("Which lung has the larger tumour?", modality="X-Ray").kind == "measure"
    assert read("Which kidney has the larger volume?", modality="CT").kind == "compare"


@pytest.mark.parametrize(
    ("question", "kind", "scans"),
    [
        ("How large is it in the second picture?", "measure", ("scan-2",)),
        ("what about the second picture?", "measure", ("scan-2",)),
        ("and in the second one?", "measure", ("scan-2",)),
        ("is it larger than in the first scan?", "change", ()),
        ("is it larger than in scan 1?", "between_scans", ("scan-1",)),
        ("has it grown between scan 2 and scan 3?", "change", ("scan-2", "scan-3")),
        ("did it grow?", "change", ()),
        ("and the second one?", "measure", ()),  # the second part
    ],
)
def test_a_scan_may_be_named_in_a_follow_up(question, kind, scans):
    request = read("How large is the tumour?", question)
    assert (request.kind, request.phrases, request.scans) == (kind, ("tumour",), scans)
    assert request.each_part == (question == "and the second one?")


def test_what_grew_since_the_first_of_the_scans_has_to_be_one_object():
    request = read("Is the LV larger than the RV?", "did it grow since the first scan?")
    assert (request.kind, request.since_first, request.scans) == ("change", True, ())
    assert request.phrases == ("LV", "RV")  # of which one has to be named
