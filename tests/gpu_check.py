"""Whether BiomedParse is right on a device and how fast, in a minute and a screenful.

``python -m tests.gpu_check --device cuda --reference DIR [--quick] [--compile] [--profile]``

DIR holds the recorded runs; weights are the substitute ones. Every part runs, whatever happens to
the others; the exit status is 1 where one failed or found something outside its limits, and 2
where there is no such device.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from tests.bench.machine import matrix_rate
from tests.bench.on_device import Bench, Lines, arithmetic, compiled, profiled, timings

# What is not needed by all parts is imported by each: where it is missing, the others still run.

FEATURES_OFF = 1e-3  # standard deviations; TF32 gives about ten times that
FAIL = "FAIL"
Part = Callable[[Bench], Lines]


def _judged(holds: bool, text: str) -> str:
    return text if holds else f"{FAIL} {text}"


def surroundings(bench: Bench) -> Lines:
    """What runs here."""
    yield f"torch {torch.__version__}, numpy {np.__version__}, {torch.get_num_threads()} threads"
    if bench.device == "cuda":
        card = torch.cuda.get_device_properties(0)
        cudnn = torch.backends.cudnn.version()
        yield f"{card.name}, {card.total_memory / 2**30:.0f} GiB, cuDNN {cudnn}"


def recorded(bench: Bench) -> Lines:
    """The recorded runs of the public code, repeated on the device."""
    from parser_model.biomedparse.recorded import find_recorded
    from parser_model.parity import repeat

    runs = [run for run in find_recorded(bench.reference) if not (run.full and bench.quick)]
    if not runs:
        yield _judged(False, "there is no recorded run in the folder")
    for run in sorted(runs, key=lambda run: run.full):
        result = repeat(run, bench.device).lines
        for way in ("free", "forced"):
            lines = [line for line in result if line.way == way]
            outside = [line for line in lines if not line.holds]
            # How near the nearest came; a limit of 0 is kept or not, and some lines have none.
            used = max((line.difference / line.limit for line in lines if line.limit), default=0.0)
            yield _judged(
                bool(lines) and not outside,
                f"{run.name} {way}: {len(lines)} compared, {len(outside)} outside, "
                f"largest at {used:.0%} of its limit",
            )
            for line in outside[:5]:
                difference = f"{line.difference:.2e}, limit {line.limit} ({line.measure})"
                yield f"  {line.key}: {difference}"


def choice(bench: Bench) -> Lines:
    """What the program would choose, and what the device's arithmetic gives."""
    from parser_model.biomedparse.trial import trouble_on
    from parser_model.devices import chosen_device
    from parser_model.speed_test import bfloat16_gain

    trouble = trouble_on(bench.device)
    yield _judged(
        not trouble, f"trial of the device: {trouble or 'its answers are those of the CPU'}"
    )
    chosen = chosen_device("auto")
    yield _judged(chosen.name == bench.device, f"chosen by 'auto': {chosen}")
    yield f"bfloat16 gain by the self-test: {bfloat16_gain(bench.device):.2f}"
    if bench.device == "cuda":
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            rate = matrix_rate(dtype, bench.device) / 1e12
            yield f"matrix products in {name}: {rate:.1f} T multiply-adds/s"


@torch.inference_mode()
def like_the_cpu(bench: Bench) -> Lines:
    """An image and three phrases on device and CPU, freely and with the CPU's masks in between."""
    from parser_model.biomedparse.postprocess import probabilities
    from parser_model.biomedparse.tolerances import FORCED

    here, pixels, size = bench.network(device="cpu"), bench.pixels(1), (bench.side, bench.side)
    blocked: list[Tensor] = []
    ask = here.predictor.blocked

    def remembered(*arguments: Any) -> Tensor:
        blocked.append(ask(*arguments))
        return blocked[-1]

    started = time.perf_counter()
    memory = here.encode_image(pixels)
    with mock.patch.object(here.predictor, "blocked", remembered):
        decoded = here.decode(memory, here.encode_text(*bench.words(3, "cpu")))
    ours = probabilities(decoded.mask_logits, size)
    yield f"the CPU takes {time.perf_counter() - started:.1f} s"
    if len(blocked) != here.config.decoder.layers:
        raise ValueError("The phrases were not decoded at once, so masks cannot be forced.")
    for way in bench.ways:
        there = bench.network(way)
        with arithmetic(way):
            seen, text = there.encode_image(pixels), there.encode_text(*bench.words(3))
            masks = [mask.to(bench.device) for mask in blocked]
            free, forced = (
                probabilities(there.decode(seen, text, blocked=given).mask_logits, size).cpu()
                for given in (None, masks)
            )
        off = (seen.mask_features.cpu() - memory.mask_features).abs().max().item()
        off /= memory.mask_features.std().item()
        most = (forced - ours).abs().max().item()
        flipped = ((free > 0.5) != (ours > 0.5)).float().mean().item()
        # The others are shown, to know what they would cost.
        holds = way != "fp32" or (off <= FEATURES_OFF and most <= (FORCED.values or 0.0))
        yield _judged(
            holds,
            f"{way}: features off by {off:.1e} standard deviations; probabilities by {most:.1e} "
            f"with the CPU's masks between layers, without them {flipped:.3%} of pixels flip",
        )


def run(parts: Sequence[Part], bench: Bench) -> bool:
    """Run parts one after another and print what they say; whether all is well."""
    well, began = True, time.perf_counter()
    for part in parts:
        print(f"\n{(part.__doc__ or '').splitlines()[0]}", flush=True)
        try:
            for line in part(bench):
                well &= not line.startswith(FAIL)
                print(f"  {line}", flush=True)
        except Exception as error:  # whatever it is, the other parts must still be seen
            well = False
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            said = " ".join(str(error).split())[:300]
            print(f"  {FAIL} {type(error).__name__} at {where}: {said}", flush=True)
        print(f"  [{time.perf_counter() - began:.1f} s]", flush=True)
    return well


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu_check",
        description="Check BiomedParse on a device, with substitute weights.",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--quick", action="store_true", help="the reduced network and small images, to try this"
    )
    parser.add_argument("--profile", action="store_true", help="list the slowest operations")
    parser.add_argument("--compile", action="store_true", help="try torch.compile; takes minutes")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch sees no CUDA device here.", file=sys.stderr)
        return 2
    parts: list[Part] = [surroundings, recorded, choice, like_the_cpu, timings]
    parts += [profiled] * options.profile + [compiled] * options.compile
    well = run(parts, Bench(options.device, options.reference, options.quick))
    print("\nAll within limits." if well else "\nSomething failed: see above.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
