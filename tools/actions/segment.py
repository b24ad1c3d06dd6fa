"""Outline named objects in a scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parser_model.errors import ToolError
from parser_model.ontology import ontology
from tools.actions.looking import kind_of, look, looks_foreign, slice_alone
from tools.actions.result import ActionResult, Bench
from tools.case import Case
from tools.found import FoundObject
from tools.measuring.narrow import narrow_warning
from tools.measuring.value import Value

MOST_PHRASES = 20
LONGEST_PHRASE = 200
_MOST_OFFERED = 12
_MAY_BE_THERE = 0.2
"""From this presence on more than one in ten was there all the same (docs/model-card.md)."""


def segment(bench: Bench, phrases: list[str], scan: str | None = None) -> ActionResult:
    """Look for objects by name and outline those that are there.

    Parameters
    ----------
    phrases : list of str
        The user's own words, e.g. ["liver", "left kidney"].
    scan : str, optional
        Id of the scan; all current ones (those added together last) when left out.

    Raises
    ------
    ToolError
        No scan, no phrase, too many or too long ones.
    """
    wanted = check_phrases(phrases)
    names = [bench.case.scan(scan)[0]] if scan or not bench.case.scans else bench.case.current
    results = [_segment_one(bench, name, wanted) for name in names or [bench.case.scan()[0]]]
    return results[0] if len(results) == 1 else joined(results)


def segment_slice(bench: Bench, phrases: list[str], slice: int) -> ActionResult:
    """Look for objects in one slice of the newest stack alone.

    Parameters
    ----------
    phrases : list of str
    slice : int
        Counted from 0.

    Raises
    ------
    ToolError
        The scan is a picture or has no such slice; else as `segment`.
    """
    wanted = check_phrases(phrases)
    name, scan = bench.case.scan()
    if len(scan.shape) == 2:
        raise ToolError("This scan is a single picture, so there are no slices to choose from.")
    if not 0 <= slice < scan.shape[2]:
        raise ToolError(
            f"There is no slice {slice}; this scan has slices 0 to {scan.shape[2] - 1}, counted "
            "from 0."
        )
    return _segment_one(bench, name, wanted, slice)


def _segment_one(
    bench: Bench, name: str, wanted: list[str], slice: int | None = None
) -> ActionResult:
    scan = bench.case.scans[name]
    modality = bench.case.modality(name)
    alone = slice_alone(scan, slice)
    # By target, in the order asked: two words for one thing are one object.
    found: dict[str, FoundObject | None] = {}
    new: dict[str, str] = {}
    for phrase in wanted:
        target = ontology().resolve(phrase, modality)
        key = target or phrase
        if key not in found:
            found[key] = bench.case.known_object(name, target, phrase, alone)
            if found[key] is None:
                new[key] = phrase
    encoded = False
    if new:
        parsed = look(bench, name, list(new.values()), slice)
        encoded = any(one.encoded for one in parsed)
        for key, one in zip(new, parsed, strict=True):
            found[key] = bench.case.add_object(name, one, slice=alone)
    return report(bench, name, [one for one in found.values() if one], encoded)


def joined(results: list[ActionResult]) -> ActionResult:
    """Results about several scans as one; what can be looked for is that of the last scan."""
    content = dict(results[-1].content)
    content["objects"] = [entry for r in results for entry in r.content["objects"]]
    content["scans"] = [r.content["scan"] for r in results]
    return ActionResult(
        content=content,
        summary="; ".join(f"{r.content['scan']}: {r.summary}" for r in results),
        objects=tuple(o for r in results for o in r.objects),
        measurements=tuple(m for r in results for m in r.measurements),
        encoded=any(r.encoded for r in results),
        warnings=tuple(dict.fromkeys(w for r in results for w in r.warnings)),
        refused=any(r.refused for r in results),
    )


def check_phrases(phrases: list[str]) -> list[str]:
    """Phrases without blanks around and repeats.

    Raises
    ------
    ToolError
        None left, more than 20, or one longer than 200 characters.
    """
    wanted = list(dict.fromkeys(p.strip() for p in phrases if p.strip()))
    if not wanted:
        raise ToolError("Name at least one object to look for.")
    if len(wanted) > MOST_PHRASES:
        raise ToolError(f"Ask for at most {MOST_PHRASES} objects at once.")
    if any(len(p) > LONGEST_PHRASE for p in wanted):
        raise ToolError(f"Name an object in at most {LONGEST_PHRASE} characters.")
    return wanted


def report(bench: Bench, scan: str, found: list[FoundObject], encoded: bool) -> ActionResult:
    """What the model and the user learn about objects that were looked for."""
    entries, measured, lines, warnings = [], [], [], []
    for one in found:
        entry: dict[str, Any] = {
            "id": one.id,
            "scan": scan,
            "phrase": one.name,
            "target": one.target,
            "known": one.target is not None,
            "present": one.present,
            "parts": one.parts,
            "in_volume": one.in_volume,
        }
        if one.presence is not None:
            value = Value("presence", one.presence, "1", convention="calibrated probability")
            entry["presence"] = bench.case.add_measurements([value], object=one.id)[0].id
            measured.append(entry["presence"])
        if not one.present and (kind := unlearnt_in(bench, scan, one.target)):
            entry["not_learnt_in"] = kind
        if not one.present and one.presence is not None and one.presence >= _MAY_BE_THERE:
            entry["unsure"] = True
        if kind_of := ontology().kind_of(one.target):
            entry["kind_of"] = kind_of
            if one.present:
                warnings.append(
                    f"{one.name}: that it is this kind of {kind_of} is how it looks to the parser, "
                    "and no diagnosis."
                )
        entries.append(entry)
        lines.append(_line(one))
        if one.ignored_parts:
            warnings.append(
                f"{one.name}: {one.ignored_parts} part(s) too small to count were ignored."
            )
        if one.in_volume and one.mask[:, :, [0, -1]].any():
            warnings.append(
                f"{one.name}: the outline reaches the first or last slice, so the object may go on "
                "beyond them."
            )
        if narrow := narrow_warning(one.name, one.mask, bench.parser.info.input_size):
            warnings.append(narrow)
        if one.target is not None and one.presence is None:
            warnings.append(
                "These weights have no presence calibration: whether an object is there is not "
                "judged, only where it would be."
            )
    content = {
        "scan": scan,
        "modality": bench.case.modality(scan),
        "objects": entries,
        "can_look_for": offers(bench, scan),
    }
    return ActionResult(
        content=content,
        summary="; ".join(lines),
        objects=tuple(one.id for one in found),
        measurements=tuple(measured),
        encoded=encoded,
        warnings=(*dict.fromkeys(warnings), *scan_warnings(bench.case, scan, found)),
        refused=any(not one.present for one in found),
    )


def _line(found: FoundObject) -> str:
    if found.target is None:
        return f"{found.name}: not a word I know"
    sure = "" if found.presence is None else f" (presence {found.presence:.2f})"
    if not found.present:
        return f"{found.name}: not seen{sure}"
    parts = "part" if found.parts == 1 else "parts"
    return f"{found.name}: found{sure}, {found.parts} {parts}"


def offers(bench: Bench, scan: str) -> list[str]:
    """What to offer when something is absent or unknown: some of `targets_for`."""
    targets = targets_for(bench, scan)
    modality, site = kind_of(bench.case, scan)
    if site in (None, "body") and all(ontology().is_lesion(target) for target in targets):
        # Images of the trunk that are labelled for their findings alone hold organs too.
        known = bench.parser.info.vocabulary
        targets += [t for t in ontology().targets_in(modality) if t in known and t not in targets]
    return targets[:_MOST_OFFERED]


def targets_for(bench: Bench, scan: str) -> list[str]:
    """Targets that can be looked for in a scan, by its modality and site where they are known."""
    modality, site = kind_of(bench.case, scan)
    targets = ontology().targets_in(modality, site) or ontology().targets_in(modality)
    return [t for t in targets if t in bench.parser.info.vocabulary]


def unlearnt_in(bench: Bench, scan: str, target: str | None) -> str | None:
    """The kind of image ("abdomen CT") where the parser was not taught what it did not see.

    Not to see a tumor in an abdomen says nothing to a parser that knows those of lungs alone. None
    where it learnt the target in such images, where nobody knows what it learnt in them, and for
    what they cannot hold, a polyp in a fundus.
    """
    modality, site = kind_of(bench.case, scan)
    if target is None or modality is None or site is None:
        return None
    if (modality, site) not in bench.parser.info.places or target in targets_for(bench, scan):
        return None
    return f"{site} {modality}" if ontology().may_hold(target, modality, site) else None


def scan_warnings(case: Case, scan: str, found: Sequence[FoundObject] = ()) -> tuple[str, ...]:
    """What the user must know about a scan, and objects found in it, before reading a number."""
    picture = case.scans[scan]
    warnings = list(picture.notes)
    if looks_foreign(case, scan):
        warnings.append(
            f"To the parser this does not look like the {picture.modality} images it learnt from, "
            "so expect wrong outlines."
        )
    if picture.resembles_ct:
        warnings.append(
            "The file names no unit of its values, but they lie as Hounsfield units do; it is "
            "shown in the soft tissue window of a CT, and intensities have no unit."
        )
    spacing = picture.geometry.spacing_mm
    if spacing is None:
        warnings.append(
            "The file does not say how large a pixel is, so sizes are in pixels and per cent of "
            "the image. Tell me the millimetres per pixel to get millimetres."
        )
    elif picture.is_volume and len(spacing) == 2:
        warnings.append(
            "The distance between the slices is not known, so there are no volumes; lengths and "
            "areas are those in the plane of a slice."
        )
    alone = sorted({one.looked_at for one in found if one.looked_at is not None})
    kind = "slice" if picture.is_volume else "frame"
    warnings += [
        f"Only {kind} {number + 1} of {picture.shape[2]} was looked at (counted from 1)."
        for number in alone
    ]
    warnings += [f"{one.name}: {note}" for one in found for note in one.notes]
    return tuple(warnings)
