"""Measures with a name of their own: "head circumference" says of what, and which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

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
        any_of("(?:myocardial |ventricular |heart |lv )?wall thickness", "thick(?:ness)? .*wall"),
        NamedMeasure("myocardium", THICKNESS),
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


def read_named_measure(text: str) -> NamedMeasure | None:
    """The measure that a question calls by its name, or None."""
    return next((measure for pattern, measure in _NAMED if pattern.search(text)), None)
