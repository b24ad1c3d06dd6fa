"""The baseline's training: plain draws, flips, crops, brightness, cross-entropy and Dice.

Everything random is drawn with NumPy before the first step and sent to the device at once, so that
a step waits for nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from parser_model.range_calibration import family
from parser_model.training.augment import flips_for
from tests.baseline.held import Held
from tests.baseline.network import Baseline

SIZE = 192
BATCH = 12
STEPS = 6700  # about 80,000 samples
RATE = 2e-3
_NEGATIVES = 0.12
_SMALLEST_CROP = 0.7
_WARM_UP = 100
_REPORT = 500


@dataclass(frozen=True, eq=False)
class Draws:
    """What every sample of a run is, in order.

    Attributes
    ----------
    images, masks, targets : (N,) Tensor of int64
        Numbers of the image, of its mask, and of the target asked for.
    present : (N,) Tensor of float32
        0 where the target is one of another modality, so that the mask is empty.
    maps : (N, 2, 3) Tensor of float32
        From the crop to the image, for `torch.nn.functional.affine_grid`.
    gain, shift : (N,) Tensor of float32
        Of the brightness.
    """

    images: Tensor
    masks: Tensor
    targets: Tensor
    present: Tensor
    maps: Tensor
    gain: Tensor
    shift: Tensor


def draw(held: Held, names: Sequence[str], number: int, seed: int, device: str) -> Draws:
    """So many samples: all masks in a new order, then again; and what is done to each."""
    rng = np.random.default_rng(seed)
    count = len(held.owners)
    rounds = [rng.permutation(count) for _ in range(-(-number // count))]
    masks = np.concatenate(rounds)[:number]
    owners = held.owners[masks]
    index = {name: k for k, name in enumerate(names)}
    own = np.array([index[target] for target in held.targets])[masks]
    foreign = _foreign(held, index)
    kinds = [family(sample.place.modality) for sample in held.samples]
    present = rng.random(number) >= _NEGATIVES
    targets = own.copy()
    for k in np.flatnonzero(~present):
        others = foreign[kinds[owners[k]]]
        if len(others):
            targets[k] = rng.choice(others)
        else:  # a folder of one modality has no such negatives
            present[k] = True
    flips = [flips_for(s.place.modality, s.place.site) for s in held.samples]
    mirrored = np.array([(f.horizontal, f.vertical) for f in flips])[owners]
    sign = np.where(mirrored & (rng.random((number, 2)) < 0.5), -1.0, 1.0)
    share = rng.uniform(_SMALLEST_CROP, 1.0, number)
    maps = np.zeros((number, 2, 3), np.float32)
    maps[:, 0, 0], maps[:, 1, 1] = sign[:, 0] * share, sign[:, 1] * share
    maps[:, :, 2] = rng.uniform(-1, 1, (number, 2)) * (1 - share)[:, None]
    gain, shift = rng.uniform(0.8, 1.2, number), rng.uniform(-0.1, 0.1, number)
    return Draws(
        *(torch.from_numpy(whole).to(device) for whole in (owners, masks, targets)),
        *(torch.from_numpy(x.astype(np.float32)).to(device) for x in (present, maps, gain, shift)),
    )


def _foreign(held: Held, index: dict[str, int]) -> dict[str, np.ndarray]:
    """For each modality the numbers of the targets that are learnt in others alone."""
    asked: dict[str, set[str]] = {}
    for owner, target in zip(held.owners, held.targets, strict=True):
        asked.setdefault(family(held.samples[owner].place.modality), set()).add(target)
    every = set().union(*asked.values())
    return {
        kind: np.array(sorted(index[target] for target in every - own), np.int64)
        for kind, own in asked.items()
    }


def resampled(x: Tensor, maps: Tensor) -> Tensor:
    """Values (N, C, SIDE, SIDE) by affine maps, as (N, C, SIZE, SIZE)."""
    grid = F.affine_grid(maps, [len(x), 1, SIZE, SIZE], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def as_input(images: Tensor, maps: Tensor) -> Tensor:
    """Bytes to values from 0 to 1 at the working size."""
    return resampled(images.float() / 255, maps)


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy and Dice, of empty masks as well."""
    found = torch.sigmoid(logits)
    overlap, total = (found * truth).sum((1, 2)), found.sum((1, 2)) + truth.sum((1, 2))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return F.binary_cross_entropy_with_logits(logits, truth) + dice.mean()


def mixed(device: str) -> AbstractContextManager[object]:
    """bfloat16 on a GPU, float32 elsewhere."""
    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()


def rate(step: int, steps: int) -> float:
    """A cosine to zero, after a short rise."""
    rise = min(1.0, (step + 1) / min(_WARM_UP, max(steps // 10, 1)))
    return RATE * rise * 0.5 * (1 + math.cos(math.pi * step / steps))


def train(
    network: Baseline,
    held: Held,
    names: Sequence[str],
    *,
    steps: int,
    seed: int,
    device: str,
    report: Callable[[str], None] = print,
) -> list[float]:
    """Train in place; the loss of every step."""
    draws = draw(held, names, steps * BATCH, seed, device)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, fused=device == "cuda")
    losses = torch.zeros(steps, device=device)
    started = time.perf_counter()
    for step in range(steps):
        part = slice(step * BATCH, (step + 1) * BATCH)
        maps = draws.maps[part]
        x = as_input(held.images[draws.images[part]], maps)
        x = x * draws.gain[part, None, None, None] + draws.shift[part, None, None, None]
        truth = resampled(held.masks[draws.masks[part], None].float(), maps)[:, 0] > 0.5
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps)
        with mixed(device):
            logits = network(x.clamp(0, 1) * 2 - 1, draws.targets[part])
        loss = loss_of(logits.float(), truth * draws.present[part, None, None])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses[step] = loss.detach()
        if (step + 1) % _REPORT == 0 or step + 1 == steps:  # asking for a number waits for it
            recent = losses[max(0, step + 1 - _REPORT) : step + 1].mean().item()
            taken = time.perf_counter() - started
            report(f"step {step + 1} of {steps}, {taken:.0f} s, loss {recent:.3f}")
    return [float(value) for value in losses.cpu()]
