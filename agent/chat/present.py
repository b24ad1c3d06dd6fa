"""Turn events and measurements into what the page shows; knows nothing of Chainlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agent.events import ToolFinished, ToolProgress, Turn
from agent.evidence import UNVERIFIED

if TYPE_CHECKING:
    from agent.chat.sessions import ChatSession
    from tools.case import Case, FoundObject, Measurement

SOURCES = {
    "dicom-pixel-spacing": "the file (DICOM PixelSpacing)",
    "dicom-imager-pixel-spacing": "the file (ImagerPixelSpacing: at the detector, not the body)",
    "nifti-affine": "the file (NIfTI header)",
    "nrrd-header": "the file (NRRD header)",
    "metaimage-header": "the file (MetaImage header)",
    "analyze-header": "the file (Analyze header)",
    "dicom-ultrasound-region": "the file (ultrasound calibration)",
    "slide-mpp": "the file (slide resolution)",
    "user": "the scale you gave",
}
MODALITIES = {"fundus": "retinal photograph", "endoscope": "endoscopy", "X-Ray": "X-ray"}
_MOST_VIEWS = 3  # slices of one volume beside one answer
_LENGTHS = ("mm", "mm2", "mm3", "cm", "cm2", "mL", "um", "1/mm2")
_SHARES = ("fraction_of_image", "fraction_inside")  # percentages that count pixels

_TOOLS = {
    "segment": "Find",
    "find_everything": "Find everything",
    "measure": "Measure",
    "compare": "Compare",
    "set_scale": "Set the scale",
    "describe_scan": "Describe",
    "show": "Show",
    "decline": "Check what may be answered",
}
_SUBJECTS = ("phrases", "phrase", "object", "objects", "first", "second")


def step_title(tool: str, arguments: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Name a tool call in plain words, e.g. "Find optic disc in scan-1".

    Parameters
    ----------
    tool : str
    arguments : mapping
    names : mapping of str to str
        What to call an object, by its id.
    """
    subjects: list[str] = []
    for key in _SUBJECTS:
        given = arguments.get(key) or ()
        subjects += [given] if isinstance(given, str) else map(str, given)
    title = _TOOLS.get(tool, tool.replace("_", " ").capitalize())
    if subjects:
        title += " " + ", ".join(names.get(subject, subject) for subject in subjects)
    scan = arguments.get("scan")
    return f"{title} in {scan}" if scan else title


