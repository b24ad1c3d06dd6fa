"""Measures with a name of their own: "head circumference" says of what, and which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.planner.plain_words import makes_another
from agent.planner.words import DIAMETERS, THICKNESS, any_of


@dataclass(frozen=True)
class NamedMeasure:
    """What a clinical name stands for.

    Attributes
    ----------
    phrase : str
        The object to look for.
    quantities : tuple of str
        Measurement names.
    """

    phrase: str
    quantities: tuple[str, ...]


_NAMED: Final[tuple[tuple[re.Pattern[str], NamedMeasure], ...]] = (
    (any_of("head circumference", "hc"), NamedMeasure("fetal head", ("perimeter",))),
    (
        # Of an ellipse, which a head is nearly, these are its two diameters.
        any_of("bi-?parietal(?: diameter)?", "bpd", "occipito-?frontal(?: diameter)?", "ofd"),
        NamedMeasure("fetal head", DIAMETERS),
    ),
    (
        any_of("(?:vessel|vascular|vasculature) density"),
        NamedMeasure("vessel", ("fraction_of_image",)),
    ),
    (
        # Not from end to end, which is what the diameters of a tree of vessels are.
        any_of(
            "how (?:wide|thick) are the (?:blood )?vessels",
            "(?:vessel|vascular) (?:widths?|calib(?:re|er)s?)",
        ),
        NamedMeasure("vessel", ("thickness",)),
    ),
)


_THICK: Final = any_of("thick", "thickness")
_WALL: Final = re.compile(
    r"(?:(?P<before>[\w'’-]+) )?"
    r"(?P<wall>\bwalls?\b(?: (?:of|between) (?:(?:the|a|an) )?[\w'’-]+)?)",
    re.IGNORECASE,
)
_HEART: Final = frozenset(
    ["heart", "cardiac", "myocardial", "ventricle", "ventricular", "lv", "muscle", "wall", "walls"]
)
_HAS_THE_WALL: Final = ("myocardium", "left heart ventricle")


def read_named_measure(text: str, targets: Sequence[str | None]) -> NamedMeasure | None:
    """The measure that a question calls by its name, or None.

    Parameters
    ----------
    text : str
    targets : sequence of str or None
        What the objects are that are named in it; None for one that nobody knows.
    """
    named = (measure for pattern, measure in _NAMED if pattern.search(text))
    return next(named, None) or _thickness_of_wall(text, targets)


def _thickness_of_wall(text: str, targets: Sequence[str | None]) -> NamedMeasure | None:
    """The thickness of a wall: the heart's, where the question names no other one."""
    wall = _WALL.search(text)
    if wall is None or not _THICK.search(text) or not set(_HAS_THE_WALL).issuperset(targets):
        return None
    words = re.findall(r"[^\W_]+", wall.group().lower())
    others = [word for word in words if makes_another(word) and word not in _HEART]
    if targets or not others:
        return NamedMeasure("myocardium", THICKNESS)
    phrase = wall.group() if makes_another(wall["before"] or "the") else wall["wall"]
    return NamedMeasure(phrase, THICKNESS)
