"""From a question in plain words to a request: what is asked, about which objects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent.planner import words
from agent.planner.excluding import what_is_meant
from agent.planner.named_measures import read_named_measure
from agent.planner.naming import find_phrases
from agent.planner.picture_sides import ask_which_side
from agent.planner.relations import CHANGE, TWO_SCANS, Relation, read_relation
from agent.planner.scales import StatedScale, read_scale
from agent.planner.scan_names import named_scans, scan_of_follow_up
from parser_model.ontology import Ontology, words_of

Kind = Literal[
    "measure",  # quantities of objects
    "where",
    "exists",
    "count",
    "density",  # how many per mm²
    "compare",
    "share",  # of one object inside another
    "distance",
    "centre_distance",
    "symmetry",
    "cup_to_disc",
    "cardiothoracic",
    "ejection",
    "change",  # of one object, from an earlier scan to a later one
    "between_scans",  # of one object, in no order of time
    "sure",  # how likely it is there, and how far its size may be off
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
    scale : StatedScale or None
        For "scale".
    reason : str or None
        For "decline": "diagnosis", "treatment" or "unsupported". For "everything": "normality"
        where it was asked whether something is abnormal.
    ask_back : str or None
        For "unclear": what to ask, when the words can be meant in several ways.
    follow_up : bool
        True when the objects or the kind were taken from an earlier turn.
    since_first : bool
        For "change" and "ejection": the earlier scan is the first, not the one before.
    each_part : bool
        A list of the parts is wanted.
    rank : str or None
        "smallest", "largest" or "second largest" where one part is wanted.
    scans : tuple of str
        The scans named; all current ones where there are none.
    side_by_side : bool
        A comparison that no tool makes was wanted: each object is measured instead.
    """

    kind: Kind
    phrases: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    unit: str | None = None
    scale: StatedScale | None = None
    reason: str | None = None
    ask_back: str | None = None
    follow_up: bool = False
    since_first: bool = False
    each_part: bool = False
    rank: str | None = None
    scans: tuple[str, ...] = ()
    side_by_side: bool = False


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
    text = _each_side_named(question.strip(), ontology, modality)
    text = words.WALL_THICKNESS_OF.sub("thickness of the wall of", text)
    if (scale := read_scale(text)) is not None:
        return _about_scale(scale, text, earlier, ontology, modality)
    if words.TREATMENT.search(text):
        return Request("decline", reason="treatment")
    if words.DIAGNOSIS.search(words.NO_DIAGNOSIS.sub("", text)):
        return Request("decline", reason="diagnosis")
    scans = named_scans(text)
    parted = _parted(text)
    phrases = tuple(phrase for _, phrase in find_phrases(parted, ontology, modality))
    if words.GREETING.match(text):
        return Request("unclear", ask_back=_HELLO)
    if words.THANKS.match(text):
        return Request("unclear", ask_back="You are welcome.")
    if words.ABNORMAL.search(text):
        return Request("everything", reason="normality", scans=scans)
    if (asked := ask_which_side(text, ontology, modality)) is not None:
        return Request("unclear", ask_back=asked)
    if (meant := what_is_meant(text, phrases)) is None:
        return Request("decline", reason="unsupported")
    if meant != text:
        return understand(meant, earlier, ontology, modality)
    targets = [ontology.resolve(phrase, modality) for phrase in phrases]
    if (measure := read_named_measure(text, targets)) is not None:
        unit = words.UNIT.search(text)
        request = Request("measure", (measure.phrase,), measure.quantities, scans=scans)
        return replace(request, unit=unit.group(1) if unit else None)
    last = _last_about_objects(earlier)
    follow_up = False
    side = words.SIDE.search(text)
    if not phrases and side and last is not None:
        swapped = _other_side(last.phrases, side["side"].lower(), ontology, modality)
        if swapped and words.COMPARE.search(text):  # "is it larger than the right one?"
            swapped = (*_other_side(swapped, "other", ontology, modality), *swapped)
        if swapped:
            phrases, follow_up = swapped, True
    if not phrases and words.COMPARE.search(text):
        phrases = _of_two_sides(text, ontology, modality)
    if not phrases:
        unknown = _unknown_name(text)
        if unknown and not named_scans(unknown):
            phrases = (unknown,)
    about = phrases
    if not phrases and last is not None:
        scans = scans or scan_of_follow_up(text)
        if not CHANGE.search(text):
            spoken_of = _spoken_of(earlier, ontology, modality)
            about = spoken_of if words.BETWEEN.search(text) else last.phrases if scans else ()
            follow_up = bool(about)
    relation = read_relation(text, about, scans, ontology, modality)
    if relation is not None:
        phrases = relation.phrases
        if not phrases and last is not None:
            relation = replace(relation, phrases=last.phrases)
        request = _compared(relation, scans, text, ontology, modality)
        if relation.kind == "change" and len(scans) < 2:
            scans = ()  # "larger than in the first scan" is asked of the newest
    else:
        request = _classify(text, phrases)
    if words.HOW_DENSE.search(text) and _all_many(
        phrases or (last.phrases if last else ()), ontology, modality
    ):
        request = Request("density")
    if request.kind in ("everything", "describe", "decline") or request.ask_back:
        return replace(request, scans=scans)
    by_parts = request.kind in ("measure", "count", "unclear") and not scan_of_follow_up(text)
    if by_parts and (one := words.OF_A_RANK.search(text) or words.NEXT_RANK.match(text)):
        request = Request("measure", quantities=words.OF_EACH, rank=one["rank"].lower())
    elif by_parts and words.EACH_PART.search(text):
        request = Request("measure", quantities=words.OF_EACH, each_part=True)
    if not phrases and last is not None:
        asks_anew = request.kind != "unclear"
        if asks_anew or scans or words.UNIT.search(text):
            phrases, follow_up = last.phrases, True
            scans = scans or (() if request.kind in TWO_SCANS else last.scans)
    unit = words.UNIT.search(text)
    request = replace(
        request,
        phrases=phrases,
        follow_up=follow_up,
        unit=unit.group(1) if unit else None,
        scans=scans,
    )
    if request.kind == "unclear" and phrases:
        if last is not None and (words.AND.match(text) or follow_up):
            scans = scans or last.scans
            alone = len(scans) == 1 if last.kind == "between_scans" else len(phrases) < 2
            if last.kind in _OF_TWO and alone:
                return replace(request, kind="measure", quantities=words.SIZE, follow_up=True)
            kind = "measure" if last.kind == "scale" else last.kind
            unit_asked = request.unit or last.unit
            return replace(
                last, kind=kind, phrases=phrases, unit=unit_asked, scans=scans, follow_up=True
            )
        return replace(request, kind="measure", quantities=words.SIZE)
    if request.kind != "unclear" and not phrases:
        return replace(request, kind="unclear", reason="no object")
    return request


