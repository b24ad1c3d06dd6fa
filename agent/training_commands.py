"""What ``train`` does: look over the data, train or fine-tune, and tell how it goes."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parser_model.errors import FileError, RequestError, SetupError

if TYPE_CHECKING:
    from parser_model.training.data import Sample
    from parser_model.training.plans import Config
    from parser_model.training.survey import Survey
    from parser_model.training.trainer import Progress

_LISTED = 50


@dataclass(frozen=True)
class Wanted:
    """What to train, and on what.

    Attributes
    ----------
    data : Path
        Folder with train/ and train_mask/, and val/ and val_mask/ where it has them.
    config : str
        "compact", "biomedparse" or a TOML file; see `parser_model.training.plans`.
    out : Path or None
        Folder of the weights; ``trained-MODEL`` here when left out.
    minutes, steps, seed
        Instead of the configuration's.
    licence : {"all", "permissive"}
    start : Path or None
        Weights to train further.
    tokenizer : Path or None
        For biomedparse, where its weights are not installed.
    freeze : str or None
        Parts of biomedparse that stay as they are, between commas; "none" frees all.
    resume, skip_bad : bool
    device, precision : str
    leave_out : tuple of str
        Data sets of manifest.csv to train and validate without.
    """

    data: Path
    config: str
    out: Path | None = None
    minutes: float | None = None
    steps: int | None = None
    seed: int | None = None
    licence: str = "all"
    start: Path | None = None
    tokenizer: Path | None = None
    freeze: str | None = None
    resume: bool = False
    skip_bad: bool = False
    device: str = "auto"
    precision: str = "auto"
    leave_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.minutes is not None and self.minutes <= 0:
            raise RequestError("--minutes is a time above zero.")
        if self.steps is not None and self.steps < 1:
            raise RequestError("--steps is a number above zero.")
        if self.minutes is not None and self.steps is not None:
            raise RequestError("Give --minutes or --steps, not both.")

    @property
    def command(self) -> str:
        """The command for the record, without paths of this machine."""
        from parser_model.training.plans import NAMES

        words = ["parsechat train --data DIR"]
        named = self.config if self.config in NAMES else "FILE"
        words.append(f"--config {named}")
        for name in ("minutes", "steps", "seed", "freeze"):
            value = getattr(self, name)
            if value is not None:
                words.append(f"--{name} {value:g}" if name == "minutes" else f"--{name} {value}")
        if self.licence != "all":
            words.append(f"--licence {self.licence}")
        if self.leave_out:
            words.append(f"--leave-out {shlex.quote(','.join(self.leave_out))}")
        if self.start is not None:
            words.append("--start FILE")
        return " ".join(words)


def run(wanted: Wanted, *, as_json: bool) -> None:
    """Train and print what came of it.

    Raises
    ------
    FileError, RequestError, SetupError
        In a sentence that says what to do.
    """
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise SetupError("Training needs PyTorch; run 'make setup' to install it.")
    from parser_model.ontology import ontology
    from parser_model.training.data import read_paraphrases
    from parser_model.training.leaving_out import check_sources, leaving_out
    from parser_model.training.licences import licensed
    from parser_model.training.machine import Machine
    from parser_model.training.record import fingerprint, run_record
    from parser_model.training.survey import survey
    from parser_model.training.tasks import task_of
    from parser_model.training.trainer import Files, train

    check_sources(wanted.data, wanted.leave_out)
    machine = Machine.chosen(wanted.device, wanted.precision)
    config = _config(wanted, machine.device)
    out = wanted.out or Path(f"trained-{config.model}")
    files = Files.of(out, config.model)
    _check_folder(out, files.state, resume=wanted.resume)
    with progress_bar("looking over the files") as shown:
        found = survey(wanted.data, "train", ontology(), shown)
    held_out = _held_out(wanted, config.plan.validation_images)
    _tell_problems(found, out)
    found.check(skip_bad=wanted.skip_bad)
    part = licensed(wanted.data, found.samples, wanted.licence)
    part = leaving_out(part, wanted.leave_out)
    _tell_data(part.samples, held_out, wanted, part.missing_modalities)
    paraphrases = read_paraphrases(wanted.data)
    task, before = task_of(
        config,
        machine,
        part.samples,
        held_out,
        start=wanted.start,
        tokenizer=wanted.tokenizer,
        paraphrases=paraphrases,
    )
    record = run_record(
        wanted.data,
        part,
        config,
        machine,
        command=wanted.command,
        held_out=held_out,
        before=before,
        paraphrases=paraphrases,
    )
    if _inherited(record):
        _say(
            f"The weights it starts from are for {record['licence']}, so the new ones are too, "
            "whatever the licences of this data."
        )
    _say(f"Training {config.model} on {record['machine']} in {machine.precision}.")
    with progress_lines() as report:
        outcome = train(
            task,
            config.plan,
            files,
            record,
            report,
            fingerprint=fingerprint(record, machine),
            resume=wanted.resume,
        )
    document = {
        **record,
        "problems": {"skipped": found.skipped, "counts": found.counts},
        "outcome": asdict(outcome),
        "files": {
            "last": str(files.last.resolve()),
            "best": str(files.best.resolve()) if outcome.best is not None else None,
        },
    }
    (out / "run.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    if as_json:
        document["problems"]["files"] = [asdict(problem) for problem in found.problems]
        print(json.dumps(document, ensure_ascii=False))
        return
    print("\n".join(_told(document)))


def _config(wanted: Wanted, device: str) -> Config:
    from parser_model.training.compact_task import gentler
    from parser_model.training.loop import TrainingPlan
    from parser_model.training.plans import read_config

    config = read_config(wanted.config, device)
    if wanted.tokenizer is not None and config.model != "biomedparse":
        raise RequestError("--tokenizer is for --config biomedparse; compact has its own words.")
    freeze = None
    if wanted.freeze is not None:
        if config.model != "biomedparse":
            raise RequestError("--freeze is for --config biomedparse; compact is trained whole.")
        named = [part.strip() for part in wanted.freeze.split(",") if part.strip()]
        freeze = [] if named == ["none"] else named
    if wanted.start is not None and wanted.config == "compact":
        assert isinstance(config.plan, TrainingPlan)
        config = replace(config, plan=gentler(config.plan))
    return config.with_numbers(
        minutes=wanted.minutes, steps=wanted.steps, seed=wanted.seed, freeze=freeze
    )


def _check_folder(out: Path, state: Path, *, resume: bool) -> None:
    """Make the folder; never throw away hours of an unfinished run, nor pretend to go on."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"The folder {out.name} could not be made: {error.strerror}.") from error
    if state.is_file() and not resume:
        raise RequestError(
            f"{out.name} holds a run that was stopped; go on with --resume, or name another --out."
        )
    if resume and not state.is_file():
        _say(f"There is no stopped run in {out.name}: this one starts from the beginning.")


