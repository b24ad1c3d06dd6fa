"""Fitting "is it there?" for any parser that gives evidence, on images with and without objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parser_model.errors import FileError, RequestError
from parser_model.ontology import Ontology
from parser_model.presence import Calibration, GivesEvidence
from parser_model.training import score
from parser_model.training.data import Sample, evenly, read_folder

_LEAST = 20
_SPLITS = ("val", "test")


@dataclass(frozen=True)
class Refusals:
    """How absent objects of one kind were told from present ones.

    Attributes
    ----------
    objects : int
    refused : float or None
        Share of them that was judged absent; None where there are none.
    auroc : float or None
        Chance that a present object scores above one of them.
    """

    objects: int
    refused: float | None
    auroc: float | None


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration, and how good it is for patients it was not fitted on.

    Attributes
    ----------
    calibration : Calibration
        Fitted on all patients.
    present : int
    kept : float
        Share of the present objects that was judged present.
    same_site : Refusals
        Absent though the image is of the object's own kind: the honest question.
    other_sites : Refusals
        Absent because the image is of something else: easy.
    patients : int
    """

    calibration: Calibration
    present: int
    kept: float
    same_site: Refusals
    other_sites: Refusals
    patients: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def notes(self) -> list[str]:
        """What a reader must know before trusting it."""
        if self.same_site.objects >= _LEAST:
            return []
        return [
            f"Only {self.same_site.objects} absent objects are in images of their own kind (an "
            "empty mask says that an object is absent), so this mostly tells kinds of images apart."
        ]


def calibration_samples(data: Path, limit: int | None = None) -> list[Sample]:
    """The labelled images of a folder in BiomedParse's naming that were not trained on.

    Parameters
    ----------
    data : Path
        With val/ and val_mask/, or test/ and test_mask/.
    limit : int, optional
        At most so many, of all kinds of images evenly.

    Raises
    ------
    FileError
        If there are none.
    """
    split = next((name for name in _SPLITS if (data / name).is_dir()), None)
    if split is None:
        raise FileError(f"{data.name or data} holds neither val/ nor test/ with images.")
    samples = [sample for sample in read_folder(data, split) if sample.masks]
    return samples if limit is None else evenly(samples, limit)


def calibrate(
    parser: GivesEvidence,
    samples: Sequence[Sample],
    names: Ontology,
    *,
    label: str,
    progress: Callable[[int, int], None] | None = None,
) -> CalibrationReport:
    """Fit presence for a parser's weights.

    Parameters
    ----------
    parser : GivesEvidence
    samples : sequence of Sample
    names : Ontology
    label : str
        Becomes part of the calibration's name.
    progress : callable, optional
        Called with the number of images done, and of all.

    Raises
    ------
    RequestError
        If the parser gives no evidence, or has no weights.
    FileError
        If there are too few objects.
    """
    if not isinstance(parser, GivesEvidence) or parser.info.weights_sha256 is None:
        raise RequestError(f"Presence of '{parser.info.name}' cannot be calibrated from here.")
    table = score.presence_table(parser, samples, names, progress=progress)
    present, absent = int(table.present.sum()), int((~table.present).sum())
    if min(present, absent) < _LEAST:
        raise FileError(
            f"Presence needs at least {_LEAST} present and {_LEAST} absent objects; the data has "
            f"{present} and {absent}."
        )
    probability, decided = score.cross_fitted(table)

    def refusals(rows: np.ndarray[Any, np.dtype[np.bool_]]) -> Refusals:
        if not rows.any():
            return Refusals(0, None, None)
        both = rows | table.present
        area = score.auroc(probability[both], table.present[both])
        return Refusals(int(rows.sum()), round(1 - float(decided[rows].mean()), 4), round(area, 4))

    sha256 = parser.info.weights_sha256
    name = f"{parser.info.name}-{label}-{sha256[:8]}"
    return CalibrationReport(
        calibration=score.fit(table, np.ones(len(probability), bool), name, sha256),
        present=present,
        kept=round(float(decided[table.present].mean()), 4),
        same_site=refusals(table.same_site),
        other_sites=refusals(~table.present & ~table.same_site),
        patients=len(set(table.patients)),
    )


def told(report: CalibrationReport) -> list[str]:
    """A report in lines for people."""
    lines = [
        f"Fitted on {report.calibration.fitted_on} of {report.patients} patients; below, each "
        "patient was judged without having been fitted on.",
        f"present objects kept        {report.kept:.3f} of {report.present}",
    ]
    for what, found in (("other sites", report.other_sites), ("same site", report.same_site)):
        if found.refused is None or found.auroc is None:
            lines.append(f"absent, {what:12} none in the data")
        else:
            lines.append(
                f"absent, {what:12} refused {found.refused:.3f} of {found.objects}, "
                f"AUROC {found.auroc:.3f}"
            )
    return lines + report.notes