def step_input(arguments: Mapping[str, Any]) -> str:
    """Write a tool call's arguments as a line, e.g. "phrases: optic disc · scan: scan-1"."""

    def text(value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

    given = [(key, value) for key, value in arguments.items() if value is not None]
    return " · ".join(f"{key.replace('_', ' ')}: {text(value)}" for key, value in given)


def step_result(event: ToolFinished) -> str:
    """Say what a tool call gave and how long it took."""
    notes = [seconds(event.seconds)]
    if event.encoded is not None:
        notes.append("image read by the parser" if event.encoded else "image already known")
    return f"{event.summary}\n\n{' · '.join(notes)}"


def under_way(title: str, event: ToolProgress) -> str:
    """The title of a step that is under way, e.g. "Find liver · slice 24 of 200"."""
    return f"{title} · slice {event.done} of {event.total}"


def seconds(value: float) -> str:
    """Write a duration, e.g. "0.41 s"."""
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def number(value: float) -> str:
    """Write a number with about four digits that mean something."""
    size = abs(value)
    if float(value).is_integer() and size < 1e15:
        return f"{int(value):,}"
    digits = 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"


def source_of(unit: str, spacing_source: str | None, name: str = "") -> str:
    """Say where the unit of a measurement comes from; of a percentage, per cent of what."""
    if unit in _LENGTHS:
        return SOURCES.get(spacing_source or "", (spacing_source or "").replace("-", " "))
    if unit == "percent":
        return "share of pixels" if name in _SHARES else "from two measurements"
    return {
        "px": "pixels of the picture",
        "px2": "pixels of the picture",
        "HU": "the file (CT rescale)",
    }.get(unit, "")


def scan_facts(case: Case, scan_id: str, slice: int | None = None) -> str:
    """Describe a scan in a line, e.g. "CT · 128 × 128 px · 0.66 × 0.66 mm per pixel".

    With a slice also " · slice 3 of 9 · 5.0 mm from slice to slice", counted from 1.
    """
    scan = case.scans[scan_id]
    modality = case.modality(scan_id)
    facts = [MODALITIES.get(modality, modality)] if modality else []
    facts.append(f"{scan.shape[1]} × {scan.shape[0]} px")
    spacing = scan.geometry.spacing_mm
    if spacing is None:
        facts.append("no pixel spacing")
    else:
        facts.append(f"{number(spacing[1])} × {number(spacing[0])} mm per pixel")
    if slice is not None:
        kind = "slice" if scan.is_volume else "frame"
        facts.append(f"{kind} {slice + 1} of {scan.shape[2]}")
        if spacing is not None and len(spacing) == 3:
            facts.append(f"{number(spacing[2])} mm from slice to slice")
    return " · ".join(facts)


def final_text(turn: Turn, *, below: Sequence[str] = ()) -> str:
    """Return the finished answer: text, and what is unverified in it.

    Parameters
    ----------
    turn : Turn
    below : sequence of str
        What a picture would carry, for answers without one: warnings and the signature.
    """
    parts = [turn.answer.replace(UNVERIFIED, " ⚠")]
    if turn.unverified:
        parts.append("> ⚠ Not verified: no measurement on a mask stands behind this.")
    parts += [f"> {line}" for line in below]
    return "\n\n".join(parts)


def signature(session: ChatSession) -> str:
    """Say which programs answered, and what the answer may be used for."""
    return f"{session.conversation.banner} · Research use only — not for diagnosis"


def overlays(session: ChatSession, turn: Turn) -> list[dict[str, Any]]:
    """Return one set of ScanOverlay props for each picture that shows what the answer refers to.

    Objects of a volume are shown on the slice where they are largest; where these are many, all
    on the one slice that shows most of them.
    """
    case = session.conversation.case
    by_scan: dict[str, list[FoundObject]] = {}
    for object_id in turn.object_ids:
        found = case.objects.get(object_id)
        if found is not None:
            by_scan.setdefault(found.scan, []).append(found)
    made = [
        _overlay(session, scan_id, slice, found, turn)
        for scan_id, objects in by_scan.items()
        if scan_id in case.scans
        for slice, found in _views(objects)
    ]
    if made:  # once, below the last picture
        made[-1] |= {"warnings": turn.warnings, "signature": signature(session)}
    return made


def _views(objects: Sequence[FoundObject]) -> list[tuple[int | None, list[FoundObject]]]:
    """Which slices of a scan to show, each with its objects; None for a picture."""
    slices = list(dict.fromkeys(one.slice for one in objects if one.slice is not None))
    if not slices:
        return [(None, list(objects))]
    if len(slices) > _MOST_VIEWS:
        most = max(slices, key=lambda k: sum(bool(section(one, k).any()) for one in objects))
        return [(most, list(objects))]
    views: list[tuple[int | None, list[FoundObject]]]
    views = [(k, [one for one in objects if one.slice == k]) for k in slices]
    views[0][1].extend(one for one in objects if one.slice is None)  # absent from a volume
    return views


def section(found: FoundObject, slice: int | None) -> NDArray[np.bool_]:
    """(H, W) bool: the mask of a picture as it is, of a volume on a slice."""
    if slice is None or not found.in_volume:
        return found.mask
    plane: NDArray[np.bool_] = found.mask[:, :, slice]
    return plane


def _overlay(
    session: ChatSession, scan_id: str, slice: int | None, found: list[FoundObject], turn: Turn
) -> dict[str, Any]:
    case = session.conversation.case
    scan = case.scans[scan_id]
    height, width = scan.shape[:2]
    spacing = scan.geometry.spacing_mm
    # Pixels need not be square; the picture is shown as it is in the body.
    stretch = spacing[1] / spacing[0] if spacing else 1.0
    ids = {item.id for item in found}
    rows = [case.measurements[key] for key in turn.measurement_ids if key in case.measurements]
    return {
        "scan": {
            "id": scan_id,
            "url": session.url(_item(scan_id, slice)),
            "facts": scan_facts(case, scan_id, slice),
            "credit": session.credits.get(scan_id, ""),
            "aspect": round(width * stretch / height, 4),
            "hasScale": spacing is not None,
        },
        "layers": [_layer(session, item, slice) for item in found],
        "measurements": [
            _row(item, scan.geometry.spacing_source, _compared(case, item))
            for item in rows
            if item.object in ids or item.object is None
        ],
    }


def _item(name: str, slice: int | None) -> str:
    """What `pictures.render` calls a scan or layer, of a stack on one slice."""
    return name if slice is None else f"{name}-slice-{slice}"


def _layer(session: ChatSession, found: FoundObject, slice: int | None) -> dict[str, Any]:
    shown = found.present and bool(section(found, slice).any())
    return {
        "id": found.id,
        "name": found.label,
        "colour": found.colour,
        "present": found.present,
        "presence": None if found.presence is None else round(found.presence, 2),
        "area": session.url(_item(found.id, slice)) if shown else None,
        "outline": session.url(_item(f"{found.id}-outline", slice)) if shown else None,
        "overlay": session.url(f"{found.id}-overlay") if shown else None,
    }


def _compared(case: Case, item: Measurement) -> str:
    """Name the objects a comparison stands on, e.g. "optic cup : optic disc"."""
    owners = [case.measurements[key].object for key in item.derived_from]
    return " : ".join(dict.fromkeys(case.objects[owner].name for owner in owners if owner))


def _row(item: Measurement, spacing_source: str | None, compared: str) -> dict[str, Any]:
    name = item.name.replace("_", " ").capitalize()
    if item.part is not None:
        name += f", part {item.part}"
    # The text is "412 mm² (380-450)", as in the answer, so that both always agree.
    value, _, spread = item.text.partition(" (")
    return {
        "id": item.id,
        "object": item.object,
        "name": name,
        "about": compared,
        "value": value,
        "range": spread.removesuffix(")"),
        "source": source_of(item.unit, spacing_source, item.name),
    }
