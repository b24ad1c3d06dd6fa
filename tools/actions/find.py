"""Find everything that can be recognised in a scan."""

from __future__ import annotations

import numpy as np

from parser_model.ontology import ontology
from parser_model.types import ParsedObject, Recogniser
from tools.actions.result import ActionResult, Bench
from tools.actions.segment import look, report, targets_for


def find_everything(bench: Bench, scan: str | None = None) -> ActionResult:
    """Outline all objects of the scan's modality and site, without overlaps.

    A pixel claimed by several objects goes to the one with the highest probability, except that
    a whole and its parts ("lung", "left lung") may share pixels: the whole is then left out.

    Raises
    ------
    ToolError
        No scan.
    """
    name, picture = bench.case.scan(scan)
    encoded_here = False
    if name not in bench.case.recognised and isinstance(bench.parser, Recogniser):
        shown = picture.display(picture.middle_slice)
        bench.case.recognised[name] = bench.parser.recognise(shown)
        encoded_here = True
    targets = targets_for(bench, name)
    parsed, encoded = look(bench, name, picture, targets)
    kept = without_overlaps([p for p in parsed if p.present])
    modality = bench.case.modality(name)
    found = []
    for one in kept:
        known = bench.case.known_object(name, ontology().resolve(one.phrase, modality), one.phrase)
        found.append(known or bench.case.add_object(name, one, slice=picture.middle_slice))
    result = report(bench, name, found, encoded or encoded_here)
    if not found:
        result.content["note"] = "nothing was recognised"
    return result


def without_overlaps(objects: list[ParsedObject]) -> list[ParsedObject]:
    """Give every pixel to one object; drop wholes whose named parts are there, and emptied ones."""
    names = {one.target for one in objects if one.target}
    chosen = [one for one in objects if not _is_covered(one.target or "", names)]
    if not chosen:
        return []
    stack = np.stack([np.where(o.mask, o.probability, np.float16(-1)) for o in chosen])
    owner = stack.argmax(axis=0)
    kept = []
    for index, one in enumerate(chosen):
        mask = one.mask & (owner == index)
        if mask.sum() * 2 >= one.mask.sum():
            kept.append(
                ParsedObject(
                    one.phrase, one.target, one.probability, mask, one.presence, True, one.encoded
                )
            )
    return kept


def _is_covered(target: str, names: set[str]) -> bool:
    """True for a whole ("lung") whose sides, kinds or halves are among the names."""
    parts = {name for name in names if name != target and name.endswith(f" {target}") and target}
    return bool(parts)
