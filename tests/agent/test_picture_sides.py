"""A side of the picture is not taken for a side of the patient, nor left out in silence."""

import pytest

from agent.planner.understand import understand
from parser_model.ontology import ontology


def read(question, modality="X-Ray"):
    return understand(question, [], ontology(), modality)


@pytest.mark.parametrize(
    ("question", "of_patient", "of_picture"),
    [
        ("How large is the lung on the right side of the picture?", "left lung", "right"),
        ("What is the lung area on the left side of the image?", "right lung", "left"),
        ("How large is the lung on the left, as I look at it?", "right lung", "left"),
        ("How large is the lung on my left?", "right lung", "left"),
        ("How large is the lung on the left-hand side of the X-ray?", "right lung", "left"),
        ("lung at the screen's right", "left lung", "right"),
        ("Is the kidney on the left of this CT image large?", "right kidney", "left"),
    ],
)
def test_a_side_of_the_picture_is_asked_back(question, of_patient, of_picture):
    request = read(question)
    assert request.kind == "unclear"
    asked = f"{of_patient} of the patient, which mostly lies on the {of_picture} of the picture"
    assert asked in request.ask_back


def test_nothing_is_measured_before_the_side_is_clear(conversation):
    turn = conversation.ask("How large is the lung on the left of the picture?")
    assert "Do you mean the right lung of the patient" in turn.answer
    assert not turn.measurement_ids


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ("How large is the left lung in this picture?", ("left lung",)),
        ("How large is the left lung on this X-ray?", ("left lung",)),
        ("How large is the lung on the left?", ("lung on the left",)),
        ("Is the tumor on the left side of the image?", ("tumor",)),
        # What is one of several stays unknown, also with a measure in between.
        ("What is the polyp area on the left side of the image?", ("polyp area on the left side",)),
    ],
)
def test_sides_of_the_patient_and_places_of_lesions_stay_as_they_are(question, phrases):
    assert read(question).phrases == phrases
