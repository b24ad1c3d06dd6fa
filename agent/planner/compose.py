"""The planner's answers: short sentences with references where numbers stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.planner.comparing import SIDE_BY_SIDE, compared
from agent.planner.parts import listed, placed, ranked
from agent.planner.phrasing import (
    References,
    Result,
    absent,
    article,
    be,
    in_general,
    many,
    named,
    objects_by_scan,
    offer,
    placed_by_part,
    plural,
    verb,
)
from agent.planner.relations import RELATIONS, TWO_SCANS
from agent.planner.request import Request
from agent.planner.words import SIZE
from parser_model.ontology import ontology

_NOT_OURS = (
    "Whether something is normal is not for me to say: parsechat does not diagnose. I can only "
    "tell what I recognise."
)


def compose(request: Request, results: Sequence[Result]) -> str:
    """The answer to a request from what the tools returned."""
    errors = [r.content["error"] for r in results if "error" in r.content]
    if request.kind == "decline":
        return _declined(request)
    if request.kind == "unclear":
        return _unclear(request)
    if errors and request.kind != "density":
        return " ".join(dict.fromkeys(errors))
    one_scan = len(request.scans) == 1 and request.kind not in TWO_SCANS
    where = f"In {request.scans[0]}: " if one_scan else ""
    if request.kind in RELATIONS:
        return where + compared(request.kind, results)
    if request.kind == "describe":
        return where + _described(results)
    segmented = next((r for r in results if r.tool in ("segment", "find_everything")), None)
    if segmented is None and errors:
        return " ".join(dict.fromkeys(errors))
    if segmented is None:
        return f"{_with_scale(request, results)} Sizes are now in millimetres."
    if request.kind == "everything":
        said = _everything(segmented, References(results))
        return f"{_NOT_OURS}\n\n{where}{said}" if request.reason == "normality" else where + said
    if len(request.scans) > 1 or "scans" in segmented.content:
        return _scan_by_scan(request, results)
    objects = segmented.content["objects"]
    present = [o for o in objects if o["present"]]
    beside = SIDE_BY_SIDE if request.side_by_side and len(present) > 1 else ""
    sentences = [_with_scale(request, results), beside]
    sentences += [absent(o) for o in objects if not o["present"]]
    for found in present:
        sentences += _about(request, found, results)
    general = [o for r in results if r.tool == "segment" for o in r.content["objects"]]
    general = [o for o in general if o not in objects]
    for found in general:
        sentences.append(in_general(found))
        sentences += _about_general(request, found, results) if found["present"] else []
    if len(present) < len(objects) and not any(o["present"] for o in general):
        sentences.append(offer(segmented.content))
    sentences += dict.fromkeys(errors)
    return where + _together(sentences)


def _together(sentences: Sequence[str]) -> str:
    """One text; after a list a new paragraph begins."""
    text = last = ""
    for sentence in filter(None, sentences):
        text += ("\n\n" if "\n" in last else " " if last else "") + sentence
        last = sentence
    return text


def _with_scale(request: Request, results: Sequence[Result]) -> str:
    """The scale in the user's own words, so that nobody takes it for measured."""
    if request.kind != "scale" or request.scale is None:
        return ""
    scans: list[str] = next((r.content["scans"] for r in results if r.tool == "set_scale"), [])
    where = f" for {' and '.join(scans)}" if len(scans) > 1 else ""
    return f"The scale{where} is the one you gave: {request.scale.said}."


def _scan_by_scan(request: Request, results: Sequence[Result]) -> str:
    """One line for each scan that was asked about."""
    lines = []
    for scan, objects in objects_by_scan(results).items():
        said: list[str] = []
        for found in objects:
            about = _about(request, found, results) if found["present"] else [absent(found)]
            said += [s for s in about if s]
        lines.append(f"- {scan}: {_together(said)}")
    beside = SIDE_BY_SIDE if request.side_by_side else ""
    return "\n".join([*filter(None, [_with_scale(request, results), beside]), *lines])


def _about(request: Request, found: dict[str, Any], results: Sequence[Result]) -> list[str]:
    refs = References(results)
    name, one = named(found), found["id"]
    if request.kind == "exists":
        where, count = _position(found, results), refs.get(one, "count")
        if count and found["parts"] > 1:
            where = f", in {count} separate parts"
        seen = f"Yes, I see the {name}{where}"
        share, volume = refs.get(one, "fraction_of_image"), refs.get(one, "volume")
        they = "they" if plural(name) else "it"
        if volume:
            takes = f"{they} {verb(name, 'take')} up"
            return [f"{seen}; {takes} {volume}{_largest_on(one, refs)}."]
        covers = f"{they} {verb(name, 'cover')}"
        return [f"{seen}; {covers} {share} of the image." if share else f"{seen}."]
    if request.kind == "sure":
        return _how_sure(found, refs)
    if request.kind == "where":
        if placed_by_part(found):
            return [placed(found, results)]
        return _located(found, _position(found, results), refs)
    if request.kind in ("count", "density"):
        return _counted(found, refs)
    if request.rank:
        return [ranked(request.rank, found, refs)]
    if request.each_part:
        return [listed(found, results)]
    return _measured(request, found, refs)


