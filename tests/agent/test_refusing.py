"""What is not there, not known or not ours to say is refused, with the reason."""

from __future__ import annotations

import pytest


def test_absent_object_is_refused_with_an_offer(conversation):
    turn = conversation.ask("Where is the polyp?")
    assert turn.refused
    assert "don't see a polyp" in turn.answer
    assert "liver" in turn.answer
    assert conversation.case.objects["mask-1"].mask_file is None


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How large is the tumour?", "learn to find it in images of this kind (abdomen CT), so it"),
        ("Are there lesions?", "learn to find them in images of this kind (abdomen CT), so they"),
    ],
)
def test_what_the_parser_did_not_learn_in_such_images_may_be_there(
    conversation, parser, question, said
):
    parser.shapes, parser.site = {}, "abdomen"
    turn = conversation.ask(question)
    assert turn.refused
    assert f"{said} may be there all the same." in turn.answer


def test_there_may_be_bleeding_where_nobody_taught_it(conversation, parser):
    parser.shapes, parser.modality, parser.site = {}, "CT", "abdomen"
    assert "may be there all the same" in conversation.ask("Is there any bleeding?").answer


def test_what_is_all_but_seen_is_not_denied(conversation, parser):
    parser.shapes, parser.doubt = {}, 0.4
    answer = conversation.ask("How large is the tumour?").answer
    assert "I am not sure that there is a tumour in this image (presence 0.400)" in answer
    assert "don't see" not in answer


def test_a_presence_of_next_to_nothing_is_told_in_few_digits(conversation, parser):
    parser.shapes, parser.doubt = {}, 2e-8
    assert "(presence below 0.001)" in conversation.ask("Is there a tumour?").answer


def test_unknown_word_is_refused_and_not_replaced(conversation):
    turn = conversation.ask("How big is the dragon?")
    assert turn.refused
    assert 'do not know what "dragon" is' in turn.answer
    found = conversation.case.objects["mask-1"]
    assert (found.target, found.presence, found.present) == (None, None, False)


@pytest.mark.parametrize(
    "question", ["Is it malignant?", "What dose of chemotherapy does he need?"]
)
def test_diagnosis_and_treatment_are_refused(conversation, question):
    conversation.ask("How large is the tumour?")
    turn = conversation.ask(question)
    assert turn.refused
    assert turn.measurement_ids == ()


@pytest.mark.parametrize(
    "question",
    ["How large is the breast cancer?", "Where is the malignant tumor?", "How wide is the tumour?"],
)
def test_a_disease_as_the_name_of_a_thing_to_measure_is_no_question_of_diagnosis(
    conversation, question
):
    turn = conversation.ask(question)
    assert not turn.answer.startswith("I cannot answer that")
    assert turn.measurement_ids


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How large is the malignant tumor?", "The tumor covers 100 px²"),
        ("Is there a carcinoma?", "It covers 1.00 % of the image."),
        ("How many carcinomas are there?", "I count 1 part of tumor"),
    ],
)
def test_where_one_kind_is_not_seen_the_lesion_of_whatever_kind_is_measured(
    conversation, question, said
):
    turn = conversation.ask(question)
    assert turn.refused
    assert "which kind it is, an outline cannot tell. " in turn.answer
    assert said in turn.answer
    assert "I can look for" not in turn.answer


def test_where_no_lesion_is_seen_of_any_kind_that_is_said(conversation, parser):
    parser.shapes = {}
    answer = conversation.ask("Is there a malignant tumor?").answer
    assert "don't see a malignant tumor" in answer
    assert "Nor do I see a tumor of another kind" in answer


def test_a_part_is_no_kind(conversation, parser):
    del parser.shapes["left lung"]
    answer = conversation.ask("How large is the left lung?").answer
    assert "don't see a left lung" in answer
    assert "kind" not in answer


def test_that_a_lesion_is_of_a_kind_is_no_diagnosis(conversation, parser):
    parser.shapes["benign tumor"] = parser.shapes["tumor"]
    turn = conversation.ask("How large is the benign tumor?")
    assert "The benign tumor covers 100 px²" in turn.answer
    assert any("no diagnosis" in warning for warning in turn.warnings)


def test_what_is_outlined_is_not_called_cancer(conversation):
    answer = conversation.ask("Is there cancer?").answer
    assert answer.startswith("Yes, I see the tumor")
    assert "cancer" not in answer
