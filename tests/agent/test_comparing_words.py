"""The offline planner's reading of questions that compare."""

import pytest

from agent.planner.understand import Request, understand
from parser_model.ontology import ontology


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
    ],
)
def test_a_pair_is_compared_side_with_side(question):
    request = read(question, modality="X-Ray")
    assert (request.kind, request.phrases) == ("compare", ("left lung", "right lung"))


@pytest.mark.parametrize(
    ("question", "kind", "phrases"),
    [
        ("How large are both lungs?", "measure", ("lungs",)),
        ("Are the lungs larger than before?", "change", ("lungs",)),
        ("Have both lungs grown between the two scans?", "change", ("lungs",)),
        ("Has the lung changed between the two?", "change", ("lung",)),
        ("Compare the lungs with the liver", "compare", ("lungs", "liver")),
        ("Compare the lungs to normal ones", "measure", ("lungs",)),
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
