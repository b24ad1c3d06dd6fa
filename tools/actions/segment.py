"""Outline named objects in a scan."""

from __future__ import annotations

from typing import Any

from parser_model.errors import ToolError
from parser_model.ontology import covers, ontology
from parser_model.types import ParsedObject, Recogniser
from tools.actions.result import ActionResult, Bench
from tools.case import Case, FoundObject
from tools.measuring.value import Value
from tools.preparing import picture_for
from tools.scan import Scan

MOST_PHRASES = 20
LONGEST_PHRASE = 200
_MOST_OFFERED = 12


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


def _segment_one(bench: Bench, name: str, wanted: list[str]) -> ActionResult:
    picture = bench.case.scans[name]
    modality = bench.case.modality(name)
    # By target, in the order asked: two words for one thing are one object.
    found: dict[str, FoundObject | None] = {}
    new: dict[str, str] = {}
    for phrase in wanted:
        target = ontology().resolve(phrase, modality)
        key = target or phrase
        if key not in found:
            found[key] = bench.case.known_object(name, target, phrase)
            if found[key] is None:
                new[key] = phrase
    encoded = False
    if new:
        parsed, encoded = look(bench, name, picture, list(new.values()))
        for key, one in zip(new, parsed, strict=True):
            found[key] = bench.case.add_object(name, one, slice=picture.middle_slice)
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


def look(
    bench: Bench, name: str, scan: Scan, phrases: list[str]
) -> tuple[list[ParsedObject], bool]:
    """Ask the parser about one scan; note what kind of image it recognises."""
    picture = picture_for(bench.parser, scan, scan.middle_slice)
    parsed = bench.parser.parse([picture], phrases, modality=scan.modality)[0]
    encoded = any(one.encoded for one in parsed)
    recognise(bench, name)
    return parsed, encoded


def recognise(bench: Bench, name: str) -> bool:
    """Note what kind of image a scan shows; True when the parser had to look at it for that."""
    if name in bench.case.recognised or not isinstance(bench.parser, Recogniser):
        return False
    scan = bench.case.scans[name]
    picture = picture_for(bench.parser, scan, scan.middle_slice)
    bench.case.recognised[name] = bench.parser.recognise(picture)
    return True


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
        }
        if one.presence is not None:
            value = Value("presence", one.presence, "1", convention="calibrated probability")
            entry["presence"] = bench.case.add_measurements([value], object=one.id)[0].id
            measured.append(entry["presence"])
        entries.append(entry)
        lines.append(_line(one))
        if one.ignored_parts:
            warnings.append(
                f"{one.name}: {one.ignored_parts} part(s) too small to count were ignored."
            )
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
        warnings=(*dict.fromkeys(warnings), *scan_warnings(bench.case, scan)),
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
    return targets_for(bench, scan)[:_MOST_OFFERED]


def targets_for(bench: Bench, scan: str) -> list[str]:
    """Targets that can be looked for in a scan, by its modality and site where they are known."""
    modality, site = kind_of(bench.case, scan)
    targets = ontology().targets_in(modality, site) or ontology().targets_in(modality)
    return [t for t in targets if t in bench.parser.info.vocabulary]


def kind_of(case: Case, scan: str) -> tuple[str | None, str | None]:
    """Modality and site of a scan; pixels may refine what is stated, but not oppose it."""
    modality, seen = case.modality(scan), case.recognised.get(scan)
    if seen and seen.modality and covers(modality, seen.modality):
        return seen.modality, seen.site
    return modality, None


def looks_foreign(case: Case, scan: str) -> bool:
    """True when the pixels look like another modality than the file or the user states."""
    stated, seen = case.scans[scan].modality, case.recognised.get(scan)
    return bool(stated and seen and seen.modality and not covers(stated, seen.modality))


def scan_warnings(case: Case, scan: str) -> tuple[str, ...]:
    """What the user must know about a scan before reading a number."""
    picture = case.scans[scan]
    warnings = list(picture.notes)
    if looks_foreign(case, scan):
        warnings.append(
            f"To the parser this does not look like the {picture.modality} images it learnt from, "
            "so expect wrong outlines."
        )
    if picture.geometry.spacing_mm is None:
        warnings.append(
            "The file does not say how large a pixel is, so sizes are in pixels and per cent of "
            "the image. Tell me the millimetres per pixel to get millimetres."
        )
    if picture.middle_slice is not None:
        warnings.append(
            f"This is a stack of {picture.shape[2]} slices; only slice {picture.middle_slice} "
            "was looked at."
        )
    return tuple(warnings)
