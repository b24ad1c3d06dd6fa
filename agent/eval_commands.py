"""What ``eval`` does: score parsers and folders of masks side by side, and print the tables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from parser_model.errors import RequestError

WHAT = ("dice", "presence", "ranges", "modality")


@dataclass(frozen=True)
class Wanted:
    """What to score, and on what.

    Attributes
    ----------
    what : {"dice", "presence", "ranges", "modality"}
    data : Path
        Folder with val/ and val_mask/ in BiomedParse's naming.
    parsers : tuple of str
    folders : tuple of str
        Masks of other tools, NAME=DIR.
    images : int or None
        At most so many.
    blind : bool
        Do not tell parsers the modality.
    precision : {"auto", "fp32", "bf16"}

    Raises
    ------
    RequestError
        For a request that makes no sense.
    """

    what: str
    data: Path
    parsers: tuple[str, ...]
    folders: tuple[str, ...]
    images: int | None = None
    blind: bool = False
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.what not in WHAT:
            raise RequestError(f"Unknown score '{self.what}'; use {', '.join(WHAT)}.")
        if self.images is not None and self.images < 1:
            raise RequestError("--images is how many images to use at most, a number above zero.")
        scored = [*self.parsers, *(name for name, _ in self.named_folders())]
        if len(set(scored)) < len(scored):
            raise RequestError("Everything that is scored needs a name of its own.")
        if self.folders and self.what != "dice":
            raise RequestError("A folder of masks can only be scored with --what dice.")

    def named_folders(self) -> list[tuple[str, Path]]:
        """Names and folders of other tools' masks."""
        split = [given.partition("=") for given in self.folders]
        if not all(name and folder for name, _, folder in split):
            raise RequestError("Name a folder of masks as NAME=DIR, for example medsam=DIR.")
        return [(name, Path(folder)) for name, _, folder in split]


def run(wanted: Wanted, *, as_json: bool) -> None:
    """Score and print.

    Raises
    ------
    FileError, RequestError, SetupError
        In a sentence that says what to do.
    """
    from agent.eval_tables import tables
    from agent.models_commands import bars
    from parser_model import load_parser
    from parser_model.calibrating import calibration_samples
    from tools.evaluating import Answers, MaskFolder, ParserAnswers

    started = time.perf_counter()
    samples = calibration_samples(wanted.data, wanted.images)
    sources: list[Answers] = [
        ParserAnswers(name, load_parser(name, precision=wanted.precision), not wanted.blind)
        for name in wanted.parsers
    ]
    sources += [MaskFolder(name, folder) for name, folder in wanted.named_folders()]
    score, notes = _scorer(wanted)
    results = {}
    with bars() as (progress, _):
        for source in sources:

            def step(done: int, total: int, name: str = source.name) -> None:
                progress(name, done, total)

            results[source.name] = score(source, samples, step)
    document = {
        "run": {
            "version": version("parsechat"),
            "seconds": round(time.perf_counter() - started, 1),
        },
        "what": wanted.what,
        "split": samples[0].image.parent.name if samples else None,
        "images": len(samples),
        "modality_told": not wanted.blind,
        "weights_sha256": {
            s.name: s.parser.info.weights_sha256 for s in sources if isinstance(s, ParserAnswers)
        },
        "results": results,
        "notes": notes,
    }
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
        return
    tables(document)


Scorer = Callable[[Any, Sequence[Any], Callable[[int, int], None]], dict[str, Any]]


def _scorer(wanted: Wanted) -> tuple[Scorer, list[str]]:
    """How to score one parser or folder, and what a reader of the figures must know."""
    if wanted.what == "dice":
        return _dice_scorer(wanted.data)
    if wanted.what == "presence":
        return _presence, [
            "A calibration that was fitted on these images flatters itself as it is shipped; "
            "'cross-fitted' judges each patient without having been fitted on."
        ]
    if wanted.what == "ranges":
        return _ranges, [
            "Each patient is judged by ranges fitted on the others. Missed or refused objects "
            "count as outside. The constant is the least ±k % that covers as many."
        ]
    return _modality, []


