"""Measures named objects in one scan, without a conversation and without writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import ToolError
from parser_model.ontology import covers, ontology
from parser_model.range_calibration import ranges_of
from parser_model.types import ParsedObject, Parser, Recognised
from tools.actions.looking import recognised_in
from tools.measuring import RangeRule, Value, find_parts, measure
from tools.measuring.narrow import narrow_warning
from tools.measuring.slices import key_slice
from tools.preparing import picture_for
from tools.scan import Scan
from tools.volumes import Progress, VolumeObject, parse_volume

QUANTITIES: Final = (
    "area",
    "longest_diameter",
    "perpendicular_diameter",
    "fraction_of_image",
    "mean_intensity",
)


@dataclass(frozen=True, eq=False)
class MeasuredObject:
    """An object looked for in a scan, with its sizes where it is there.

    Attributes
    ----------
    phrase : str
    target : str or None
        None for an unknown phrase.
    presence : float or None
    present : bool
    slice : int or None
        Of a volume the one on which it is largest, of a film the frame looked at, from 0.
    total : tuple of Value
        Of the whole object; its diameters are those of part 1. Its count tells touching objects
        apart where there are many alike (nuclei). Empty where it is absent.
    parts : tuple of tuple of Value
        Of every part that counts, the largest first.
    part_slices : tuple of (int or None)
        As `slice`, of every part.
    ignored_parts : int
        Too small to count; left out of everything.
    notes : tuple of str
        What must be told about it.
    outline : (H, W) ndarray of bool
        On `picture` of the scan.
    """

    phrase: str
    target: str | None
    presence: float | None
    present: bool
    slice: int | None
    total: tuple[Value, ...]
    parts: tuple[tuple[Value, ...], ...]
    part_slices: tuple[int | None, ...]
    ignored_parts: int
    notes: tuple[str, ...]
    outline: NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True, eq=False)
class MeasuredScan:
    """What was measured in one scan.

    Attributes
    ----------
    objects : tuple of MeasuredObject
        One a phrase, in the order asked.
    modality, modality_source : str or None
        As the "file or user" says, else as the "pixels" show.
    spacing_mm : tuple of float or None
    spacing_source : str
    warnings : tuple of str
        What a reader of the numbers must know.
    picture : (H, W, 3) ndarray of uint8
        What the outlines lie on: of a volume the slice where the first object found is largest.
    place : str
        Which slice or frame that is, counted from 1; empty for pictures.
    """

    objects: tuple[MeasuredObject, ...]
    modality: str | None
    modality_source: str | None
    spacing_mm: tuple[float, ...] | None
    spacing_source: str
    warnings: tuple[str, ...]
    picture: NDArray[np.uint8] = field(repr=False)
    place: str = ""


def measure_scan(
    parser: Parser,
    scan: Scan,
    phrases: Sequence[str],
    *,
    progress: Progress | None = None,
) -> MeasuredScan:
    """Find each phrase in a scan and measure it and its parts.

    All slices of a volume are looked at; of a film the frame in the middle.

    Parameters
    ----------
    parser : Parser
    scan : Scan
    phrases : sequence of str
    progress : callable, optional
        Told how many slices of a volume are done, and of how many.

    Raises
    ------
    ToolError
        If nothing can be measured.
    """
    seen = recognised_in(parser, scan)
    modality = scan.modality or (seen.modality if seen else None)
    frame = None if scan.is_volume else scan.middle_slice
    found: Sequence[ParsedObject | VolumeObject]
    if scan.is_volume:
        kind = modality
        if seen and seen.modality and covers(modality, seen.modality):
            kind = seen.modality
        found = parse_volume(parser, scan, phrases, modality=kind, progress=progress)
    else:
        picture = picture_for(parser, scan, frame)
        found = parser.parse([picture], phrases, modality=scan.modality)[0]
    calibration = ranges_of(parser.info.weights_sha256)
    measured = []
    for one in found:
        rule = RangeRule(calibration, modality, one.target, one.presence)
        sizes = _measured(one, scan, frame, rule)
        narrow = narrow_warning(one.phrase, sizes.outline, parser.info.input_size)
        measured.append(replace(sizes, notes=(*sizes.notes, *filter(None, [narrow]))))
    shown, kind_of_slice = frame, "slice" if scan.is_volume else "frame"
    if scan.is_volume:
        places = [one.slice for one in measured if one.slice is not None]
        shown = places[0] if places else scan.middle_slice
        measured = [replace(one, outline=one.outline[..., shown]) for one in measured]
    return MeasuredScan(
        objects=tuple(measured),
        modality=modality,
        modality_source="file or user" if scan.modality else "pixels" if modality else None,
        spacing_mm=scan.geometry.spacing_mm,
        spacing_source=scan.geometry.spacing_source,
        warnings=(*scan.notes, *_about(scan, seen)),
        picture=scan.display(shown),
        place="" if shown is None else f"{kind_of_slice} {shown + 1} of {scan.shape[2]}",
    )


def _about(scan: Scan, seen: Recognised | None) -> list[str]:
    """What must be known about how a scan was looked at."""
    said = []
    if scan.modality and seen and seen.modality and not covers(scan.modality, seen.modality):
        said.append(
            f"To the parser this does not look like the {scan.modality} images it learnt from, so "
            "expect wrong outlines."
        )
    if scan.middle_slice is not None and not scan.is_volume:
        said.append(f"Only frame {scan.middle_slice + 1} of {scan.shape[2]} was looked at.")
    return said


def _measured(
    found: ParsedObject | VolumeObject, scan: Scan, frame: int | None, rule: RangeRule
) -> MeasuredObject:
    """One object with the sizes of the whole and of its parts; `outline` is the whole mask."""
    parts = find_parts(found.mask if found.present else np.zeros_like(found.mask))
    total: tuple[Value, ...] = ()
    by_part: list[tuple[Value, ...]] = []
    places: list[int | None] = []
    refused: dict[str, None] = {}
    if len(parts):
        options: dict[str, Any] = {
            "spacing_mm": scan.geometry.spacing_mm if scan.is_volume else scan.in_plane_mm,
            "values": scan.pixels if scan.is_volume else scan.values(frame),
            "value_unit": scan.value_unit,
            "probability": found.probability,
            "ranges": rule,
            "split_touching": ontology().is_many(found.target) and not scan.is_volume,
        }
        names = (*QUANTITIES, "volume") if scan.is_volume else QUANTITIES
        for number in range(1, len(parts) + 1):
            mask = parts.part(number)
            by_part.append(_sizes(names, mask, {**options, "part": number}, refused))
            places.append(key_slice(mask) if scan.is_volume else frame)
        of_whole = ["count", *(name for name in names if not name.endswith("_diameter"))]
        if options["split_touching"] and options["spacing_mm"]:
            of_whole.append("density")
        diameters = [value for value in by_part[0] if value.name.endswith("_diameter")]
        total = (*_sizes(of_whole, parts.mask, options, refused), *diameters)
    key = found.key_slice if isinstance(found, VolumeObject) else frame
    return MeasuredObject(
        phrase=found.phrase,
        target=found.target,
        presence=found.presence,
        present=found.present,
        slice=key,
        total=total,
        parts=tuple(by_part),
        part_slices=tuple(places),
        ignored_parts=parts.ignored,
        notes=(*(found.notes if isinstance(found, VolumeObject) else ()), *refused),
        outline=parts.mask,
    )


def _sizes(
    names: Sequence[str],
    mask: NDArray[np.bool_],
    options: dict[str, Any],
    refused: dict[str, None],
) -> tuple[Value, ...]:
    """What can be measured of a mask; a sentence is noted for what cannot."""
    values: list[Value] = []
    for name in names:
        try:
            values += measure(name, mask, **options)
        except ToolError as error:
            refused[str(error)] = None
    return tuple(values)
