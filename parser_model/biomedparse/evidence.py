"""What speaks for an object being there, in numbers that a calibration can weigh.

The network gives every phrase a mask. Whether to believe it is asked of six numbers: how similar
phrase and query are, how far the query is ahead of the next, how sure the mask is of its pixels,
how large it is, how typical it is of training masks by the public code's own score, and how much
of it other targets of the same kind of image claim more firmly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from parser_model.biomedparse.postprocess import (
    Distributions,
    mask_statistics,
    reference_p_value,
)

BIOMEDPARSE_EVIDENCE = (
    "similarity",
    "margin",
    "mask_confidence",
    "mask_log_area",
    "reference_log_score",
    "sibling_overlap",
)
# The score of masks just as typical as training masks are, on average; used where there is none.
_NO_SCORE = -1.0
_KINDS: dict[str, tuple[str, ...]] = {
    "CT": ("CT-Abdomen", "CT-Chest", "CT-Liver"),
    "MRI": ("MRI-Abdomen", "MRI-Cardiac"),
    "MRI-FLAIR": ("MRI-FLAIR-Brain",),
    "MRI-T1-Gd": ("MRI-T1-Gd-Brain",),
    "X-Ray": ("X-Ray-Chest",),
    "pathology": ("Pathology",),
    "ultrasound": ("Ultrasound-Cardiac",),
    "fundus": ("Fundus",),
    "endoscope": ("Endoscopy",),
    "dermoscopy": ("Dermoscopy",),
    "OCT": ("OCT",),
}


def kinds_of(modality: str | None) -> tuple[str, ...]:
    """The public table's kinds of images that a modality may mean, e.g. "CT-Abdomen"."""
    return _KINDS.get(modality or "", ())


def evidence_of(
    similarity: Tensor,
    probability: NDArray[np.floating],
    log_score: float,
    overlap: float,
) -> NDArray[np.float64]:
    """The evidence of one answer.

    Parameters
    ----------
    similarity : (Q,) Tensor
        Of the phrase with each query.
    probability : (H, W) ndarray
    log_score : float
        From `reference_log_score`.
    overlap : float
        From `sibling_overlap`.

    Returns
    -------
    (6,) ndarray
        In the order of `BIOMEDPARSE_EVIDENCE`.
    """
    best, second = similarity.float().topk(2).values.tolist()
    inside = probability > 0.5
    count = int(inside.sum())
    confidence = float(probability[inside].mean()) if count else float(probability.max())
    log_area = math.log((count + 1) / probability.size)
    return np.array([best, best - second, confidence, log_area, log_score, overlap])


def sibling_overlap(
    probability: NDArray[np.floating], siblings: Iterable[NDArray[np.floating]]
) -> float:
    """Largest share of a mask that one sibling claims with a higher probability.

    Parameters
    ----------
    probability : (H, W) ndarray
    siblings : iterable of (H, W) ndarray
        Of other targets of the same kind of image that cannot share pixels with this one.

    Returns
    -------
    float
        0 to 1; 0 for an empty mask.
    """
    mask = probability > 0.5
    count = int(mask.sum())
    if count == 0:
        return 0.0
    own = probability[mask]
    return max((float((other[mask] > own).sum()) / count for other in siblings), default=0.0)


def reference_log_score(
    probability: NDArray[np.floating],
    image: NDArray[np.uint8],
    modality: str | None,
    target: str,
    distributions: Distributions | None,
) -> float:
    """Logarithm of the public code's score: the best of the kinds of images that may be meant.

    A neutral value where the kind of image or the target is not in its table.
    """
    kinds = kinds_of(modality)
    known = [k for k in kinds if distributions and target in distributions.get(k, {})]
    if not known or distributions is None:
        return _NO_SCORE
    statistics = mask_statistics(probability, image)
    best = max(reference_p_value(statistics, kind, target, distributions) for kind in known)
    return math.log(best + 1e-4)
