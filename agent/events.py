"""What a conversation reports while it answers, and what it gives at the end.

Front ends (terminal, browser) listen to these and know nothing of LangChain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ToolStarted:
    """A tool call begins. `arguments` are what the model asked for."""

    call_id: str
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class ToolProgress:
    """A tool call is under way: so many slices of a volume are done, of so many."""

    done: int
    total: int


@dataclass(frozen=True)
class ToolFinished:
    """A tool call ended.

    Attributes
    ----------
    summary : str
        One line for a person, e.g. "liver: present (0.98), 1 part".
    object_ids : tuple of str
        Masks made or used, e.g. ("mask-1",).
    encoded : bool or None
        True when an image was encoded, False when its features were remembered, None when the
        tool does not look at images.
    """

    call_id: str
    tool: str
    ok: bool
    seconds: float
    summary: str
    object_ids: tuple[str, ...] = ()
    encoded: bool | None = None


@dataclass(frozen=True)
class TextDelta:
    """A piece of the answer, references already replaced by measured values."""

    text: str


@dataclass(frozen=True)
class Evidence:
    """A stretch of the answer that shows a measurement, e.g. ("412 mm²", "m-1")."""

    text: str
    measurement: str


@dataclass(frozen=True)
class Call:
    """A tool call as `ask --json` reports it."""

    tool: str
    arguments: dict[str, Any]
    ok: bool
    seconds: float
    encoded: bool | None


@dataclass(frozen=True)
class Turn:
    """A finished answer.

    Attributes
    ----------
    question, answer : str
    refused : bool
        An object asked for is absent, or the request is not supported.
    object_ids, measurement_ids : tuple of str
        Everything the answer refers to, looked up in the conversation's case.
    evidence : tuple of Evidence
        Every measured number in the answer, in order.
    unverified : tuple of str
        Numbers in the model's own prose that no measurement stands behind.
    """

    question: str
    answer: str
    refused: bool = False
    warnings: tuple[str, ...] = ()
    object_ids: tuple[str, ...] = ()
    measurement_ids: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    unverified: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class TurnFinished:
    """The last event of every answer."""

    turn: Turn


Event = ToolStarted | ToolProgress | ToolFinished | TextDelta | TurnFinished
