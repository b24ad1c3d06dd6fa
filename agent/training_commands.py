"""What ``train`` does: look over the data, train or fine-tune, and tell how it goes."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.stopping import asked_to_stop
from agent.training_messages import (
    inherited,
    progress_bar,
    progress_lines,
    say,
    tell_data,
    tell_problems,
    told,
)
from parser_model.errors import FileError, RequestError, SetupError

if TYPE_CHECKING:
    from parser_model.training.data import Sample
    from parser_model.training.plans import Config
    from parser_model.training.survey import Survey
    from parser_model.training.trainer import Files


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
        """The command for the record: all that was given, but for paths of this machine."""
        from parser_model.training.plans import NAMES

        words = ["parsechat train --data DIR"]
        named = self.config if self.config in NAMES else shlex.quote(Path(self.config).name)
        words.append(f"--config {named}")
        for name in ("minutes", "steps", "seed", "freeze"):
            value = getattr(self, name)
            if value is not None:
                words.append(f"--{name} {value:g}" if name == "minutes" else f"--{name} {value}")
        if self.licence != "all":
            words.append(f"--licence {self.licence}")
        if self.leave_out:
            words.append(f"--leave-out {shlex.quote(','.join(self.leave_out))}")
        for name in ("start", "tokenizer"):
            if getattr(self, name) is not None:
                words.append(f"--{name} FILE")
        for name in ("device", "precision"):
            if getattr(self, name) != "auto":
                words.append(f"--{name} {getattr(self, name)}")
        for flag, given in (("--skip-bad", self.skip_bad), ("--resume", self.resume)):
            if given:
                words.append(flag)
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
    from parser_model.training.data import read_paraphrases, shared_patients
    from parser_model.training.leaving_out import check_sources, leaving_out
    from parser_model.training.licences import licensed
    from parser_model.training.machine import Machine
    from parser_model.training.record import fingerprint, run_record
    from parser_model.training.tasks import task_of
    from parser_model.training.trainer import Files, train

    check_sources(wanted.data, wanted.leave_out)
    machine = Machine.chosen(wanted.device, wanted.precision)
    config = _config(wanted, machine.device)
    for option, path in (("--start", wanted.start), ("--tokenizer", wanted.tokenizer)):
        if path is not None and not path.exists():
            raise RequestError(f"{path.name} is missing; give {option} the path of a file.")
    out = wanted.out or Path(f"trained-{config.model}")
    files = Files.of(out, config.model)
    _check_folder(out, files, resume=wanted.resume)
    surveys = [_surveyed(wanted, "train", out)]
    if (wanted.data / "val").is_dir():
        surveys.append(_surveyed(wanted, "val", out))
    else:
        say("There is no val/ beside train/, so nothing is validated on the way.")
    found, *held = surveys
    held_out = _held_out(wanted, held[0], config.plan.validation_images) if held else []
    part = licensed(wanted.data, found.samples, wanted.licence)
    part = leaving_out(part, wanted.leave_out)
    shared = shared_patients(part.samples, held_out)
    if shared:
        say(
            f"Patients both in train and in the validation: {len(shared)}, so its figures flatter; "
            "set whole patients aside, as 'parsechat data build' does."
        )
    tell_data(part.samples, held_out, wanted, part.missing_modalities)
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
    if inherited(record):
        say(
            f"The weights it starts from are for {record['licence']}, so the new ones are too, "
            "whatever the licences of this data."
        )
    document = {
        **record,
        "problems": {
            "skipped": sum(one.skipped for one in surveys),
            "counts": dict(sum((Counter(one.counts) for one in surveys), Counter[str]())),
        },
        "finished": False,
    }
    _write_record(out, document)
    say(f"Training {config.model} on {record['machine']} in {machine.precision}.")
    with progress_lines() as report, asked_to_stop() as stopping:
        try:
            outcome = train(
                task,
                config.plan,
                files,
                record,
                report,
                fingerprint=fingerprint(record, machine),
                resume=wanted.resume,
                stopping=stopping,
            )
        except KeyboardInterrupt:
            if files.state.is_file():
                say(f"{out.name} keeps the run: the same command with --resume goes on with it.")
            raise
    document |= {
        "finished": True,
        "outcome": asdict(outcome),
        "files": {
            "last": str(files.last.resolve()),
            "best": str(files.best.resolve()) if outcome.best is not None else None,
        },
    }
    _write_record(out, document)
    if as_json:
        document["problems"]["files"] = [asdict(p) for one in surveys for p in one.problems]
        print(json.dumps(document, ensure_ascii=False))
        return
    print("\n".join(told(document)))


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


def _check_folder(out: Path, files: Files, *, resume: bool) -> None:
    """Make the folder; never throw away hours of another run, nor pretend to go on."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"The folder {out.name} could not be made: {error.strerror}.") from error
    if files.state.is_file():
        if not resume:
            raise RequestError(
                f"{out.name} holds a run that was stopped; go on with --resume, or name another "
                "--out."
            )
        return
    there = [path.name for path in (files.last, files.best) if path.is_file()]
    if there:
        raise RequestError(f"{out.name} holds weights of a run ({there[0]}); name another --out.")
    if resume:
        say(f"There is no stopped run in {out.name}: this one starts from the beginning.")


def _write_record(out: Path, document: dict[str, Any]) -> None:
    """At the start already: a run that is killed leaves what it was."""
    (out / "run.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def _surveyed(wanted: Wanted, split: str, out: Path) -> Survey:
    from parser_model.ontology import ontology
    from parser_model.training.survey import survey

    with progress_bar(f"looking over {split}") as shown:
        found = survey(wanted.data, split, ontology(), shown)
    tell_problems(found, out)
    found.check(skip_bad=wanted.skip_bad)
    return found


def _held_out(wanted: Wanted, found: Survey, at_most: int) -> list[Sample]:
    from parser_model.training.data import evenly
    from parser_model.training.leaving_out import without_sources
    from parser_model.training.licences import licensed

    try:
        part = licensed(wanted.data, found.samples, wanted.licence)
    except FileError:
        say("No image of val passes the licence filter, so nothing is validated on the way.")
        return []
    samples = without_sources(part.samples, wanted.leave_out)
    usable = [s for s in samples if s.masks]
    if wanted.leave_out and not samples:
        say("Every image of val is from a data set left out, so nothing is validated on the way.")
    elif not usable:
        say("No image of val has a usable mask, so nothing is validated on the way.")
    return evenly(usable, at_most)
