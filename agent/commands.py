"""What the verbs ask, parse and find do, and how they print it."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent.conversation import Conversation, check_question, stated
from agent.events import Turn
from agent.llm import planner_name
from agent.parsers import chosen_parser
from agent.settings import Settings
from parser_model import ParserInfo, RequestError
from tools.actions import ActionResult, Bench, Watch
from tools.actions.find import find_everything
from tools.actions.segment import segment, segment_slice
from tools.case import Case
from tools.geometry import LARGEST_MM, SMALLEST_MM
from tools.reading import open_scan
from tools.scan import Scan
from tools.volumes import Progress

NOTICE = "Research use only - not for diagnosis."


@dataclass(frozen=True)
class Options:
    """Options shared by the verbs; None leaves the choice to the settings."""

    parser: str | None = None
    llm: str | None = None
    precision: str | None = None
    modality: str | None = None
    scale: float | None = None
    out: Path | None = None
    series: int | None = None
    frame: int | None = None

    def open(self, path: Path) -> Scan:
        """Read a file with what was chosen of it, and the modality that the user states.

        Raises
        ------
        FileError, RequestError
            See `tools.reading.open_scan`.
        """
        scan = open_scan(path, series=self.series, frame=self.frame)
        return stated(scan, self.modality)

    def settings(self) -> Settings:
        """The settings with these options on top.

        Raises
        ------
        RequestError
            For a value that does not exist.
        """
        from pydantic import ValidationError

        given = {"parser": self.parser, "llm": self.llm, "precision": self.precision}
        chosen: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        try:
            return Settings(**chosen)
        except ValidationError as error:
            problem = error.errors()[0]
            name = str(problem["loc"][0]) if problem["loc"] else "setting"
            raise RequestError(f"The setting '{name}' is wrong: {problem['msg']}.") from error


def ask(
    files: Sequence[Path], questions: Sequence[str], options: Options, *, as_json: bool
) -> None:
    """Answer questions about files and print the answers."""
    started = time.perf_counter()
    for question in questions:
        check_question(question)
    check_scale(options.scale)
    settings = options.settings()
    # Files first: a damaged one is told at once, before a network is loaded.
    scans = [options.open(path) for path in files]
    conversation = Conversation(settings, directory=options.out)
    for scan in scans:
        name = conversation.add_scan(scan)
        if options.scale is not None:
            conversation.set_scale(name, options.scale)
    with slices_shown() as progress:
        turns = [conversation.ask(question, progress=progress) for question in questions]
    if as_json:
        document = {
            "run": run_record(conversation.info, planner_name(settings), started),
            "scans": conversation.case.scans_as_dicts(),
            "turns": [turn_as_dict(turn, conversation.case) for turn in turns],
        }
        print(json.dumps(document, ensure_ascii=False))
        return
    for turn in turns:
        _print_turn(turn, conversation.case, several=len(turns) > 1)
    print(f"\n{conversation.banner}\n{NOTICE}")


def parse(
    file: Path,
    phrases: Sequence[str],
    options: Options,
    *,
    slice: int | None,
    all_slices: bool,
    as_json: bool,
) -> None:
    """Outline named objects in a file: in all slices of a volume, or in one (from 0) alone."""
    if slice is not None and all_slices:
        raise RequestError("Give either --slice N or --all-slices.")
    if not any(phrase.strip() for phrase in phrases):
        raise RequestError("Name at least one object with -p, e.g. -p liver.")

    def act(bench: Bench) -> ActionResult:
        if slice is not None:
            return segment_slice(bench, list(phrases), slice)
        _, scan = bench.case.scan()
        if scan.is_volume and not all_slices:
            told = f"Note: All {scan.shape[2]} slices are looked at; --slice N looks at one alone."
            print(told, file=sys.stderr)
        if all_slices and not scan.is_volume:
            raise RequestError(
                "There are no slices of a volume in this file; leave out --all-slices, or name one "
                "frame of a film with --slice."
            )
        return segment(bench, list(phrases))

    _run_action(act, file, options, as_json)


def find(file: Path, options: Options, *, as_json: bool) -> None:
    """Outline everything recognised in a file."""
    _run_action(find_everything, file, options, as_json)


@contextmanager
def slices_shown() -> Iterator[Progress]:
    """A bar on stderr for slices of a volume, for people: only on a terminal, only while needed."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    console = Console(stderr=True)
    bars = Bars(console=console, transient=True)
    shown: list[TaskID] = []

    def progress(done: int, total: int) -> None:
        if not console.is_terminal:
            return
        if not shown:
            bars.start()
        if not shown or done < (bars.tasks[shown[-1]].completed or 0):
            shown.append(bars.add_task("Slices", total=total))
        bars.update(shown[-1], completed=done, total=total, visible=done < total)

    try:
        yield progress
    finally:
        if shown:
            bars.stop()


