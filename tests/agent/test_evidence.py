"""Numbers stand in an answer only because a measurement stands behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evidence import Renderer, comparatives_without_proof
from tools.case import Measurement
from tools.measuring.value import Value

MEASURED = {
    "m-1": Measurement("m-1", "mask-1", Value("area", 412.0, "mm2", convention="pixels")),
    "m-2": Measurement("m-2", "mask-1", Value("longest_diameter", 23.4, "mm", convention="edges")),
}


def render(prose, said="", pieces=None):
    renderer = Renderer(MEASURED, said)
    shown = "".join(renderer.feed(piece) for piece in (pieces or [prose])) + renderer.finish()
    assert shown == renderer.text
    return renderer


def test_a_reference_becomes_value_and_unit_and_is_evidence():
    done = render("It covers [[m-1]].")
    assert done.text == "It covers 412 mm²."
    assert [(e.text, e.measurement) for e in done.evidence] == [("412 mm²", "m-1")]
    assert done.unverified == []


def test_a_reference_in_another_unit():
    assert render("[[m-2 in cm]] long").text == "2.34 cm long"


def test_an_impossible_unit_falls_back_to_the_measured_one():
    assert render("[[m-2 in HU]] long").text == "23.4 mm long"


def test_a_reference_to_nothing_is_told():
    done = render("It covers [[m-9]].")
    assert "m-9" in done.text
    assert done.unverified == ["m-9"]


@pytest.mark.parametrize(
    "prose",
    [
        "about 12 mm",
        "roughly 3.5 cm",
        "some twenty nuclei",
        "12%",
        "one polyp",
        "约三厘米",
        "it is 5",
    ],
)
def test_a_number_of_the_writer_is_marked(prose):
    done = render(prose)
    assert "(unverified)" in done.text
    assert done.unverified


@pytest.mark.parametrize(
    "prose",
    [
        "1. first\n2. second",
        "mask-3 of scan-1",
        "a T1 image and a T2 image",
        "the right one",
        "no one",
    ],
)
def test_list_marks_ids_and_names_are_no_measurements(prose):
    done = render(prose)
    assert done.text == prose
    assert done.unverified == []


def test_what_the_user_said_may_be_repeated():
    assert render("You said 0.3 mm.", said="one pixel is 0.3 mm").unverified == []


@given(st.lists(st.integers(1, 7), min_size=1, max_size=40))
def test_streaming_in_any_pieces_gives_the_same_answer(lengths):
    prose = (
        "It covers [[m-1]] and is [[m-2 in cm]] long, about 12 mm wide, with three parts.\n1. end"
    )
    pieces, position = [], 0
    for length in lengths:
        pieces.append(prose[position : position + length])
        position += length
    pieces.append(prose[position:])
    whole, streamed = render(prose), render(prose, pieces=pieces)
    assert streamed.text == whole.text
    assert streamed.unverified == whole.unverified
    assert streamed.evidence == whole.evidence


def test_comparatives_need_a_comparison():
    assert comparatives_without_proof("The left is larger.", set()) == ["larger"]
    assert comparatives_without_proof("The left is larger.", {"ratio"}) == []
    assert comparatives_without_proof("It is large.", set()) == []
