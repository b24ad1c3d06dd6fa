"""What ``eval`` does: score parsers and folders of masks side by side, and print the tables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.left_out import LeftOut
from parser_model.errors import FileError, RequestError

if TYPE_CHECKING:
    from parser_model.training.data import Sample
    from parser_model.training.survey import Problem
    from tools.evaluating import Answers

WHAT = ("dice", "presence", "ranges", "modality")
BOXED = {"sam": False, "sam-parts": True}
"""Before the name of a box-prompted model: does each connected part get a box of its own?"""


@dataclass(frozen=True)
class Wanted:
    """What to score, and on what.

    Attributes
    ----------
    what : {"dice", "presence", "ranges", "modality"}
    data : Path
        Folder with val/ and val_mask/ in BiomedParse's naming.
    parsers : tuple of str
        Names as for `load_parser`, or "sam:NAME" for a model that is given true boxes.
    folders : tuple of str
        Masks of other tools, NAME=DIR.
    images : int or None
        At most so many.
    blind : bool
        Do not tell parsers the modality.
    precision : {"auto", "fp32", "bf16"}
    splits, sources : tuple of str
        Folders to read, and data sets to keep; all of val/ (or test/) when empty.
    ontology : bool
        Let the ontology say what words mean.
    phrases : Path or None
        Table of users' words to ask in.
    sheet : Path or None
        Where to draw examples, or how far presence is to be believed.

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
    splits: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    ontology: bool = True
    phrases: Path | None = None
    sheet: Path | None = None

    def __post_init__(self) -> None:
        if self.what not in WHAT:
            raise RequestError(f"Unknown score '{self.what}'; use {', '.join(WHAT)}.")
        if self.images is not None and self.images < 1:
            raise RequestError("--images is how many images to use at most, a number above zero.")
        scored = [*self.parsers, *(name for name, _ in self.named_folders())]
        if len(set(scored)) < len(scored):
            raise RequestError("Everything that is scored needs a name of its own.")
        drawn = self.folders or any(boxed(name) for name in self.parsers)
        if drawn and (self.what != "dice" or self.phrases):
            raise RequestError(
                "A folder of masks, or a model that is given boxes, knows no words and no "
                "presence: it can only be scored with --what dice, without --phrases."
            )
        if self.phrases and self.what != "dice":
            raise RequestError("--phrases goes with --what dice.")
        if self.sheet and self.what not in ("dice", "presence"):
            raise RequestError("--sheet goes with --what dice and --what presence.")
        if self.sheet and self.sheet.suffix.lower() != ".png":
            raise RequestError(f"--sheet writes a PNG; name it OUT.png, not {self.sheet.name}.")
        if self.phrases and self.sheet:
            raise RequestError("--phrases and --sheet are two questions; ask one after the other.")
        if not self.ontology and self.what not in ("dice", "presence"):
            raise RequestError("--no-ontology goes with --what dice and --what presence.")

    def named_folders(self) -> list[tuple[str, Path]]:
        """Names and folders of other tools' masks."""
        split = [given.partition("=") for given in self.folders]
        if not all(name and folder for name, _, folder in split):
            raise RequestError("Name a folder of masks as NAME=DIR, for example medsam=DIR.")
        return [(name, Path(folder)) for name, _, folder in split]


def listed(given: str | None) -> tuple[str, ...]:
    """The entries of a list that is written with commas."""
    return tuple(entry.strip() for entry in (given or "").split(",") if entry.strip())


def boxed(name: str) -> tuple[str, bool] | None:
    """The model in "sam:NAME", and whether each part gets a box; None for a parser's name."""
    kind, colon, model = name.partition(":")
    return (model, BOXED[kind]) if colon and model and kind in BOXED else None


