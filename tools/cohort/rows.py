"""The rows of a table of measurements: one a part, one for the whole, one for a failure.

Wide, because that is what a table program, R or pandas takes as it is. A unit is part of a column's
name, so that a mean over a column never mixes millimetres with pixels: where the size of a pixel
is unknown the millimetre columns are empty and the pixel columns are filled, otherwise the
other way round.
"""

from __future__ import annotations

from typing import Any, Final

from tools.cohort.measuring import MeasuredObject, MeasuredScan
from tools.cohort.sources import Source
from tools.measuring import Value
from tools.units import Unit

Row = dict[str, Any]
"""A cell by the name of its column; None is an empty one."""

_HEAD: Final = ("number", "row", "file", "series")
_OBJECT: Final = ("phrase", "target", "present", "presence", "part", "parts", "slice")
WITH_RANGE: Final[tuple[tuple[str, Unit], ...]] = (
    ("area", "mm2"),
    ("volume", "mL"),
    ("longest_diameter", "mm"),
    ("perpendicular_diameter", "mm"),
    ("area", "px2"),
    ("volume", "px3"),
    ("longest_diameter", "px"),
    ("perpendicular_diameter", "px"),
    ("fraction_of_image", "percent"),
)
"""Measurements with a range, and the unit of their column."""
_ALONE: Final = ("count", "density_per_mm2", "mean_intensity", "intensity_unit")
_SCAN: Final = (
    "modality", "modality_source", "spacing_source", "pixel_height_mm", "pixel_width_mm",
    "slice_mm",
)  # fmt: skip

COLUMNS: Final[tuple[str, ...]] = (
    *_HEAD,
    *_OBJECT,
    *(
        column
        for name, unit in WITH_RANGE
        for column in (f"{name}_{unit}", f"{name}_{unit}_low", f"{name}_{unit}_high")
    ),
    *_ALONE,
    *_SCAN,
    "warnings",
    "error",
)
"""Of the table, in order."""


def rows_of(number: int, source: Source, measured: MeasuredScan) -> list[Row]:
    """The rows of one scan: for each object its total, then its parts."""
    rows = []
    for found in measured.objects:
        about = _about(number, source, measured, found)
        rows.append({**about, "row": "total", **_sizes(found.total)})
        rows += [
            {**about, "row": "part", "part": part, "slice": place, **_sizes(values)}
            for part, (values, place) in enumerate(
                zip(found.parts, found.part_slices, strict=True), 1
            )
        ]
    return rows


def failure_row(number: int, source: Source, reason: str) -> Row:
    """The row of a file that could not be read or measured."""
    start = {"number": number, "row": "failure", "file": source.name, "series": source.series}
    return {**dict.fromkeys(COLUMNS), **start, "error": reason}


def _about(number: int, source: Source, measured: MeasuredScan, found: MeasuredObject) -> Row:
    spacing = (*(measured.spacing_mm or ()), None, None, None)
    return {
        **dict.fromkeys(COLUMNS),
        "number": number,
        "file": source.name,
        "series": source.series,
        "phrase": found.phrase,
        "target": found.target,
        "present": found.present,
        "presence": None if found.presence is None else round(found.presence, 4),
        "parts": len(found.parts),
        "slice": found.slice,
        "modality": measured.modality,
        "modality_source": measured.modality_source,
        "spacing_source": measured.spacing_source,
        "pixel_height_mm": spacing[0],
        "pixel_width_mm": spacing[1],
        "slice_mm": spacing[2],
        "warnings": " ".join([*_warnings(found), *measured.warnings]) or None,
    }


def _warnings(found: MeasuredObject) -> list[str]:
    said = []
    if found.target is None:
        said.append("This phrase is not a word the parser knows.")
    elif found.presence is None:
        said.append("Whether the object is there is not judged: no calibration fits these weights.")
    if found.ignored_parts:
        said.append(f"Parts too small to count were ignored: {found.ignored_parts}.")
    return [*said, *found.notes]


def _sizes(values: tuple[Value, ...]) -> Row:
    """Cells of measured values, each in the unit of its column."""
    cells: Row = {}
    for value in values:
        if value.name == "mean_intensity":
            cells |= {"mean_intensity": value.number, "intensity_unit": value.unit}
            continue
        if value.name in ("count", "density"):
            per_area = value.name == "density"
            cells["density_per_mm2" if per_area else "count"] = (
                value.number if per_area else int(value.number)
            )
            continue
        unit: Unit = "mL" if value.unit == "mm3" else value.unit
        shown, column = value.to(unit), f"{value.name}_{unit}"
        cells |= {column: shown.number, f"{column}_low": shown.low, f"{column}_high": shown.high}
    return cells
