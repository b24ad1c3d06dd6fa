"""Scores as tables for people; the headings say what the figures are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.evaluating.ranges import BAND, LEAST_OBJECTS, TIGHTER


def tables(document: dict[str, Any]) -> None:
    """Print a document of ``eval`` as tables, with its notes below."""
    console = Console()
    told = "modality told" if document["modality_told"] else "modality not told"
    console.print(f"{document['images']} images of {document['split']}/, {told}")
    show = {"dice": _dice, "presence": _presence, "ranges": _ranges, "modality": _modality}
    for table in show[document["what"]](document["results"]):
        console.print(table)
    for note in document["notes"]:
        console.print(note, highlight=False)


def _dice(results: dict[str, Any]) -> Iterable[Table]:
    for level in ("modalities", "targets"):
        table = _table(level.capitalize(), "", *(f"{name}: Dice (95 %)" for name in results))
        for name in results:
            table.add_column(f"{name}: surface")
            table.add_column(f"{name}: failed")
        table.add_column("masks")
        keys = sorted({key for report in results.values() for key in report[level]})
        rows = [(key, [report[level].get(key) for report in results.values()]) for key in keys]
        if level == "modalities":
            rows.append(("headline", [report.get("headline") for report in results.values()]))
        for key, entries in rows:
            some = next((e for e in entries if e), None)
            figures = [
                f"{e['dice']:.3f} ({e['low']:.2f}–{e['high']:.2f})" if e else "–" for e in entries
            ]
            for entry in entries:
                figures += (
                    [f"{entry['surface_dice']:.3f}", str(entry["failures"])] if entry else ["–"] * 2
                )
            table.add_row(key, *figures, str(some["masks"]) if some else "0")
        yield table


def _presence(results: dict[str, Any]) -> Iterable[Table]:
    table = _table("Presence", "", "asked", "objects", "decided rightly", "AUROC")
    for name, report in results.items():
        for way, found in report.items():
            if found is None:
                continue
            # The two reports say the same in different words: what was fitted here names its own.
            present = found["present"]
            objects = present if isinstance(present, int) else present["objects"]
            kept = found["kept"] if isinstance(present, int) else present["kept"]
            label = f"{name}, {way.replace('_', '-')}"
            table.add_row(label, "what is there", str(objects), f"{_share(kept)} kept", "")
            for absent in ("same_site", "other_sites"):
                entry = found[absent]
                table.add_row(
                    label,
                    f"absent, {absent.replace('_', ' ')}",
                    str(entry["objects"]),
                    f"{_share(entry['refused'])} refused",
                    _share(entry["auroc"]),
                )
    yield table


def _ranges(results: dict[str, Any]) -> Iterable[Table]:
    for name, report in results.items():
        for way in ("cross_fitted", "as_shipped"):
            for quantity, found in (report[way] or {}).items():
                title = f"{name}, {quantity.replace('_', ' ')}, {way.replace('_', '-')}"
                table = _table(title, *_RANGE_HEADINGS)
                for row in _range_rows(found):
                    table.add_row(*row)
                yield table


_RANGE_HEADINGS = (
    "",
    "objects",
    "patients",
    "missed",
    "inside",
    "of found",
    "median width",
    "best ±k %",
    "its width",
    "ratio",
    "",
)


def _range_rows(found: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    for name, e in found.items():
        yield (
            name,
            str(e["objects"]),
            str(e["patients"]),
            str(e["missed"]),
            _percent(e["coverage"]),
            _percent(e["coverage_of_found"]),
            _percent(e["median_width"]),
            "–" if e["constant_percent"] is None else f"±{e['constant_percent']:.0f} %",
            _percent(e["constant_width"]),
            "–" if e["width_ratio"] is None else f"{e['width_ratio']:.2f}",
            _verdict(e),
        )


def _verdict(entry: dict[str, Any]) -> str:
    """Where a modality falls short of what ranges should be."""
    if entry["objects"] < LEAST_OBJECTS:
        return f"fewer than {LEAST_OBJECTS} objects"
    said = []
    if not entry["reachable"]:
        said.append("too many missed to cover enough")
    elif not BAND[0] <= entry["coverage"] <= BAND[1]:
        said.append("coverage outside 80–95 %")
    if entry["width_ratio"] is None or entry["width_ratio"] > TIGHTER:
        said.append("less than 20 % tighter")
    return ", ".join(said)


def range_lines(report: dict[str, Any]) -> list[str]:
    """Coverage and width of each quantity and modality in lines of text."""
    lines = []
    for quantity, found in report.items():
        for name, e in found.items():
            lines.append(
                f"{quantity.replace('_', ' '):23} {name:12} inside {_percent(e['coverage']):>6} "
                f"of {e['objects']}, median width {_percent(e['median_width'])}"
                + (f" ({short})" if (short := _verdict(e)) else "")
            )
    return lines


def _modality(results: dict[str, Any]) -> Iterable[Table]:
    table = _table("Modality from pixels", "", "images", "right", "left open", "taken for")
    for name, report in results.items():
        for modality, entry in report.items():
            wrong = ", ".join(f"{told} {n}" for told, n in entry["taken_for"].items())
            label = f"{name}, {modality}" if len(results) > 1 else modality
            table.add_row(
                label, str(entry["images"]), _share(entry["right"]), _share(entry["unsure"]), wrong
            )
    yield table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading)
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
