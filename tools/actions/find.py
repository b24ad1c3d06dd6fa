"""Find everything that can be recognised in a scan."""

from __future__ import annotations

from collections.abc import Sequence

from parser_model.ontology import ontology
from parser_model.overlaps import without_overlaps
from parser_model.types import ParsedObject, finder_of
from tools.actions.looking import kind_of, look, looks_foreign, recognise, slice_alone
from tools.actions.result import ActionResult, Bench
from tools.actions.segment import report, targets_for
from tools.preparing import picture_for
from tools.volumes import VolumeObject

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
    alone = slice_alone(picture)
    parsed: Sequence[ParsedObject | VolumeObject]
    kept: Sequence[ParsedObject | VolumeObject]
    finder = None if picture.is_volume else finder_of(bench.parser)
    if finder is not None:
        stated, site = kind_of(bench.case, name)
        pixels = picture_for(bench.parser, picture, alone)
        parsed = finder.find(pixels, modality=stated, site=site)
        kept = [one for one in parsed if not _doubtful(one, foreign)]
    else:
        parsed = look(bench, name, targets_for(bench, name))
        kept = without_overlaps([one for one in parsed if not _doubtful(one, foreign)])
    encoded = any(one.encoded for one in parsed)
    modality = bench.case.modality(name)
    found = []
    for one in kept:
        target = ontology().resolve(one.phrase, modality)
        known = bench.case.known_object(name, target, one.phrase, alone)
        found.append(known or bench.case.add_object(name, one, slice=alone))
    result = report(bench, name, found, encoded or encoded_here)
    if not found:
        result.content["note"] = "nothing was recognised"
    return result


def _doubtful(one: ParsedObject | VolumeObject, foreign: bool) -> bool:
    """True for a finding (tumour, bleeding) that nobody asked for and that is not near certain."""
    if one.target is None or not ontology().is_lesion(one.target):
        return False
    return foreign or (one.presence is not None and one.presence < _SURE_OF_FINDING)
