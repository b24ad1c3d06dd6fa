"""Questions about two objects, or about one object on two scans."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from agent.planner import words
from agent.planner.scan_names import PICTURE
from parser_model.ontology import Ontology

RelationKind = Literal[
    "compare", "share", "distance", "centre_distance", "symmetry", "cup_to_disc",
    "cardiothoracic", "ejection", "change", "between_scans",
]  # fmt: skip
RELATIONS: Final[dict[str, str]] = {
    "compare": "ratio",
    "share": "fraction_of",
    "distance": "distance",
    "centre_distance": "centroid_distance",
    "symmetry": "symmetry",
    "cup_to_disc": "cup_to_disc",
    "cardiothoracic": "cardiothoracic",
    "ejection": "ejection_fraction",
    "change": "change",
    "between_scans": "ratio",
}
"""Kinds of requests that a comparison answers, and what `compare` is asked for."""
TWO_SCANS: Final = ("ejection", "change", "between_scans")
"""Of one object on two scans, an earlier and a later one unless the scans are named."""

_ANY = words.any_of
_CUP_TO_DISC = re.compile(
    r"\bcup[\s:/-]*(?:to|and|over)?[\s:/-]*dis[ck]\b.*\bratio|\bratio\b.*\bcup\b.*\bdis[ck]\b"
    r"|\bcup[\s/:-]+(?:to[\s-]+)?dis[ck]\b|\bc/d\b|\bv?cdr\b",
    re.IGNORECASE,
)
_CARDIOTHORACIC = _ANY("cardio-?\\s?thoracic", "ctr", "heart[- ]to[- ](?:chest|thorax|lung)")
_EJECTION = _ANY("ejection fraction", "ejection", "l?v?ef", "fractional area change")
_DISTANCE = _ANY("how (?:far|close|near)", "distance", "gap between", "apart")
_SYMMETRY = _ANY("symmetr\\w+", "asymmetr\\w+", "same size on both sides", "equally (?:large|big)")
CHANGE: Final = _ANY(
    "gr[eo]w", "grown", "growing", "shr[aiu]nk", "shrunk(?:en)?", "shrinking", "changed?", "recist",
    "since (?:the )?(?:first|last|previous|prior|earlier|baseline)",
    rf"between the (?:two )?(?:{PICTURE}|exam\w*|stud(?:y|ies)|visits?|dates?|times?)",
    "between the two(?=\\W*$)",
    "follow-?\\s?up",
    "than (?:before|last time|(?:in|on|at)? ?(?:the )?(?:first|last|previous|earlier|baseline))",
    "compared (?:to|with) (?:before|(?:the )?(?:first|last|previous|earlier|baseline))",
    "(?:larger|bigger|smaller) now",
)  # fmt: skip
# Names that the ontology knows only in one kind of image ("disc"), where the image is not looked at
# yet, or does not know at all: by their place in the question.
_NAME = r"(?:the\s+|an?\s+)?(?P<{0}>(?:[\w'-]+\s+){{0,2}}?[\w'-]+)"
_FAR_FROM = re.compile(
    r"\b(?:how\s+(?:far|close|near)\s+(?:is|are)\s+" + _NAME.format("a")
    + r"\s+(?:away\s+)?(?:from|to)\s+" + _NAME.format("b")
    + r"|(?:distance|gap)\s+(?:between|from)\s+" + _NAME.format("c")
    + r"\s+(?:and|to)\s+" + _NAME.format("d") + r")\s*(?:$|[?.!,])",
    re.IGNORECASE,
)  # fmt: skip
_CHANGED = re.compile(
    r"\b(?:did|has|have|is|are|does)\s+" + _NAME.format("a")
    + r"\s+(?:gr[eo]w\w*|shr[aiu]nk\w*|chang\w+|larger|bigger|smaller)\b",
    re.IGNORECASE,
)  # fmt: skip
_OF_SCANS = _ANY(
    rf"which (?:one )?(?:of the )?(?:two )?{PICTURE}",
    rf"(?:in|on|of|across) (?:the two|both|(?:the )?different|(?:these|those)(?: two)?) {PICTURE}",
)
_LARGEST = _ANY("largest", "biggest", "smallest")
_LARGER = _ANY("(?:larger|bigger|smaller)(?! than (?!in|on))")
_WHICH_HAS = _ANY("which (?:[\\w-]+ ){1,3}(?:has|have|contains?|shows?)")
_FIRST = _ANY("first", "baseline", "beginning", "start")


@dataclass(frozen=True)
class Relation:
    """A comparison that a question asks for.

    Attributes
    ----------
    kind : str
        A key of `RELATIONS`.
    phrases : tuple of str
        The objects, in the order that `compare` wants them.
    since_first : bool
        For two scans: the earlier one is the very first, not the one before.
    """

    kind: RelationKind
    phrases: tuple[str, ...]
    since_first: bool = False


def read_relation(
    text: str,
    phrases: tuple[str, ...],
    scans: tuple[str, ...],
    ontology: Ontology,
    modality: str | None,
) -> Relation | None:
    """The comparison that a question asks for, or None.

    Parameters
    ----------
    text : str
    phrases : tuple of str
        The objects named, in reading order.
    scans : tuple of str
        The scans named.
    ontology : Ontology
    modality : str or None
    """
    if _CUP_TO_DISC.search(text):
        return Relation("cup_to_disc", ("optic cup", "optic disc"))
    if _CARDIOTHORACIC.search(text):
        return Relation("cardiothoracic", ("heart", "lungs"))
    if _EJECTION.search(text):
        return Relation("ejection", phrases[:1] or ("left ventricle",))
    if len(phrases) >= 2 and words.SHARE_OF.search(text):
        return Relation("share", phrases)
    if _DISTANCE.search(text):
        pair = phrases if len(phrases) >= 2 else _names(_FAR_FROM, text)
        if len(pair) < 2 and phrases:
            pair = _sides(phrases, ontology, modality)
        if len(pair) >= 2:
            centres = words.CENTRES.search(text)
            return Relation("centre_distance" if centres else "distance", pair)
    if _SYMMETRY.search(text) and phrases:
        return Relation("symmetry", _sides(phrases, ontology, modality))
    if len(phrases) == 1 and _between_scans(text, scans):
        return Relation("between_scans", phrases)
    if len(phrases) < 2 and CHANGE.search(text):
        one = phrases or _names(_CHANGED, text)
        return Relation("change", one, since_first=bool(_FIRST.search(text)))
    if phrases and words.COMPARE.search(text):
        pair = _apart(phrases, ontology, modality)
        if len(pair) < 2 and words.OF_BOTH_SIDES.search(text):
            pair = _sides(pair, ontology, modality)
        # "Which lung has the larger tumour?" compares no lung with a tumour.
        other = len(phrases) > 1 and _WHICH_HAS.search(text)
        return Relation("compare", pair) if len(pair) >= 2 and not other else None
    return None


def _between_scans(text: str, scans: tuple[str, ...]) -> bool:
    """Whether one object is compared between scans: "which picture has the larger lesion?"."""
    if len(scans) == 1 and _LARGER.search(text):  # "is it larger in the second one?"
        return not words.OF_BOTH_SIDES.search(text) and not CHANGE.search(text)
    if len(scans) != 2 and not _OF_SCANS.search(text):
        return False
    return bool(words.COMPARE.search(text) or _LARGEST.search(text))


def _names(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    """The names that stand where a pattern has them; none where one of them is a pronoun."""
    match = pattern.search(text)
    found = tuple(n.strip() for n in match.groups() if n) if match else ()
    plain = any(words.PRONOUN.fullmatch(n) or n.lower() in words.NO_NAMES for n in found)
    return () if plain else found


def _apart(phrases: tuple[str, ...], ontology: Ontology, modality: str | None) -> tuple[str, ...]:
    """Without what both sides of are named too: "which lung, the left lung or the right lung?"."""

    def stands_for_both(phrase: str) -> bool:
        sides = _sides((phrase,), ontology, modality)
        return len(sides) == 2 and set(sides) <= set(phrases)

    return tuple(phrase for phrase in dict.fromkeys(phrases) if not stands_for_both(phrase))


def _sides(phrases: tuple[str, ...], ontology: Ontology, modality: str | None) -> tuple[str, ...]:
    """Left and right of what was named: "lungs" are the left and the right lung."""
    if len(phrases) >= 2:
        return phrases
    target = ontology.resolve(phrases[0], modality) or phrases[0]
    both = tuple(f"{side} {target}" for side in ("left", "right"))
    return both if all(ontology.resolve(one, modality) for one in both) else phrases
