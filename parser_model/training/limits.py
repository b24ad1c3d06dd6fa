"""What the numbers of a plan may be: beyond it a run would break, never end, or teach nonsense."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from parser_model.errors import RequestError
from parser_model.ontology import ontology


@dataclass(frozen=True)
class Allowed:
    """Finite numbers between two bounds, the bounds included, and how they are called."""

    words: str
    least: float
    most: float = sys.float_info.max


_ABOVE_ZERO: Final = Allowed("a number above zero", math.ulp(0.0))
_FROM_ZERO: Final = Allowed("zero or more", 0)
_SHARE: Final = Allowed("a share from 0 to 1", 0, 1)

ALLOWED: Final[Mapping[str, Allowed]] = {
    "minutes": _ABOVE_ZERO,
    "wall_minutes": _ABOVE_ZERO,
    "steps": _ABOVE_ZERO,
    "sizes": Allowed("made of shares above 0 to 1", math.ulp(0.0), 1),
    "strength": _SHARE,
    "recolouring": _SHARE,
    "closeups": _SHARE,
    "synthetic": _SHARE,
    "start_share": Allowed("a share of less than 1", 0, math.nextafter(1.0, 0.0)),
    "images": _ABOVE_ZERO,
    "prompts": _ABOVE_ZERO,
    "negative_share": _SHARE,
    "learning_rate": _ABOVE_ZERO,
    "weight_decay": _FROM_ZERO,
    "word_drop": _SHARE,
    "average": _SHARE,
    "shares": _FROM_ZERO,
    "seed": Allowed("zero or more", 0, 2**64 - 1),
    "report_every": _ABOVE_ZERO,
    "validate_every": _ABOVE_ZERO,  # above 1: at the end alone
    "validation_images": _FROM_ZERO,
    "save_minutes": _FROM_ZERO,
}
"""By the name of a plan's field; of several numbers in one, each."""


def check_plan(plan: object) -> None:
    """Refuse a plan with a value that is not allowed; see `check_value`."""
    for name, value in vars(plan).items():
        check_value(name, value, f"{name} in the plan")


def check_value(name: str, value: object, where: str) -> None:
    """Refuse a value that a field of a plan may not have; ``None`` stands for none.

    Raises
    ------
    RequestError
        Which says where it is and what is allowed.
    """
    allowed = ALLOWED.get(name)
    if allowed and not all(allowed.least <= n <= allowed.most for n in _numbers(value)):
        raise RequestError(f"{where} is {allowed.words}, not {value}.")
    if name == "shares" and isinstance(value, Mapping):
        unknown = sorted(set(value) - set(ontology().modalities))
        if unknown:
            known = ", ".join(ontology().modalities)
            raise RequestError(f"{where} names {', '.join(unknown)}; there are {known}.")


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, Mapping):
        yield from _numbers(tuple(value.values()))
    elif isinstance(value, tuple):
        for one in value:
            yield from _numbers(one)