def _about_general(request: Request, found: dict[str, Any], results: Sequence[Result]) -> list[str]:
    """As `_about`, where that it is there has been said."""
    if request.kind != "exists":
        return _about(request, found, results)
    refs = References(results)
    share, volume = refs.get(found["id"], "fraction_of_image"), refs.get(found["id"], "volume")
    if volume:
        return [f"It takes up {volume}{_largest_on(found['id'], refs)}."]
    return [f"It covers {share} of the image."] if share else []


def _measured(request: Request, found: dict[str, Any], refs: References) -> list[str]:
    name, one, unit = named(found), found["id"], request.unit
    several = found["parts"] > 1
    sentences = []
    area, share = refs.get(one, "area", _area_unit(unit)), refs.get(one, "fraction_of_image")
    count = refs.get(one, "count")
    if several and count and ontology().is_many(found.get("target")):
        sentences.append(f"I count {count} {many(found)}, where they touch one by one.")
    elif several and count and set(request.quantities) & set(SIZE):
        sentences.append(f"I find the {name} in {count} separate parts.")
    covers = "Together they cover" if several else f"The {name} {verb(name, 'cover')}"
    volume = refs.get(one, "volume", _volume_unit(unit))
    if volume:
        takes = "Together they take" if several else f"The {name} {verb(name, 'take')}"
        sentences.append(f"{takes} up {volume}{_largest_on(one, refs)}.")
    elif "slice" in request.quantities and refs.get(one, "slice"):
        sentences.append(f"The {name} {be(name)} largest on slice {refs.get(one, 'slice')}.")
    if area and share:
        sentences.append(f"{covers} {area}, which is {share} of the image.")
    elif area:
        sentences.append(f"{covers} {area}.")
    elif share:
        sentences.append(f"{covers} {share} of the image.")
    average = refs.get(one, "mean_area", _area_unit(unit))
    if average:
        sentences.append(f"One of them covers {average} in the mean.")
    longest = refs.get(one, "longest_diameter", unit)
    across = refs.get(one, "perpendicular_diameter", unit)
    thick = refs.get(one, "thickness", unit)
    if thick:
        what = f"largest part of the {name} is" if several else f"{name} {be(name)}"
        sentences.append(f"The {what} {thick} thick in the mean.")
    elif longest and across:
        owner = "Their" if plural(name) else "Its"
        its = f"{owner} longest diameter" if sentences else f"The longest diameter of the {name}"
        whose = "The largest part measures" if several else f"{its} is"
        joint = "at its longest and" if several else "and the diameter across it"
        tail = " across" if several else ""
        on = refs.get(one, "slice of longest_diameter")
        tail += f", measured on slice {on}." if on else "."
        sentences.append(f"{whose} {longest} {joint} {across}{tail}")
    for quantity, words in _PLAIN.items():
        value = refs.get(one, quantity, unit if quantity in _LENGTHS else None)
        if quantity in request.quantities and value:
            sentences.append(f"{words.format(name=name)} {value}.")
    mean, sd = refs.get(one, "mean_intensity"), refs.get(one, "sd_intensity")
    if mean and sd:
        low, high = refs.get(one, "min_intensity"), refs.get(one, "max_intensity")
        sentences.append(
            f"Inside the {name} the mean intensity is {mean} with a standard deviation of {sd}"
            + (f", from {low} to {high}." if low and high else ".")
        )
    return sentences or [
        f"I found the {name} but could not measure what you asked; the notes say why."
    ]


_LENGTHS = frozenset({"perimeter", "bounding_box", "short_axis", "max_3d_diameter"})
_PLAIN = {
    "perimeter": "The perimeter of the {name} is",
    "circularity": "The circularity of the {name} is",
    "elongation": "The minor axis of the {name} over its major axis is",
    "centroid": "The centre of the {name} (row, column) is at",
    "short_axis": "The short axis of the {name} is",
    "max_3d_diameter": "The largest diameter of the {name} through the slices is",
    "sphericity": "The sphericity of the {name} is",
    "density": "The number of {name} per area of the image is",
    "bounding_box": "The height and width of the box around the {name} are",
}


def _largest_on(one: str, refs: References) -> str:
    """The key slice of an object in a volume."""
    key = refs.get(one, "slice")
    return f", largest on slice {key}" if key else ""


def _volume_unit(unit: str | None) -> str | None:
    """Unit of a volume where any was named: "in cm" means mL, which are cubic centimetres."""
    cubes = {"mm": "mm3", "cm": "mL", "mm²": "mm3", "cm²": "mL", "mm2": "mm3", "cm2": "mL"}
    return cubes.get(unit, unit) if unit else None


