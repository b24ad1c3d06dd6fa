"""After the network: the reference's score of a mask, and masks of several targets in one image.

The score is the public code's "p-value". It is the geometric mean of four tail probabilities,
not a calibrated p-value, and it says nothing about presence; it is here under its own name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from parser_model.errors import RequestError, SetupError

Distributions = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]


def probabilities(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Mask logits (N, P, h, w) to probabilities (N, P, H, W), resampled as the public code does."""
    resized = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
    return resized.sigmoid()


def read_distributions(path: Path | str) -> Distributions:
    """Read ``target_dist.json``: Beta parameters by modality, target and statistic.

    Raises
    ------
    SetupError
        If the file is not there or not such a table.
    """
    path = Path(path)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"There is no {path.name} at {path.parent}.") from error
    except ValueError as error:
        raise SetupError(f"{path.name} is damaged: {error}.") from error
    if not isinstance(table, dict) or not all(isinstance(row, dict) for row in table.values()):
        raise SetupError(f"{path.name} is no table of modalities and targets.")
    return table


def mask_statistics(
    probability: NDArray[np.floating], image: NDArray[np.uint8]
) -> tuple[float, float, float, float]:
    """Mean probability and mean colour inside a mask, on the reference's scale.

    Parameters
    ----------
    probability : (H, W) ndarray of float
        0 to 1.
    image : (H, W, 3) ndarray of uint8

    Returns
    -------
    tuple of float
        Confidence, red, green, blue; each 0 to 255/256, all 0 where the mask is empty. Where
        the probability peaks between 127/255 and 128/255, the reference has no number; 0 here.
    """
    if probability.dtype == np.float16:
        probability = probability.astype(np.float32)
    scaled = probability * 255
    inside = scaled >= 128
    if not inside.any():
        return (0.0, 0.0, 0.0, 0.0)
    colours = image[inside].mean(axis=0) / 256
    return (
        float(scaled[inside].mean() / 256),
        float(colours[0]),
        float(colours[1]),
        float(colours[2]),
    )


def reference_p_value(
    statistics: Sequence[float], modality: str, target: str, distributions: Distributions
) -> float:
    """The public code's score of a mask: how typical its statistics are of training masks.

    Parameters
    ----------
    statistics : sequence of float
        From `mask_statistics`.
    modality, target : str
        As spelled in the table, e.g. "CT-Abdomen" and "liver".
    distributions : mapping
        From `read_distributions`.

    Returns
    -------
    float
        0 to 1. The public examples call values below 0.05 "probably absent".

    Raises
    ------
    RequestError
        If the table does not know the modality or the target.
    """
    # Imported here: scipy.stats takes most of a second, and only this function needs it.
    from scipy.stats import beta

    if modality not in distributions:
        raise RequestError(f"The reference's score does not know the modality '{modality}'.")
    if target not in distributions[modality]:
        raise RequestError(f"The reference's score does not know '{target}' in {modality}.")
    product = 1.0
    for value, (a, b) in zip(statistics, distributions[modality][target], strict=True):
        below = float(beta(a, b).cdf(value))
        # A one-sample Kolmogorov-Smirnov test comes down to this.
        product *= 2 * (1 - max(below, 1 - below))
    return product**0.25 if product > 0 else 0.0


def suppress_overlaps(
    probabilities_by_target: Mapping[str, NDArray[np.floating]], scores: Mapping[str, float]
) -> dict[str, NDArray[np.floating]]:
    """Drop empty masks, and masks that lie by more than half in one of a higher score.

    Parameters
    ----------
    probabilities_by_target : mapping of str to (H, W) ndarray
    scores : mapping of str to float

    Returns
    -------
    dict of str to (H, W) ndarray
        What is kept, by falling score.
    """
    kept: dict[str, NDArray[np.floating]] = {}
    kept_masks: list[NDArray[np.bool_]] = []
    for target in sorted(probabilities_by_target, key=lambda name: scores[name], reverse=True):
        mask = probabilities_by_target[target] > 0.5
        area = int(mask.sum())
        if area == 0:
            continue
        if any(int((mask & other).sum()) > 0.5 * area for other in kept_masks):
            continue
        kept[target] = probabilities_by_target[target]
        kept_masks.append(mask)
    return kept


def combine_masks(
    probabilities_by_target: Mapping[str, NDArray[np.floating]],
) -> dict[str, NDArray[np.uint8]]:
    """Masks of several targets without overlaps; each pixel goes to the most probable.

    A target that loses more than half of its faint area (above 0.1) to others is dropped, except
    the one that is surest of its area.

    Parameters
    ----------
    probabilities_by_target : mapping of str to (H, W) ndarray
        Of one image; the order decides ties.

    Returns
    -------
    dict of str to (H, W) ndarray of uint8
        0 or 1, in the order given; empty for no targets.
    """
    if not probabilities_by_target:
        return {}
    # One map after the other: a stack of thirteen large ones would take gigabytes.
    areas: dict[str, int] = {}
    means: dict[str, float] = {}
    for target, probability in probabilities_by_target.items():
        inside = probability[probability > 0.1]
        areas[target] = inside.size
        # Float64, because means of near-equal maps decide which target is never dropped.
        means[target] = float(inside.sum(dtype=np.float64)) / max(1, inside.size)
    owner = _owners(probabilities_by_target, 0.1)
    surest = max(means, key=lambda target: means[target])  # the first of equals
    kept = {
        target: probability
        for i, (target, probability) in enumerate(probabilities_by_target.items())
        if target == surest or int((owner == i).sum()) >= 0.5 * areas[target]
    }
    owner = _owners(kept, 0.5)
    return {target: (owner == i).astype(np.uint8) for i, target in enumerate(kept)}


def _owners(
    probabilities_by_target: Mapping[str, NDArray[np.floating]], least: float
) -> NDArray[np.int16]:
    """For each pixel, which target has the highest probability above `least`: the first of equals.

    Returns
    -------
    (H, W) ndarray of int16
        Place of the target in the mapping; -1 where there is none.
    """
    first = next(iter(probabilities_by_target.values()))
    best = np.full(first.shape, least, first.dtype)
    owner = np.full(first.shape, -1, np.int16)
    for i, probability in enumerate(probabilities_by_target.values()):
        better = probability > best
        best[better] = probability[better]
        owner[better] = i
    return owner
