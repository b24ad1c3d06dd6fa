"""Measures named objects in one scan, without a conversation and without writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parser_model.ontology import covers, ontology
from parser_model.range_calibration import ranges_of
from parser_model.types import ParsedObject, Parser, Recogniser
from tools.measuring import RangeRule, Value, find_parts, measure
from tools.preparing import picture_for
from tools.scan import Scan

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
        Of a stack, from 0; None for pictures.
    total : tuple of Value
        Of the whole object; its diameters are those of part 1. Its count tells touching objects
        apart where there are many alike (nuclei). Empty where it is absent.
    parts : tuple of tuple of Value
        Of every part that counts, the largest first.
    ignored_parts : int
        Too small to count; left out of everything.
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
    ignored_parts: int
    outline: NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True, eq=False)
class MeasuredScan:
    """What was measured in one scan.

    Attributes
    ----------
    objects : tuple of MeasuredObject
        One a phrase, in the order asked.
    modality : str or None
        As the file or the user says, else as the pixels show.
    spacing_mm : tuple of float or None
    spacing_source : str
    warnings : tuple of str
        What a reader of the numbers must know.
    picture : (H, W, 3) ndarray of uint8
        What the outlines lie on.
    """

    objects: tuple[MeasuredObject, ...]
    modality: str | None
    spacing_mm: tuple[float, ...] | None
    spacing_source: str
    warnings: tuple[str, ...]
    picture: NDArray[np.uint8] = field(repr=False)


def measure_scan(
    parser: Parser, scan: Scan, phrases: Sequence[str], *, warnings: Sequence[str] = ()
) -> MeasuredScan:
    """Find each phrase in a scan and measure it and its parts.

    Parameters
    ----------
    parser : Parser
    scan : Scan
    phrases : sequence of str
    warnings : sequence of str, optional
        To be told with the scan's own notes.

    Raises
    ------
    ToolError
        If something cannot be measured.
    """
    seen_by_parser = picture_for(parser, scan, scan.middle_slice)
    parsed = parser.parse([seen_by_parser], phrases, modality=scan.modality)[0]
    seen = parser.recognise(seen_by_parser) if isinstance(parser, Recogniser) else None
    modality = scan.modality or (seen.modality if seen else None)
    said = [*warnings, *scan.notes]
    if scan.modality and seen and seen.modality and not covers(scan.modality, seen.modality):
        said.append(
            f"To the parser this does not look like the {scan.modality} images it learnt from."
        )
    if scan.middle_slice is not None:
        said.append("Only the middle slice of this stack was looked at.")
    calibration = ranges_of(parser.info.weights_sha256)
    objects = []
    for one in parsed:
        rule = RangeRule(calibration, modality, one.target)
        objects.append(_measured(one, scan, scan.middle_slice, rule))
    spacing = scan.geometry.spacing_mm
    source = scan.geometry.spacing_source
    return MeasuredScan(
        tuple(objects), modality, spacing, source, tuple(said), scan.display(scan.middle_slice)
    )


def _measured(
    parsed: ParsedObject, scan: Scan, slice: int | None, rule: RangeRule
) -> MeasuredObject:
    """One object with the sizes of the whole and of its parts."""
    parts = find_parts(parsed.mask)
    total: tuple[Value, ...] = ()
    by_part: list[tuple[Value, ...]] = []
    if parsed.present and len(parts):
        spacing = scan.geometry.spacing_mm
        options: dict[str, Any] = {
            "spacing_mm": spacing[:2] if spacing else None,
            "values": scan.values(slice),
            "value_unit": scan.value_unit,
            "probability": parsed.probability,
            "ranges": rule,
            "split_touching": ontology().is_many(parsed.target),
        }
        for number in range(1, len(parts) + 1):
            mask = parts.part(number)
            by_part.append(
                tuple(v for name in QUANTITIES for v in measure(name, mask, part=number, **options))
            )
        total = _of_whole(parts.mask, by_part[0], options)
    return MeasuredObject(
        phrase=parsed.phrase,
        target=parsed.target,
        presence=parsed.presence,
        present=parsed.present,
        slice=slice,
        total=total,
        parts=tuple(by_part),
        ignored_parts=parts.ignored if parsed.present else 0,
        outline=parts.mask if parsed.present else np.zeros_like(parts.mask),
    )


def _of_whole(
    mask: NDArray[np.bool_], largest: Sequence[Value], options: dict[str, Any]
) -> tuple[Value, ...]:
    """Sizes of the whole object; what belongs to one part is that of the largest."""
    kept = {value.name: value for value in largest}
    names = ["count", *QUANTITIES]
    if options["split_touching"] and options["spacing_mm"]:
        names.append("density")
    return tuple(
        value
        for name in names
        for value in (
            (kept[name],) if name.endswith("_diameter") else measure(name, mask, **options)
        )
    )
