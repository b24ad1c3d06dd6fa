"""Fitting "is it there?" for any parser that gives evidence, on images with and without objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError, RequestError
from parser_model.ontology import Ontology, ontology
from parser_model.presence import Calibration, GivesEvidence, balanced
from parser_model.training import score
from parser_model.training.data import Sample, evenly, read_manifest
from parser_model.training.ranking import auroc, auroc_interval
from parser_model.training.survey import Problem, survey

Numbers = NDArray[np.float64]
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
    low, high : float or None
        Ends of its interval (95 %, patients drawn anew); None where there are too few patients.
    """

    objects: int
    refused: float | None
    auroc: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bin:
    """Objects whose presence was said to lie in a tenth.

    Attributes
    ----------
    low, high : float
        Ends of the tenth.
    objects : int
    said, there : float or None
        Mean presence, and share that was there; both with the weights of the fit, in which
        present and absent objects count the same, so that neither follows how often the data
        holds absent ones. None for an empty tenth.
    """

    low: float
    high: float
    objects: int
    said: float | None
    there: float | None


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
    beside : Refusals
        Lesions asked of a square cut out beside them, where only the rest of their image is seen.
    other_sites : Refusals
        Absent because the image is of something else: easy.
    patients : int
    nonsense : Refusals
        Words for nothing, where they were asked; never fitted on.
    reliability : tuple of Bin
        How often an object was there, by how likely it was said to be.
    """

    calibration: Calibration
    present: int
    kept: float
    same_site: Refusals
    other_sites: Refusals
    patients: int
    nonsense: Refusals = Refusals(0, None, None)
    beside: Refusals = Refusals(0, None, None)
    reliability: tuple[Bin, ...] = ()

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


def calibration_samples(
    data: Path,
    limit: int | None = None,
    *,
    splits: Sequence[str] = (),
    sources: Sequence[str] = (),
    tell: Callable[[Problem], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Sample]:
    """The labelled images of a folder in BiomedParse's naming.

    Every file is looked at before the work begins. What cannot be used is left out, file by file.

    Parameters
    ----------
    data : Path
        With val/ and val_mask/, or test/ and test_mask/: images that were not trained on.
    limit : int, optional
        At most so many, of all kinds of images evenly.
    splits : sequence of str, optional
        Which folders to read instead, e.g. "train" and "val".
    sources : sequence of str, optional
        Only images of these data sets, as manifest.csv names them.
    tell : callable, optional
        Called with what is wrong with each file that is left out.
    progress : callable, optional
        Called with the number of files looked at, and of all.

    Raises
    ------
    FileError
        If there are none, or no such folder.
    RequestError
        For a source that no image comes from.
    """
    chosen = list(splits) or [name for name in _SPLITS if (data / name).is_dir()][:1]
    if not chosen:
        raise FileError(f"{data.name or data} holds neither val/ nor test/ with images.")
    folders, manifest = tuple(f"{name}/" for name in chosen), read_manifest(data).items()
    known = sorted({source for path, (source, _) in manifest if path.startswith(folders)} - {""})
    for name in sources:
        if name not in known:
            told_known = ", ".join(known) or "none, as there is no manifest.csv"
            raise RequestError(f"No image comes from the source '{name}'; known: {told_known}.")
    found = [survey(data, split, ontology(), progress) for split in chosen]
    if tell:
        for problem in (p for one in found for p in one.problems[: one.skipped]):
            tell(problem)
    samples = [sample for one in found for sample in one.samples]
    if sources:
        samples = [sample for sample in samples if sample.source in sources]
    if not samples:
        raise FileError(f"No image in {', '.join(folders)} has a mask that can be used.")
    return samples if limit is None else evenly(samples, limit)


def calibrate(
    parser: GivesEvidence,
    samples: Sequence[Sample],
    names: Ontology,
    *,
    label: str,
    nonsense: Sequence[str] = (),
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
    nonsense : sequence of str
        Phrases for nothing that are asked as well, of a parser that knows no table of words.
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
    table = score.presence_table(parser, samples, names, nonsense=nonsense, progress=progress)
    fitted_on = table.to_fit
    present, absent = int(table.present.sum()), int((~table.present & fitted_on).sum())
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
        patients = [table.patients[row] for row in np.flatnonzero(both)]
        area = auroc(probability[both], table.present[both])
        ends = auroc_interval(probability[both], table.present[both], patients)
        refused = round(1 - float(decided[rows].mean()), 4)
        return Refusals(int(rows.sum()), refused, round(area, 4), *(ends or (None, None)))

    sha256 = parser.info.weights_sha256
    name = f"{parser.info.name}-{label}-{sha256[:8]}"
    return CalibrationReport(
        calibration=score.fit(table, fitted_on, name, sha256),
        present=present,
        kept=round(float(decided[table.present].mean()), 4),
        same_site=refusals(table.same_site),
        other_sites=refusals(~table.present & ~table.alike & fitted_on),
        patients=len(set(table.patients)),
        nonsense=refusals(~fitted_on),
        beside=refusals(np.zeros_like(table.present) if table.beside is None else table.beside),
        reliability=_reliability(table, probability),
    )


def _reliability(table: score.PresenceTable, probability: Numbers) -> tuple[Bin, ...]:
    rows = table.to_fit
    beside = None if table.beside is None else table.beside[rows]
    weight = balanced(table.present[rows], table.same_site[rows], beside)
    said, there = probability[rows], table.present[rows].astype(float)
    tenth = np.minimum((10 * said).astype(int), 9)
    bins = []
    for k in range(10):
        mine = tenth == k
        total = float(weight[mine].sum())
        means = [
            round(float(weight[mine] @ values[mine]) / total, 3) if total else None
            for values in (said, there)
        ]
        bins.append(Bin(k / 10, (k + 1) / 10, int(mine.sum()), means[0], means[1]))
    return tuple(bins)


def told(report: CalibrationReport) -> list[str]:
    """A report in lines for people."""
    lines = [
        f"Fitted on {report.calibration.fitted_on} of {report.patients} patients; below, each "
        "patient was judged without having been fitted on.",
        f"present objects kept        {report.kept:.3f} of {report.present}",
    ]
    for what, found in (
        ("other sites", report.other_sites),
        ("same site", report.same_site),
        ("cut beside", report.beside),
    ):
        if found.refused is None or found.auroc is None:
            lines.append(f"absent, {what:12} none in the data")
        else:
            lines.append(
                f"absent, {what:12} refused {found.refused:.3f} of {found.objects}, "
                f"AUROC {found.auroc:.3f}"
            )
    return lines + report.notes
