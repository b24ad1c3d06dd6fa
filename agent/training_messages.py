"""What ``train`` tells on the way and at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.training_commands import Wanted
    from parser_model.training.data import Sample
    from parser_model.training.survey import Survey
    from parser_model.training.trainer import Progress

_LISTED = 50


def tell_problems(found: Survey, out: Path) -> None:
    """Every problem by file: on the screen, and all of them in a file where they are many."""
    if not found.problems:
        return
    listed = found.problems
    if len(listed) > _LISTED:
        file = out / ("problems.txt" if found.split == "train" else f"problems-{found.split}.txt")
        text = "\n".join(problem.sentence for problem in listed)
        file.write_text(text + "\n", encoding="utf-8")
        listed = listed[:_LISTED]
    for problem in listed:
        say(problem.sentence)
    if len(found.problems) > _LISTED:
        say(f"... and {len(found.problems) - _LISTED} more: all are in {file.name}.")
    kinds = ", ".join(f"{kind} {n}" for kind, n in found.counts.items())
    files = "files" if found.split == "train" else f"files of {found.split}"
    say(f"Of {found.files} {files} {found.skipped} are left out ({kinds}).")


def tell_data(
    samples: list[Sample], held_out: list[Sample], wanted: Wanted, missing: tuple[str, ...]
) -> None:
    """What is trained and validated on, and what was left out by request."""
    masks = sum(len(s.masks) for s in samples)
    kinds = sorted({s.place.modality for s in samples})
    say(f"{len(samples)} images with {masks} masks of {', '.join(kinds)}.")
    if held_out:
        say(f"Validation on {len(held_out)} images of val.")
    if wanted.leave_out:
        say(f"Left out: {', '.join(wanted.leave_out)}.")
    if wanted.licence != "all":
        what = f"no data of {', '.join(missing)}" if missing else "all modalities have data"
        say(f"With --licence {wanted.licence} there is {what}.")


def told(document: dict[str, Any]) -> list[str]:
    """The end of a run in lines: its weights, how good they are, how to use them."""
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
    why = ", like the weights they started from" if inherited(document) else ""
    lines.append(f"Licence of these weights: {document['licence']}{why}. Not a medical device.")
    return lines


def inherited(record: dict[str, Any]) -> bool:
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
                say(f"step {now.step}  {100 * now.share:.1f} %  {left}  {measures}")
            if now.validation:
                table = " ".join(f"{name} {value:.3f}" for name, value in now.validation.items())
                line = f"validation at step {now.step}: Dice {table}"
                console.print(line, highlight=False, soft_wrap=True)

        yield report


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def say(sentence: str) -> None:
    """Tell something beside the result, at once."""
    print(sentence, file=sys.stderr, flush=True)
