"""How ``eval`` scores one parser or folder of masks, and what a reader of the figures must know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from parser_model.errors import FileError, RequestError

Step = Callable[[int, int], None]
Scorer = Callable[[Any, Sequence[Any], Step], dict[str, Any]]


def scorer(
    what: str, data: Path, *, phrases: Path | None = None, sheet: Path | None = None
) -> tuple[Scorer, list[str]]:
    """How to score one parser or folder, and notes.

    Parameters
    ----------
    what : {"dice", "presence", "ranges", "modality"}
    data : Path
        Its train/ says which targets count.
    phrases : Path, optional
        Ask in the words of this table instead of the targets' names.
    sheet : Path, optional
        Where to draw best, median and worst outlines, or how far presence is to be believed; with
        several sources each has its own.

    Raises
    ------
    FileError
        If the table of phrases is at fault.
    """
    if what == "dice":
        return _phrases_scorer(phrases) if phrases else _dice_scorer(data, sheet)
    if what == "presence":
        return _presence_scorer(sheet)
    if what == "ranges":
        from tools.evaluating import NO_TRUE_SIZE

        return _ranges, [
            "Each patient is judged by ranges fitted on the others. Missed or refused objects "
            "count as outside. The constant is the least ±k % that covers as many.",
            NO_TRUE_SIZE,
        ]
    return _modality, ["Left open is not right; sequences of MRI count as different."]


def _dice_scorer(data: Path, sheet: Path | None) -> tuple[Scorer, list[str]]:
    from parser_model.training.data import read_folder
    from parser_model.training.score import LEAST_TRAINING_MASKS, counted_targets
    from tools.evaluating import (
        Answer,
        BoxedAnswers,
        Overlap,
        ParserAnswers,
        dice_report,
        difference,
        examples,
        overlaps,
        write_sheet,
    )
    from tools.measuring.narrow import LEAST_WIDTH, working_width

    notes = [
        "Dice at the size of the mask files, of what was outlined whatever was decided about "
        "presence. Surface Dice with a tolerance of 1/128 of the longer side (2 pixels at 256). "
        "Failed: Dice below 0.1, empty included. Intervals: 95 %, the patients of each modality "
        "drawn anew 2000 times."
    ]
    rule: set[tuple[str, str]] | None = None
    if (data / "train").is_dir():
        rule = counted_targets(read_folder(data, "train", skip_bad=True))
        notes.append(
            f"A modality counts the masks of targets with at least {LEAST_TRAINING_MASKS} training "
            "masks; all MRI is one; the headline is the mean of the modalities."
        )
    else:
        notes.append("There is no train/ here, so a modality counts all of its targets.")
    kept: list[tuple[str, list[Overlap]]] = []

    def score(source: Any, samples: Sequence[Any], step: Step) -> dict[str, Any]:
        narrow = 0

        def looked_at() -> Iterator[Answer]:
            nonlocal narrow
            for answer in source.to(samples, step):
                if isinstance(source, ParserAnswers):
                    width = working_width(answer.truth, source.parser.info.input_size)
                    narrow += width < LEAST_WIDTH
                yield answer

        found = overlaps(looked_at())
        counted = rule if rule is not None else {(s.modality, s.target) for s in found}
        report = dice_report(found, counted)
        report["sizes"] = _sizes(found)
        report["narrow"] = narrow
        report["given_true_boxes"] = isinstance(source, BoxedAnswers)
        if kept:
            report["above"] = {kept[0][0]: difference(found, kept[0][1], counted)}
        kept.append((source.name, found))
        if sheet:
            path = _sheet_of(sheet, source.name, len(kept))
            shown = {(s.modality, s.target) for s in found} if report["all_targets"] else counted
            try:
                write_sheet(path, source, samples, examples(found, shown))
                report["sheet"] = str(path)
            except FileError as error:  # the figures stand without the picture
                notes.append(f"{source.name}: {error}")
        return report

    return score, notes


def _sizes(found: Sequence[Any]) -> dict[str, int]:
    """How many masks were compared at which size, "rows x columns"."""
    sizes: dict[str, int] = {}
    for one in found:
        name = " x ".join(str(side) for side in one.shape)
        sizes[name] = sizes.get(name, 0) + 1
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _sheet_of(path: Path, name: str, number: int) -> Path:
    """The first source has the file that was named, others its name with their own behind it."""
    if number == 1:
        return path
    plain = "".join(letter if letter.isalnum() else "-" for letter in name)
    return path.with_name(f"{path.stem}-{plain}{path.suffix}")


def _phrases_scorer(table: Path) -> tuple[Scorer, list[str]]:
    from tools.evaluating import PER_PHRASE, phrases_report, read_phrases

    phrases = read_phrases(table)

    def score(source: Any, samples: Sequence[Any], step: Step) -> dict[str, Any]:
        return phrases_report(source.parser, samples, phrases, tell=source.tell, progress=step)

    return score, [
        f"Each phrase is asked of up to {PER_PHRASE} images that have its target; figures are "
        "means over phrases. What is not understood counts as Dice 0. 'By name': the same images "
        "asked for the target's own name."
    ]


def _presence_scorer(sheet: Path | None) -> tuple[Scorer, list[str]]:
    from parser_model.calibrating import calibrate
    from parser_model.ontology import ontology
    from parser_model.presence import GivesEvidence
    from tools.evaluating import NONSENSE_PHRASES, presence_report, write_reliability

    number = count(1)
    notes = [
        "A calibration that was fitted on these images flatters itself as it is shipped; "
        "'cross-fitted' judges each patient without having been fitted on. It is fitted to keep "
        "more than 95 % of what is there."
    ]

    def score(source: Any, samples: Sequence[Any], step: Step) -> dict[str, Any]:
        fits = isinstance(source.parser, GivesEvidence)
        if sheet and not fits:
            raise RequestError(
                f"Presence cannot be fitted for '{source.name}', so --sheet has nothing to draw."
            )
        report = None
        if source.table:  # what is shipped does not hold without it
            report = presence_report(
                source.parser, samples, ontology(), tell=source.tell, progress=step
            )
        if not fits:
            return {"as_shipped": report, "cross_fitted": None}
        try:
            found = calibrate(
                source.parser,
                samples,
                ontology(),
                label="eval",
                nonsense=() if source.table else NONSENSE_PHRASES,
                progress=step,
            )
        except FileError as error:  # too few objects to fit; what is shipped was scored
            if report is None:
                raise
            notes.append(f"{source.name} could not be fitted anew: {error}")
            return {"as_shipped": report, "cross_fitted": None}
        cross = found.as_dict()
        cross.pop("calibration")
        scored: dict[str, Any] = {"as_shipped": report, "cross_fitted": cross}
        if sheet:
            path = _sheet_of(sheet, source.name, next(number))
            try:
                write_reliability(path, source.name, found.reliability)
                scored["sheet"] = str(path)
            except FileError as error:
                notes.append(f"{source.name}: {error}")
        return scored

    return score, notes


def _ranges(source: Any, samples: Sequence[Any], step: Step) -> dict[str, Any]:
    from parser_model.range_calibration import ranges_of
    from tools.evaluating import cross_fitted_report, range_tables, shipped_report

    found = range_tables(source.to(samples, step))
    kept = ranges_of(source.parser.info.weights_sha256)
    # A spread that was learnt on train/ has seen these patients: then it is fitted anew.
    seen = any(sample.image.parent.name == "train" for sample in samples)
    spreads = kept.spreads if kept and not seen else None
    return {
        "cross_fitted": cross_fitted_report(found, spreads=spreads),
        "as_shipped": shipped_report(found, kept) if kept else None,
        "calibration": kept.name if kept else None,
    }


def _modality(source: Any, samples: Sequence[Any], step: Step) -> dict[str, Any]:
    from parser_model import Recogniser
    from tools.evaluating import modality_report

    if not isinstance(source.parser, Recogniser):
        raise RequestError(f"The parser '{source.name}' does not tell what kind of image it sees.")
    return modality_report(source.parser, samples, step)
