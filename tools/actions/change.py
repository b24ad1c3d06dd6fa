"""How one object changed from an earlier to a later scan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from parser_model.errors import ToolError
from parser_model.ontology import ontology
from tools.actions.measure import range_rule
from tools.actions.result import ActionResult, Bench
from tools.actions.sizes import comparable, entry_of, size_of, spacing_of
from tools.found import FoundObject, Measurement
from tools.measuring import Response, Value, change, find_parts, measure, relative_change, response

_MOST_PARTS = 50


def change_since(bench: Bench, before: FoundObject, after: FoundObject) -> ActionResult:
    """Change of the size, and for lesions the RECIST 1.1 category of their longest diameters.

    Parameters
    ----------
    before, after : FoundObject
        Of the earlier and the later scan; one of them may be absent.

    Raises
    ------
    ToolError
        Both on one scan, different things, none present, a volume and a picture, or sizes in
        pixels.
    """
    _check(before, after)
    sizes = {one.id: size_of(bench, one) for one in (before, after) if one.present}
    if len(sizes) == 2:
        comparable(before, after, *sizes.values())
    filed = _changes(bench, before, after, sizes)
    content: dict[str, Any] = {
        "first": before.id,
        "second": after.id,
        "what": "change",
        "direction": _direction(before, after, filed),
        "sure": _sure(filed[0].measured) if filed else None,
    }
    counts = [_count(bench, one) for one in (before, after) if one.present]
    judged: list[Measurement] = []
    found = _response(bench, before, after)
    if found is not None:
        judged = _file(bench, before, after, found)
        content["recist"] = {
            "category": found.category,
            "possible": list(found.possible),
            "ranges_known": found.before.low is not None and found.after.low is not None,
        }
    everything = (*filed, *sizes.values(), *counts, *judged)
    content["measurements"] = [entry_of(m) for m in everything]
    for entry in content["measurements"][-2:] if judged else ():
        entry["of"] = "sum_of_diameters"
    return ActionResult(
        content=content,
        summary=f"{before.name}: {content['direction']}"
        + "".join(f", {m.text}" for m in filed)
        + (f", {found.category}" if found else ""),
        objects=(before.id, after.id),
        measurements=tuple(m.id for m in everything),
        warnings=_warnings(before, after),
    )


def _check(before: FoundObject, after: FoundObject) -> None:
    if before.scan == after.scan:
        raise ToolError("A change needs the same object on two scans; both of these are on one.")
    if (before.target or before.phrase) != (after.target or after.phrase):
        raise ToolError(
            f"A change needs the same object twice, not {before.name} and {after.name}."
        )
    if not before.present and not after.present:
        raise ToolError(f"The {before.name} was found on neither scan, so nothing changed.")
    if before.in_volume != after.in_volume:
        raise ToolError(
            "One scan is a volume and the other a single picture; a change needs two of one kind."
        )


def _changes(
    bench: Bench, before: FoundObject, after: FoundObject, sizes: dict[str, Measurement]
) -> list[Measurement]:
    """Change of the size, absolute and in per cent; none where there is only one size."""
    if len(sizes) < 2:
        return []
    first, last = sizes[before.id], sizes[after.id]
    values = [change(first.measured, last.measured), relative_change(first.measured, last.measured)]
    return bench.case.add_measurements(values, object=after.id, derived_from=(first.id, last.id))


def _direction(before: FoundObject, after: FoundObject, filed: list[Measurement]) -> str:
    if not before.present:
        return "appeared"
    if not after.present:
        return "disappeared"
    number = filed[0].measured.number
    return "grew" if number > 0 else "shrank" if number < 0 else "unchanged"


def _sure(value: Value) -> bool | None:
    """Whether the sign is the same all over the range; None without one."""
    if value.low is None or value.high is None:
        return None
    return value.low > 0 or value.high < 0


def _count(bench: Bench, found: FoundObject) -> Measurement:
    value = Value("count", float(found.parts), "1", convention="connected parts that count")
    return bench.case.add_measurements([value], object=found.id)[0]


def _response(bench: Bench, before: FoundObject, after: FoundObject) -> Response | None:
    """RECIST 1.1 for a lesion with millimetres on both scans; None for anything else."""
    if before.target is None or not ontology().is_lesion(before.target) or not before.present:
        return None
    if spacing_of(bench, before) is None or spacing_of(bench, after) is None:
        return None
    return response(_diameters(bench, before), _diameters(bench, after))


def _diameters(bench: Bench, found: FoundObject) -> list[Value]:
    """Longest diameter of each part, with its range, in mm."""
    if not found.present:
        return []
    parts = find_parts(found.mask)
    lines: list[Value] = []
    for number in range(1, min(len(parts), _MOST_PARTS) + 1):
        lines += measure(
            "longest_diameter",
            parts.part(number),
            spacing_of(bench, found),
            probability=found.probability,
            ranges=range_rule(bench, found),
            part=number,
        )
    return lines


def _file(
    bench: Bench, before: FoundObject, after: FoundObject, found: Response
) -> list[Measurement]:
    """The sums and how they changed, each with the category in its convention."""
    first = bench.case.add_measurements([found.before], object=before.id)
    last = bench.case.add_measurements([found.after], object=after.id)
    said = f"of the sums of diameters; RECIST 1.1: {found.category}"
    if len(found.possible) > 1:
        said += f", within the ranges also {' or '.join(_others(found))}"
    values = [replace(value, convention=said) for value in (found.difference, found.percent)]
    source = (first[0].id, last[0].id)
    moved = bench.case.add_measurements(values, object=after.id, derived_from=source)
    return [*first, *last, *moved]


def _others(found: Response) -> list[str]:
    return [one for one in found.possible if one != found.category]


def _warnings(before: FoundObject, after: FoundObject) -> tuple[str, ...]:
    if before.in_volume and after.in_volume:
        return ()
    return (
        "Only one picture of each scan was compared; they may not show the same level, so part of "
        "the change may come from that.",
    )
