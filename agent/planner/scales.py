"""A scale that the user states: which numbers are meant, and which way round.

Understood are the size of a pixel ("one pixel is 0.3 mm", "0.25 µm/px", "spacing 0.5 x 0.5 mm") and
a bar of known length ("200 px are 1 mm", "12 pixels per mm"). Whether the size can be is judged by
the action; what cannot be told apart (which of two numbers is the width) is asked back.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

from agent.planner.scan_names import ORDINALS, named_scans

_MM: Final = {
    "nm": 1e-6,
    "nanomet": 1e-6,
    "µm": 1e-3,
    "μm": 1e-3,
    "um": 1e-3,
    "micro": 1e-3,
    "mm": 1.0,
    "millim": 1.0,
    "cm": 10.0,
    "centim": 10.0,
}
_UNIT = (
    r"(?:nm|nanomet(?:er|re)s?|[µμu]m|microns?|micromet(?:er|re)s?|mm|millimet(?:er|re)s?|cm|"
    r"centimet(?:er|re)s?)\b"
)
_N = r"[-+−]?(?:\d+(?:[.,]\d+)*|[.,]\d+)(?:e[-+]?\d+)?"
_LENGTH = rf"(?P<mm>{_N})\s*(?P<unit>{_UNIT})"
_PX = r"(?:pixels?|px|pix|voxels?)\b"
_PIXELS = rf"(?P<px>{_N})\s*{_PX}"
_IS = r"(?:is|are|=|equals?|measures?|corresponds?\s+to|represents?|means?|makes?|has|:|being)"
_ONE = r"(?:\b(?:one|1|a|an|each|every|the|my|its|per)\s+)?"
_SPACING = r"(?:spacing|(?:pixel|px|voxel)[\s-]*(?:sizes?|spacing|pitch|dimensions))"
_BY = r"\s*(?:x|×|by|\*)\s*"
_BOTH = (
    rf"(?P<a>{_N})\s*(?:{_UNIT})?{_BY}(?P<b>{_N})(?:\s*(?:{_UNIT})?{_BY}(?P<c>{_N}))?"
    rf"\s*(?P<unit>{_UNIT})"
)
_SIDE = r"(?:wide|broad|high|tall)"

# "a pixel is 0.5 mm wide and 0.7 mm high"
_NAMED_SIDES = re.compile(
    rf"{_PX}\s*{_IS}\s*(?P<a>{_N})\s*(?P<ua>{_UNIT})?\s*(?P<first>{_SIDE})\s*(?:,|and|by|x)\s*"
    rf"(?P<b>{_N})\s*(?P<ub>{_UNIT})\s*(?P<second>{_SIDE})",
    re.IGNORECASE,
)
_TWO = (
    # "a pixel is 0.5 by 0.5 mm", "spacing 0.5 x 0.5 mm"
    re.compile(rf"(?:{_ONE}{_PX}\s*{_IS}|{_SPACING}\s*(?:{_IS}|of)?)\s*{_BOTH}", re.IGNORECASE),
    # "0.5 x 0.5 mm per pixel"
    re.compile(rf"{_BOTH}\s*(?:per|/|a)\s*{_PX}", re.IGNORECASE),
)
_PIXEL = (
    # "one pixel is 0.3 mm", "the pixels are 0.3 mm", "a pixel has 0.3 mm"
    re.compile(rf"{_ONE}{_PX}\s*{_IS}\s*(?:about\s+)?{_LENGTH}", re.IGNORECASE),
    # "pixel size: 0.3 mm", "spacing of 0.3 mm", "the scale is 0,3 mm"
    re.compile(
        rf"\b(?:scale|resolution|{_SPACING})\s*(?:{_IS}|of)?\s*{_LENGTH}",
        re.IGNORECASE,
    ),
    # "0.3 mm per pixel", "5 µm/px", "0.3 mm a pixel"
    re.compile(rf"{_LENGTH}\s*(?:per|/|a|for\s+(?:one|1|a|each)|each)\s*{_PX}", re.IGNORECASE),
)
# "0.25 mpp", "mpp = 0.25": micrometres per pixel, as slides have it
_MPP = re.compile(rf"(?P<before>{_N})\s*mpp\b|\bmpp\s*{_IS}?\s*(?P<after>{_N})", re.IGNORECASE)
_BAR = (
    # "200 px = 1 mm", "the bar is 200 pixels for 1 mm", "the scale bar of 200 px is 1 mm long"
    re.compile(
        rf"{_PIXELS}\s*(?:long\s*)?(?:{_IS}|for|per|to|\(|,?\s*(?:and|which)\s+{_IS})\s*{_LENGTH}",
        re.IGNORECASE,
    ),
    # "1 mm are 200 pixels", "the 1 mm scale bar is 200 px long", "1 mm (200 px)"
    re.compile(
        rf"{_LENGTH}\s*(?:long\s*)?(?:scale\s*)?(?:bar\s*)?(?:long\s*)?"
        rf"(?:{_IS}|\(|,?\s*(?:and|which)\s+{_IS})\s*(?:about\s+)?{_PIXELS}",
        re.IGNORECASE,
    ),
    # "200 px per mm", "12 pixels/mm"
    re.compile(rf"{_PIXELS}\s*(?:per|/|a|for each|in (?:a|one|1))\s*(?P<unit>{_UNIT})", re.I),
)
# "Is the scale 0.3 mm?" states nothing.
_ASKS = re.compile(r"\s*(?:is|are|was|were|does|do|can)\b(?:[^.!?]|[.,]\d)*\?\s*", re.I)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")
_NTH_ONE = re.compile(rf"\b(?P<which>{'|'.join(ORDINALS)})\s+one\b", re.IGNORECASE)

_WHICH: Final = (
    "Is it the width of a pixel that you name first, or its height? Say it as "
    '"a pixel is {0} {2} wide and {1} {2} high".'
)
_NO_NUMBER: Final = (
    "I cannot read that number; write the scale again, with a single decimal point or comma."
)
_SLICES: Final = (
    "I can take over how large a pixel is, but not how far slices lie apart: that has to be in the "
    "file. Tell me the size of a pixel alone."
)


@dataclass(frozen=True)
class StatedScale:
    """What the user says about the size of pixels.

    Attributes
    ----------
    arguments : dict
        For the action ``set_scale``; empty when there is something to ask back.
    said : str
        The user's own words for it.
    problem : str
        What to answer instead, when the words can be meant in two ways.
    """

    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    said: str = ""
    problem: str = ""


def read_scale(text: str) -> StatedScale | None:
    """The scale that a text states; None when it states none."""
    if _ASKS.fullmatch(text):
        return None
    found = _named_sides(text) or _two_sides(text) or _bar(text) or _one_pixel(text)
    if found is None or found.problem:
        return found
    if not all(math.isfinite(number) for number in found.arguments.values()):
        return StatedScale(problem=_NO_NUMBER)
    scan = _scan(text)
    return StatedScale({**found.arguments, "scan": scan}, found.said) if scan else found


def _named_sides(text: str) -> StatedScale | None:
    match = _NAMED_SIDES.search(text)
    if match is None:
        return None
    sides = {}
    for side, number, unit in (("first", "a", "ua"), ("second", "b", "ub")):
        name = "pixel_height_mm" if match[side].lower() in ("high", "tall") else "mm_per_pixel"
        sides[name] = _number(match[number]) * _factor(match[unit] or match["ub"])
    if len(sides) < 2:
        return StatedScale(problem=_WHICH.format(match["a"], match["b"], match["ub"]))
    return StatedScale(sides, re.sub(r"^.*?(?=[-+−.,\d])", "", match.group(), count=1))


def _two_sides(text: str) -> StatedScale | None:
    match = next((m for m in (pattern.search(text) for pattern in _TWO) if m), None)
    if match is None:
        return None
    if match["c"]:
        return StatedScale(problem=_SLICES)
    first, second = (_number(match[side]) * _factor(match["unit"]) for side in "ab")
    if first != second:
        return StatedScale(problem=_WHICH.format(match["a"], match["b"], match["unit"]))
    return StatedScale({"mm_per_pixel": first}, f"{match['a']} {match['unit']} per pixel")


def _one_pixel(text: str) -> StatedScale | None:
    match = next((m for m in (pattern.search(text) for pattern in _PIXEL) if m), None)
    if match is not None:
        size = f"{match['mm']} {match['unit']} per pixel"
        return StatedScale({"mm_per_pixel": _number(match["mm"]) * _factor(match["unit"])}, size)
    if (match := _MPP.search(text)) is None:
        return None
    number = match["before"] or match["after"]
    return StatedScale({"mm_per_pixel": _number(number) * _MM["um"]}, f"{number} µm per pixel")


def _bar(text: str) -> StatedScale | None:
    match = next((m for m in (pattern.search(text) for pattern in _BAR) if m), None)
    if match is None:
        return None
    length = match.groupdict().get("mm")
    bar = (_number(length) if length else 1.0) * _factor(match["unit"])
    size = f"{length} {match['unit']}" if length else f"each {match['unit']}"
    return StatedScale(
        {"bar_mm": bar, "bar_pixels": _number(match["px"], whole=True)},
        f"{match['px']} px for {size}",
    )


def _scan(text: str) -> str | None:
    if named := named_scans(text):
        return named[0]
    match = _NTH_ONE.search(text)
    return f"scan-{ORDINALS[match['which'].lower()]}" if match else None


def _factor(unit: str) -> float:
    lower = unit.lower()
    return next(mm for start, mm in _MM.items() if lower.startswith(start))


def _number(text: str, *, whole: bool = False) -> float:
    """A number with a point or a comma; nan for what is none ("1.2.3").

    A `whole` number has its commas between thousands.
    """
    plain = text.replace("−", "-")
    if "." in plain and "," in plain:
        plain = plain.replace("," if plain.rfind(".") > plain.rfind(",") else ".", "")
    if _THOUSANDS.fullmatch(plain) and (whole or plain.count(",") > 1):
        plain = plain.replace(",", "")
    plain = plain.replace(",", ".")
    return float(plain) if plain.count(".") < 2 else math.nan
