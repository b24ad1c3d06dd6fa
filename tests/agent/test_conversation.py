"""From a question to an answer whose numbers are those of exact shapes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr

from agent.conversation import Conversation
from agent.events import TextDelta, ToolFinished, ToolStarted, TurnFinished
from agent.settings import Settings
from parser_model import FileError, RequestError, ServiceError, SetupError
from tests.agent.openai_server import Script, openai_server
from tests.shapes_parser import ShapesParser


def value(conversation, turn, name, part=None):
    found = [
        m
        for m in (conversation.case.measurements[i] for i in turn.measurement_ids)
        if m.name == name and (part is None or m.part == part)
    ]
    assert len(found) == 1, (name, found)
    return found[0]


def test_size_is_that_of_the_shape(conversation):
    turn = conversation.ask("How large is the liver?")
    assert value(conversation, turn, "area").value == 1200
    assert value(conversation, turn, "fraction_of_image").value == pytest.approx(12.0)
    assert value(conversation, turn, "longest_diameter").value == pytest.approx(50.0)
    assert "1200 px²" in turn.answer
    assert "12.0 %" in turn.answer
    assert not turn.refused
    assert turn.unverified == ()
    assert {e.measurement for e in turn.evidence} <= set(turn.measurement_ids)
    assert any("how large a pixel is" in w for w in turn.warnings)


def test_follow_ups_use_one_encoding_and_stable_ids(conversation, parser):
    first = conversation.ask("How large is the liver?")
    second = conversation.ask("and what share of the image is that?")
    third = conversation.ask("how wide is it?")
    encoded = [bool(c.encoded) for t in (first, second, third) for c in t.calls]
    assert encoded.count(True) == 1
    assert parser.asked == [["liver"]]
    assert first.object_ids == second.object_ids == third.object_ids == ("mask-1",)
    assert "12.0 %" in second.answer
    assert "50 px" in third.answer


def test_the_other_side(conversation):
    conversation.ask("How large is the left lung?")
    turn = conversation.ask("and the right one?")
    assert value(conversation, turn, "area").value == 1200
    assert "right lung" in turn.answer


def test_several_parts_are_counted_and_the_largest_is_measured(conversation):
    turn = conversation.ask("How large are the lungs?")
    assert turn.answer.startswith("I find the lungs in 2 separate parts. Together they cover")
    assert value(conversation, turn, "count").value == 2
    assert value(conversation, turn, "area").value == 1800
    longest = value(conversation, turn, "longest_diameter")
    assert (longest.value, longest.part) == (pytest.approx(50.0), 1)


def test_comparison_comes_from_the_compare_tool(conversation):
    turn = conversation.ask("Is the left lung larger than the right lung?")
    ratio = value(conversation, turn, "ratio")
    assert ratio.value == pytest.approx(0.5)
    assert len(ratio.derived_from) == 2
    assert "right lung is larger" in turn.answer
    assert turn.unverified == ()


def test_share_of_one_object_in_another(conversation):
    turn = conversation.ask("What share of the liver is the tumour?")
    assert value(conversation, turn, "fraction_of").value == pytest.approx(100 * 100 / 1200)


def test_scale_of_the_user_turns_pixels_into_millimetres(conversation):
    conversation.ask("How large is the liver?")
    turn = conversation.ask("one pixel is 0.5 mm")
    area = value(conversation, turn, "area")
    assert (area.value, area.unit) == (300.0, "mm2")
    assert conversation.case.scans["scan-1"].geometry.spacing_source == "user"
    assert "300 mm²" in turn.answer


def test_unit_asked_for(conversation):
    conversation.set_scale("scan-1", 0.5)
    turn = conversation.ask("How wide is the liver in cm?")
    assert "2.50 cm" in turn.answer


def test_find_everything(conversation):
    turn = conversation.ask("What do you see?")
    names = {conversation.case.objects[o].target for o in turn.object_ids}
    assert "liver" in names
    assert turn.answer.startswith("I recognise")


def spoken_with(shapes, modality, picture, settings, tmp_path):
    parser = ShapesParser(shapes, modality=modality)
    made = Conversation(settings, parser=parser, directory=tmp_path / "of-its-own")
    made.add_file(picture)
    return made


def test_the_one_thing_that_was_recognised_is_it(picture, settings, tmp_path):
    made = spoken_with({"polyp": [(10, 10, 30, 40)]}, "endoscope", picture, settings, tmp_path)
    turn = made.ask("Is there anything abnormal?")
    assert turn.answer.startswith("Whether something is normal is not for me to say")
    assert "- polyp: 6.00 % of the image" in turn.answer
    assert "600 px²" in made.ask("How large is it?").answer
    assert "36.1 px" in made.ask("and how wide?").answer  # from corner to corner


def test_of_several_that_were_recognised_it_is_asked_which(conversation):
    conversation.ask("What do you see?")
    assert conversation.ask("How large is it?").answer.startswith("Which object do you mean?")


def test_a_layer_has_a_thickness_and_a_lump_has_diameters(picture, settings, tmp_path):
    shapes = {"retina": [(30, 0, 42, 100)], "left lung": [(50, 50, 90, 90)]}
    made = spoken_with(shapes, None, picture, settings, tmp_path)
    assert made.ask("How thick is the retina?").answer == "The retina is 12 px thick in the mean."
    made.parser.shapes["myocardium"] = [(10, 0, 18, 100), (60, 0, 64, 100)]
    wall = made.ask("How thick is the myocardium?")
    assert wall.answer == (
        "I find the myocardium in 2 separate parts. "
        "The largest part of the myocardium is 8 px thick in the mean."
    )
    lump = made.ask("How thick is the left lung?")
    assert lump.answer.startswith("The longest diameter of the left lung is ")
    assert any("neither a layer nor a wall" in warning for warning in lump.warnings)


def test_how_sure_it_is_is_told_with_presence_and_size(conversation):
    conversation.ask("How large is the liver?")
    turn = conversation.ask("How sure are you?")
    assert turn.answer.startswith(
        "That the liver is there I put at 0.970, where one would be certain."
    )
    assert "1200 px²" in turn.answer


def test_an_average_is_of_one_object(picture, settings, tmp_path):
    boxes = [(10, 10, 20, 20), (10, 40, 20, 60), (60, 10, 90, 20)]  # 100, 200 and 300 px
    made = spoken_with({"nuclei": boxes}, "pathology", picture, settings, tmp_path)
    turn = made.ask("What is the average size of the nuclei?")
    assert turn.answer.startswith("I count 3 nuclei")
    assert turn.answer.endswith("One of them covers 200 px² in the mean.")


def test_empty_and_endless_questions_are_refused(conversation):
    with pytest.raises(RequestError, match="empty"):
        conversation.ask("  ")
    with pytest.raises(RequestError, match="longer"):
        conversation.ask("x" * 5000)


def test_without_a_scan_the_user_is_told(parser, settings, tmp_path):
    turn = Conversation(settings, parser=parser, directory=tmp_path / "c").ask(
        "How large is the liver?"
    )
    assert "no scan" in turn.answer


def test_bad_file_leaves_the_conversation_as_it_was(conversation, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(FileError):
        conversation.add_file(tmp_path / "text.png")
    assert list(conversation.case.scans) == ["scan-1"]
    assert conversation.ask("How large is the liver?").answer


def test_mask_file_holds_exactly_the_measured_pixels(conversation):
    turn = conversation.ask("How large is the liver?")
    file = conversation.case.objects[turn.object_ids[0]].mask_file
    mask = np.asarray(Image.open(file)) > 0
    assert mask.shape == (100, 100)
    assert mask.sum() == value(conversation, turn, "area").value


def test_closing_deletes_everything(conversation):
    conversation.ask("How large is the liver?")
    directory = conversation.case.directory
    assert any(directory.iterdir())
    conversation.close()
    assert not directory.exists()


async def test_events_come_in_order_and_text_streams(conversation):
    events = [event async for event in conversation.stream("How large is the liver?")]
    kinds = [type(e) for e in events]
    assert kinds[0] is ToolStarted
    assert kinds[-1] is TurnFinished
    assert kinds.count(ToolStarted) == kinds.count(ToolFinished) == 2
    text = "".join(e.text for e in events if isinstance(e, TextDelta))
    assert text.strip() == events[-1].turn.answer
    assert kinds.count(TextDelta) > 5


# --- an endpoint that speaks the OpenAI protocol ---------------------------------------------


def test_endpoint_sees_no_pixels_and_its_references_become_numbers(
    picture, parser, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    script: Script = [
        [("segment", {"phrases": ["liver"]})],
        [("measure", {"object": "mask-1", "quantities": ["area"]})],
        "The liver covers [[m-2]]; that is about 7 times a coin.",
    ]
    with openai_server(script) as peer:
        chosen = Settings(
            llm="openai", llm_base_url=peer.base_url, llm_model="toy", llm_api_key=SecretStr("k")
        )
        conversation = Conversation(chosen, parser=parser, directory=tmp_path / "case")
        conversation.add_file(picture)
        turn = conversation.ask("How large is the liver?")
    assert "The liver covers 1200 px²" in turn.answer
    assert turn.unverified == ("7",)
    assert "7 (unverified)" in turn.answer
    assert [c.tool for c in turn.calls] == ["segment", "measure"]
    sent = json.dumps(peer.requests)
    assert "picture.png" not in sent
    assert str(tmp_path) not in sent
    assert "image_url" not in sent
    assert peer.keys[0] == "Bearer k"
    assert {t["function"]["name"] for t in peer.requests[0]["tools"]} >= {"segment", "measure"}


def test_wrong_arguments_of_a_model_are_told_to_it(picture, parser, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    script: Script = [
        [("measure", {"object": "mask-9", "quantities": ["area"]})],
        [("measure", {"quantities": "everything"})],
        "I could not measure that.",
    ]
    with openai_server(script) as peer:
        chosen = Settings(llm="openai", llm_base_url=peer.base_url)
        conversation = Conversation(chosen, parser=parser, directory=tmp_path / "case")
        conversation.add_file(picture)
        turn = conversation.ask("How large is the liver?")
    assert [c.ok for c in turn.calls] == [False, False]
    assert "There is no mask-9" in json.dumps(peer.requests[1])
    assert turn.answer == "I could not measure that."


@pytest.mark.parametrize("status", [401, 404, 500])
def test_failing_endpoint_is_one_sentence_and_the_conversation_goes_on(
    picture, parser, monkeypatch, tmp_path, status
):
    monkeypatch.chdir(tmp_path)
    with openai_server([status, status, "Hello again."]) as peer:
        chosen = Settings(
            llm="openai", llm_base_url=peer.base_url, llm_api_key=SecretStr("secret-key")
        )
        conversation = Conversation(chosen, parser=parser, directory=tmp_path / "case")
        conversation.add_file(picture)
        with pytest.raises(ServiceError, match="did not answer") as caught:
            conversation.ask("How large is the liver?")
        assert "secret-key" not in str(caught.value)


def test_endpoint_that_is_not_there(picture, parser, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chosen = Settings(llm="openai", llm_base_url="http://127.0.0.1:9/v1")
    conversation = Conversation(chosen, parser=parser, directory=tmp_path / "case")
    with pytest.raises(ServiceError, match="did not answer"):
        conversation.ask("How large is the liver?")


def test_openai_without_address_or_key_is_a_set_up_error(parser, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SetupError, match="PARSECHAT_LLM"):
        Conversation(Settings(llm="openai"), parser=parser, directory=tmp_path / "case")


async def test_a_stopped_answer_leaves_no_half_turn_behind(picture, parser, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    script: Script = [[("segment", {"phrases": ["liver"]})], "Hello again."]
    with openai_server(script) as peer:
        chosen = Settings(llm="openai", llm_base_url=peer.base_url)
        conversation = Conversation(chosen, parser=parser, directory=tmp_path / "case")
        conversation.add_file(picture)
        stream = conversation.stream("How large is the liver?")
        async for event in stream:
            if isinstance(event, ToolStarted):
                break
        await stream.aclose()  # type: ignore[attr-defined]
        events = [event async for event in conversation.stream("Are you there?")]
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].turn.answer == "Hello again."
    roles = [m["role"] for m in peer.requests[-1]["messages"]]
    assert roles == ["system", "user"]


def test_several_scans_are_answered_one_by_one(conversation, tmp_path):
    other = np.zeros((100, 200), np.uint8)
    other[0, 0] = 1
    Image.fromarray(other).save(tmp_path / "other.png")
    conversation.add_file(tmp_path / "other.png")
    turn = conversation.ask("How large is the liver?")
    assert turn.answer.splitlines()[0].startswith("- scan-1: The liver covers 1200 px²")
    assert "6.00 %" in turn.answer.splitlines()[1]
    assert len(turn.object_ids) == 2
    follow_up = conversation.ask("How wide is it?")
    assert follow_up.object_ids == turn.object_ids
    assert follow_up.unverified == ()


def test_a_scan_added_later_is_the_one_that_is_meant(conversation, tmp_path):
    conversation.ask("How large is the liver?")
    Image.fromarray(np.full((100, 200), 7, np.uint8)).save(tmp_path / "other.png")
    conversation.add_file(tmp_path / "other.png")
    turn = conversation.ask("How large is the liver?")
    assert [conversation.case.objects[o].scan for o in turn.object_ids] == ["scan-2"]


def test_a_model_that_never_answers_is_stopped_and_the_user_told(
    picture, parser, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    script: Script = [[("segment", {"phrases": ["liver"]})] for _ in range(80)]
    with openai_server(script) as peer:
        chosen = Settings(llm="openai", llm_base_url=peer.base_url)
        conversation = Conversation(chosen, parser=parser, directory=tmp_path / "case")
        conversation.add_file(picture)
        turn = conversation.ask("How large is the liver?")
    assert len(peer.requests) == 60
    assert turn.answer.startswith("I stopped before the answer was finished")
    assert turn.unverified == ()
