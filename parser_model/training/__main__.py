"""``python -m parser_model.training train|calibrate|score --data DIR``: making the weights."""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from parser_model.calibrating import calibrate, calibration_samples, told
from parser_model.compact.parser import CompactParser
from parser_model.compact.text import build_vocabulary
from parser_model.compact.weights import load_weights, save_weights
from parser_model.loading import WEIGHTS
from parser_model.ontology import ontology
from parser_model.presence import read_calibration, write_calibration
from parser_model.training import score
from parser_model.training.data import read_folder
from parser_model.training.loop import TrainingPlan, train


def run_train(args: argparse.Namespace) -> None:
    """Train on DIR/train and write the weights."""
    names = ontology()
    plan = TrainingPlan(minutes=args.minutes, wall_minutes=args.wall_minutes, seed=args.seed)
    if args.start:  # what was learnt already is kept: smaller steps on milder changes
        plan = replace(
            plan,
            learning_rate=0.75 * plan.learning_rate,
            strength=0.6,
            sizes=((0.6, 0.75), (1.0, 1.0)),
        )
    samples = read_folder(args.data, "train")
    vocabulary = build_vocabulary(names)
    args.out.mkdir(parents=True, exist_ok=True)
    earlier = load_weights(args.start) if args.start else None
    network = train(
        samples, names, vocabulary, plan, args.out, _say, earlier.network if earlier else None
    )
    record = {
        "command": "python -m parser_model.training train --data DIR "
        f"--minutes {args.minutes:g} --seed {args.seed}{' --start FILE' if args.start else ''}",
        "images": len(samples),
        "masks": sum(len(s.masks) for s in samples),
        "minutes": args.minutes,
        "before": earlier.record if earlier else None,
        "seed": args.seed,
        "machine": f"{platform.machine()}, {_cores()} cores, no GPU",
        "licence": "research use only (LICENSE-WEIGHTS)",
        "trained": time.strftime("%Y-%m-%d"),
    }
    save_weights(args.out / "compact.safetensors", network, vocabulary, names.places, record)


def run_calibrate(args: argparse.Namespace) -> None:
    """Fit presence on DIR/val and write the calibration beside the weights."""
    weights = load_weights(args.out / "compact.safetensors")
    parser = CompactParser(weights, ontology(), None)
    report = calibrate(parser, calibration_samples(args.data), ontology(), label="val")
    for line in told(report):
        _say(line)
    write_calibration(args.out / "compact.calibration.json", report.calibration)


def run_score(args: argparse.Namespace) -> None:
    """Print Dice per target and modality on DIR/val, as JSON."""
    weights = load_weights(args.out / "compact.safetensors")
    calibration = read_calibration(args.out / "compact.calibration.json", weights.sha256)
    parser = CompactParser(weights, ontology(), calibration)
    samples = read_folder(args.data, "val")
    scores = score.score_masks(parser, samples, tell=not args.blind)
    kinds = {k: round(v, 3) for k, v in score.recognition(parser, samples).items()}
    counted = score.counted_targets(read_folder(args.data, "train"))
    by_target: dict[str, list[float]] = {}
    for s in scores:
        by_target.setdefault(f"{s.modality} {s.target}", []).append(s.dice)
    table = {name: [round(float(np.mean(v)), 3), len(v)] for name, v in sorted(by_target.items())}
    rounded = {k: round(v, 3) for k, v in score.headline(scores, counted).items()}
    document = {"targets": table, "modalities": rounded, "recognised": kinds}
    _say(json.dumps(document, indent=1))


def _say(text: str) -> None:
    print(text, flush=True)


def _cores() -> int:
    import torch

    return torch.get_num_threads()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m parser_model.training", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for name, function in (
        ("train", run_train),
        ("calibrate", run_calibrate),
        ("score", run_score),
    ):
        verb = verbs.add_parser(name, help=function.__doc__)
        verb.set_defaults(run=function)
        verb.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
        verb.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the weights")
        if name == "train":
            verb.add_argument("--minutes", type=float, default=55.0)
            verb.add_argument("--wall-minutes", type=float, help="stop by the clock as well")
            verb.add_argument("--seed", type=int, default=0)
            verb.add_argument("--start", type=Path, help="weights file to train further")
        if name == "score":
            verb.add_argument("--blind", action="store_true", help="do not tell the modality")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