_SIZES_ALONE = (
    "Between scans I compare the size alone. Ask for anything else scan by scan, for example "
    '"How bright is the liver in scan-1?".'
)
_OF_TWO = ("compare", "share", "distance", "centre_distance", "between_scans")
_HELLO = 'Hello. Ask about your scan, for example "What do you see?" or "How large is the liver?".'


def _about_scale(
    scale: StatedScale,
    text: str,
    earlier: Sequence[Request],
    ontology: Ontology,
    modality: str | None,
) -> Request:
    """Take over a scale; what was measured in pixels, or is asked with it, is measured anew."""
    if scale.problem:
        return Request("unclear", ask_back=scale.problem)
    request = Request("scale", scale=scale)
    named = tuple(phrase for _, phrase in find_phrases(text, ontology, modality))
    targets = [ontology.resolve(phrase, modality) for phrase in named]
    if (measure := read_named_measure(text, targets)) is not None:
        return replace(request, phrases=(measure.phrase,), quantities=measure.quantities)
    if named:
        return replace(request, phrases=named, quantities=_quantities(text) or words.SIZE)
    last = _last_about_objects(earlier)
    if last is None:
        return request
    counted = last.kind in ("count", "density")
    quantities = last.quantities or (words.NUMBERS if counted else words.SIZE)
    return replace(request, phrases=last.phrases, quantities=quantities, follow_up=True)


def _compared(
    relation: Relation,
    scans: tuple[str, ...],
    text: str,
    ontology: Ontology,
    modality: str | None,
) -> Request:
    """A comparison; where no tool makes it, what is asked of each object, or of each scan."""
    request = Request(relation.kind, since_first=relation.since_first)
    asked = _classify(text, relation.phrases)
    other = asked.kind in ("count", "density", "where", "decline")
    if asked.kind == "measure" and asked.quantities != words.SIZE:
        other = not words.COMPARED.issuperset(asked.quantities)
    if relation.kind == "change" and other and asked.kind != "count":
        lesions = (
            ontology.is_lesion(ontology.resolve(p, modality) or "") for p in relation.phrases
        )
        judged = asked.quantities == words.DIAMETERS and all(lesions)
        return request if judged else Request("unclear", ask_back=_SIZES_ALONE)
    if relation.kind == "between_scans" and other:
        asked = replace(asked, side_by_side=True)
        return asked if len(scans) == 2 else Request("unclear", ask_back=_SIZES_ALONE)
    if relation.kind in ("compare", "symmetry") and (other or len(relation.phrases) > 2):
        if not other:
            asked = Request("measure", quantities=words.SIZE)
        return replace(asked, side_by_side=True)
    return request


