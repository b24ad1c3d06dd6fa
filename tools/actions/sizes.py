"""The size of an object where it is compared with another: one number each, of one kind."""

from __future__ import annotations

from typing import Any

from parser_model.errors import ToolError
from tools.actions.measure import range_rule
from tools.actions.result import Bench
from tools.found import FoundObject, Measurement
from tools.measuring import Spacing, measure_mask

_NEAR = 1e-9


def spacing_of(bench: Bench, found: FoundObject) -> Spacing:
    """Size of a pixel, of an object in a volume that of a voxel as far as it is known."""
    scan = bench.case.scans[found.scan]
    return scan.geometry.spacing_mm if found.in_volume else scan.in_plane_mm


def size_of(bench: Bench, found: FoundObject) -> Measurement:
    """Volume or area; where the distance between slices is unknown, the number of voxels."""
    spacing = spacing_of(bench, found)
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


def comparable(a: FoundObject, b: FoundObject, one: Measurement, other: Measurement) -> None:
    """Sizes in pixels can be compared on one scan alone; ToolError otherwise."""
    if one.unit != other.unit:
        raise ToolError(
            "One scan has a known pixel size and the other has none; "
            "give the scale of both to compare sizes."
        )
    if a.scan != b.scan and one.unit in ("px2", "px3"):
        raise ToolError("Sizes in different scans can only be compared when both scales are known.")


def larger_of(sizes: list[Measurement], a: FoundObject, b: FoundObject) -> str:
    """Id of the larger of two objects, or "equal"."""
    first, second = (m.measured.number for m in sizes)
    if abs(first - second) <= _NEAR * max(first, second):
        return "equal"
    return a.id if first > second else b.id


def entry_of(filed: Measurement) -> dict[str, Any]:
    """A measurement as the model reads it; the convention tells two of one name apart."""
    whole = filed.as_dict()
    keys = ("id", "object", "name", "value", "unit", "low", "high", "convention")
    return {key: whole[key] for key in keys if whole[key] is not None}
