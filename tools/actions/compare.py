"""Compare two objects: the only source of ratios and differences."""

from __future__ import annotations

from typing import Literal

from parser_model.errors import ToolError
from tools.actions.measure import range_rule
from tools.actions.result import ActionResult, Bench
from tools.found import FoundObject, Measurement
from tools.measuring import MASK_PAIRS, VALUE_PAIRS, measure_mask

What = Literal["ratio", "difference", "fraction_of", "distance", "dice"]
_NEAR = 1e-9


def compare(bench: Bench, first: str, second: str, what: What = "ratio") -> ActionResult:
    """Compare two present objects.

    Parameters
    ----------
    first, second : str
        Ids, e.g. "mask-1" and "mask-2".
    what : {"ratio", "difference", "fraction_of", "distance", "dice"}
        Ratio is first over second size, difference second minus first: of volumes where both are
        in volumes, else of areas; fraction_of is the share of the second that the first covers;
        the last three need objects of the same scan.

    Raises
    ------
    ToolError
        Absent objects, the same object twice, or objects that cannot be compared this way.
    """
    a, b = bench.case.present_object(first), bench.case.present_object(second)
    if a.id == b.id:
        raise ToolError("Name two different objects to compare.")
    if a.in_volume != b.in_volume:
        raise ToolError(
            "One object fills a volume and the other lies in a single picture; compare two of one "
            "kind."
        )
    sizes = [_size(bench, one) for one in (a, b)]
    source: tuple[str, ...] = ()
    if what in ("ratio", "difference"):
        if sizes[0].unit != sizes[1].unit:
            raise ToolError(
                "One scan has a known pixel size and the other has none; "
                "give the scale of both to compare sizes."
            )
        if a.scan != b.scan and sizes[0].unit in ("px2", "px3"):
            raise ToolError(
                "Sizes in different scans can only be compared when both scales are known."
            )
        value = VALUE_PAIRS[what](sizes[0].measured, sizes[1].measured)
        source = (sizes[0].id, sizes[1].id)
    else:
        if (a.scan, a.looked_at) != (b.scan, b.looked_at):
            raise ToolError(f"'{what}' needs two objects of the same scan.")
        scan = bench.case.scans[a.scan]
        spacing = scan.geometry.spacing_mm if a.in_volume else scan.in_plane_mm
        value = MASK_PAIRS[what](a.mask, b.mask, spacing)
    filed = bench.case.add_measurements([value], object=a.id, derived_from=source)[0]
    content = {
        "first": a.id,
        "second": b.id,
        "larger": _larger(sizes, a, b),
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
        measurements=(*[m.id for m in sizes], filed.id),
    )


def _size(bench: Bench, found: FoundObject) -> Measurement:
    """Volume or area; where the distance between slices is unknown, the number of voxels."""
    scan = bench.case.scans[found.scan]
    spacing = scan.geometry.spacing_mm if found.in_volume else scan.in_plane_mm
    if found.in_volume and spacing is not None and len(spacing) == 2:
        spacing = None
    value = measure_mask(
        found.mask,
        ["volume" if found.in_volume else "area"],
        spacing,
        probability=found.probability,
        ranges=range_rule(bench, found),
    )
    return bench.case.add_measurements(value, object=found.id)[0]


def _larger(sizes: list[Measurement], a: FoundObject, b: FoundObject) -> str:
    first, second = (m.measured.number for m in sizes)
    if abs(first - second) <= _NEAR * max(first, second):
        return "equal"
    return a.id if first > second else b.id