def _last_about_objects(earlier: Sequence[Request]) -> Request | None:
    return next((r for r in reversed(earlier) if r.phrases and r.kind != "decline"), None)


def _spoken_of(
    earlier: Sequence[Request], ontology: Ontology, modality: str | None
) -> tuple[str, ...]:
    """What "which one is larger?" is about: the last two objects, named at once or one by one."""
    found: dict[str, str] = {}
    for request in reversed(earlier):
        if len(found) > 1 or (not found and request.kind in TWO_SCANS):
            break
        if request.kind != "decline":
            named = {ontology.resolve(p, modality) or p: p for p in request.phrases}
            found = {**named, **found}
    return tuple(found.values())


def _classify(text: str, phrases: tuple[str, ...]) -> Request:
    if words.EVERYTHING.search(text) and not phrases:
        return Request("everything")
    if words.DESCRIBE.search(text) and not phrases:
        return Request("describe")
    if words.HOW_SURE.search(text):
        return Request("sure")
    if words.UNSEEN.search(text):
        return Request("decline", reason="unsupported")
    if words.PER_AREA.search(text):
        return Request("density")
    if words.COUNT.search(text) and not words.NOT_A_COUNT.search(text):
        return Request("count")
    if words.WHERE.search(text):
        return Request("where")
    quantities = _quantities(text)
    if quantities:
        return Request("measure", quantities=quantities)
    if words.EXISTS.search(text):
        return Request("exists")
    if words.SHOW.search(text):
        return Request("measure", quantities=words.SIZE)
    return Request("unclear")


def _all_many(phrases: tuple[str, ...], ontology: Ontology, modality: str | None) -> bool:
    """True for things of which there are many: of them "density" is a number per area."""
    return bool(phrases) and all(ontology.is_many(ontology.resolve(p, modality)) for p in phrases)


def _quantities(text: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern, names in words.QUANTITIES:
        if pattern.search(text):
            if names == words.SIZE and found:
                continue  # "how much of the image": the share was meant, not the size
            found.update(dict.fromkeys(names))
    return tuple(found)


def _each_side_named(text: str, ontology: Ontology, modality: str | None) -> str:
    """Of "the left and the right lungs" a wording that names the one lung and the other."""

    def both(match: re.Match[str]) -> str:
        what = one = match["what"]
        if ontology.resolve(f"{match['a']} {what}", modality):
            one = what.removesuffix("s")
        return f"{match['a']} {one} and the {match['b']} {one}"

    text = words.BOTH_SIDES.sub(both, text)
    # "Is the left lung larger than the right?" names two as well.
    return words.OTHER_SIDE.sub(r"\g<a>\g<what>\g<between>\g<b>\g<what>", text)


def _of_two_sides(text: str, ontology: Ontology, modality: str | None) -> tuple[str, ...]:
    """The word that names something with a side alone: a ventricle is a left or a right one."""
    for word in words_of(text):
        if all(ontology.resolve(f"{side} {word}", modality) for side in ("left", "right")):
            return (word,)
    return ()


def _parted(text: str) -> str:
    """Of "the ratio of A to B" and "A / B" a wording in which no name goes from A to B."""
    if words.RATIO.search(text):
        return words.RATIO_TO.sub(" versus ", text)
    return words.TO_OTHER_SIDE.sub(r"\g<one> versus ", text)


def _other_side(
    phrases: tuple[str, ...], side: str, ontology: Ontology, modality: str | None
) -> tuple[str, ...]:
    """What "the right one" means after "left lung" or "lungs": the sides of those objects."""
    swapped = []
    for phrase in phrases:
        target = ontology.resolve(phrase, modality) or phrase
        parts = words_of(target)
        if "left" in parts or "right" in parts:
            here = "left" if "left" in parts else "right"
            wanted = {"left": "right", "right": "left"}[here] if side == "other" else side
            candidate = target.replace(here, wanted)
        else:
            candidate = f"{side} {target}"
        if ontology.resolve(candidate, modality):
            swapped.append(candidate)
    return tuple(swapped)


def _unknown_name(text: str) -> str | None:
    """The words where an object should stand, when the ontology knows none of them."""
    match = words.NAMED.search(text)
    if not match:
        return None
    kept = [
        w for w in match["name"].split() if w.lower() not in ("the", "a", "an", "any", "some", "me")
    ]
    name = " ".join(kept).strip(" ?.!,")
    meant = words.PRONOUN.match(name) or words.ONE_OF_THEM.fullmatch(name)
    return None if meant or name.lower() in words.NO_NAMES else name
