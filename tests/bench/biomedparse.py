"""BiomedParse against the public code's way of computing, at full size, with substitute weights."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from parser_model.biomedparse.checkpoint import convert_checkpoint
from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.biomedparse.everything import reference_targets
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.parser import BiomedParseParser
from parser_model.biomedparse.precision import lower_precision
from parser_model.biomedparse.substitute import substitute_entries
from parser_model.devices import LEAST_GAIN
from parser_model.speed_test import bfloat16_gain
from tests.bench import reference_way
from tests.bench.machine import matrix_rate
from tests.bench.timing import medians_in_turns, seconds
from tests.parser_model.weights_store.substitutes import MERGES, hub_files

# Seconds of the public code's way over those that its multiply-adds take at the rate of a matrix
# product: what is no matrix product takes time too. Fitted once, on an otherwise idle machine.
OVERHEAD = 1.38
TOLERANCE = 0.25
SIDE = 1024
PLACE = {"modality": "CT", "site": "abdomen"}
TARGETS = reference_targets("CT-Abdomen")


@dataclass(frozen=True)
class Figures:
    """What one way of computing takes; seconds, and bytes for the peak."""

    first: float
    follow_up: float
    everything: float
    ready: float
    peak: float


@dataclass(frozen=True)
class Result:
    """One run of the benchmark.

    Attributes
    ----------
    reference : Figures
    ours : dict of str to Figures
        By precision; without "bf16" where that is no use.
    predicted : float
        Seconds that the public code's way should take on this machine, by its matrix rate.
    bf16_gain : float
        How many times as fast a large matrix product is in bf16.
    """

    reference: Figures
    ours: dict[str, Figures]
    predicted: float
    bf16_gain: float

    @property
    def reference_is_fair(self) -> bool:
        """Whether the public code's way was as fast as this machine allows it to be."""
        return abs(self.reference.first / self.predicted - 1) <= TOLERANCE


@contextmanager
def weights_folder() -> Iterator[Path]:
    """Substitute weights of full size in both precisions, and a tokenizer with made-up words.

    A file in bf16 is made only where it would be used.
    """
    with tempfile.TemporaryDirectory(prefix="parsechat-bench-") as name:
        folder = Path(name)
        with torch.device("meta"):
            shapes = BiomedParseNetwork(BiomedParseConfig()).state_dict()
        entries = substitute_entries((n, tuple(v.shape)) for n, v in shapes.items())
        save_file(entries, folder / "fp32.safetensors")
        del entries
        if "bf16" in precisions() or torch.cuda.is_available():
            convert_checkpoint(
                folder / "fp32.safetensors", folder / "bf16.safetensors", prepare=lower_precision
            )
        (folder / "merges.txt").write_bytes(hub_files()[MERGES])
        yield folder


def precisions() -> tuple[str, ...]:
    """What is worth timing on this machine's processor."""
    return ("fp32", "bf16") if bfloat16_gain() >= LEAST_GAIN else ("fp32",)


def load(folder: Path, precision: str) -> BiomedParseParser:
    """The parser from the files of `weights_folder`."""
    return BiomedParseParser.load(
        folder / f"{precision}.safetensors",
        folder / "merges.txt",
        precision="bf16" if precision == "bf16" else "fp32",
        weights_sha256="0" * 64,
    )


def run(folder: Path, runs: int) -> Result:
    """Time everything in turns, so that a disturbance does not hit one way alone."""
    chosen = precisions()
    parsers = {precision: load(folder, precision) for precision in chosen}
    actions = {"reference": _reference(parsers["fp32"])}
    for precision, parser in parsers.items():
        actions |= _ours(precision, parser)
    rates: list[float] = []
    medians = medians_in_turns(
        actions,
        runs,
        between=lambda: rates.append(matrix_rate()),
        say=lambda line: print(line, file=sys.stderr, flush=True),  # minutes pass, and may be lost
    )
    fresh = {name: _in_a_fresh_process(folder, name) for name in ("reference", *chosen)}

    def figures(name: str) -> Figures:
        return Figures(
            medians[f"{name} first"],
            medians[f"{name} follow-up"],
            medians[f"{name} everything"],
            fresh[name]["ready"],
            fresh[name]["peak"],
        )

    one = medians["reference"]
    reference = Figures(
        one, one, len(TARGETS) * one, fresh["reference"]["ready"], fresh["reference"]["peak"]
    )
    predicted = OVERHEAD * reference_way.MULTIPLY_ADDS / statistics.median(rates)
    return Result(reference, {name: figures(name) for name in chosen}, predicted, bfloat16_gain())