def _dice_scorer(data: Path) -> tuple[Scorer, list[str]]:
    from parser_model.training.data import read_folder
    from parser_model.training.score import counted_targets
    from tools.evaluating import dice_report, overlaps

    notes = [
        "Dice and surface Dice (2 px) at the size of the mask files, of what was outlined whatever "
        "was decided about presence; intervals: 95 %, patients drawn anew."
    ]
    counted: set[tuple[str, str]] | None = None
    if (data / "train").is_dir():
        counted = counted_targets(read_folder(data, "train"))
        notes.append("A modality counts targets with at least 15 training masks.")
    else:
        notes.append("There is no train/ here, so a modality counts all of its targets.")

    def score(source: Any, samples: Sequence[Any], step: Any) -> dict[str, Any]:
        found = overlaps(source.to(samples, step))
        return dice_report(found, counted or {(s.modality, s.target) for s in found})

    return score, notes


def _presence(source: Any, samples: Sequence[Any], step: Any) -> dict[str, Any]:
    from parser_model.calibrating import calibrate
    from parser_model.ontology import ontology
    from parser_model.presence import GivesEvidence
    from tools.evaluating import presence_report

    report = presence_report(source.parser, samples, ontology(), tell=source.tell, progress=step)
    cross = None
    if isinstance(source.parser, GivesEvidence):
        cross = calibrate(source.parser, samples, ontology(), label="eval", progress=step).as_dict()
        cross.pop("calibration")
    return {"as_shipped": report, "cross_fitted": cross}


def _ranges(source: Any, samples: Sequence[Any], step: Any) -> dict[str, Any]:
    from parser_model.range_calibration import ranges_of
    from tools.evaluating import cross_fitted_report, range_tables, shipped_report

    found = range_tables(source.to(samples, step))
    kept = ranges_of(source.parser.info.weights_sha256)
    return {
        "cross_fitted": cross_fitted_report(found),
        "as_shipped": shipped_report(found, kept) if kept else None,
        "calibration": kept.name if kept else None,
    }


def _modality(source: Any, samples: Sequence[Any], step: Any) -> dict[str, Any]:
    from parser_model import Recogniser
    from tools.evaluating import modality_report

    if not isinstance(source.parser, Recogniser):
        raise RequestError(f"The parser '{source.name}' does not tell what kind of image it sees.")
    return modality_report(source.parser, samples, step)


def fit_ranges(
    name: str, data: Path, path: Path, *, images: int | None, progress: Any
) -> tuple[dict[str, Any], list[str]]:
    """Fit ranges for a parser's weights, keep them in a file, and tell how good they are.

    Returns
    -------
    document : dict
        For JSON.
    lines : list of str
        For people.

    Raises
    ------
    RequestError
        If the parser has no weights to tie them to.
    FileError
        If there are too few objects.
    """
    from agent.eval_tables import range_lines
    from parser_model import load_parser
    from parser_model.calibrating import calibration_samples
    from parser_model.loading import forget_parsers
    from parser_model.range_calibration import ranges_of, write_ranges
    from parser_model.weights_store.places import told_in_words
    from tools.evaluating import (
        ParserAnswers,
        cross_fitted_report,
        fit_range_calibration,
        range_tables,
    )

    forget_parsers()  # who is judged present may just have changed
    parser = load_parser(name)
    sha256 = parser.info.weights_sha256
    if sha256 is None:
        raise RequestError(f"'{name}' has no weights that ranges could belong to.")
    samples = calibration_samples(data, images)
    found = range_tables(
        ParserAnswers(name, parser).to(samples, lambda k, n: progress("sizes", k, n))
    )
    calibration = fit_range_calibration(
        found, name=f"{parser.info.name}-{data.resolve().name}-{sha256[:8]}", weights_sha256=sha256
    )
    report = cross_fitted_report(found, lambda k, n: progress("ranges", k, n))
    with told_in_words(path.parent):
        write_ranges(path, calibration)
    ranges_of.cache_clear()
    document = {"name": calibration.name, "file": str(path), "cross_fitted": report}
    start = (
        f"Ranges of sizes were fitted on {calibration.fitted_on}; each patient judged by others:"
    )
    return document, [start, *range_lines(report)]
