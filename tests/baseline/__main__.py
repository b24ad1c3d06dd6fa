"""``python -m tests.baseline``: train the baseline, score it on val, write what came of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from parser_model.errors import FileError, ParsechatError, RequestError
from parser_model.training.data import read_folder
from parser_model.training.leaving_out import check_sources, without_sources
from parser_model.training.score import counted_targets
from tests.baseline import recipe, scoring
from tests.baseline.held import Held
from tests.baseline.network import WIDTHS, Baseline


@dataclass(frozen=True)
class Wanted:
    """What is asked for; see ``--help``."""

    data: Path
    leave_out: tuple[str, ...] = ()
    steps: int = recipe.STEPS
    seed: int = 0
    device: str = "cpu"
    masks: Path | None = None
    widths: tuple[int, ...] = WIDTHS


def run(wanted: Wanted) -> dict[str, Any]:
    """Train and score.

    The rule counts the masks of the whole of train, also where sources are left out: runs that are
    compared are scored on the same masks.
    """
    started = time.perf_counter()
    if wanted.steps < 1:
        raise RequestError("--steps is a number above zero.")
    if wanted.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("This PyTorch sees no GPU; use --device cpu.")
    check_sources(wanted.data, wanted.leave_out)
    everything, val = read_folder(wanted.data, "train"), read_folder(wanted.data, "val")
    train = without_sources(everything, wanted.leave_out)
    if not any(sample.masks for sample in train) or not any(sample.masks for sample in val):
        raise FileError("There is no mask to train on, or none in val to score.")
    names = sorted({target for sample in (*everything, *val) for target in sample.masks})
    torch.manual_seed(wanted.seed)
    torch.backends.cudnn.benchmark = True
    network = Baseline(len(names), wanted.widths).to(wanted.device)
    held = Held.read(train, wanted.device)
    _say(
        f"{len(held.samples)} images with {len(held.targets)} masks, read in "
        f"{time.perf_counter() - started:.0f} s; {network.parameter_count / 1e6:.2f} M parameters."
    )
    begun = time.perf_counter()
    losses = recipe.train(
        network,
        held,
        names,
        steps=wanted.steps,
        seed=wanted.seed,
        device=wanted.device,
        report=_say,
    )
    trained = time.perf_counter() - begun
    scores = scoring.score(
        network,
        Held.read(val, wanted.device),
        names,
        counted_targets(everything),
        wanted.device,
        wanted.masks,
    )
    return {
        **scoring.figures(scores),
        "left_out": sorted(wanted.leave_out),
        "seed": wanted.seed,
        "steps": wanted.steps,
        "parameters": network.parameter_count,
        "train": {
            "images": len(held.samples),
            "masks": len(held.targets),
            "sources": sorted({sample.source for sample in held.samples if sample.source}),
        },
        "seconds": {"training": trained, "all": time.perf_counter() - started},
        "device": torch.cuda.get_device_name() if wanted.device == "cuda" else "cpu",
        "losses": [round(loss, 4) for loss in losses],
        "scores": scoring.plain(scores),
    }


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _told(document: dict[str, Any]) -> str:
    short = " ".join(f"{name} {dice:.3f}" for name, dice in document["modalities"].items())
    headline = document["headline"]
    mean = "no target counts by the rule" if headline is None else f"{headline:.3f}"
    return (
        f"{document['steps']} steps in {document['seconds']['training']:.0f} s on "
        f"{document['device']}; mean Dice of the modalities {mean}\n{short}"
    )


def main() -> int:
    """Read the arguments; 2 for a request that cannot be met."""
    words = argparse.ArgumentParser(prog="python -m tests.baseline", description=__doc__)
    words.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    words.add_argument("--leave-out", default="", metavar="A,B", help="not these data sets")
    words.add_argument("--steps", type=int, default=recipe.STEPS)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    words.add_argument("--out", type=Path, required=True, help="JSON with every mask's Dice")
    words.add_argument("--masks", type=Path, help="folder for the masks found, as PNG")
    given = words.parse_args()
    left_out = tuple(name.strip() for name in given.leave_out.split(",") if name.strip())
    try:
        document = run(
            Wanted(given.data, left_out, given.steps, given.seed, given.device, given.masks)
        )
        given.out.write_text(json.dumps(document, indent=1), encoding="utf-8")
    except (ParsechatError, OSError) as error:
        _say(str(error))
        return 2
    print(_told(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
