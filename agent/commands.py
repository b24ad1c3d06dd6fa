"""What the verbs ask, parse and find do, and how they print it."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
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
from tools.actions import ACTIONS, ActionResult, Bench
from tools.actions.scale import LARGEST_MM, SMALLEST_MM
from tools.case import Case
from tools.reading import open_scan

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
    scans = [stated(open_scan(path), options.modality) for path in files]
    conversation = Conversation(settings, directory=options.out)
    for scan in scans:
        name = conversation.add_scan(scan)
        if options.scale is not None:
            conversation.set_scale(name, options.scale)
    turns = [conversation.ask(question) for question in questions]
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


def parse(file: Path, phrases: Sequence[str], options: Options, *, as_json: bool) -> None:
    """Outline named objects in a file."""
    _run_action("segment", file, options, as_json, phrases=list(phrases))


def find(file: Path, options: Options, *, as_json: bool) -> None:
    """Outline everything recognised in a file."""
    _run_action("find_everything", file, options, as_json)


def _run_action(action: str, file: Path, options: Options, as_json: bool, **arguments: Any) -> None:
    started = time.perf_counter()
    if action == "segment" and not any(p.strip() for p in arguments["phrases"]):
        raise RequestError("Name at least one object with -p, e.g. -p liver.")
    settings = options.settings()
    scan = stated(open_scan(file), options.modality)
    # Without an agent: no language model is needed to outline what has a name.
    case = Case(options.out or Path(tempfile.mkdtemp(prefix="parsechat-")))
    case.add_scan(scan)
    parser = chosen_parser(settings)
    result: ActionResult = ACTIONS[action](Bench(case, parser), **arguments)
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
        print(f"{found.name}: {state}{seen}" + (f"  {found.mask_file}" if found.mask_file else ""))
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
            print(f"  {found.name}: mask {found.mask_file}, overlay {found.overlay_file}")
    if turn.unverified:
        print(f"Not measured, the writer's own: {', '.join(turn.unverified)}")
