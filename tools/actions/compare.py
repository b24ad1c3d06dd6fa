"""Compare two objects: the only source of ratios, differences and changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from parser_model.errors import ToolError
from parser_model.ontology import ontology
from tools.actions.change import change_since
from tools.actions.result import ActionResult, Bench
from tools.actions.sizes import comparable, entry_of, larger_of, size_of, spacing_of
from tools.found import FoundObject, Measurement
from tools.measuring import (
    Value,
    asymmetry,
    cardiothoracic,
    change,
    cup_to_disc_area,
    cup_to_disc_vertical,
    density,
    density_of_parts,
    dice,
    distance,
    ejection_fraction,
    fraction_of,
    ratio,
)

What = Literal[
    "ratio",
    "difference",
    "symmetry",
    "ejection_fraction",
    "fraction_of",
    "distance",
    "centroid_distance",
    "dice",
    "density",
    "cup_to_disc",
    "cardiothoracic",
    "change",
]
_OF_SIZES: Final[dict[str, Callable[[Value, Value], list[Value]]]] = {
    "ratio": lambda a, b: [ratio(a, b)],
    "difference": lambda a, b: [change(a, b)],
    "symmetry": lambda a, b: [ratio(a, b), asymmetry(a, b)],
    "ejection_fraction": lambda a, b: [ejection_fraction(a, b)],
}
"""What is worked out from the two sizes, which may be of different scans."""


def compare(bench: Bench, first: str, second: str, what: What = "ratio") -> ActionResult:
    """Compare two objects.

    Parameters
    ----------
    first, second : str
        Ids, e.g. "mask-1" and "mask-2". Both must be present, except for a change.
    what : str
        Of sizes, which are volumes where both are in volumes, else areas: ratio (first over
        second), difference (second minus first), symmetry (first is the left side, second the
        right one: ratio and per cent difference), ejection_fraction (a chamber full and emptied).
        Of two masks of one scan: fraction_of (share of the second that the first covers),
        distance (nearest edges), centroid_distance, dice, density (objects of the first per mm2
        of the second), cup_to_disc (first the cup: vertical and area), cardiothoracic (first the
        heart, second both lungs). Of one object on an earlier and a later scan: change.

    Raises
    ------
    ToolError
        Absent objects, the same object twice, or objects that cannot be compared this way.
    """
    if first == second:
        raise ToolError("Name two different objects to compare.")
    if what == "change":
        return change_since(bench, bench.case.object(first), bench.case.object(second))
    a, b = bench.case.present_object(first), bench.case.present_object(second)
    if a.in_volume != b.in_volume:
        raise ToolError(
            "One object fills a volume and the other lies in a single picture; compare two of one "
            "kind."
        )
    sizes = [size_of(bench, one) for one in (a, b)]
    if what in _OF_SIZES:
        comparable(a, b, *sizes)
        values = _OF_SIZES[what](sizes[0].measured, sizes[1].measured)
        from_sizes = len(values)
    else:
        if (a.scan, a.looked_at) != (b.scan, b.looked_at):
            raise ToolError(f"'{what}' needs two objects of the same scan.")
        values, from_sizes = _of_masks(bench, a, b, what, sizes)
    source = tuple(m.id for m in sizes)
    filed: list[Measurement] = []
    for index, value in enumerate(values):
        derived = source if index < from_sizes else ()
        filed += bench.case.add_measurements([value], object=a.id, derived_from=derived)
    content: dict[str, Any] = {
        "first": a.id,
        "second": b.id,
        "what": what,
        "larger": larger_of(sizes, a, b),
        "measurements": [entry_of(m) for m in (*filed, *sizes)],
    }
    return ActionResult(
        content=content,
        summary=f"{a.name} and {b.name}: " + ", ".join(f"{m.name} {m.text}" for m in filed),
        objects=(a.id, b.id),
        measurements=(*source, *(m.id for m in filed)),
    )


def _of_masks(
    bench: Bench, a: FoundObject, b: FoundObject, what: str, sizes: list[Measurement]
) -> tuple[list[Value], int]:
    """What two masks of one scan give, and how many of these values come from the sizes."""
    spacing = spacing_of(bench, a)
    if what == "fraction_of":
        both = (sizes[0].measured, sizes[1].measured)
        return [fraction_of(a.mask, b.mask, spacing, sizes=both)], 1
    if what == "cup_to_disc":
        by_area = cup_to_disc_area(sizes[0].measured, sizes[1].measured)
        return [by_area, cup_to_disc_vertical(a.mask, b.mask, spacing)], 1
    if what == "cardiothoracic":
        return [cardiothoracic(a.mask, b.mask, spacing)], 0
    if what == "density":
        counted = density if ontology().is_many(a.target) else density_of_parts
        return [counted(a.mask, spacing, within=b.mask)], 0
    if what == "dice":
        return [dice(a.mask, b.mask, spacing)], 0
    between: Literal["edges", "centroids"] = "edges" if what == "distance" else "centroids"
    return [distance(a.mask, b.mask, spacing, between=between)], 0
