"""What happens in the chat: files come in, questions are answered, sessions end.

Chainlit loads this file by its path, so it uses absolute imports only.
"""

from __future__ import annotations

import asyncio
import secrets
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import chainlit as cl
import structlog
from chainlit.config import config as chainlit_config
from chainlit.session import WebsocketSession

from agent.chat import present, samples, uploads
from agent.chat.sessions import ChatSession, registry
from agent.events import (
    Event,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TurnFinished,
)
from parser_model.errors import ParsechatError

log = structlog.get_logger("parsechat.chat")

NO_SCAN = (
    "I need a scan to look at. Drop one here or use the paperclip: PNG, JPEG, TIFF, BMP, GIF, "
    "WebP or DICOM. {kept}"
)


@cl.set_starters  # type: ignore[untyped-decorator,unused-ignore]
async def starters(user: Any = None) -> list[cl.Starter]:
    """Offer the samples that are installed."""
    return [
        cl.Starter(
            label=sample.label,
            message=sample.question,
            command=f"sample-{sample.key}",
            icon=f"/samples/{sample.key}.png",
        )
        for sample in samples.available()
    ]


@cl.on_message
async def on_message(message: cl.Message) -> None:
    """Read attached files, then answer."""
    try:
        session = await registry.open(cl.context.session.id)
        async with session.lock:
            await _handle(session, message)
    except ParsechatError as error:
        await _say(str(error))
    except Exception as error:  # the conversation goes on whatever broke
        await _say(_bug(error))


@cl.on_chat_end
async def on_chat_end() -> None:
    """Delete the case once the tab is gone for good.

    Chainlit calls this whenever a connection drops, also for a second; it forgets the session
    itself only when the person starts a new chat or stays away too long.
    """
    websocket = cl.context.session
    tab = websocket.id
    if getattr(websocket, "to_clear", False):
        await registry.close(tab)
        return

    async def later() -> None:
        await asyncio.sleep(chainlit_config.project.session_timeout + 5)
        if WebsocketSession.get_by_id(tab) is None:
            await registry.close(tab)

    task = asyncio.create_task(later())
    _waiting.add(task)  # asyncio itself holds tasks only weakly
    task.add_done_callback(_waiting.discard)


_waiting: set[asyncio.Task[None]] = set()


@cl.action_callback("set_scale")
async def set_scale(action: cl.Action) -> None:
    """Take the scale typed below a picture that has none."""
    session = registry.get(cl.context.session.id)
    if session is None:
        return
    scan, scale = str(action.payload.get("scan", "")), action.payload.get("mm_per_pixel")
    if scan not in session.conversation.case.scans or not isinstance(scale, (int, float)):
        await _say("Please give the scale as millimetres per pixel, e.g. 0.3.")
        return
    try:
        async with session.lock:
            await asyncio.to_thread(session.conversation.set_scale, scan, float(scale))
    except ParsechatError as error:
        await _say(str(error))
        return
    await _say(f"{scan} now has {scale:g} mm per pixel, as you said. Ask again for millimetres.")


async def _handle(session: ChatSession, message: cl.Message) -> None:
    question = message.content.strip()
    sample = samples.by_key((message.command or "").removeprefix("sample-"))
    if sample is not None and sample.path is not None:
        await uploads.read_sample(session, message, sample)
    failed = await uploads.read_attached(session, message)
    for sentence in failed.sentences:
        await _say(sentence)
    question = question or session.pending
    if not session.conversation.case.scans or (failed.sentences and not failed.read):
        session.pending = question
        kept = "I keep your question until then." if question else ""
        if not failed.sentences:
            await _say(NO_SCAN.format(kept=kept).strip())
        return
    session.pending = ""
    if not question:
        await _say("What would you like to know? For example: *what can you find?*")
        return
    await _answer(session, question)


async def _answer(session: ChatSession, question: str) -> None:
    """Stream one answer: tools as steps, then text, then the picture with its masks."""
    reply = cl.Message(content="")
    steps: dict[str, cl.Step] = {}
    titles: dict[str, str] = {}
    # Closed at once when the person presses stop, not when the garbage is collected.
    stream = cast("AsyncGenerator[Event, None]", session.conversation.stream(question))
    try:
        async with aclosing(stream) as events:
            async for event in events:
                match event:
                    case ToolStarted():
                        steps[event.call_id] = step = await _step(session, event)
                        titles[event.call_id] = step.name
                    case ToolProgress():
                        await _tell(steps, titles, event)
                    case ToolFinished():
                        await _finish(steps.pop(event.call_id, None), titles, event)
                    case TextDelta():
                        await reply.stream_token(event.text)
                    case TurnFinished():
                        turn = event.turn
                        overlays = present.overlays(session, turn)
                        lines = [] if overlays else [*turn.warnings, present.signature(session)]
                        reply.content = present.final_text(turn, below=lines)
                        elements: list[Any] = [
                            cl.CustomElement(name="ScanOverlay", props=props, display="inline")
                            for props in overlays
                        ]
                        reply.elements = elements
                        # `send`, not `update`: only this ends the stream.
                        await reply.send()
    finally:
        for step in steps.values():  # stopped or broken in the middle of a tool
            step.output, step.is_error = "Stopped.", True
            await step.update()


async def _step(session: ChatSession, event: ToolStarted) -> cl.Step:
    run = cl.context.current_run
    names = {key: found.name for key, found in session.conversation.case.objects.items()}
    step = cl.Step(
        name=present.step_title(event.tool, event.arguments, names),
        type="tool",
        parent_id=run.id if run else None,  # without a parent the page does not show it
        show_input=True,
    )
    step.input = present.step_input(event.arguments)
    await step.send()
    return step


async def _tell(steps: dict[str, cl.Step], titles: dict[str, str], event: ToolProgress) -> None:
    """Say in the step that is under way how far it is."""
    for call_id, step in steps.items():
        step.name = present.under_way(titles[call_id], event)
        await step.update()


async def _finish(step: cl.Step | None, titles: dict[str, str], event: ToolFinished) -> None:
    if step is None:
        return
    step.name = f"{titles[event.call_id]} · {present.seconds(event.seconds)}"
    step.output = present.step_result(event)
    step.is_error = not event.ok
    await step.update()


async def _say(text: str) -> None:
    await cl.Message(content=text).send()


def _bug(error: Exception) -> str:
    """Log an unexpected error under an id and return the sentence for the person.

    Only types and places are logged: an error's own text may quote a file name or a DICOM tag.
    """
    error_id = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    log.error(
        "unexpected error",
        error_id=error_id,
        type=type(error).__name__,
        where=[f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-6:]],
    )
    return (
        f"Something went wrong on our side (error {error_id}). Your scans and results are still "
        "here; please try again or ask differently."
    )
