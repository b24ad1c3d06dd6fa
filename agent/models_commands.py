"""What ``models download``, ``verify`` and ``calibrate`` do, and how they print it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agent.left_out import LeftOut
from parser_model import FileError, RequestError, SetupError, load_parser
from parser_model.loading import PARSERS
from parser_model.weights_store.places import calibration_file, model_folder, told_in_words
from parser_model.weights_store.record import Record, installed
from parser_model.weights_store.sources import SOURCES

if TYPE_CHECKING:
    from parser_model.training.data import Sample

_BUNDLED = "compact"


def download(
    name: str,
    checkpoint: Path | None,
    tokenizer: Path | None,
    *,
    again: bool,
    as_json: bool,
) -> None:
    """Get a parser's weights, once.

    Parameters
    ----------
    name : str
    checkpoint, tokenizer : Path or None
        Files the user has.
    again : bool
        Even if they are here.
    as_json : bool

    Raises
    ------
    SetupError
        In a sentence that says what to do.
    """
    _check_name(name)
    if name == _BUNDLED:
        _print({"name": name, "bundled": True}, ["compact comes with parsechat."], as_json)
        return
    if find_spec("torch") is None:
        raise SetupError("Converting the weights needs PyTorch; run 'make setup' to install it.")
    record = None if again or checkpoint or tokenizer else _intact(name)
    if record is None:
        from parser_model.weights_store.install import Given, install

        with bars() as (progress, say):
            given = Given(checkpoint, tokenizer)
            record = install(SOURCES[name], given, progress=progress, say=say)
        lines = [f"{name} is ready; from now on it needs no network."]
    else:
        lines = [f"{name} is here since {record.installed} (--again fetches it again)."]
    lines += [
        f"Numbers used {record.numbers_used:,}, skipped {record.numbers_skipped:,}.",
        *(f"Note: {note}" for note in record.notes),
        f'Use it: parsechat ask FILE "..." --parser {name}. Whether objects are there at all is '
        f"not calibrated for these weights: parsechat models calibrate {name} --data DIR.",
    ]
    _print({**record.as_dict(), "folder": str(model_folder(name))}, lines, as_json)


def _intact(name: str) -> Record | None:
    try:
        return installed(name)
    except SetupError:  # damaged: to be fetched again
        return None


def verify(name: str, *, as_json: bool) -> None:
    """Check a parser's installed weights and print what they are.

    Raises
    ------
    SetupError
        If something is wrong with them, after the report.
    """
    _check_name(name)
    if name == _BUNDLED:
        sha256 = load_parser(name).info.weights_sha256  # strict about names and shapes
        lines = ["names and shapes  as the network wants them", f"sha256            {sha256}"]
        _print({"name": name, "weights_sha256": sha256, "problem": None}, lines, as_json)
        return
    from parser_model.weights_store.verify import NOT_RUN
    from parser_model.weights_store.verify import verify as look

    report = look(SOURCES[name])
    record = report.record
    document = {
        "name": name,
        "weights_sha256": record.weights_sha256,
        "entries": len(report.shapes),
        "numbers_used": report.numbers,
        "numbers_skipped": record.numbers_skipped,
        "files": [asdict(file) for file in report.files],
        "checkpoint": asdict(record.checkpoint),
        "shapes": report.shapes,
        "problem": report.problem,
        "notes": [*record.notes, NOT_RUN],
    }
    state = "as the network wants them" if report.shapes else "wrong"
    lines = [
        f"names and shapes  {len(report.shapes)} entries, {state}",
        *(f"  {part}: {n} entries, {m:,} numbers" for part, (n, m) in report.parts().items()),
        f"numbers           {report.numbers:,} used, {record.numbers_skipped:,} skipped "
        "(not needed for text prompts)",
    ]
    for file in report.files:
        changed = "" if file.unchanged else "  CHANGED"
        lines.append(f"{file.path}  {file.bytes:,} bytes  sha256 {file.sha256}{changed}")
        lines.append(f"  {file.origin}")
    original = record.checkpoint
    lines.append(f"converted from {original.bytes:,} bytes  sha256 {original.sha256}")
    lines.append(f"  {original.origin}")
    _print(document, [*lines, *(f"Note: {note}" for note in [*record.notes, NOT_RUN])], as_json)
    if report.problem:
        raise SetupError(report.problem)


def calibrate(
    name: str,
    data: Path,
    *,
    images: int | None,
    as_json: bool,
    only: str | None = None,
    splits: tuple[str, ...] = (),
    out: Path | None = None,
) -> None:
    """Fit presence and ranges for a parser on labelled images, and keep them for these weights.

    Parameters
    ----------
    name : str
    data : Path
        Folder with val/ and val_mask/ in BiomedParse's naming.
    images : int or None
        At most so many.
    as_json : bool
    only : {"presence", "ranges"} or None
        Ranges alone follow the presence that is in use.
    splits : tuple of str
        Folders whose images presence is fitted on, e.g. val and train; val or test where there are
        none. Ranges have their own.
    out : Path or None
        Folder for ``NAME.calibration.json`` and ``NAME.ranges.json``, as they are shipped; None
        keeps them for the user.
    """
    from agent.eval_commands import fit_ranges
    from parser_model.calibrating import calibration_samples
    from parser_model.range_calibration import ranges_file

    if images is not None and images < 1:
        raise RequestError("--images is how many images to use at most, a number above zero.")
    if only not in (None, "presence", "ranges"):
        raise RequestError(f"--only is presence or ranges, not '{only}'.")
    if splits and only != "presence":
        raise RequestError("--split is for presence; give --only presence with it.")
    info = load_parser(name).info
    kept, sha256 = info.name, info.weights_sha256
    if sha256 is None:
        raise RequestError(f"'{name}' has no weights that presence and ranges could belong to.")
    of_presence = out / f"{kept}.calibration.json" if out else calibration_file(kept, sha256)
    of_ranges = out / f"{kept}.ranges.json" if out else ranges_file(kept, sha256)
    document: dict[str, Any] = {}
    lines: list[str] = []
    with told_in_words(of_ranges.parent):  # before the work, not after it
        of_ranges.parent.mkdir(parents=True, exist_ok=True)
    with bars() as (progress, say):
        left_out = LeftOut(say)
        samples = calibration_samples(
            data,
            images,
            splits=splits,
            tell=left_out,
            progress=lambda done, total: progress("looking over the files", done, total),
        )
        if only != "ranges":
            document, lines = _fit_presence(name, data, of_presence, samples, progress)
            if not out:
                lines.append(
                    f"Presence of {name} is now decided by {document['calibration']['name']}."
                )
        if only != "presence":
            try:
                ranges, said = fit_ranges(
                    name, data, of_ranges, samples, images=images, tell=left_out, progress=progress
                )
            except FileError as error:
                if only:
                    raise
                ranges, said = None, [f"Sizes of {name} stay without ranges: {error}"]
            document, lines = {**document, "ranges": ranges}, [*lines, *said]
    document["problems"] = left_out.document()
    if out:
        lines.append(
            f"Written to {out}. Nothing is decided by it here until it lies in the folder of the "
            "weights: presence beside any weights of compact, ranges beside the bundled ones."
        )
    _print(document, [*lines, *LeftOut.lines(document["problems"])], as_json)


def _fit_presence(
    name: str,
    data: Path,
    path: Path,
    samples: Sequence[Sample],
    progress: Any,
) -> tuple[dict[str, Any], list[str]]:
    from parser_model.calibrating import calibrate as fit
    from parser_model.calibrating import told
    from parser_model.ontology import ontology
    from parser_model.presence import GivesEvidence, write_calibration

    report = fit(
        cast(GivesEvidence, load_parser(name)),
        samples,
        ontology(),
        label=data.resolve().name,
        progress=lambda done, total: progress("images", done, total),
    )
    with told_in_words(path.parent):
        write_calibration(path, report.calibration)
    return {**report.as_dict(), "notes": report.notes, "file": str(path)}, told(report)


def state_of(name: str) -> str:
    """Where a parser's weights are, in words."""
    if name == _BUNDLED:
        return "bundled, about 11 MB, runs without a GPU"
    try:
        record = installed(name)
    except SetupError as error:
        return str(error).rstrip(".")
    if record is None:
        return f"not here; get it with 'parsechat models download {name}'"
    return f"installed {record.installed}"


def _check_name(name: str) -> None:
    if name not in PARSERS:
        raise RequestError(f"Unknown parser '{name}'; this version has {', '.join(PARSERS)}.")


def _print(document: dict[str, Any], lines: list[str], as_json: bool) -> None:
    print(json.dumps(document, ensure_ascii=False) if as_json else "\n".join(lines))


_Bars = tuple[Callable[[str, int, int | None], None], Callable[[str], None]]


@contextmanager
def bars() -> Iterator[_Bars]:
    """A progress bar for each thing that is under way, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
    )
    shown = Progress(*columns, console=console)
    tasks: dict[str, Any] = {}

    def progress(what: str, done: int, total: int | None) -> None:
        if not tasks:  # whoever is refused before the work sees no bar
            shown.start()
        if what not in tasks:
            tasks[what] = shown.add_task(what, total=total, amount="")
        amount = f"{done / 1e6:,.0f} MB" if done > 100_000 else f"{done}"
        shown.update(tasks[what], completed=done, total=total, amount=amount)

    def say(sentence: str) -> None:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    try:
        yield progress, say
    finally:
        if tasks:
            shown.stop()