def _reference(parser: BiomedParseParser) -> Callable[[], object]:
    network, tokenizer = parser._engine._network, parser._engine._tokenizer
    square = torch.from_numpy(_picture(0)).permute(2, 0, 1)[None]
    return lambda: reference_way.prompt(network, tokenizer, square, "liver in abdomen CT")


def _ours(name: str, parser: BiomedParseParser) -> dict[str, Callable[[], object]]:
    pictures = (_picture(i) for i in count(1))
    shown = [_picture(0)]  # what a follow-up asks about: the image of the first prompt before it
    parser.parse(shown, ["liver"], **PLACE)
    phrases = iter(TARGETS * 100)

    def first() -> None:
        shown[0] = next(pictures)
        parser.parse(shown, ["liver"], **PLACE)

    return {
        f"{name} first": first,
        f"{name} follow-up": lambda: parser.parse(shown, [next(phrases)], **PLACE),
        f"{name} everything": lambda: parser.find(next(pictures), **PLACE),
    }


def _picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def _in_a_fresh_process(folder: Path, name: str) -> dict[str, Any]:
    """Seconds until a new process could answer, and its peak memory after one prompt."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "tests.bench.fresh", str(folder), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ready = time.perf_counter() - started
        answer = json.loads(process.stdout.readline())
    return {"ready": ready, **answer}


def lines(result: Result) -> Iterator[str]:
    """The table, with ratios to the public code's way."""
    columns = (result.reference, *result.ours.values())
    titles = "".join(f"{precision:>18}" for precision in result.ours)
    yield f"{'BiomedParse at 1024 x 1024':34}{'public way':>12}{titles}"
    for field, title, unit, scale in (
        ("first", "first prompt", "s", 1.0),
        ("follow_up", "another phrase", "s", 1.0),
        ("everything", f"everything ({len(TARGETS)} targets or more)", "s", 1.0),
        ("ready", "new process until ready", "s", 1.0),
        ("peak", "peak memory", "GiB", 2.0**30),
    ):
        values = [getattr(figures, field) / scale for figures in columns]
        cells = [f"{value:.2f} {unit} ({values[0] / value:.1f}x)" for value in values[1:]]
        yield f"{title:34}{values[0]:>8.2f} {unit:3}" + "".join(f"{cell:>18}" for cell in cells)
    if "bf16" not in result.ours:
        yield (
            f"bf16 is left out: on this machine its products are {1 / result.bf16_gain:.0f} times "
            "slower than those of fp32, so a prompt would take many minutes"
        )
    fair = result.reference.first / result.predicted
    yield (
        f"public way: {result.reference.first:.1f} s; its multiply-adds and the matrix rate of "
        f"this run predict {result.predicted:.1f} s (ratio {fair:.2f}, allowed 0.75 to 1.25)"
    )


def gpu_lines(folder: Path) -> Iterator[str]:
    """Images a second and follow-ups on a GPU, against what its matrix rate allows at best."""
    device = "cuda"
    parser = BiomedParseParser.load(
        folder / "bf16.safetensors",
        folder / "merges.txt",
        precision="bf16",
        device=device,
        weights_sha256="0" * 64,
    )
    batch = [_picture(i) for i in range(1, 9)]
    parser.parse(batch, ["liver"], **PLACE)
    fresh = [picture[::-1].copy() for picture in batch]
    each = seconds(lambda: parser.parse(fresh, ["liver"], **PLACE)) / len(batch)
    phrases = iter(TARGETS)
    follow_up = statistics.median(
        seconds(lambda: parser.parse(fresh[-1:], [next(phrases)], **PLACE)) for _ in TARGETS
    )
    floor = reference_way.MULTIPLY_ADDS / matrix_rate(torch.bfloat16, device)
    yield (
        f"GPU: {1 / each:.1f} images/s, another phrase {1000 * follow_up:.0f} ms; an image takes "
        f"{each / floor:.1f} times the {1000 * floor:.0f} ms that its multiply-adds take at the "
        "matrix rate in bf16"
    )
