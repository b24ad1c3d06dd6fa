"""What ``data build`` does, and how it is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parser_model.errors import RequestError
from tools.building import Built, Wishes


def build(
    folder: Path,
    out: Path,
    wishes: Wishes,
    *,
    modality: str | None,
    labels: str | None,
    llm: str | None,
    as_json: bool,
) -> None:
    """Make a training table and print what it holds.

    Raises
    ------
    FileError, RequestError, SetupError, ServiceError
        In a sentence that says what to do.
    """
    from agent.models_commands import bars
    from parser_model.ontology import ontology
    from tools.building import build as make
    from tools.building import parse_names

    _check(wishes)
    names = parse_names(labels) if labels else None
    paraphraser = _paraphraser(llm)
    with bars() as (progress, _):
        built = make(
            folder,
            out,
            ontology(),
            wishes,
            modality=modality,
            names=names,
            paraphrases=paraphraser or (lambda _target: ()),
            progress=lambda done, total: progress("cases", done, total),
        )
    for problem, file in zip(built.problems, built.files, strict=True):
        print(f"{file}: {problem}", file=sys.stderr)
    for sentence in built.unused:
        print(sentence, file=sys.stderr)
    if as_json:
        print(json.dumps({"out": str(out.resolve()), **_document(built)}, ensure_ascii=False))
    else:
        print("\n".join(_told(built, out)))


def _check(wishes: Wishes) -> None:
    if wishes.slices < 1 or wishes.phrases < 1:
        raise RequestError("--slices and --phrases are numbers above zero.")
    if wishes.seed < 0:
        raise RequestError("--seed is zero or more.")
    if not 0 <= wishes.val < 1:
        raise RequestError("--val is the share of patients set aside, from 0 to below 1.")
    if wishes.nc not in (None, "yes", "no", "unclear"):
        raise RequestError("--nc is yes (no commercial use), no or unclear.")


def _paraphraser(llm: str | None) -> Callable[[str], Sequence[str]] | None:
    """One that asks the LLM that is set; None offline."""
    from agent.commands import Options
    from agent.llm import chat_model, planner_name
    from parser_model.ontology import ontology

    settings = Options(llm=llm).settings()
    if settings.llm == "offline":
        return None
    from agent.paraphrasing import Paraphraser

    return Paraphraser(chat_model(settings), planner_name(settings), ontology())


def _document(built: Built) -> dict[str, Any]:
    counts = {
        name: dict(value) if isinstance(value, dict) else value
        for name, value in vars(built.counts).items()
    }
    return {
        "cases": built.cases,
        **counts,
        "problems": list(built.problems),
        "unused": len(built.unused),
    }


def _told(built: Built, out: Path) -> list[str]:
    counts = built.counts
    targets = ", ".join(f"{name} {n}" for name, n in sorted(counts.by_target.items()))
    local = {source: n for source, n in sorted(counts.absent.items()) if n}
    absent = ", ".join(f"{source} {n}" for source, n in local.items()) or "none"
    lines = [
        f"{counts.images} images with {counts.masks} masks of {counts.patients} patients, "
        f"{counts.phrases} phrases: {out}",
        f"Masks: {targets}.",
        f"Known to be absent in images of their own kind, by source: {absent}; "
        f"of other kinds: {counts.foreign}.",
    ]
    if counts.unknown:
        unknown = ", ".join(f"'{name}' {n}" for name, n in counts.unknown.most_common())
        lines.append(f"Names without a target in such images: {unknown}.")
    if counts.elsewhere:
        strange = "; ".join(f"{what} {n}" for what, n in counts.elsewhere.most_common())
        lines.append(f"Not among the targets of their place: {strange}.")
    if counts.small:
        lines.append(f"{counts.small} masks of fewer than 10 pixels were left out.")
    if built.problems:
        lines.append(f"{len(built.problems)} of {built.cases} cases were left out (told above).")
    if built.unused:
        lines.append(f"{len(built.unused)} files belong to no case and are not used (told above).")
    return lines
