"""From an attached file to a scan of the case, leaving no copy of the file behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import chainlit as cl

from agent.chat import present
from agent.chat.samples import Sample
from agent.chat.sessions import ChatSession
from parser_model.errors import FileError


@dataclass
class Attached:
    """What became of a message's files.

    Attributes
    ----------
    read : list of str
        Ids of the new scans.
    sentences : list of str
        What was wrong with the others.
    """

    read: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


async def read_attached(session: ChatSession, message: cl.Message) -> Attached:
    """Read a message's files into the case and delete the uploaded copies."""
    result = Attached()
    count = len(message.elements)
    for index, element in enumerate(list(message.elements), start=1):
        path = Path(element.path) if element.path else None
        try:
            if path is None:
                continue
            scan_id = await asyncio.to_thread(session.conversation.add_file, path)
        except FileError as error:
            which = f"File {index} of {count}: " if count > 1 else ""
            result.sentences.append(f"{which}{error}")
        else:
            result.read.append(scan_id)
            await _show(session, message, scan_id)
        finally:
            # The case now holds a de-identified copy. The upload may carry a name, in its tags
            # or in its own file name, so neither the file nor its tile stays.
            if path is not None:
                path.unlink(missing_ok=True)
            cl.context.session.files.pop(element.id, None)
            await element.remove()
    message.elements = []
    return result


async def read_sample(session: ChatSession, message: cl.Message, sample: Sample) -> None:
    """Read a sample into the case and say whose it is."""
    if sample.path is not None:
        scan_id = await asyncio.to_thread(session.conversation.add_file, sample.path)
        session.credits[scan_id] = sample.credit
        await _show(session, message, scan_id)


async def _show(session: ChatSession, message: cl.Message, scan_id: str) -> None:
    """Put the scan's picture into the person's message, and its facts as a step."""
    await cl.Image(name=scan_id, url=session.url(scan_id), size="small").send(for_id=message.id)
    case = session.conversation.case
    lines = [present.scan_facts(case, scan_id), *case.scans[scan_id].notes]
    if scan_id in session.credits:
        lines.append(f"Sample: {session.credits[scan_id]}.")
    run = cl.context.current_run
    step = cl.Step(
        name=f"Open {scan_id}", type="tool", parent_id=run.id if run else None, show_input=False
    )
    step.output = "\n\n".join(lines)
    await step.send()
