"""Answers about two objects, or about one object on two scans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from agent.planner.phrasing import (
    References,
    Result,
    absent,
    be,
    named,
    objects_by_scan,
    offer,
    plural,
    verb,
)
from agent.planner.relations import TWO_SCANS

_Object = dict[str, Any]

SIDE_BY_SIDE: Final = (
    "I compare areas and volumes, of one object with another; this is what I measure of each."
)
"""Before what is told of each object where it was to be compared."""

_NEEDS: Final = {
    "cup_to_disc": "The cup-to-disc ratio needs the outlines of the optic cup and the optic disc.",
    "cardiothoracic": "The cardiothoracic ratio needs the outlines of the heart and of both lungs.",
    "symmetry": "Symmetry is measured between a left and a right object, such as the lungs; of one "
    "object I can tell how round it is.",
    "change": "To say what changed I need the same object on another scan: add that scan too.",
    "between_scans": "I have this scan alone; add the other one too.",
    "ejection": "An ejection fraction needs the chamber at its fullest and at its emptiest: add "
    "both scans.",
}


def compared(kind: str, results: Sequence[Result]) -> str:
    """The answer to a question that `compare` answers, or what is missing for it.

    Parameters
    ----------
    kind : str
        A key of `agent.planner.relations.RELATIONS`.
    results : sequence of Result
        What the tools returned in this turn.
    """
    by_scan = objects_by_scan(results)
    offered = next((offer(r.content) for r in reversed(results) if r.tool == "segment"), "")
    if kind in TWO_SCANS or len(by_scan) < 2:
        objects = [one for found in by_scan.values() for one in found]
        return _of_objects(kind, objects, results, offered)
    lines = (
        f"- {scan}: {_of_objects(kind, objects, results, offered)}"
        for scan, objects in by_scan.items()
    )
    return "\n".join(lines)


def _of_objects(kind: str, objects: list[_Object], results: Sequence[Result], offered: str) -> str:
    """The answer that was worked out from these objects, or what is missing for it."""
    known = {one["id"]: one for one in objects}
    answers = (r.content for r in results if r.tool == "compare")
    answer = next((a for a in answers if a["first"] in known), None)
    if answer is None:
        return _missing(kind, objects, offered)
    a, b = known[answer["first"]], known[answer["second"]]
    said = _ANSWERS[kind](a, b, answer, References(results))
    return " ".join(sentence for sentence in said if sentence)


def _missing(kind: str, objects: list[_Object], offered: str) -> str:
    there = [one for one in objects if one["present"]]
    said = [absent(one) for one in objects if not one["present"]]
    scans = {one["scan"] for one in objects}
    if len(scans) > 1:
        said = [f"On {one['scan']}: {absent(one)}" for one in objects if not one["present"]]
    needs = _NEEDS.get(kind, "I need another object to compare it with; name both.")
    if said and kind not in ("cup_to_disc", "cardiothoracic"):
        needs = ""
    if kind in TWO_SCANS and len(there) > 1:
        needs = "Name one object to compare between the scans."
    if kind == "between_scans" and len(scans) > 2:
        needs = 'Name the scans, as in "Is the liver larger in scan-1 than in scan-2?".'
    return " ".join(filter(None, (*said, needs, offered if said else "")))


def _ids(answer: dict[str, Any]) -> list[str]:
    return [f"[[{entry['id']}]]" for entry in answer["measurements"]]


def _sizes(a: _Object, b: _Object, refs: References) -> tuple[str, str]:
    """The word for the size of two objects, and a sentence with both."""
    size, word = ("volume", "measure") if a.get("in_volume") else ("area", "cover")
    first, second = refs.get(a["id"], size), refs.get(b["id"], size)
    return size, f"The {named(a)} {verb(named(a), word)} {first} and the {named(b)} {second}."


def _unsure(a: _Object, b: _Object, answer: dict[str, Any]) -> str:
    """That the ranges of two sizes overlap, so the other one may be the larger."""
    ends = {
        entry["object"]: (entry["low"], entry["high"])
        for entry in answer["measurements"]
        if entry["name"] in ("area", "volume") and "low" in entry
    }
    if a["id"] not in ends or b["id"] not in ends or answer.get("larger") == "equal":
        return ""
    first, second = ends[a["id"]], ends[b["id"]]
    if first[0] > second[1] or second[0] > first[1]:
        return ""
    return "Their ranges overlap, so it may be the other way round."


def _larger(a: _Object, b: _Object, answer: dict[str, Any]) -> str:
    if answer["larger"] == "equal":
        return "They are equally large"
    bigger = named(a if answer["larger"] == a["id"] else b)
    return f"The {bigger} {be(bigger)} larger"


def _ratio(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    size, sizes = _sizes(a, b, refs)
    which = (
        f"the ratio of their {size}s is"
        if answer["larger"] == "equal"
        else f"the {size} of the {named(a)} over the {named(b)} is"
    )
    verdict = f"{_larger(a, b, answer)}; {which} {_ids(answer)[0]}."
    return [sizes, verdict, _unsure(a, b, answer)]


def _between(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    name, size = named(a), "volume" if a.get("in_volume") else "area"
    sizes = [f"{refs.get(one['id'], size)} in {one['scan']}" for one in (a, b)]
    larger = b if answer["larger"] == b["id"] else a
    verdict = f"{be(name)} larger in {larger['scan']}"
    if answer["larger"] == "equal":
        verdict = f"{be(name)} equally large in both"
    return [
        f"The {name} {verb(name, 'measure')} {' and '.join(sizes)}.",
        f"{'They' if plural(name) else 'It'} {verdict}; the {size} in {a['scan']} over that in "
        f"{b['scan']} is {_ids(answer)[0]}.",
        _unsure(a, b, answer),
    ]


def _share(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    name = named(a)
    takes = f"{verb(name, 'take')} up" if a.get("in_volume") else verb(name, "cover")
    return [f"The {name} {takes} {_ids(answer)[0]} of the {named(b)}."]


def _distance(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    value = _ids(answer)[0]
    if answer["measurements"][0]["value"] == 0:
        return [
            f"The {named(a)} and the {named(b)} touch or overlap: the distance between their "
            f"nearest edges is {value}."
        ]
    return [f"Between the nearest edges of the {named(a)} and the {named(b)} lie {value}."]


def _centres(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    return [f"The centres of the {named(a)} and the {named(b)} are {_ids(answer)[0]} apart."]


def _symmetry(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    ratio, difference = _ids(answer)[:2]
    return [
        _sizes(a, b, refs)[1],
        f"{_larger(a, b, answer)}: the {named(a)} over the {named(b)} is {ratio}, a difference of "
        f"{difference} of their mean.",
        _unsure(a, b, answer),
    ]


def _cup_to_disc(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    by_area, vertical = _ids(answer)[:2]
    return [
        f"The vertical cup-to-disc ratio is {vertical}; the ratio of the areas is {by_area}.",
        _sizes(a, b, refs)[1],
    ]


def _cardiothoracic(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    return [
        f"The cardiothoracic ratio is {_ids(answer)[0]}: the largest width of the heart over the "
        "largest width between the outer edges of the lungs."
    ]


def _ejection(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    value, name = _ids(answer)[0], answer["measurements"][0]["name"]
    size = "volume" if a.get("in_volume") else "area"
    sizes = " and ".join(f"{refs.get(one['id'], size)} in {one['scan']}" for one in (a, b))
    said = f"The {named(a)} measures {sizes}."
    if name == "ejection_fraction":
        return [f"The ejection fraction is {value}.", said]
    return [
        f"The fractional area change is {value}, measured on one slice, which is not the ejection "
        "fraction itself.",
        said,
    ]


def _change(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    name = named(a)
    size = "volume" if a.get("in_volume") else "area"
    before, after = refs.get(a["id"], size), refs.get(b["id"], size)
    direction = answer["direction"]
    if direction == "appeared":
        said = [f"I find the {name} in {b['scan']} ({after}) but not in {a['scan']}."]
    elif direction == "disappeared":
        said = [f"I find the {name} in {a['scan']} ({before}) but not in {b['scan']}."]
    else:
        absolute, percent = _ids(answer)[:2]
        moved = "did not change" if direction == "unchanged" else direction
        said = [
            f"The {name} {moved}: from {before} in {a['scan']} to {after} in {b['scan']}, a change "
            f"of {absolute} ({percent})."
        ]
        if answer["sure"] is False:
            said.append("Their ranges overlap, so it may not have changed at all.")
    return [*said, *_parts(a, b, refs), *_recist(a, b, answer, refs)]


def _parts(a: _Object, b: _Object, refs: References) -> list[str]:
    first, second = refs.get(a["id"], "count"), refs.get(b["id"], "count")
    if not first or not second or a["parts"] == b["parts"]:
        return []
    return [f"It has {first} separate parts in {a['scan']} and {second} in {b['scan']}."]


def _recist(a: _Object, b: _Object, answer: dict[str, Any], refs: References) -> list[str]:
    judged = answer.get("recist")
    if judged is None:
        return []
    before, after = (refs.get(one["id"], "sum_of_diameters") for one in (a, b))
    percent = refs.get(b["id"], "change of sum_of_diameters")
    said = (
        f"The sum of the longest diameters went from {before} to {after} ({percent}): by the "
        f"limits of RECIST that is {judged['category']}"
    )
    others = [one for one in judged["possible"] if one != judged["category"]]
    if others:
        said += f", but within the ranges it could also be {' or '.join(others)}"
    elif judged["ranges_known"]:
        said += ", and the ranges allow no other category"
    return [f"{said}. New lesions elsewhere are not looked for, and this is no diagnosis."]


_ANSWERS: Final[dict[str, Callable[[_Object, _Object, dict[str, Any], References], list[str]]]] = {
    "compare": _ratio,
    "share": _share,
    "distance": _distance,
    "centre_distance": _centres,
    "symmetry": _symmetry,
    "cup_to_disc": _cup_to_disc,
    "cardiothoracic": _cardiothoracic,
    "ejection": _ejection,
    "change": _change,
    "between_scans": _between,
}
