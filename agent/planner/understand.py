"""From a question in plain words to a request: what is asked, about which objects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.planner import words
from agent.planner.excluding import what_is_meant
from agent.planner.named_measures import read_named_measure
from agent.planner.naming import find_phrases
from agent.planner.picture_sides import ask_which_side
from agent.planner.relations import CHANGE, TWO_SCANS, Relation, read_relation
from agent.planner.request import Request
from agent.planner.scales import StatedScale, read_scale
from agent.planner.scan_names import named_scans, scan_of_follow_up
from parser_model.ontology import Ontology, words_of


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
    phrases = tuple(phrase for _, phrase in find_phrases(_parted(text), ontology, modality))
    if (said := _without_objects(text, ontology, modality)) is not None:
        return said
    if (meant := what_is_meant(text, phrases)) is None:
        return Request("decline", reason="unsupported")
    if meant != text:
        return understand(meant, earlier, ontology, modality)
    targets = [ontology.resolve(phrase, modality) for phrase in phrases]
    if (measure := read_named_measure(text, targets)) is not None:
        request = Request("measure", (measure.phrase,), measure.quantities, unit=_unit(text))
        return replace(request, scans=named_scans(text))
    return _about_objects(text, phrases, earlier, ontology, modality)


def _without_objects(text: str, ontology: Ontology, modality: str | None) -> Request | None:
    """What is asked, or to be asked back, whatever objects are named; None for all else."""
    if words.GREETING.match(text):
        return Request("unclear", ask_back=_HELLO)
    if words.THANKS.match(text):
        return Request("unclear", ask_back="You are welcome.")
    if words.ABNORMAL.search(text):
        return Request("everything", reason="normality", scans=named_scans(text))
    asked = ask_which_side(text, ontology, modality)
    return None if asked is None else Request("unclear", ask_back=asked)


def _about_objects(
    text: str,
    phrases: tuple[str, ...],
    earlier: Sequence[Request],
    ontology: Ontology,
    modality: str | None,
) -> Request:
    """What is asked of the objects that are named, or of those that were before."""
    scans = named_scans(text)
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
    request = replace(request, phrases=phrases, follow_up=follow_up, unit=_unit(text), scans=scans)
    if request.kind == "unclear" and phrases:
        if last is not None and (words.AND.match(text) or follow_up):
            return _carried_on(request, last)
        return replace(request, kind="measure", quantities=words.SIZE)
    if request.kind != "unclear" and not phrases:
        return replace(request, kind="unclear", reason="no object")
    return request


def _carried_on(request: Request, last: Request) -> Request:
    """What "and the spleen?" asks: what was asked before, of another object or scan."""
    scans = request.scans or last.scans
    alone = len(scans) == 1 if last.kind == "between_scans" else len(request.phrases) < 2
    if last.kind in _OF_TWO and alone:
        return replace(request, kind="measure", quantities=words.SIZE, follow_up=True)
    return replace(
        last,
        kind="measure" if last.kind == "scale" else last.kind,
        phrases=request.phrases,
        unit=request.unit or last.unit,
        scans=scans,
        follow_up=True,
    )


def _unit(text: str) -> str | None:
    """The unit that is asked for, as in "in cm"."""
    asked = words.UNIT.search(text)
    return asked.group(1) if asked else None


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
