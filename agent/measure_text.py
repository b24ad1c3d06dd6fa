"""Measurements of ``measure`` as people read them on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tools.cohort.rows import WITH_RANGE, Row
from tools.measuring import Value

_WORDS = {
    "area": "area",
    "volume": "volume",
    "longest_diameter": "longest diameter",
    "perpendicular_diameter": "perpendicular diameter",
    "fraction_of_image": "share of the image",
}
_MOST_PARTS = 10


def one_scan(rows: Sequence[Row]) -> Iterator[str]:
    """Lines about the objects of a single scan, with their parts."""
    for row in rows:
        if row["row"] == "total":
            yield f"{row['phrase']}: {_state(row)}"
        elif row["part"] > _MOST_PARTS:
            if row["part"] == row["parts"]:
                yield f"  and {row['parts'] - _MOST_PARTS} smaller parts (--csv lists them)"
            continue
        elif row["parts"] > 1:
            yield f"  part {row['part']}: " + ", ".join(text for _, text in _texts(row))
        if row["row"] == "total" and row["present"]:
            several = row["parts"] > 1
            for name, text in _texts(row):
                largest = " (of the largest part)" if several and name.endswith("diameter") else ""
                yield f"  {_WORDS.get(name, name.replace('_', ' ')):34}{text}{largest}"
    notes = {row["phrase"]: row["warnings"] for row in rows if row["row"] == "total"}
    if len(set(notes.values())) == 1:
        notes = {"": next(iter(notes.values()))}
    for phrase, note in notes.items():
        if note:
            yield f"Note ({phrase}): {note}" if phrase else f"Note: {note}"


def several_scans(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each object of each scan."""
    for row in rows:
        if row["row"] == "part":
            continue
        series = f" (series {row['series']})" if row["series"] else ""
        start = f"{row['number']:>4}  {row['file']}{series}"
        if row["row"] == "failure":
            yield f"{start}  {row['error']}"
            continue
        texts = dict(_texts(row))
        main = texts.get("volume") or texts.get("area")
        sizes = [main, texts.get("longest_diameter")] if main else []
        yield "  ".join([start, f"{row['phrase']}: {_state(row)}", *filter(None, sizes)])


def _state(row: Row) -> str:
    if row["target"] is None:
        return "not a word I know"
    seen = "" if row["presence"] is None else f" (presence {row['presence']:.2f})"
    if not row["present"]:
        return f"not seen{seen}"
    return f"{row['parts']} part{'' if row['parts'] == 1 else 's'}{seen}"


def _texts(row: Row) -> Iterator[tuple[str, str]]:
    """Name and text of every measurement in a row."""
    for name, unit in WITH_RANGE:
        column = f"{name}_{unit}"
        if row[column] is not None:
            low, high = row[f"{column}_low"], row[f"{column}_high"]
            yield name, Value(name, row[column], unit, low, high).text()
    if row["count"] is not None and row["count"] != row["parts"]:
        yield "count, touching ones told apart", f"{row['count']}"
    if row["density_per_mm2"] is not None:
        yield "density", Value("density", row["density_per_mm2"], "1/mm2").text()
    if row["mean_intensity"] is not None:
        unit_of: Any = row["intensity_unit"]
        yield "mean_intensity", Value("mean_intensity", row["mean_intensity"], unit_of).text()
