"""Answers about the separate parts of an object: each of them, or one by its rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.planner.phrasing import References, Result, many, named
from agent.planner.words import OF_EACH
from parser_model.ontology import ontology

_NUMBERS = {"second": 2, "third": 3}


def part_of_rank(rank: str, parts: int) -> int | None:
    """Number of the part ("second largest"); None where there are not so many."""
    number = parts if rank == "smallest" else _NUMBERS.get(rank.split()[0], 1)
    return number if number <= parts else None


def ranked(rank: str, found: dict[str, Any], refs: References) -> str:
    """The size of one part of an object."""
    one, name = found["id"], named(found)
    if part_of_rank(rank, found["parts"]) is None:
        return f"I find no {rank} part of the {name}."
    size = refs.get(one, "volume") or refs.get(one, "area")
    longest, across = (refs.get(one, quantity) for quantity in OF_EACH[1:])
    touching = ontology().is_many(found.get("target"))
    return (
        f"The {rank} part of the {name} has {size}; it is {longest} at its longest and {across} "
        f"across.{' Those that touch count together.' if touching else ''}"
    )


def _entries(found: dict[str, Any], results: Sequence[Result]) -> list[dict[str, Any]]:
    """What was measured of an object, its parts included."""
    return [
        entry
        for r in results
        if r.tool == "measure" and r.arguments.get("object") == found["id"]
        for entry in r.content.get("measurements", [])
    ]


def placed(found: dict[str, Any], results: Sequence[Result]) -> str:
    """How many parts there are, and a line with the place of each."""
    entries = _entries(found, results)
    count = next(f"[[{e['id']}]]" for e in entries if e["name"] == "count")
    first = f"I find the {named(found)} in {count} separate parts. Largest first:"
    lines = [
        f"{e['part']}. {e['position']}, as you look at it: centre (row, column) at [[{e['id']}]]"
        for e in entries
        if "position" in e
    ]
    return "\n".join([first, *lines])


def listed(found: dict[str, Any], results: Sequence[Result]) -> str:
    """How many parts there are, what they measure together, and a line for each."""
    entries = _entries(found, results)
    totals = {e["name"]: f"[[{e['id']}]]" for e in entries if e["part"] is None}
    size = "volume" if "volume" in totals else "area"
    if ontology().is_many(found.get("target")):
        first = f"I count {totals['count']} {many(found)}, where they touch one by one; in all"
        first += f" {totals[size]}. In this list those that touch count together. Largest first:"
    else:
        first = f"I find the {named(found)} in {totals['count']} separate "
        first += f"{'part' if found['parts'] == 1 else 'parts'}; in all {totals[size]}, and the"
        first += f" longest diameters add up to {totals['sum_of_diameters']}. Largest first:"
    lines = []
    for part in sorted({e["part"] for e in entries if e["part"] is not None}):
        row = {e["name"]: f"[[{e['id']}]]" for e in entries if e["part"] == part}
        line = f"{part}. {row[size]}, {row['longest_diameter']} at its longest and "
        line += f"{row['perpendicular_diameter']} across"
        lines.append(line + (f", on slice {row['slice']}" if "slice" in row else ""))
    return "\n".join([first, *lines])
