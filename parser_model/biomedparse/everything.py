"""All targets of one kind of image at once, without overlaps, as the public code labels them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from parser_model.biomedparse.evidence import kinds_of
from parser_model.biomedparse.postprocess import (
    Distributions,
    combine_masks,
    mask_statistics,
    reference_p_value,
    suppress_overlaps,
)
from parser_model.errors import RequestError
from parser_model.types import ParsedObject

# Below this score the public examples call a target probably absent.
PROBABLY_ABSENT = 0.05
# How the table spells sites that are spelled otherwise here.
_SITES = {"heart": "Cardiac"}

_ABDOMEN_CT = (
    *("postcava", "aorta", "right kidney", "left kidney", "duodenum", "pancreas", "liver"),
    *("spleen", "stomach", "gallbladder", "left adrenal gland", "right adrenal gland"),
    "esophagus",
)
_ABDOMEN_MRI = (
    *("aorta", "postcava", "right kidney", "duodenum", "left kidney", "liver", "pancreas"),
    *("gallbladder", "stomach", "spleen", "left adrenal gland", "right adrenal gland"),
    "esophagus",
)
# Kind of image to the targets asked for in it; the order decides ties.
REFERENCE_TARGETS: Mapping[str, tuple[str, ...]] = {
    "CT-Abdomen": _ABDOMEN_CT,
    "CT-Chest": ("nodule", "COVID-19 infection", "tumor"),
    "CT-Liver": ("vessel", "tumor"),
    "MRI-Abdomen": _ABDOMEN_MRI,
    "MRI-Cardiac": ("left heart ventricle", "myocardium", "right heart ventricle"),
    "MRI-FLAIR-Brain": ("edema", "tumor core"),
    "MRI-T1-Gd-Brain": ("enhancing tumor", "non-enhancing tumor"),
    "Pathology": (
        "connective tissue cells",
        "inflammatory cells",
        "neoplastic cells",
        "epithelial cells",
    ),
    "X-Ray-Chest": ("left lung", "right lung"),
    "Ultrasound-Cardiac": ("left heart atrium", "left heart ventricle"),
    "Endoscopy": ("neoplastic polyp", "non-neoplastic polyp"),
    "Fundus": ("optic cup", "optic disc"),
    "Dermoscopy": ("lesion",),
    "OCT": ("edema",),
}


def reference_targets(image_type: str) -> tuple[str, ...]:
    """Targets the public code asks for in a kind of image, e.g. "CT-Abdomen".

    Raises
    ------
    RequestError
        If the kind is not known.
    """
    if image_type not in REFERENCE_TARGETS:
        known = ", ".join(REFERENCE_TARGETS)
        raise RequestError(f"There is no list of targets for '{image_type}'; there is for {known}.")
    return REFERENCE_TARGETS[image_type]


def kind_in_table(
    modality: str | None, site: str | None, distributions: Distributions
) -> str | None:
    """The table's kind of image for a modality and site, e.g. "CT-Abdomen"; None if it has none."""
    known = [kind for kind in kinds_of(modality) if kind in distributions]
    word = _SITES.get(site or "", (site or "").capitalize())
    named = [kind for kind in known if word and kind.endswith(f"-{word}")]
    if named:
        return named[0]
    # Kinds without a site stand for all images of their modality.
    return next((kind for kind in known if "-" not in kind), None)


def label_everything(
    probabilities: Mapping[str, NDArray[np.floating]],
    image: NDArray[np.uint8],
    image_type: str,
    distributions: Distributions,
    *,
    threshold: float | None = None,
) -> tuple[dict[str, NDArray[np.uint8]], dict[str, float]]:
    """Score masks as the public code does, drop what overlaps, and share out the pixels.

    Works on images of any size, and gives no masks where none is left; the public code stops
    with an error in both cases.

    Parameters
    ----------
    probabilities : mapping of str to (H, W) ndarray
        By target, in the frame of the image.
    image : (H, W, 3) ndarray of uint8
        As the network saw it, at any size.
    image_type : str
    distributions : mapping
        See `read_distributions`.
    threshold : float, optional
        Targets with a lower score are dropped.

    Returns
    -------
    masks : dict of str to (H, W) ndarray of uint8
        By falling score.
    scores : dict of str to float
        Of all targets; the reference's "p-value".
    """
    scores = {
        target: reference_p_value(
            mask_statistics(probability, image), image_type, target, distributions
        )
        for target, probability in probabilities.items()
    }
    candidates = {
        target: probability
        for target, probability in probabilities.items()
        if threshold is None or scores[target] >= threshold
    }
    return combine_masks(suppress_overlaps(candidates, scores)), scores


def shared_out(
    objects: Sequence[ParsedObject],
    image: NDArray[np.uint8],
    image_type: str,
    distributions: Distributions,
) -> list[ParsedObject]:
    """Objects of one image, one a target, with the pixels that `label_everything` leaves them.

    Targets that the public examples call probably absent, and those without pixels, are left out.
    """
    maps = {one.phrase: one.probability for one in objects}
    masks, _ = label_everything(maps, image, image_type, distributions, threshold=PROBABLY_ABSENT)
    return [
        replace(one, mask=masks[one.phrase].astype(bool))
        for one in objects
        if one.phrase in masks and masks[one.phrase].any()
    ]