def _held_out(wanted: Wanted, at_most: int) -> list[Sample]:
    from parser_model.ontology import ontology
    from parser_model.training.data import evenly
    from parser_model.training.leaving_out import without_sources
    from parser_model.training.licences import licensed
    from parser_model.training.survey import survey

    data = wanted.data
    if not (data / "val").is_dir():
        _say("There is no val/ beside train/, so nothing is validated on the way.")
        return []
    with progress_bar("looking over val") as shown:
        found = survey(data, "val", ontology(), shown)
    if found.skipped:
        _say(f"{found.skipped} of {found.files} files of val cannot be used and are left out.")
    try:
        part = licensed(data, found.samples, wanted.licence)
    except FileError:
        _say("No image of val passes the licence filter, so nothing is validated on the way.")
        return []
    samples = without_sources(part.samples, wanted.leave_out)
    if wanted.leave_out and not samples:
        _say("Every image of val is from a data set left out, so nothing is validated on the way.")
    return evenly([s for s in samples if s.masks], at_most)


def _tell_problems(found: Survey, out: Path) -> None:
    """Every problem by file: on the screen, and all of them in a file where they are many."""
    if not found.problems:
        return
    listed = found.problems
    if len(listed) > _LISTED:
        text = "\n".join(problem.sentence for problem in listed)
        (out / "problems.txt").write_text(text + "\n", encoding="utf-8")
        listed = listed[:_LISTED]
    for problem in listed:
        _say(problem.sentence)
    if len(found.problems) > _LISTED:
        _say(f"... and {len(found.problems) - _LISTED} more: all are in problems.txt.")
    kinds = ", ".join(f"{kind} {n}" for kind, n in found.counts.items())
    _say(f"Of {found.files} files {found.skipped} are left out ({kinds}).")


