"""Scores as tables for people; the headings say what the figures are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from agent.left_out import LeftOut
from parser_model.training.score import LEAST_TRAINING_MASKS
from tools.evaluating.means import LEAST_OF_SOURCE
from tools.evaluating.ranges import BAND, LEAST_OBJECTS, TIGHTER
from tools.measuring.narrow import LEAST_WIDTH


def tables(document: dict[str, Any]) -> None:
    """Print a document of ``eval`` as tables, with its notes below."""
    console = Console()
    told = "modality told" if document["modality_told"] else "modality not told"
    words = "" if document["ontology"] else ", words read as they are typed (no ontology)"
    console.print(
        f"{document['images']} images of {document['patients']} patients in {document['split']}/, "
        f"{told}{words}",
        highlight=False,
    )
    show = {
        "dice": _dice,
        "phrases": _phrases,
        "presence": _presence,
        "ranges": _ranges,
        "modality": _modality,
    }
    results = document["results"]
    if document["what"] == "dice" and not document["sources"]:  # of use beside each other only
        results = {name: {**report, "sources": {}} for name, report in results.items()}
    for table in show[document["what"]](results):
        console.print(table)
    about = _about_dice(results) if document["what"] == "dice" else []
    drawn = [f"{n} is drawn in {r['sheet']}." for n, r in results.items() if "sheet" in r]
    left_out = LeftOut.lines(document["problems"])
    for note in (*left_out, *about, *drawn, *document["notes"]):
        console.print(note, highlight=False)


_LEVELS = {"modalities": "Modalities", "targets": "Targets", "sources": "Sources"}


def _dice(results: dict[str, Any]) -> Iterable[Table]:
    several = len(results) > 1
    for level, title in _LEVELS.items():
        keys = sorted({key for report in results.values() for key in report[level]})
        rows = [(key, [report[level].get(key) for report in results.values()]) for key in keys]
        if level == "modalities":
            rows.append(("headline", [report.get("headline") for report in results.values()]))
        if not rows:
            continue
        if level != "targets" and any(report["all_targets"] for report in results.values()):
            title = f"{title}, all targets"
        table = _table(title, "", *_DICE_HEADINGS)
        for key, entries in rows:
            if several:
                table.add_section()
                table.add_row(key)
            for (name, report), entry in zip(results.items(), entries, strict=True):
                given = " (given true boxes)" if report["given_true_boxes"] else ""
                table.add_row(f"  {name}{given}" if several else f"{key}{given}", *_figures(entry))
        yield table


_DICE_HEADINGS = ("Dice (95 %)", "surface", "failed", "masks", "patients")


def _figures(entry: dict[str, Any] | None) -> list[str]:
    if entry is None:
        return ["–"] * len(_DICE_HEADINGS)
    return [
        f"{entry['dice']:.3f}{_ends(entry, '.2f', '–')}",
        f"{entry['surface_dice']:.3f}",
        str(entry["failures"]),
        str(entry["masks"]),
        str(entry["patients"]),
    ]


def _ends(entry: dict[str, Any], digits: str, between: str) -> str:
    """An interval in brackets; nothing where a single patient allows none."""
    if entry.get("low") is None:
        return ""
    return f" ({entry['low']:{digits}}{between}{entry['high']:{digits}})"


def _about_dice(results: dict[str, Any]) -> Iterable[str]:
    """What has to be known about single results."""
    for name, report in results.items():
        headline, sizes = report.get("headline"), report["sizes"]
        masks = sum(sizes.values())
        if not masks:
            yield f"{name}: no mask outlines anything, so there is nothing to compare."
            continue
        yield f"{name}: {masks} masks compared at {', '.join(list(sizes)[:3])} pixels."
        if report["narrow"]:
            yield (
                f"{name}: {report['narrow']} of {masks} objects are under {LEAST_WIDTH:g} pixels "
                "wide at the size it works at, so their outlines are rough."
            )
        if headline is None:
            yield (
                f"{name}: none of the targets has {LEAST_TRAINING_MASKS} masks in train/, so there "
                "is no headline; the modalities are of all targets."
            )
        elif headline["without"]:
            yield (
                f"{name}: the headline is the mean of {headline['modalities']} modalities; nothing "
                f"counts of {', '.join(headline['without'])}."
            )
        told = {key: sum(e[key] for e in report["targets"].values()) for key in _COUNTED}
        if told["missing"]:
            yield f"{name}: {told['missing']} of {masks} masks have no file; they count as empty."
        if told["resized"]:
            yield f"{name}: {told['resized']} masks had another size and were brought to it."
        if told["refused"]:
            yield f"{name}: {told['refused']} of {masks} objects were judged absent though there."
        small = [n for n, e in report["sources"].items() if e["masks"] < LEAST_OF_SOURCE]
        if small:
            yield f"{name}: fewer than {LEAST_OF_SOURCE} masks, reported only: {', '.join(small)}."
        for first, gap in report.get("above", {}).items():
            if gap:
                yield (
                    f"{name} is {gap['dice']:+.3f}{_ends(gap, '+.3f', ' to ')} from {first} in the "
                    "headline, the same patients drawn for both."
                )


_COUNTED = ("missing", "resized", "refused")


def _phrases(results: dict[str, Any]) -> Iterable[Table]:
    table = _table(
        "Users' words",
        "",
        "phrases",
        "not understood",
        "wrong target",
        "not seen",
        "Dice",
        "of understood",
        "by name",
    )
    for name, report in results.items():
        for group in ("all", "other", "chinese"):
            e = report[group]
            label = (
                name
                if group == "all"
                else f"{name}, {'Chinese' if group == 'chinese' else 'not Chinese'}"
            )
            table.add_row(
                label,
                str(e["phrases"]),
                str(e["not_understood"]),
                str(e["mapped_wrong"]),
                _share(e["not_seen"]),
                _share(e["dice"]),
                _share(e["dice_of_understood"]),
                _share(e["dice_by_name"]),
            )
    yield table
    table = _table("Phrases that went wrong", "", "phrase", "target", "what happened", "Dice")
    for name, report in results.items():
        for row in report["phrases"]:
            if said := _went_wrong(row):
                table.add_row(name, row["phrase"], row["target"], said, _share(row["dice"]))
        for words in report["without_images"]:
            table.add_row(name, words, "", "no image has its target", "")
    yield table


def _went_wrong(row: dict[str, Any]) -> str:
    if not row["understood"]:
        return "not understood"
    if row["mapped_wrong"]:
        return f"taken for {', '.join(row['mapped_to'])}"
    return f"not seen in {row['not_seen']} of {row['images']}" if row["not_seen"] else ""


def _presence(results: dict[str, Any]) -> Iterable[Table]:
    table = _table("Presence", "", "asked", "objects", "decided rightly", "AUROC (95 %)")
    for name, report in results.items():
        for way in ("as_shipped", "cross_fitted"):
            found = report[way]
            if found is None:
                continue
            # The two reports say the same in different words: what was fitted here names its own.
            present = found["present"]
            objects = present if isinstance(present, int) else present["objects"]
            kept = found["kept"] if isinstance(present, int) else present["kept"]
            label = f"{name}, {way.replace('_', '-')}"
            table.add_row(label, "what is there", str(objects), f"{_share(kept)} kept", "")
            for absent, said in _ABSENT.items():
                entry = found.get(absent)
                if entry and entry["objects"]:
                    table.add_row(label, said, *_refusals(entry))
            for name_of, part in found.get("modalities", {}).items():
                there = part["present"]
                kept = f"{_share(there['kept'])} kept"
                table.add_row(label, f"{name_of}: what is there", str(there["objects"]), kept, "")
                table.add_row(
                    label, f"{name_of}: {_ABSENT['same_site']}", *_refusals(part["same_site"])
                )
    yield table
    for name, report in results.items():
        if report["cross_fitted"]:
            yield _reliability(name, report["cross_fitted"]["reliability"])


def _refusals(entry: dict[str, Any]) -> list[str]:
    area = _share(entry["auroc"]) + _ends(entry, ".2f", "–") if "auroc" in entry else ""
    return [str(entry["objects"]), f"{_share(entry['refused'])} refused", area]


def _reliability(name: str, bins: list[dict[str, Any]]) -> Table:
    """How often something was there, by how likely it was said to be; bars for the eye."""
    title = f"{name}, cross-fitted: is it there as often as is said? (absent ones count as much)"
    table = _table(title, "presence", "objects", "said", "there", "")
    for some in bins:
        share = some["there"]
        table.add_row(
            f"{some['low']:.1f}–{some['high']:.1f}",
            str(some["objects"]),
            _share(some["said"]),
            _share(share),
            "" if share is None else "█" * round(20 * share),
        )
    return table


_ABSENT = {
    "same_site": "absent, same site",
    "beside": "absent, cut beside it",
    "other_sites": "absent, other sites",
    "nonsense": "nonsense",
}


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
