"""Find everything that can be recognised in a scan."""

from __future__ import annotations

from parser_model.ontology import ontology
from parser_model.overlaps import without_overlaps
from parser_model.types import ParsedObject, finder_of
from tools.actions.result import ActionResult, Bench
from tools.actions.segment import (
    kind_of,
    look,
    looks_foreign,
    recognise,
    report,
    targets_for,
)
from tools.preparing import picture_for

# Unasked, a finding is a claim: it takes more than the even odds that answer a question.
_SURE_OF_FINDING = 0.9


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
    encoded_here = recognise(bench, name)
    foreign = looks_foreign(bench.case, name)
    finder = finder_of(bench.parser)
    if finder is not None:
        stated, site = kind_of(bench.case, name)
        pixels = picture_for(bench.parser, picture, picture.middle_slice)
        parsed = finder.find(pixels, modality=stated, site=site)
        encoded = any(one.encoded for one in parsed)
        kept = [one for one in parsed if not _doubtful(one, foreign)]
    else:
        parsed, encoded = look(bench, name, picture, targets_for(bench, name))
        kept = without_overlaps([one for one in parsed if not _doubtful(one, foreign)])
    modality = bench.case.modality(name)
    found = []
    for one in kept:
        known = bench.case.known_object(name, ontology().resolve(one.phrase, modality), one.phrase)
        found.append(known or bench.case.add_object(name, one, slice=picture.middle_slice))
    result = report(bench, name, found, encoded or encoded_here)
    if not found:
        result.content["note"] = "nothing was recognised"
    return result


def _doubtful(one: ParsedObject, foreign: bool) -> bool:
    """True for a finding (tumour, bleeding) that nobody asked for and that is not near certain."""
    if one.target is None or not ontology().is_lesion(one.target):
        return False
    return foreign or (one.presence is not None and one.presence < _SURE_OF_FINDING)
