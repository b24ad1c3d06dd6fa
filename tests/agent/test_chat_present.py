"""Events and measurements in the words of the page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.chat import present
from agent.chat.sessions import ChatSession
from agent.events import ToolFinished, Turn, TurnFinished
from tests.agent.chat_fake import FakeConversation, FakeGeometry


@pytest.fixture
def session(tmp_path: Path) -> ChatSession:
    path = tmp_path / "scan.png"
    Image.fromarray(np.full((60, 90, 3), 128, np.uint8)).save(path)
    conversation = FakeConversation()
    conversation.add_file(path)
    return ChatSession(conversation)  # type: ignore[arg-type]


def _turn(session: ChatSession) -> Turn:
    async def last() -> Any:
        return [event async for event in session.conversation.stream("How large?")][-1]

    event = asyncio.run(last())
    assert isinstance(event, TurnFinished)
    return event.turn


@pytest.mark.parametrize(
    ("tool", "arguments", "title"),
    [
        ("segment", {"phrases": ["optic disc"], "scan": "scan-1"}, "Find optic disc in scan-1"),
        ("measure", {"object": "mask-1"}, "Measure optic disc"),
        ("find_everything", {}, "Find everything"),
        ("brand_new", {"scan": None}, "Brand new"),
    ],
)
def test_tool_calls_in_plain_words(tool: str, arguments: dict[str, Any], title: str) -> None:
    assert present.step_title(tool, arguments, {"mask-1": "optic disc"}) == title


def test_arguments_as_a_line() -> None:
    given = {"phrases": ["optic disc", "cup"], "scan": None, "mm_per_pixel": 0.3}
    assert present.step_input(given) == "phrases: optic disc, cup · mm per pixel: 0.3"


def test_a_tool_s_result_says_how_long_it_took() -> None:
    event = ToolFinished("c", "segment", True, 0.4149, "optic disc: present", ("mask-1",), False)
    assert present.step_result(event) == "optic disc: present\n\n0.41 s · image already known"


def test_props_of_the_overlay(session: ChatSession) -> None:
    (props,) = present.overlays(session, _turn(session))
    assert props["scan"]["facts"] == "retinal photograph · 90 × 60 px · no pixel spacing"
    assert props["scan"]["aspect"] == 1.5
    assert not props["scan"]["hasScale"]
    assert [layer["id"] for layer in props["layers"]] == ["mask-1", "mask-2"]
    assert props["layers"][0]["area"] == f"/scans/{session.token}/mask-1.png"
    fraction = props["measurements"][1]
    assert fraction["value"] == "8.7 %"
    assert fraction["range"] == "8.3–9.1"
    assert fraction["object"] == "mask-1"
    assert "Research use only" in props["signature"]


def test_pixels_that_are_not_square_are_shown_as_in_the_body(session: ChatSession) -> None:
    turn = _turn(session)
    session.conversation.case.scans["scan-1"].geometry = FakeGeometry(  # type: ignore[misc, assignment]
        (1.0, 0.5), "dicom-pixel-spacing"
    )
    (props,) = present.overlays(session, turn)
    assert props["scan"]["aspect"] == 0.75
    assert props["scan"]["facts"].endswith("0.500 × 1 mm per pixel")


def test_an_absent_object_has_no_layers(session: ChatSession) -> None:
    turn = _turn(session)
    session.conversation.case.objects["mask-2"].present = False  # type: ignore[misc]
    layer = present.overlays(session, turn)[0]["layers"][1]
    assert (layer["present"], layer["area"], layer["outline"], layer["overlay"]) == (
        False,
        None,
        None,
        None,
    )


def test_where_units_come_from() -> None:
    assert present.source_of("mm2", "dicom-pixel-spacing") == "the file (DICOM PixelSpacing)"
    assert present.source_of("mm", "user") == "the scale you gave"
    assert "detector" in present.source_of("cm", "dicom-imager-pixel-spacing")
    assert present.source_of("px2", None) == "pixels of the picture"
    assert present.source_of("1", None) == ""
    assert present.source_of("percent", None, "fraction_of_image") == "share of pixels"
    assert present.source_of("percent", None, "ejection_fraction") == "from two measurements"


def test_the_finished_answer_marks_what_is_unverified(session: ChatSession) -> None:
    turn = _turn(session)
    text = present.final_text(turn)
    assert "about 2 ⚠ mm across" in text
    assert "Not verified" in text
    assert text in present.final_text(turn, below=["a warning"])
    assert present.final_text(turn, below=["a warning"]).endswith("\n\n> a warning")


def test_warnings_stand_below_the_picture(session: ChatSession) -> None:
    props = present.overlays(session, _turn(session))[-1]
    assert props["warnings"] == ("scan-1 has no pixel spacing: pixels and per cent only.",)