def _area_unit(unit: str | None) -> str | None:
    """Unit of an area where a length was named: "in cm" means square centimetres."""
    squares = {"mm": "mm2", "cm": "cm2", "px": "px2", "pixels": "px2", "pixel": "px2"}
    squares |= dict.fromkeys(("µm", "um", "micron", "microns"), "um2")
    return squares.get(unit, unit) if unit else None


def _how_sure(found: dict[str, Any], refs: References) -> list[str]:
    """Presence, and the range of the size."""
    name, presence = named(found), found.get("presence")
    size = refs.get(found["id"], "volume") or refs.get(found["id"], "area")
    there = f"That the {name} {be(name)} there I put at [[{presence}]], where one would be certain."
    return [
        there if presence else f"How likely it is that the {name} {be(name)} there is not known.",
        f"Its size is {size}; a range in brackets says between which sizes the true one most "
        "likely lies."
        if size
        else "",
    ]


def _located(found: dict[str, Any], position: str, refs: References) -> list[str]:
    name, one = named(found), found["id"]
    key = refs.get(one, "slice")
    on = f" on slice {key}, where the outline is largest" if key else ""
    sentences = [f"The {name} {be(name)}{position}{on}, as you look at it."]
    centre = refs.get(one, "centroid")
    if centre:
        owner = "Their" if plural(name) else "Its"
        sentences.append(
            f"{owner} centre (row, column) is at {centre}; the overlay shows its outline."
        )
    return sentences


def _counted(found: dict[str, Any], refs: References) -> list[str]:
    name, one = named(found), found["id"]
    count, area, dense = (refs.get(one, what) for what in ("count", "area", "density"))
    volume = refs.get(one, "volume")
    if not count:
        return [f"I found the {name} but could not count it."]
    if ontology().is_many(found.get("target")):
        counted = f"I count {count} {many(found)}; those that touch are told apart at their necks."
    elif found["parts"] == 1:
        counted = f"I count {count} part of {name}; parts that touch count as one part."
    else:
        counted = f"I count {count} separate parts of {name}; parts that touch count as one part."
    several = found["parts"] > 1
    return [
        counted,
        f"That is {dense} of the image." if dense else "",
        f"{'Together they cover' if several else 'It covers'} {area}." if area else "",
        f"{'Together they take' if several else 'It takes'} up {volume}." if volume else "",
    ]


def _position(found: dict[str, Any], results: Sequence[Result]) -> str:
    for result in results:
        if result.content.get("object") == found["id"] and "position" in result.content:
            return f" in the {result.content['position']} of the picture"
    return ""


def _everything(segmented: Result, refs: References) -> str:
    found = [o for o in segmented.content["objects"] if o["present"]]
    if not found:
        return f"I recognise nothing that I was trained on. {offer(segmented.content)}"
    lines = []
    for one in found:
        share, volume = (refs.get(one["id"], name) for name in ("fraction_of_image", "volume"))
        if volume:
            lines.append(f"- {named(one)}: {volume}{_largest_on(one['id'], refs)}")
        else:
            lines.append(f"- {named(one)}" + (f": {share} of the image" if share else ""))
    return "I recognise:\n" + "\n".join(lines)


def _described(results: Sequence[Result]) -> str:
    content = next((r.content for r in results if r.tool == "describe_scan"), {})
    modality = content.get("modality")
    if modality is None:
        first = "I cannot tell what kind of image this is."
    else:
        site = f" of the {content['site']}" if content.get("site") else ""
        known = (
            "as its file or you say"
            if content["modality_known_from"] != "pixels"
            else "judging by its pixels"
        )
        first = f"This looks like {article(modality)} {modality} image{site}, {known}."
    size = "Its pixel size is not known."
    if content.get("pixel_size_known"):
        yours = content.get("pixel_size_known_from") == "user"
        size = "Its pixel size is the one you gave." if yours else "Its pixel size is known."
    return f"{first} {size} {offer(content)}"


def _declined(request: Request) -> str:
    if request.reason == "diagnosis":
        return (
            "I cannot answer that: parsechat measures what can be seen and does not diagnose. "
            "I can outline an object, measure it, and say how sure I am that it is there."
        )
    if request.reason == "treatment":
        return (
            "I cannot answer that: parsechat gives no advice on treatment or dose. "
            "I can outline and measure objects in the image."
        )
    return (
        "I cannot do that without a language model; the offline planner understands questions "
        "about the size, place, number, brightness and comparison of objects, for example "
        '"How large is the liver?" or "What do you see?".'
    )


def _unclear(request: Request) -> str:
    if request.ask_back:
        return request.ask_back
    return (
        'Which object do you mean? Name it, for example "How large is the liver?", or ask '
        '"What do you see?".'
    )
