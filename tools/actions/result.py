"""What an action gives back, and what it works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from parser_model.types import Parser
from tools.case import Case


@dataclass(frozen=True, eq=False)
class Bench:
    """What every action works on: the case and the parser.

    Attributes
    ----------
    case : Case
    parser : Parser
    """

    case: Case
    parser: Parser


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
