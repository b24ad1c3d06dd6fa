"""Measure an object that was segmented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from parser_model.ontology import ontology
from parser_model.range_calibration import ranges_of
from tools.actions.result import ActionResult, Bench
from tools.actions.segment import scan_warnings
from tools.case import FoundObject
from tools.measuring import RangeRule, Value, measure_mask
from tools.measuring.ranges import QUANTITY_OF
from tools.scan import Scan

Quantity = Literal[
    "area",
    "fraction_of_image",
    "longest_diameter",
    "perpendicular_diameter",
    "count",
    "density",
    "short_axis",
    "centroid",
    "bounding_box",
    "perimeter",
    "circularity",
    "mean_intensity",
    "sd_intensity",
    "min_intensity",
    "max_intensity",
    "median_intensity",
    "p10_intensity",
    "p90_intensity",
]


def measure_object(
    bench: Bench,
    object: str,
    quantities: list[Quantity] | None = None,
    part: int | None = None,
) -> ActionResult:
    """Measure quantities of an object, or of one of its parts.

    Parameters
    ----------
    object : str
        Id of a present object, e.g. "mask-1".
    quantities : list of str, optional
        Names of measurements; area and share of the image when left out.
    part : int, optional
        A part counted from 1, the largest. Without it totals are of the whole object, and
        diameters of the largest part.

    Raises
    ------
    ToolError
        Absent or unknown object, unknown quantity, no such part.
    """
    found = bench.case.present_object(object)
    scan = bench.case.scans[found.scan]
    names = list(dict.fromkeys(quantities or ["area", "fraction_of_image"]))
    rule = range_rule(bench, found)
    values = measure_names(names, found, scan, part, ranges=rule)
    filed = bench.case.add_measurements(values, object=found.id)
    content = {
        "object": found.id,
        "phrase": found.name,
        "parts": found.parts,
        "position": position_in_words(found),
        "measurements": [
            {k: m.as_dict()[k] for k in ("id", "object", "part", "name", "value", "unit")}
            for m in filed
        ],
    }
    if scan.geometry.spacing_mm is None:
        content["note"] = "pixel size unknown: lengths are in pixels; ask the user for the scale"
    return ActionResult(
        content=content,
        summary=f"{found.name}: " + ", ".join(f"{m.name} {m.text}" for m in filed),
        objects=(found.id,),
        measurements=tuple(m.id for m in filed),
        encoded=False,
        warnings=(*scan_warnings(bench.case, found.scan), *_about_ranges(rule, values)),
    )


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
    spacing = scan.geometry.spacing_mm
    bright = any(name.endswith("_intensity") for name in names)
    return measure_mask(
        found.mask,
        names,
        (spacing[0], spacing[1]) if spacing else None,
        values=scan.values(found.slice) if bright else None,
        value_unit=scan.value_unit,
        part=part,
        probability=found.probability,
        ranges=ranges,
        split_touching=ontology().is_many(found.target),
    )


def range_rule(bench: Bench, found: FoundObject) -> RangeRule:
    """How far sizes of an object may be off: learnt for the weights that found it, or nothing."""
    calibration = ranges_of(bench.parser.info.weights_sha256)
    return RangeRule(calibration, bench.case.modality(found.scan), found.target)


def position_in_words(found: FoundObject) -> str:
    """Where the centre of an object lies, as the viewer sees it: "upper left"."""
    rows, columns = np.nonzero(found.mask)
    height, width = found.mask.shape
    vertical = _third(float(rows.mean()) / height, "upper", "lower")
    horizontal = _third(float(columns.mean()) / width, "left", "right")
    return " ".join(w for w in (vertical, horizontal) if w) or "middle"


def _third(share: float, low: str, high: str) -> str:
    return low if share < 0.4 else high if share > 0.6 else ""