def _tell_data(
    samples: list[Sample], held_out: list[Sample], wanted: Wanted, missing: tuple[str, ...]
) -> None:
    masks = sum(len(s.masks) for s in samples)
    kinds = sorted({s.place.modality for s in samples})
    _say(f"{len(samples)} images with {masks} masks of {', '.join(kinds)}.")
    if held_out:
        _say(f"Validation on {len(held_out)} images of val.")
    if wanted.leave_out:
        _say(f"Left out: {', '.join(wanted.leave_out)}.")
    if wanted.licence != "all":
        what = f"no data of {', '.join(missing)}" if missing else "all modalities have data"
        _say(f"With --licence {wanted.licence} there is {what}.")


def _told(document: dict[str, Any]) -> list[str]:
    outcome = document["outcome"]
    lines = [
        f"{document['model']}: {outcome['steps']} steps in {_duration(outcome['seconds'])}; "
        f"weights: {document['files']['last']}"
    ]
    if outcome["best"] is not None:
        last = outcome["validations"][-1]["mean"]
        lines.append(
            f"Mean Dice of the modalities in validation: {last:.3f} at the end, best "
            f"{outcome['best']:.3f}: {document['files']['best']}"
        )
    if document["missing_modalities"]:
        lines.append(f"It has seen no {', '.join(document['missing_modalities'])}.")
    if document["model"] == "compact":
        name = document["files"]["last"]
        lines.append(
            f"Use it: --parser {name}. Whether objects are there at all is not calibrated for "
            f"these weights: parsechat models calibrate {name} --data DIR."
        )
    else:
        lines.append(
            f"Use it: parsechat models download biomedparse --from {document['files']['last']}, "
            "then calibrate its presence: parsechat models calibrate biomedparse --data DIR."
        )
    why = ", like the weights they started from" if _inherited(document) else ""
    lines.append(f"Licence of these weights: {document['licence']}{why}. Not a medical device.")
    return lines


def _inherited(record: dict[str, Any]) -> bool:
    """Whether only the weights that a run starts from stand against a permissive licence."""
    from parser_model.training.record import RESEARCH

    return record["licence_filter"] == "permissive" and record["licence"] == RESEARCH


@contextmanager
def progress_bar(what: str) -> Iterator[Any]:
    """A function for (done, of all) that shows a bar on stderr."""
    from agent.models_commands import bars

    with bars() as (progress, _):
        yield lambda done, total: progress(what, done, total)


@contextmanager
def progress_lines() -> Iterator[Any]:
    """A function for `Progress`: a bar on a terminal, lines in a log; with the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(file=sys.stderr)
    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}  {task.fields[measures]}"),
    )
    with Bars(*columns, console=console, disable=not console.is_terminal) as shown:
        bar = shown.add_task("training", total=1.0, step=0, left="", measures="")

        def report(now: Progress) -> None:
            left = "" if now.seconds_left is None else f"{_duration(now.seconds_left)} left"
            measures = " ".join(f"{name} {value:.3f}" for name, value in now.measures.items())
            shown.update(bar, completed=now.share, step=now.step, left=left, measures=measures)
            if not console.is_terminal:
                _say(f"step {now.step}  {100 * now.share:.1f} %  {left}  {measures}")
            if now.validation:
                table = " ".join(f"{name} {value:.3f}" for name, value in now.validation.items())
                line = f"validation at step {now.step}: Dice {table}"
                console.print(line, highlight=False, soft_wrap=True)

        yield report


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
