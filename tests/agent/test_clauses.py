"""Sentences that ask two things, or ask of one part of several."""

from __future__ import annotations

import pytest

from agent.planner.clauses import understand_all
from agent.planner.understand import understand
from parser_model.ontology import ontology


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("How large are the polyps and where are they?", ["measure", "where"]),
        ("Is there a polyp? How large is it?", ["exists", "measure"]),
        ("Is there a tumor and if so, how large is it?", ["exists", "measure"]),
        ("How many masses do you see, and how large are they?", ["count", "measure"]),
        ("How large is the liver and how large is the spleen?", ["measure"]),
        ("Can you tell me how large the liver is?", ["measure"]),
        ("How far is the tumour from the liver?", ["distance"]),
        ("Is it malignant and how large is it?", ["decline"]),
        ("How wide and how long is the spleen?", ["measure"]),
    ],
)
def test_things_of_several_kinds_are_asked_one_after_the_other(question, kinds):
    assert [request.kind for request in understand_all(question, [], ontology())] == kinds


def test_both_questions_are_answered(conversation):
    turn = conversation.ask("How large is the liver and where is it?")
    first, second = turn.answer.split("\n\n")
    assert first.startswith("The liver covers 1200 px²")
    assert second.startswith("The liver is in the upper left of the picture")


def test_what_is_not_there_is_said_once(conversation):
    turn = conversation.ask("Is there a polyp and how large is it?")
    assert turn.answer.count("don't see a polyp") == 1
    assert [call.tool for call in turn.calls] == ["segment"]


def test_what_is_seen_instead_is_looked_for_and_said_once(conversation):
    turn = conversation.ask("How large is the breast cancer, and where is it?")
    assert turn.answer.count("don't see a malignant tumor") == 1
    assert turn.answer.count("I do see a tumor") == 1
    assert "covers 100 px²" in turn.answer
    assert "upper left of the picture" in turn.answer
    names = [call.tool for call in turn.calls]
    assert (names.count("segment"), names.count("measure")) == (2, 2)


def test_a_follow_up_is_about_the_last_of_two_questions(conversation):
    conversation.ask("How large is the left lung and where is the liver?")
    assert "liver covers" in conversation.ask("How large is it?").answer


@pytest.mark.parametrize(
    ("question", "rank"),
    [
        ("How large is the largest tumor?", "largest"),
        ("What is the size of the biggest part?", "biggest"),
        ("How wide is the second largest lesion?", "second largest"),
        ("How large is the smallest nucleus?", "smallest"),
        ("Which lung is largest?", None),
    ],
)
def test_one_part_by_its_size(question, rank):
    assert understand(question, [], ontology()).rank == rank


def test_the_parts_by_size_have_their_own_sizes(conversation, parser):
    parser.shapes["lung"] = [(60, 60, 80, 90), (10, 10, 50, 50)]  # 600 and 1600 px
    conversation.ask("How large are the lungs?")
    assert "1600 px²" in conversation.ask("How large is the largest one?").answer
    assert "600 px²" in conversation.ask("And the smallest?").answer
    assert "600 px²" in conversation.ask("And the second largest?").answer
    assert (
        "find no third largest part" in conversation.ask("How big is the third largest one?").answer
    )


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Is there more than one polyp?", "count"),
        ("Are there any other polyps?", "count"),
        ("Is the polyp on the left or the right?", "where"),
        ("Which quadrant is the polyp in?", "where"),
        ("How many microns is the polyp across?", "measure"),
        ("How many milimetres is the polyp?", "measure"),
        ("Is there a tumor on this MG?", "exists"),
        ("What am I looking at?", "describe"),
        ("What dose, 5 mg?", "decline"),
        ("How many kidneys does the patient have?", "count"),
        ("Does the patient have cancer?", "decline"),
        ("Should I operate?", "decline"),
    ],
)
def test_what_is_asked(question, kind):
    assert understand(question, [], ontology()).kind == kind


def test_a_question_is_read_once_though_the_planner_is_asked_at_every_step(
    conversation, monkeypatch
):
    read = []

    def counted(question, *rest):
        read.append(question)
        return understand_all(question, *rest)

    monkeypatch.setattr("agent.planner.model.understand_all", counted)
    first = "The scale is 0.5 mm per pixel. How large is the liver?"
    conversation.ask(first)
    conversation.ask("Where is it?")
    # Twice the first one, since nobody knew then what kind of image it is.
    assert read.count("Where is it?") == 1
    assert read.count(first) <= 2


def test_a_threshold_is_answered_with_the_size(conversation):
    conversation.ask("Where is the liver?")
    assert "covers 1200 px²" in conversation.ask("Is it bigger than 100 px?").answer


@pytest.mark.parametrize(
    ("question", "phrase"),
    [("Count the nuclei in this H&E", "nuclei"), ("Show the nuclei, please!", "nuclei")],
)
def test_a_letter_makes_no_other_object(question, phrase):
    assert understand(question, [], ontology(), "pathology").phrases == (phrase,)


def test_a_unit_is_no_object(conversation):
    conversation.ask("How large is the liver?")
    assert "longest diameter of the liver" in conversation.ask("How many mm is it across?").answer


def test_a_measure_is_no_object(conversation):
    conversation.ask("How large is the liver?")
    assert "perimeter of the liver" in conversation.ask("Thank you, and the perimeter?").answer


def test_what_else_is_asked_for_is_not_the_object_before(conversation):
    conversation.ask("How large is the liver?")
    assert 'do not know what "ulcers"' in conversation.ask("Any ulcers?").answer
