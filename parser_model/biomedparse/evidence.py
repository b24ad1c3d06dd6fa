"""BiomedParse that says whether an object is there, once presence was calibrated for its weights.

The network gives every phrase a mask. Whether to believe it is asked of five numbers: how similar
phrase and query are, how far the query is ahead of the next, how sure the mask is of its pixels,
how large it is, and how typical it is of training masks by the public code's own score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parser_model.biomedparse.fitting import Placement
from parser_model.biomedparse.parser import BiomedParseParser, _wording
from parser_model.biomedparse.postprocess import (
    Distributions,
    mask_statistics,
    reference_p_value,
)
from parser_model.presence import Calibration
from parser_model.types import ParsedImage, ParsedObject

BIOMEDPARSE_EVIDENCE = (
    "similarity",
    "margin",
    "mask_confidence",
    "mask_log_area",
    "reference_log_score",
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


def evidence_of(
    similarity: Tensor, probability: NDArray[np.floating], log_score: float
) -> NDArray[np.float64]:
    """The evidence of one answer.

    Parameters
    ----------
    similarity : (Q,) Tensor
        Of the phrase with each query.
    probability : (H, W) ndarray
    log_score : float
        From `reference_log_score`.

    Returns
    -------
    (5,) ndarray
        In the order of `BIOMEDPARSE_EVIDENCE`.
    """
    best, second = similarity.float().topk(2).values.tolist()
    inside = probability > 0.5
    count = int(inside.sum())
    confidence = float(probability[inside].mean()) if count else float(probability.max())
    log_area = math.log((count + 1) / probability.size)
    return np.array([best, best - second, confidence, log_area, log_score])


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
    kinds = _KINDS.get(modality or "", ())
    known = [k for k in kinds if distributions and target in distributions.get(k, {})]
    if not known or distributions is None:
        return _NO_SCORE
    statistics = mask_statistics(probability, image)
    best = max(reference_p_value(statistics, kind, target, distributions) for kind in known)
    return math.log(best + 1e-4)


class JudgedBiomedParse(BiomedParseParser):
    """`BiomedParseParser` with evidence, and with presence where a calibration is given."""

    evidence_names = BIOMEDPARSE_EVIDENCE
    _calibration: Calibration | None = None
    _distributions: Distributions | None = None

    def judge_by(
        self, calibration: Calibration | None, distributions: Distributions | None
    ) -> None:
        """Take a calibration that was fitted for these weights, and the public score's table."""
        self._calibration, self._distributions = calibration, distributions
        if calibration is not None:
            notes = tuple(note for note in self.info.notes if "not calibrated" not in note)
            self.info = replace(self.info, calibration=calibration.name, notes=notes)

    def parse(
        self,
        images: Sequence[NDArray[np.uint8] | ParsedImage],
        prompts: Sequence[str],
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> list[list[ParsedObject]]:
        """See `parser_model.types.Parser.parse`."""
        answers = super().parse(images, prompts, modality=modality, site=site)
        if self._calibration is None:
            return answers
        modality = self._names.modality(modality) if modality else None
        return [
            [self._judged(found, image, modality, site) for found in objects]
            for image, objects in zip(images, answers, strict=True)
        ]

    def _judged(
        self,
        found: ParsedObject,
        image: NDArray[np.uint8] | ParsedImage,
        modality: str | None,
        site: str | None,
    ) -> ParsedObject:
        if found.target is None or self._calibration is None:
            return found
        pixels = image.pixels if isinstance(image, ParsedImage) else image
        evidence = self.evidence(pixels, found.target, modality=modality, site=site)
        presence = float(self._calibration.probability(evidence))
        present = found.present and presence >= self._calibration.threshold
        mask = found.mask if present else np.zeros_like(found.mask)
        return replace(found, presence=presence, present=present, mask=mask)

    @torch.inference_mode()
    def evidence(
        self,
        image: NDArray[np.uint8],
        target: str,
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> NDArray[np.float64]:
        """Raw presence evidence (5,) of a target in an image, from the remembered image."""
        height, width = image.shape[:2]
        placement = Placement.of(height, width, self._size, self._fit)
        memory, _ = self._encode(image, placement)
        decoded = self._network.decode(memory, self._text(_wording(target, modality, site)))
        logits = placement.bring_back(decoded.mask_logits[0], (height, width))[0]
        probability = logits.sigmoid().float().cpu().numpy()
        score = reference_log_score(probability, image, modality, target, self._distributions)
        return evidence_of(decoded.similarity[0, 0], probability, score)
