"""What a question says it is not about is not what it is answered with."""

import pytest

from agent.planner.understand import understand
from parser_model.ontology import ontology


def read(question, modality="CT"):
    return understand(question, [], ontology(), modality)


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ("Not the liver, the spleen please", ("spleen",)),
        ("no, not the liver but the spleen", ("spleen",)),
        ("Not the left lung, the right lung please", ("right lung",)),
        ("Don't measure the liver, only the kidneys", ("kidneys",)),
        ("Do not show the liver, show the spleen", ("spleen",)),
        ("Measure the spleen, not the liver", ("spleen",)),
        ("Measure the spleen instead of the liver in cm", ("spleen",)),
        ("How large is the spleen, and not the liver?", ("spleen",)),
        ("It is not the liver I mean, but the spleen", ("spleen",)),
        ("Ignore the liver and measure the spleen", ("spleen",)),
        ("Apart from the liver, how large is the spleen?", ("spleen",)),
    ],
)
def test_where_it_says_what_is_meant_that_is_measured(question, phrases):
    request = read(question)
    assert (request.kind, request.phrases) == ("measure", phrases)


@pytest.mark.parametrize(
    "question",
    [
        "How large is everything except the liver?",
        "All organs but how large, except the liver?",
        "How much of the picture is NOT polyp?",
        "How large is the area that is not liver?",
        "volume of the left lung without the tumor",
        "How large is the lung without the airways?",
        "How large is the lung excluding the tumor?",
        "How large is the left kidney, not counting the tumor?",
        "Show me all tumors except the largest",
    ],
)
def test_what_is_left_without_an_object_is_declined(question):
    request = read(question)
    assert (request.kind, request.reason) == ("decline", "unsupported")


def test_the_decline_measures_nothing(conversation):
    turn = conversation.ask("How large is everything except the liver?")
    assert turn.refused
    assert not turn.measurement_ids


@pytest.mark.parametrize("question", ["not the liver", "Don't measure the liver"])
def test_where_only_what_is_not_meant_is_named_it_asks_back(question):
    assert (read(question).kind, read(question).phrases) == ("unclear", ())


@pytest.mark.parametrize(
    "question",
    [
        "Is there anything besides the optic disc?",
        "What else do you see except the optic disc?",
        "Other than the optic disc, what do you see?",
    ],
)
def test_what_else_there_is_is_answered_with_all_that_is_recognised(question):
    assert read(question, "fundus").kind == "everything"


def test_nothing_wrong_is_a_question_of_what_is_normal():
    request = read("Is there nothing wrong with the lungs?", "X-Ray")
    assert (request.kind, request.reason) == ("everything", "normality")


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ("How large is the liver on this CT without contrast?", ("liver",)),
        ("How large is the liver, without units?", ("liver",)),
        ("Is the left kidney visible or not?", ("left kidney",)),
        ("Tell me whether or not the liver is visible", ("liver",)),
        ("Is the tumor not visible?", ("tumor",)),
        ("I can't see the tumor, where is it?", ("tumor",)),
        ("Don't you see the liver?", ("liver",)),
        ("not only the liver but also the spleen", ("liver", "spleen")),
        ("Is there a polyp, if not, is there a tumor?", ("polyp", "tumor")),
        ("How large is the tumour without its oedema?", ("tumour without its oedema",)),
        ("How far apart from the liver is the spleen?", ("liver", "spleen")),
    ],
)
def test_not_and_without_exclude_no_object_where_they_are_said_of_something_else(question, phrases):
    assert read(question, "MRI").phrases == phrases


@pytest.mark.parametrize("question", ["", "???"])
def test_no_words_at_all_are_asked_back(question):
    assert read(question).kind == "unclear"
