"""``python -m tests.leave_out``: what leaving data sets out of training costs us and the baseline.

Two runs of each recipe are compared on images that neither has trained on, those of val: one run
kept the data sets in train, the other did not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parser_model import Parser, load_parser
from parser_model.compact.weights import load_weights
from parser_model.errors import FileError, ParsechatError, RequestError
from parser_model.training.data import Sample, read_folder
from parser_model.training.leaving_out import check_sources
from parser_model.training.score import score_masks

SOURCES = ("CVC-ColonDB", "BUS-BRA", "Shenzhen", "KiTS19", "Drishti-GS", "Lizard")
LEAST_MASKS = 10

Dice = dict[tuple[str, str], float]
"""Of a mask, by the name of its image and by its target."""


@dataclass(frozen=True)
class Drop:
    """Mean Dice of a recipe on a data set, by the run that kept it and the one that did not."""

    kept: float
    left_out: float

    @property
    def drop(self) -> float:
        """How much is lost."""
        return self.kept - self.left_out


@dataclass(frozen=True)
class Row:
    """One data set, for both recipes."""

    source: str
    masks: int
    ours: Drop
    baseline: Drop

    @property
    def counts(self) -> bool:
        """Whether it has enough masks to be in the mean."""
        return self.masks >= LEAST_MASKS


def dice_of(parser: Parser, samples: Sequence[Sample]) -> Dice:
    """Of every mask, by a parser that is told the modality."""
    return {
        (sample.image.name, one.target): one.dice
        for sample in samples
        for one in score_masks(parser, [sample])
    }


def seen_sources(record: Mapping[str, Any] | None) -> set[str]:
    """The data sets weights were trained on, those of the weights they started from as well.

    Raises
    ------
    KeyError
        If one of them does not say so.
    """
    if record is None:
        return set()
    return {*record["data"]["sources"], *seen_sources(record["before"])}


def check_trained_on(names: Sequence[str], seen: Collection[str], *, kept: bool, file: str) -> None:
    """Refuse a run that is not the one it is given as: figures of swapped files look fine.

    Raises
    ------
    RequestError
        If the run that kept the data sets has not seen one, or the other has.
    """
    wrong = [name for name in names if (name in seen) is not kept]
    if wrong:
        what = "was trained without" if kept else "was trained with"
        raise RequestError(f"{file} {what} {', '.join(wrong)}.")


def read_baseline(path: Path, names: Sequence[str], *, kept: bool) -> dict[str, Dice]:
    """By data set, from what ``python -m tests.baseline`` wrote.

    Raises
    ------
    FileError, RequestError
        If it is no such file, or of the other run.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        seen, scores = document["train"]["sources"], document["scores"]
        found: dict[str, Dice] = {name: {} for name in names}
        for one in scores:
            if one["source"] in found:
                found[one["source"]][one["image"], one["target"]] = float(one["dice"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path.name} is not what 'python -m tests.baseline' writes.") from error
    check_trained_on(names, seen, kept=kept, file=path.name)
    return found


def read_ours(
    path: Path, samples: Mapping[str, Sequence[Sample]], *, kept: bool
) -> dict[str, Dice]:
    """By data set, from weights of ``parsechat train``.

    Raises
    ------
    FileError, RequestError
        If they do not say what they have seen, or are of the other run.
    """
    try:
        seen = seen_sources(load_weights(path).record)
    except (KeyError, TypeError) as error:
        raise FileError(f"{path.name} does not say what it was trained on.") from error
    check_trained_on(list(samples), seen, kept=kept, file=path.name)
    parser = load_parser(str(path))
    return {name: dice_of(parser, group) for name, group in samples.items()}


def rows_of(ours: Sequence[dict[str, Dice]], baseline: Sequence[dict[str, Dice]]) -> list[Row]:
    """The table; each recipe as (kept, left out).

    Raises
    ------
    RequestError
        If the four were not scored on the same masks.
    """
    rows = []
    for name, first in ours[0].items():
        four = [run[name] for run in (*ours, *baseline)]
        if not first or any(one.keys() != first.keys() for one in four):
            raise RequestError(f"The runs were not scored on the same masks of {name}.")
        means = [float(np.mean(list(one.values()))) for one in four]
        rows.append(Row(name, len(first), Drop(*means[:2]), Drop(*means[2:])))
    return rows


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """For JSON: the rows, and the mean drops over the data sets with enough masks.

    ``ratio`` is our mean drop over the baseline's; None where the baseline lost nothing.
    """
    counted = [row for row in rows if row.counts]
    means = {
        recipe: float(np.mean([getattr(row, recipe).drop for row in counted])) if counted else None
        for recipe in ("ours", "baseline")
    }
    lost, theirs = means["ours"], means["baseline"]
    return {
        "rows": [{**asdict(row), "counts": row.counts} for row in rows],
        "mean_drop": means,
        "ratio": lost / theirs if lost is not None and theirs is not None and theirs > 0 else None,
    }


def table(rows: Sequence[Row]) -> str:
    """In Markdown."""
    lines = [
        "| source | masks | ours kept | left out | drop | baseline kept | left out | drop |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            f"{value:.3f}"
            for one in (row.ours, row.baseline)
            for value in (one.kept, one.left_out, one.drop)
        ]
        name = row.source if row.counts else f"{row.source} (not in the mean)"
        lines.append(f"| {name} | {row.masks} | {' | '.join(cells)} |")
    told = summary(rows)
    ours, theirs = told["mean_drop"]["ours"], told["mean_drop"]["baseline"]
    if ours is None:
        lines.append(f"\nNo source has {LEAST_MASKS} masks.")
    else:
        ratio = "" if told["ratio"] is None else f"; ours is {told['ratio']:.2f} of the baseline's"
        lines.append(f"\nMean drop: ours {ours:.3f}, baseline {theirs:.3f}{ratio}.")
    return "\n".join(lines)


def compared(
    data: Path, parsers: Sequence[Path], baselines: Sequence[Path], names: Sequence[str] = SOURCES
) -> list[Row]:
    """Score ours, read the baseline's scores, and join them; files as kept, left out."""
    check_sources(data, names)
    val = read_folder(data, "val")
    samples = {name: [sample for sample in val if sample.source == name] for name in names}
    # What is given wrongly is told before minutes of scoring.
    theirs = [
        read_baseline(path, names, kept=kept)
        for path, kept in zip(baselines, (True, False), strict=True)
    ]
    ours = [
        read_ours(path, samples, kept=kept)
        for path, kept in zip(parsers, (True, False), strict=True)
    ]
    return rows_of(ours, theirs)


def main() -> int:
    """Read the arguments; 2 for a request that cannot be met."""
    words = argparse.ArgumentParser(prog="python -m tests.leave_out", description=__doc__)
    words.add_argument("--data", type=Path, required=True, help="folder with val/ and manifest.csv")
    for name, kind in (("--parser", "weights of parsechat train"), ("--baseline", "JSON")):
        words.add_argument(
            name, type=Path, nargs=2, required=True, metavar=("KEPT", "LEFT"), help=kind
        )
    words.add_argument("--sources", default=",".join(SOURCES), metavar="A,B")
    words.add_argument("--out", type=Path, help="JSON of the table")
    given = words.parse_args()
    names = [name.strip() for name in given.sources.split(",") if name.strip()]
    try:
        rows = compared(given.data, given.parser, given.baseline, names)
        if given.out is not None:
            given.out.write_text(json.dumps(summary(rows), indent=1), encoding="utf-8")
    except (ParsechatError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