def run(wanted: Wanted, *, as_json: bool) -> None:
    """Score and print.

    Raises
    ------
    FileError, RequestError, SetupError
        In a sentence that says what to do.
    """
    from agent.eval_scorers import scorer
    from agent.eval_tables import tables
    from agent.models_commands import bars
    from parser_model.calibrating import calibration_samples
    from tools.evaluating import ParserAnswers

    started = time.perf_counter()
    score, notes = scorer(wanted.what, wanted.data, phrases=wanted.phrases, sheet=wanted.sheet)
    sources = _sources(wanted)
    results = {}
    with bars() as (progress, say):
        left_out = LeftOut(say)
        samples = calibration_samples(
            wanted.data,
            wanted.images,
            splits=wanted.splits,
            sources=wanted.sources,
            tell=left_out,
            progress=lambda done, total: progress("looking over the files", done, total),
        )
        for source in sources:

            def step(done: int, total: int, name: str = source.name) -> None:
                progress(name, done, total)

            results[source.name] = score(source, samples, step)
    document = {
        "run": {
            "version": version("parsechat"),
            "seconds": round(time.perf_counter() - started, 1),
        },
        "what": "phrases" if wanted.phrases else wanted.what,
        "split": "+".join(dict.fromkeys(sample.image.parent.name for sample in samples)),
        "sources": list(wanted.sources) or None,
        "images": len(samples),
        "patients": len({sample.patient for sample in samples}),
        "modality_told": not wanted.blind and wanted.what != "modality",
        "ontology": wanted.ontology,
        "weights_sha256": {
            s.name: s.parser.info.weights_sha256 for s in sources if isinstance(s, ParserAnswers)
        },
        "results": results,
        "problems": left_out.document(),
        "notes": notes,
    }
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
        return
    tables(document)


def _sources(wanted: Wanted) -> Sequence[Answers]:
    """Everything that is to be scored; whatever is missing is said before the work begins."""
    from parser_model import load_parser
    from parser_model.box_prompted import load_box_prompted
    from parser_model.raw_words import without_ontology
    from tools.evaluating import BoxedAnswers, MaskFolder, ParserAnswers

    sources: list[Answers] = []
    for name, folder in wanted.named_folders():
        if not folder.is_dir():
            raise FileError(f"The folder of masks '{folder.name}' is not there.")
        sources.append(MaskFolder(name, folder))
    parsers: list[Answers] = []
    for name in wanted.parsers:
        if model := boxed(name):
            short = f"{name.partition(':')[0]}:{Path(model[0]).name}"
            shown = name if short in {one.name for one in parsers} else short
            parsers.append(BoxedAnswers(shown, load_box_prompted(model[0]), each_part=model[1]))
            continue
        parser = load_parser(name, precision=wanted.precision)
        if not wanted.ontology:
            parser = without_ontology(parser)
        parsers.append(ParserAnswers(name, parser, not wanted.blind, wanted.ontology))
    return [*parsers, *sources]


def fit_ranges(
    name: str,
    data: Path,
    path: Path,
    samples: Sequence[Sample],
    *,
    images: int | None,
    tell: Callable[[Problem], None],
    progress: Any,
) -> tuple[dict[str, Any], list[str]]:
    """Fit ranges for a parser's weights, keep them in a file, and tell how good they are.

    Where the folder holds train/ beside val/, its objects teach which are harder than others; how
    far a range reaches is set on val/ alone.

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
        NO_TRUE_SIZE,
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
    answers = ParserAnswers(name, parser)
    found = range_tables(answers.to(samples, lambda k, n: progress("sizes", k, n)))
    seen = None
    if (data / "train").is_dir():
        trained_on = calibration_samples(
            data,
            images,
            splits=["train"],
            tell=tell,
            progress=lambda k, n: progress("looking over train", k, n),
        )
        seen = range_tables(answers.to(trained_on, lambda k, n: progress("sizes in train", k, n)))
    calibration = fit_range_calibration(
        found,
        name=f"{parser.info.name}-{data.resolve().name}-{sha256[:8]}",
        weights_sha256=sha256,
        seen=seen,
    )
    report = cross_fitted_report(
        found, lambda k, n: progress("ranges", k, n), spreads=calibration.spreads
    )
    with told_in_words(path.parent):
        write_ranges(path, calibration)
    ranges_of.cache_clear()
    document = {"name": calibration.name, "file": str(path), "cross_fitted": report}
    start = (
        f"Ranges of sizes were fitted on {calibration.fitted_on}; each patient judged by others:"
    )
    return document, [start, *range_lines(report), NO_TRUE_SIZE]
