"""Measure an object that was segmented."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np

from parser_model.errors import ToolError
from parser_model.ontology import ontology
from parser_model.range_calibration import ranges_of
from tools.actions.result import ActionResult, Bench
from tools.actions.segment import scan_warnings
from tools.found import FoundObject, Measurement
from tools.measuring import ALL_SHAPES, RangeRule, Value, measure_mask
from tools.measuring.ranges import QUANTITY_OF
from tools.scan import Scan

Quantity = Literal[
    "volume",
    "area",
    "fraction_of_image",
    "longest_diameter",
    "perpendicular_diameter",
    "sum_of_diameters",
    "short_axis",
    "max_3d_diameter",
    "slice",
    "count",
    "density",
    "mean_area",
    "centroid",
    "bounding_box",
    "perimeter",
    "circularity",
    "thickness",
    "major_axis",
    "minor_axis",
    "least_axis",
    "elongation",
    "flatness",
    "sphericity",
    "surface_area",
    "volume_mesh",
    "mean_intensity",
    "sd_intensity",
    "min_intensity",
    "max_intensity",
    "median_intensity",
    "p10_intensity",
    "p90_intensity",
]
_USUAL: Final[list[Quantity]] = ["area", "fraction_of_image"]
_MOST_ROWS: Final = 20


def measure_object(
    bench: Bench,
    object: str,
    quantities: list[Quantity] | None = None,
    part: int | None = None,
    each_part: bool = False,
) -> ActionResult:
    """Measure quantities of an object, or of one of its parts.

    Parameters
    ----------
    object : str
        Id of a present object, e.g. "mask-1".
    quantities : list of str, optional
        Names of measurements; area and share of the image, or volume and key slice, when left out.
    part : int, optional
        A part counted from 1, the largest. Without it totals are of the whole object, and
        diameters of the largest part.
    each_part : bool
        A row for each part, largest first and at most 20, after the totals: how many there are,
        and of longest diameters the sum.

    Raises
    ------
    ToolError
        Absent or unknown object, unknown quantity, no such part; nothing that was asked for can
        be measured.
    """
    found = bench.case.present_object(object)
    scan = bench.case.scans[found.scan]
    usual: list[Quantity] = ["volume", "slice"] if found.in_volume else _USUAL
    names = list(dict.fromkeys(quantities or usual))
    rule = range_rule(bench, found)
    if each_part:
        values, refused = _each_part(names, found, scan, rule)
    else:
        values, refused = _measured(names, found, scan, part, rule)
    filed = bench.case.add_measurements(values, object=found.id)
    content = {
        "object": found.id,
        "phrase": found.name,
        "parts": found.parts,
        "position": position_in_words(found),
        "measurements": [_entry(m, found) for m in filed],
    }
    if scan.geometry.spacing_mm is None:
        content["note"] = "pixel size unknown: lengths are in pixels; ask the user for the scale"
    return ActionResult(
        content=content,
        summary=f"{found.name}: " + ", ".join(f"{m.name} {m.text}" for m in filed),
        objects=(found.id,),
        measurements=tuple(m.id for m in filed),
        encoded=False,
        warnings=(
            *scan_warnings(bench.case, found.scan, [found]),
            *refused,
            *_about_ranges(rule, values),
        ),
    )


def _each_part(
    names: Sequence[str], found: FoundObject, scan: Scan, rule: RangeRule
) -> tuple[list[Value], tuple[str, ...]]:
    """Totals, then the quantities of one part after the other."""
    of_whole = [n for n in names if n not in ALL_SHAPES or ALL_SHAPES[n].of == "whole"]
    summed = ["sum_of_diameters"] if "longest_diameter" in names else []
    totals = list(dict.fromkeys(["count", *of_whole, *summed]))
    values, refused = _measured(totals, found, scan, None, rule)
    for number in range(1, min(found.parts, _MOST_ROWS) + 1):
        rows, more = _measured(names, found, scan, number, rule)
        values, refused = [*values, *rows], (*refused, *more)
    if found.parts > _MOST_ROWS:
        refused = (*refused, f"Only the {_MOST_ROWS} largest of its parts are listed.")
    return values, tuple(dict.fromkeys(refused))


def _measured(
    names: Sequence[str], found: FoundObject, scan: Scan, part: int | None, rule: RangeRule
) -> tuple[list[Value], tuple[str, ...]]:
    """What can be measured, and a sentence for each thing that cannot.

    Raises
    ------
    ToolError
        If nothing can.
    """
    try:
        return measure_names(names, found, scan, part, ranges=rule), ()
    except ToolError:
        if len(names) == 1:
            raise
    values: list[Value] = []
    refused: list[str] = []
    for name in names:
        try:
            values += measure_names([name], found, scan, part, ranges=rule)
        except ToolError as error:
            refused.append(str(error))
    if not values:
        raise ToolError(" ".join(dict.fromkeys(refused)))
    return values, tuple(dict.fromkeys(refused))


def _entry(filed: Measurement, found: FoundObject) -> dict[str, Any]:
    """A measurement as the model reads it; the place of a part in words, too."""
    whole = filed.as_dict()
    entry = {key: whole[key] for key in ("id", "object", "part", "name", "value", "unit")}
    if filed.name == "slice" and filed.part is not None:
        entry["of"] = "longest_diameter"
    if filed.name == "centroid" and filed.part is not None and isinstance(filed.value, tuple):
        entry["position"] = _in_words(filed.value[0], filed.value[1], found.section.shape)
    return entry


def _about_ranges(rule: RangeRule, values: list[Value]) -> tuple[str, ...]:
    if rule.calibration is not None or not any(v.name in QUANTITY_OF for v in values):
        return ()
    return (
        "How far these sizes may be off is not known: no ranges were fitted for these weights "
        "('parsechat models calibrate' fits them).",
    )


def measure_names(
    names: Sequence[str],
    found: FoundObject,
    scan: Scan,
    part: int | None = None,
    *,
    ranges: RangeRule | None = None,
) -> list[Value]:
    """Quantities of an object as values with their part and range."""
    bright = any(name.endswith("_intensity") for name in names)
    inside = scan.pixels if found.in_volume else scan.values(found.slice) if bright else None
    values = measure_mask(
        found.mask,
        names,
        scan.geometry.spacing_mm if found.in_volume else scan.in_plane_mm,
        values=inside if bright else None,
        value_unit=scan.value_unit,
        part=part,
        probability=found.probability,
        ranges=ranges,
        split_touching=ontology().is_many(found.target),
    )
    return [*values, *_slices_of(values)] if found.in_volume else values


def _slices_of(values: Sequence[Value]) -> list[Value]:
    """On which slice of a volume the longest diameter lies."""
    return [
        Value(
            "slice",
            math.floor(value.endpoints[0][2]),
            "1",
            part=value.part,
            convention="slice of the longest diameter; people read it counted from 1, the value "
            "counts from 0",
        )
        for value in values
        if value.name == "longest_diameter" and value.endpoints is not None
    ]


def range_rule(bench: Bench, found: FoundObject) -> RangeRule:
    """How far sizes of an object may be off: learnt for the weights that found it, or nothing."""
    calibration = ranges_of(bench.parser.info.weights_sha256)
    modality = bench.case.modality(found.scan)
    return RangeRule(calibration, modality, found.target, found.presence)


def position_in_words(found: FoundObject) -> str:
    """Where an object lies in its picture or key slice, as the viewer sees it.

    "upper left", "left part" or "middle".
    """
    rows, columns = np.nonzero(found.section)
    return _in_words(float(rows.mean()), float(columns.mean()), found.section.shape)


def _in_words(row: float, column: float, shape: tuple[int, ...]) -> str:
    vertical = _third(row / shape[0], "upper", "lower")
    horizontal = _third(column / shape[1], "left", "right")
    if vertical and horizontal:
        return f"{vertical} {horizontal}"
    return f"{vertical or horizontal} part" if vertical or horizontal else "middle"


def _third(share: float, low: str, high: str) -> str:
    return low if share < 0.4 else high if share > 0.6 else ""
