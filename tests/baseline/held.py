"""All images and masks of a folder, decoded once and held where the network is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from parser_model.training.data import Sample, read_image, read_mask

SIDE = 256  # of the files of the data; others are squeezed to it


@dataclass(frozen=True, eq=False)
class Held:
    """Images with masks, on a device.

    Attributes
    ----------
    samples : list of Sample
        Of which image K is.
    images : (K, 3, SIDE, SIDE) Tensor of uint8
    masks : (M, SIDE, SIDE) Tensor of uint8
        0 and 1.
    owners : (M,) ndarray of int
        The image of each mask.
    targets : list of str
        Of each mask.
    """

    samples: list[Sample]
    images: Tensor
    masks: Tensor
    owners: np.ndarray
    targets: list[str]

    @classmethod
    def read(cls, samples: Sequence[Sample], device: str) -> Held:
        """Decode with all cores; masks that are empty, and images without any other, stay away."""
        kept = [sample for sample in samples if sample.masks]
        pairs = [(k, target) for k, sample in enumerate(kept) for target in sorted(sample.masks)]
        images = np.empty((len(kept), SIDE, SIDE, 3), np.uint8)
        masks = np.empty((len(pairs), SIDE, SIDE), np.uint8)

        def image(k: int) -> None:
            images[k] = read_image(kept[k].image, SIDE)

        def mask(m: int) -> None:
            owner, target = pairs[m]
            masks[m] = read_mask(kept[owner].masks[target], SIDE)

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(image, range(len(kept))))
            list(threads.map(mask, range(len(pairs))))
        full = np.flatnonzero(masks.any((1, 2)))
        return cls(
            kept,
            torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous(),
            torch.from_numpy(masks[full]).to(device),
            np.array([pairs[m][0] for m in full], np.int64),
            [pairs[m][1] for m in full],
        )