def _run_action(
    action: Callable[[Bench], ActionResult], file: Path, options: Options, as_json: bool
) -> None:
    started = time.perf_counter()
    settings = options.settings()
    scan = options.open(file)
    # Without an agent: no language model is needed to outline what has a name.
    case = Case(options.out or Path(tempfile.mkdtemp(prefix="parsechat-")))
    case.add_scan(scan)
    parser = chosen_parser(settings)
    with slices_shown() as progress:
        result = action(Bench(case, parser, lambda: Watch(progress)))
    if as_json:
        document = {
            "run": run_record(parser.info, None, started),
            "scan": case.scans_as_dicts()[0],
            "objects": [case.object(name).as_dict() for name in result.objects],
        }
        print(json.dumps(document, ensure_ascii=False))
        return
    if not result.objects:
        print("Nothing was recognised.")
    for name in result.objects:
        found = case.object(name)
        seen = "" if found.presence is None else f" (presence {found.presence:.2f})"
        state = f"{found.parts} part(s)" if found.present else "not seen"
        if found.target is None:
            state = "not a word I know"
        print(f"{found.label}: {state}{seen}" + (f"  {found.mask_file}" if found.mask_file else ""))
    for warning in result.warnings:
        print(f"Note: {warning}", file=sys.stderr)
    print(NOTICE)


def check_scale(scale: float | None) -> None:
    """Refuse a scale that is no size of a pixel.

    Raises
    ------
    RequestError
    """
    if scale is not None and not SMALLEST_MM <= scale <= LARGEST_MM:
        raise RequestError(
            f"--scale is the size of a pixel in millimetres, from {SMALLEST_MM:f} to "
            f"{LARGEST_MM:g}."
        )


def run_record(info: ParserInfo, planner: str | None, started: float) -> dict[str, Any]:
    """The `run` of every JSON document: which program and weights answered."""
    return {
        "version": version("parsechat"),
        "parser": info.name,
        "weights_sha256": info.weights_sha256,
        "calibration": info.calibration,
        "precision": info.precision,
        "planner": planner,
        "seconds": round(time.perf_counter() - started, 3),
    }


def turn_as_dict(turn: Turn, case: Case) -> dict[str, Any]:
    """A turn as `ask --json` gives it."""
    return {
        "question": turn.question,
        "answer": turn.answer,
        "refused": turn.refused,
        "warnings": list(turn.warnings),
        "objects": [case.objects[name].as_dict() for name in turn.object_ids],
        "measurements": [case.measurements[name].as_dict() for name in turn.measurement_ids],
        "calls": [{**asdict(call), "encoded": bool(call.encoded)} for call in turn.calls],
        "evidence": [asdict(e) for e in turn.evidence],
        "unverified": list(turn.unverified),
    }


def _print_turn(turn: Turn, case: Case, *, several: bool) -> None:
    if several:
        print(f"\n> {turn.question}")
    print(turn.answer)
    for warning in turn.warnings:
        print(f"Note: {warning}")
    for name in turn.object_ids:
        found = case.objects[name]
        if found.overlay_file:
            print(f"  {found.label}: mask {found.mask_file}, overlay {found.overlay_file}")
    if turn.unverified:
        print(f"Not measured, the writer's own: {', '.join(turn.unverified)}")
