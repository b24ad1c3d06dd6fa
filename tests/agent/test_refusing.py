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
