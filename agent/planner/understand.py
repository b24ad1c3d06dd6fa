"""From a question in plain words to a request: what is asked, about which objects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from parser_model.ontology import Ontology, words_of

Kind = Literal[
    "measure",  # quantities of objects
    "where",
    "exists",
    "count",
    "compare",
    "share",  # of one object inside another
    "everything",
    "describe",
    "scale",
    "decline",
    "unclear",
]


@dataclass(frozen=True)
class Request:
    """A question as the planner understands it.

    Attributes
    ----------
    kind : str
    phrases : tuple of str
        The objects named, in the user's words.
    quantities : tuple of str
        Measurement names for "measure".
    unit : str or None
        A unit asked for, e.g. "cm".
    mm_per_pixel : float or None
        For "scale".
    reason : str or None
        For "decline": "diagnosis", "treatment" or "unsupported".
    follow_up : bool
        True when the objects or the kind were taken from an earlier turn.
    """

    kind: Kind
    phrases: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    unit: str | None = None
    mm_per_pixel: float | None = None
    reason: str | None = None
    follow_up: bool = False


SIZE = ("area", "fraction_of_image", "longest_diameter", "perpendicular_diameter")
_DIAMETERS = ("longest_diameter", "perpendicular_diameter")

_QUANTITIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"\b(share|percent\w*|proportion|fraction|how much of (the|this)|what part of)\b|%",
        ("fraction_of_image",),
    ),
    (
        r"\b(how wide|width|diameter|diameters|across|how long|length|how thick|thickness)\b",
        _DIAMETERS,
    ),
    (r"\b(how tall|how high|height|bounding box|extent in)\b", ("bounding_box",)),
    (r"\b(perimeter|circumference|outline length)\b", ("perimeter",)),
    (r"\b(round|circular|circularity|roundness)\b", ("circularity",)),
    (r"\b(centre|center|centroid|middle of)\b", ("centroid",)),
    (
        r"\b(bright\w*|dark\w*|intensit\w+|densit\w+|hounsfield|hu|grey value|gray value|signal)\b",
        ("mean_intensity", "sd_intensity", "min_intensity", "max_intensity"),
    ),
    (r"\b(area|surface)\b", ("area", "fraction_of_image")),
    (r"\b(how (large|big|small)|size|dimension\w*|measure\w*|extent|how much)\b", SIZE),
)

_DIAGNOSIS = re.compile(
    r"\b(diagnos\w+|prognos\w+|surviv\w+|is (it|this|that|the \w+) (malignant|benign|cancer\w*|"
    r"dangerous|serious|normal|abnormal|healthy|infected|bad)|what disease|which disease|"
    r"do i have|does (he|she|the patient) have|am i|what is wrong|risk of|stage is|tnm|bi-?rads|"
    r"how (serious|dangerous|bad))\b",
    re.IGNORECASE,
)
_TREATMENT = re.compile(
    r"\b(dose|dosage|dosing|medicat\w+|drug|treat\w*|therap\w+|surg\w+|operat(e|ion)|prescri\w+|"
    r"chemo\w*|radiotherapy|should (i|we|he|she|the patient)|mg)\b",
    re.IGNORECASE,
)
_SCALE = re.compile(
    r"(?:(?:one|1|a|each|every)\s+pixel\s+(?:is|=|equals|measures)\s+(?P<a>\d*[.,]?\d+)\s*(?P<ua>mm|µm|um|microns?|cm)\b)"
    r"|(?:(?P<b>\d*[.,]?\d+)\s*(?P<ub>mm|µm|um|microns?|cm)\s*(?:per|/|a)\s*(?:pixel|px)\b)"
    r"|(?:(?:scale|pixel (?:size|spacing)|spacing) (?:is|of|=)\s*(?P<c>\d*[.,]?\d+)\s*(?P<uc>mm|µm|um|microns?|cm)\b)",
    re.IGNORECASE,
)
_MM = {"mm": 1.0, "cm": 10.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "microns": 1e-3}
_UNIT = re.compile(
    r"\bin (mm|cm|millimet\w+|centimet\w+|µm|um|microns?|pixels?|px|mm2|mm²|cm2|cm²)\b",
    re.IGNORECASE,
)
_EVERYTHING = re.compile(
    r"\b(what (do|can) you (see|find|recogni[sz]e)|everything|label (it )?all|all (structures|objects|organs)|"
    r"what('s| is| are) (in|on|visible)|what structures|which (structures|organs|objects)|segment all|"
    r"find all (structures|organs|objects)|what can (i|be) (ask|found))\b",
    re.IGNORECASE,
)
_DESCRIBE = re.compile(
    r"\b(what (kind|type|sort) of (image|scan|picture)|which modality|what modality|describe (the|this) "
    r"(image|scan|picture)|what am i looking at|image size|how many pixels|resolution|pixel spacing|"
    r"what is this( image| scan| picture)?\s*\??$)",
    re.IGNORECASE,
)
_WHERE = re.compile(
    r"\b(where|locat\w+|position|which side|point (to|out)|whereabouts)\b", re.IGNORECASE
)
_COUNT = re.compile(r"\b(how many|count|number of)\b", re.IGNORECASE)
_EXISTS = re.compile(
    r"\b(is there|are there|do you (see|find)|can you (see|find)|does (it|this|the \w+) (show|contain|have)|"
    r"any|visible|present|detect)\b",
    re.IGNORECASE,
)
_SHOW = re.compile(
    r"\b(show|highlight|outline|segment|find|mark|delineate|trace|draw|mask|look for)\b",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    r"\b(compare\w*|ratio|larger|bigger|smaller|wider|longer|difference|versus|vs|times)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(it|its|that|this|them|they|those|these|the same|the (mask|object|structure|area|result))\b",
    re.IGNORECASE,
)
_SIDE = re.compile(r"\b(?:the )?(?P<side>right|left|other)(?: (?:one|side))?\s*\??$", re.IGNORECASE)
_AND = re.compile(r"^\s*(and|what about|how about|now|same for|also|then)\b[\s,:]*", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:how (?:large|big|wide|long|thick|small|tall|high|bright|dark|round) (?:is|are)|"
    r"where (?:is|are)|is there|are there|(?:do|can) you (?:see|find)|"
    r"how many|size of|area of|diameter of|width of|show(?: me)?|find|segment|measure|highlight|"
    r"outline|mark|locate|count|look for|what about|how about|and the|does (?:it|this|the \w+) (?:show|have|contain))"
    r"\s+(?P<name>(?:(?!\b(?:in|on|of|is|are|there|visible|here|do|and|you|does|can|present)\b)[\w\-']+\s*){1,5})",
    re.IGNORECASE,
)
_EMPTY_NAMES = frozenset(
    {
        "",
        "it",
        "this",
        "that",
        "them",
        "they",
        "image",
        "scan",
        "picture",
        "one",
        "object",
        "structure",
        "thing",
        "anything",
        "something",
        "everything",
        "percent",
        "share",
        "share of image",
        "other",
        "size",
        "area",
        "width",
        "diameter",
        "how",
        "what",
        "pixel",
        "result",
        "mask",
        "area of it",
    }
)


def find_phrases(
    question: str, ontology: Ontology, modality: str | None = None
) -> list[tuple[int, str]]:
    """Known objects named in a question, longest names first, in reading order.

    Returns
    -------
    list of (int, str)
        Word position and the user's own words.
    """
    raw = re.findall(r"[^\W_]+", question)
    taken = [False] * len(raw)
    found: list[tuple[int, str]] = []
    for length in range(min(6, len(raw)), 0, -1):
        for start in range(len(raw) - length + 1):
            if any(taken[start : start + length]):
                continue
            words = raw[start : start + length]
            phrase = " ".join(words)
            if words[0].lower() in _FILLERS or words[-1].lower() in _FILLERS:
                continue
            if any(word.lower() in _PLACE_JOINERS for word in words):
                continue
            target = ontology.resolve(phrase, modality)
            if target is None or _joins_two(words, target, ontology, modality):
                continue
            found.append((start, phrase))
            taken[start : start + length] = [True] * length
    return sorted(found)


def _joins_two(words: list[str], target: str, ontology: Ontology, modality: str | None) -> bool:
    """True for "lungs and the liver", which is two objects; False for "photoreceptor and RPE"."""
    for position, word in enumerate(words):
        if word.lower() in ("and", "or"):
            after = ontology.resolve(" ".join(words[position + 1 :]), modality)
            return after is not None and after == target
    return False


_PLACE_JOINERS = frozenset({"in", "on", "this", "from", "within", "at"})
_FILLERS = frozenset(
    [
        "the",
        "a",
        "an",
        "is",
        "are",
        "was",
        "of",
        "in",
        "on",
        "at",
        "how",
        "large",
        "big",
        "where",
        "what",
        "and",
        "or",
        "this",
        "that",
        "there",
        "any",
        "some",
        "me",
        "my",
        "does",
        "do",
        "you",
        "see",
        "it",
        "image",
        "scan",
        "picture",
        "than",
        "to",
        "for",
        "with",
    ]
)


def understand(
    question: str, earlier: Sequence[Request], ontology: Ontology, modality: str | None = None
) -> Request:
    """Read one question in the light of the earlier ones.

    Parameters
    ----------
    question : str
    earlier : sequence of Request
        Of the same conversation, oldest first.
    ontology : Ontology
    modality : str or None
        Of the scan, for words that mean something only there ("disc").
    """
    text = question.strip()
    scale = _SCALE.search(text)
    if scale:
        number = next(v for v in (scale["a"], scale["b"], scale["c"]) if v)
        unit = next(v for v in (scale["ua"], scale["ub"], scale["uc"]) if v).lower()
        last = _last_about_objects(earlier)
        request = Request("scale", mm_per_pixel=float(number.replace(",", ".")) * _MM[unit])
        named = tuple(p for _, p in find_phrases(text, ontology, modality))
        if named:
            return replace(request, phrases=named, quantities=_quantities(text) or SIZE)
        if last is not None:
            return replace(
                request, phrases=last.phrases, quantities=last.quantities or SIZE, follow_up=True
            )
        return request
    if _TREATMENT.search(text):
        return Request("decline", reason="treatment")
    if _DIAGNOSIS.search(text):
        return Request("decline", reason="diagnosis")
    phrases = tuple(phrase for _, phrase in find_phrases(text, ontology, modality))
    last = _last_about_objects(earlier)
    follow_up = False
    side = _SIDE.search(text)
    if not phrases and side and last is not None:
        swapped = _other_side(last.phrases, side["side"].lower(), ontology, modality)
        if swapped:
            phrases, follow_up = swapped, True
    if not phrases:
        unknown = _unknown_name(text)
        if unknown:
            phrases = (unknown,)
    request = _classify(text, phrases)
    if request.kind in ("everything", "describe"):
        return request
    if not phrases and last is not None:
        asks_anew = request.kind != "unclear"
        if asks_anew or _UNIT.search(text):
            phrases, follow_up = last.phrases, True
    unit = _UNIT.search(text)
    request = replace(
        request, phrases=phrases, follow_up=follow_up, unit=unit.group(1) if unit else None
    )
    if request.kind == "unclear" and phrases:
        if last is not None and (_AND.match(text) or follow_up):
            return replace(last, phrases=phrases, unit=request.unit or last.unit, follow_up=True)
        return replace(request, kind="measure", quantities=SIZE)
    if request.kind != "unclear" and not phrases:
        return replace(request, kind="unclear", reason="no object")
    return request


def _last_about_objects(earlier: Sequence[Request]) -> Request | None:
    return next((r for r in reversed(earlier) if r.phrases and r.kind != "decline"), None)


def _classify(text: str, phrases: tuple[str, ...]) -> Request:
    if _EVERYTHING.search(text) and not phrases:
        return Request("everything")
    if _DESCRIBE.search(text) and not phrases:
        return Request("describe")
    if len(phrases) >= 2 and re.search(
        r"\b(share|percent\w*|proportion|fraction|how much) of\b", text, re.I
    ):
        return Request("share")
    if len(phrases) >= 2 and _COMPARE.search(text):
        return Request("compare")
    if _COUNT.search(text) and not re.search(
        r"how many (percent|mm|cm|pixels|millimet)", text, re.I
    ):
        return Request("count")
    if _WHERE.search(text):
        return Request("where")
    quantities = _quantities(text)
    if quantities:
        return Request("measure", quantities=quantities)
    if _EXISTS.search(text):
        return Request("exists")
    if _SHOW.search(text):
        return Request("measure", quantities=SIZE)
    return Request("unclear")


def _quantities(text: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern, names in _QUANTITIES:
        if re.search(pattern, text, re.IGNORECASE):
            if names == SIZE and found:
                continue  # "how much of the image": the share was meant, not the size
            found.update(dict.fromkeys(names))
    return tuple(found)


def _other_side(
    phrases: tuple[str, ...], side: str, ontology: Ontology, modality: str | None
) -> tuple[str, ...]:
    """ "the right one" after "left lung", or after "lungs"."""
    swapped = []
    for phrase in phrases:
        target = ontology.resolve(phrase, modality) or phrase
        words = words_of(target)
        if "left" in words or "right" in words:
            here = "left" if "left" in words else "right"
            wanted = {"left": "right", "right": "left"}[here] if side == "other" else side
            candidate = target.replace(here, wanted)
        else:
            candidate = f"{side} {target}"
        if ontology.resolve(candidate, modality):
            swapped.append(candidate)
    return tuple(swapped)


def _unknown_name(text: str) -> str | None:
    """The words where an object should stand, when the ontology knows none of them."""
    match = _NAMED.search(text)
    if not match:
        return None
    words = [
        w for w in match["name"].split() if w.lower() not in ("the", "a", "an", "any", "some", "me")
    ]
    name = " ".join(words).strip(" ?.!,")
    return name if name.lower() not in _EMPTY_NAMES and not _PRONOUN.fullmatch(name) else None
