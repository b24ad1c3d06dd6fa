"""What an action gives back, and what it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from parser_model.types import Parser
from tools.case import Case
from tools.volumes import Cancelled, Progress


@dataclass(frozen=True)
class Watch:
    """Who follows long work, and may end it.

    Attributes
    ----------
    progress : callable or None
        Told how many slices are done, and of how many.
    cancelled : callable or None
        Asked between slices whether to stop; the action then ends with a ToolError.
    """

    progress: Progress | None = None
    cancelled: Cancelled | None = None


@dataclass(frozen=True, eq=False)
class Bench:
    """What every action works on: the case and the parser.

    Attributes
    ----------
    case : Case
    parser : Parser
    watch : callable
        Gives who follows the action that begins now.
    """

    case: Case
    parser: Parser
    watch: Callable[[], Watch] = Watch


@dataclass(frozen=True)
class ActionResult:
    """What an action gives back.

    Attributes
    ----------
    content : dict
        For the model to read: plain values, ids, no pixels, no paths.
    summary : str
        One line for a person.
    objects, measurements : tuple of str
        Ids made or used.
    encoded : bool or None
        Whether an image was encoded for it; None when it does not look at images.
    warnings : tuple of str
        Things the user must be told.
    refused : bool
        An object asked for is not there, or the request is not supported.
    """

    content: dict[str, Any]
    summary: str
    objects: tuple[str, ...] = ()
    measurements: tuple[str, ...] = ()
    encoded: bool | None = None
    warnings: tuple[str, ...] = ()
    refused: bool = field(default=False)
