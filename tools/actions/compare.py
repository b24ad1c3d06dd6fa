"""Compare two objects: the only source of ratios and differences."""

from __future__ import annotations

from typing import Literal

from parser_model.errors import ToolError
from tools.actions.measure import measure_names, range_rule
from tools.actions.result import ActionResult, Bench
from tools.case import FoundObject, Measurement
from tools.measuring import MASK_PAIRS, VALUE_PAIRS

What = Literal["ratio", "difference", "fraction_of", "distance", "dice"]
_NEAR = 1e-9


def compare(bench: Bench, first: str, second: str, what: What = "ratio") -> ActionResult:
    """Compare two present objects.

    Parameters
    ----------
    first, second : str
        Ids, e.g. "mask-1" and "mask-2".
    what : {"ratio", "difference", "fraction_of", "distance", "dice"}
        Ratio is first over second area, difference second minus first; fraction_of is the share
        of the second that the first covers; the last three need objects of the same scan.

    Raises
    ------
    ToolError
        Absent objects, the same object twice, or objects that cannot be compared this way.
    """
    a, b = bench.case.present_object(first), bench.case.present_object(second)
    if a.id == b.id:
        raise ToolError("Name two different objects to compare.")
    areas = [_area(bench, one) for one in (a, b)]
    source: tuple[str, ...] = ()
    if what in ("ratio", "difference"):
        if areas[0].unit != areas[1].unit:
            raise ToolError(
                "One scan has a known pixel size and the other has none; "
                "give the scale of both to compare sizes."
            )
        if a.scan != b.scan and areas[0].unit == "px2":
            raise ToolError(
                "Areas of different scans can only be compared when both scales are known."
            )
        value = VALUE_PAIRS[what](areas[0].measured, areas[1].measured)
        source = (areas[0].id, areas[1].id)
    else:
        if (a.scan, a.slice) != (b.scan, b.slice):
            raise ToolError(f"'{what}' needs two objects of the same scan.")
        spacing = bench.case.scans[a.scan].geometry.spacing_mm
        in_plane = (spacing[0], spacing[1]) if spacing else None
        value = MASK_PAIRS[what](a.mask, b.mask, in_plane)
    filed = bench.case.add_measurements([value], object=a.id, derived_from=source)[0]
    content = {
        "first": a.id,
        "second": b.id,
        "larger": _larger(areas, a, b),
        "measurements": [
            {
                "id": filed.id,
                "object": a.id,
                "name": filed.name,
                "value": filed.value,
                "unit": filed.unit,
            }
        ],
    }
    return ActionResult(
        content=content,
        summary=f"{a.name} and {b.name}: {filed.name} {filed.text}",
        objects=(a.id, b.id),
        measurements=(*[m.id for m in areas], filed.id),
    )


def _area(bench: Bench, found: FoundObject) -> Measurement:
    scan = bench.case.scans[found.scan]
    values = measure_names(["area"], found, scan, ranges=range_rule(bench, found))
    return bench.case.add_measurements(values, object=found.id)[0]


def _larger(areas: list[Measurement], a: FoundObject, b: FoundObject) -> str:
    first, second = (m.measured.number for m in areas)
    if abs(first - second) <= _NEAR * max(first, second):
        return "equal"
    return a.id if first > second else b.id
