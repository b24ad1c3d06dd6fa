"""Dice of the baseline on val, at the size of the files, and its figures by the rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from parser_model.range_calibration import family
from tests.baseline.held import SIDE, Held
from tests.baseline.network import Baseline
from tests.baseline.recipe import as_input, mixed

_AT_ONCE = 48


@dataclass(frozen=True)
class MaskDice:
    """How well one mask was found.

    Attributes
    ----------
    image : str
        Name of the file.
    modality, target, source : str
        All MRI sequences are "MRI".
    dice : float
    in_rule : bool
        Whether it counts in the figure of its modality.
    """

    image: str
    modality: str
    target: str
    source: str
    dice: float
    in_rule: bool


@torch.inference_mode()
def score(
    network: Baseline,
    held: Held,
    names: list[str],
    counted: set[tuple[str, str]],
    device: str,
    masks: Path | None = None,
) -> list[MaskDice]:
    """Dice of every mask; with `masks`, what was found is written there under the mask's name."""
    network.eval()
    index = {name: k for k, name in enumerate(names)}
    targets = torch.tensor([index[target] for target in held.targets], device=device)
    owners = torch.from_numpy(held.owners).to(device)
    plain = torch.eye(2, 3, device=device)
    if masks is not None:
        masks.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(held.targets), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        x = as_input(held.images[owners[part]], plain.expand(len(owners[part]), 2, 3))
        with mixed(device):
            logits = network(x * 2 - 1, targets[part])
        logits = F.interpolate(logits.float()[:, None], size=(SIDE, SIDE), mode="bilinear")[:, 0]
        found, truth = logits > 0, held.masks[part] > 0
        total = found.sum((1, 2)) + truth.sum((1, 2))
        parts.append(2.0 * (found & truth).sum((1, 2)) / total)
        if masks is not None:
            _write(found.cpu().numpy(), held, start, masks)
    scores = []
    for k, dice in enumerate(torch.cat(parts).tolist()):
        sample, target = held.samples[held.owners[k]], held.targets[k]
        kind = family(sample.place.modality)
        counts = (kind, target) in counted
        scores.append(MaskDice(sample.image.name, kind, target, sample.source, dice, counts))
    return scores


def _write(found: np.ndarray, held: Held, start: int, folder: Path) -> None:
    for k, mask in enumerate(found, start):
        name = held.samples[held.owners[k]].masks[held.targets[k]].name
        Image.fromarray(mask).save(folder / name)


def figures(scores: Iterable[MaskDice]) -> dict[str, Any]:
    """Mean of each modality over the masks that count, and the mean of those."""
    by_modality: dict[str, list[float]] = {}
    for one in scores:
        if one.in_rule:
            by_modality.setdefault(one.modality, []).append(one.dice)
    means = {name: float(np.mean(dice)) for name, dice in sorted(by_modality.items())}
    return {
        "headline": float(np.mean(list(means.values()))) if means else None,
        "modalities": means,
        "masks": {name: len(by_modality[name]) for name in means},
    }


def plain(scores: Iterable[MaskDice]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(one) for one in scores]
