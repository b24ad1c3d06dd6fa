"""Are ranges true, and are they tight? Coverage and width for patients that were not fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parser_model.errors import FileError
from parser_model.range_calibration import (
    EVERY_MODALITY,
    QUANTITIES,
    RANGE_EVIDENCE,
    Numbers,
    RangeCalibration,
    RangeModel,
)
from parser_model.range_fitting import (
    RangeTable,
    cross_fitted_ends,
    fit_ranges,
    fit_spread,
)
from parser_model.training.data import SOME_OF_MANY
from tools.evaluating.answers import Answer, Progress
from tools.measuring.checks import Mask
from tools.measuring.diameters import diameters
from tools.measuring.parts import find_parts
from tools.measuring.ranges import pixel_share, range_evidence

BAND = (0.80, 0.95)
AIM = 0.895
"""Share to cover; chosen on validation images, see docs/model-card.md."""
TIGHTER = 0.8
NO_TRUE_SIZE = (
    f"Images of {', '.join(sorted(SOME_OF_MANY))} are left out where there are any: they outline "
    "some of their objects only, so no true size is known."
)
LEAST_OBJECTS = 20
_LEAST_PATIENTS = 10


@dataclass(frozen=True, eq=False)
class _Row:
    """One object: evidence, true over measured size and the pixel limit, by quantity."""

    kind: tuple[str, str]
    patient: str
    found: dict[str, tuple[Numbers, float, float]] | None


def range_tables(answers: Iterable[Answer]) -> dict[str, RangeTable]:
    """Measured beside true sizes, by quantity (`QUANTITIES`).

    As in an answer to a user: the area is of all parts that count, the diameters are of the
    largest part; of the reference likewise, but every pixel of it counts for the area. Outlines of
    some of many objects (`SOME_OF_MANY`) are no true size of anything, and are left out.

    Raises
    ------
    FileError
        If the answers have no probability map, or none has a true size.
    """
    rows = [_row(answer) for answer in answers if answer.source not in SOME_OF_MANY]
    if not rows:
        raise FileError(f"No image is left that ranges could be judged on. {NO_TRUE_SIZE}")
    kinds, patients = tuple(r.kind for r in rows), tuple(r.patient for r in rows)
    nothing = (np.zeros(len(RANGE_EVIDENCE)), np.nan, 0.0)
    tables = {}
    for name in QUANTITIES:
        found = [row.found[name] if row.found else nothing for row in rows]
        tables[name] = RangeTable(
            np.array([evidence for evidence, _, _ in found]).reshape(-1, len(RANGE_EVIDENCE)),
            np.array([ratio for _, ratio, _ in found]),
            np.array([pixel for _, _, pixel in found]),
            kinds,
            patients,
        )
    return tables


def _row(answer: Answer) -> _Row:
    if answer.probability is None:
        raise FileError("Ranges come from a probability map; a folder of masks has none.")
    kind, parts = (answer.modality, answer.target), find_parts(answer.mask)
    if not answer.present or not len(parts):
        return _Row(kind, answer.patient, None)
    one, whole = (
        range_evidence(answer.probability, mask, answer.presence)
        for mask in (parts.part(1), parts.mask)
    )
    size = float(np.count_nonzero(answer.truth) / np.count_nonzero(parts.mask))
    found = {"area": (whole, size, pixel_share(parts.mask))}
    measured, true = diameters(parts.part(1)), diameters(_largest(answer.truth))
    for name, segment, truth in zip(QUANTITIES[1:], measured, true, strict=True):
        (r0, c0), (r1, c1) = segment.start, segment.end
        room = (abs(r1 - r0) + abs(c1 - c0)) / segment.length  # of a pixel, along the line
        found[name] = (one, truth.length / segment.length, room / segment.length)
    return _Row(kind, answer.patient, found)


def _largest(truth: Mask) -> Mask:
    return find_parts(truth, keep_all=True).part(1)


def fit_range_calibration(
    tables: dict[str, RangeTable],
    *,
    name: str,
    weights_sha256: str,
    seen: dict[str, RangeTable] | None = None,
) -> RangeCalibration:
    """Ranges of all quantities, fitted on all objects.

    Parameters
    ----------
    tables : dict of str to RangeTable
        Of patients that the weights have not seen.
    name, weights_sha256 : str
    seen : dict of str to RangeTable, optional
        Of images the weights were trained on: they teach the spread (`fit_ranges`).

    Raises
    ------
    FileError
        If too few objects or patients were found in the images.
    """
    table = tables[QUANTITIES[0]]
    answered, patients = int(table.answered.sum()), len(set(table.patients))
    if answered < LEAST_OBJECTS or patients < _LEAST_PATIENTS:
        raise FileError(
            f"Ranges need at least {LEAST_OBJECTS} objects that were found, of "
            f"{_LEAST_PATIENTS} patients; the data has {answered} of {patients}."
        )
    spreads = {name: fit_spread(table) for name, table in seen.items()} if seen else {}
    return RangeCalibration(
        name=name,
        weights_sha256=weights_sha256,
        fitted_on=f"{answered} of {len(table.ratio)} objects of {patients} patients",
        models={
            quantity: fit_ranges(tables[quantity], AIM, spread=spreads.get(quantity))
            for quantity in QUANTITIES
        },
        spread_fitted_on=(
            f"{int(seen[QUANTITIES[0]].answered.sum())} objects that the weights were trained on"
            if seen
            else ""
        ),
    )


def cross_fitted_report(
    tables: dict[str, RangeTable],
    progress: Progress | None = None,
    *,
    spreads: Mapping[str, RangeModel] | None = None,
) -> dict[str, Any]:
    """Coverage and width by quantity and modality, each patient judged without being fitted on.

    Parameters
    ----------
    tables : dict of str to RangeTable
    progress : callable, optional
    spreads : mapping of str to RangeModel, optional
        Fitted on other patients (`RangeCalibration.spreads`); fitted anew when left out.
    """
    report = {}
    for name, table in tables.items():
        spread = spreads[name] if spreads else None
        ends = cross_fitted_ends(table, AIM, spread=spread)
        report[name] = coverage_report(table, *ends)
        if progress:
            progress(len(report), len(tables))
    return report


def shipped_report(tables: dict[str, RangeTable], calibration: RangeCalibration) -> dict[str, Any]:
    """Coverage and width of a calibration as it is; flattering on what it was fitted on."""
    report = {}
    for name, table in tables.items():
        low, high = calibration.models[name].ends(table.evidence, table.kinds, table.pixel)
        low[~table.answered] = high[~table.answered] = np.nan
        report[name] = coverage_report(table, low, high)
    return report


def coverage_report(table: RangeTable, low: Numbers, high: Numbers) -> dict[str, Any]:
    """Coverage and width by modality, and of all objects together ("all").

    Parameters
    ----------
    table : RangeTable
    low, high : (N,) ndarray
        As ratios to the measured size; nan where the object was missed.
    """
    modalities = table.modalities
    rows = {str(m): modalities == m for m in sorted(set(modalities))}
    rows["all"] = np.ones(len(modalities), bool)
    return {
        name: _coverage(table.ratio[some], low[some], high[some], table.part(some).patients)
        for name, some in rows.items()
        if name != EVERY_MODALITY
    }


def _coverage(
    ratio: Numbers, low: Numbers, high: Numbers, patients: tuple[str, ...]
) -> dict[str, Any]:
    """How often the true size is inside, and how wide the ranges are beside ± k %.

    A missed object lies outside every range. The best constant is the least k that holds as many
    of these very objects; it cannot go below nothing either.
    """
    answered = np.isfinite(ratio)
    inside = answered & (ratio >= low) & (ratio <= high)
    held, n = int(inside.sum()), len(ratio)
    entry: dict[str, Any] = {
        "objects": n,
        "patients": len(set(patients)),
        "missed": n - int(answered.sum()),
        "coverage": round(held / n, 4),
        "coverage_of_found": round(held / max(1, int(answered.sum())), 4),
        "reachable": bool(answered.mean() >= BAND[0]),
        "median_width": None,
        "constant_percent": None,
        "constant_width": None,
        "width_ratio": None,
    }
    if held:
        k = float(np.sort(np.abs(ratio[answered] - 1))[held - 1])
        width, constant = float(np.median((high - low)[answered])), k + min(k, 1.0)
        entry |= {
            "median_width": round(width, 4),
            "constant_percent": round(100 * k, 1),
            "constant_width": round(constant, 4),
            "width_ratio": round(width / constant, 4) if constant else None,
        }
    return entry
