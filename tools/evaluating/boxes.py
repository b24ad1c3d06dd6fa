"""Answers of models that are given the true box of what they shall outline (SAM, MedSAM).

A box from the reference tells where the object is, how large it is and that it is there, so these
figures stand beside those of parsers, which are given words alone, and not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parser_model.training.data import Sample, read_image
from tools.evaluating.answers import Answer, Progress, answer_of, check_shapes, outlined

Box = tuple[int, int, int, int]


class OutlinesBoxes(Protocol):
    """A model that outlines what boxes enclose; `parser_model.box_prompted` has one."""

    def outline(self, image: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.bool_]:
        """Masks (B, H, W) of B boxes (left, top, right, bottom) of an image (H, W, 3)."""
        ...


@dataclass(frozen=True)
class BoxedAnswers:
    """A box-prompted model's answers, each target given by its true box.

    Attributes
    ----------
    name : str
    model : OutlinesBoxes
    each_part : bool
        A box for each connected part of a target, whose outlines are joined, instead of one box
        around them all.
    """

    name: str
    model: OutlinesBoxes
    each_part: bool = False

    def to(self, samples: Sequence[Sample], progress: Progress | None = None) -> Iterator[Answer]:
        """Outline every target of a sample, all boxes of an image together."""
        for done, sample in enumerate(samples, 1):
            truth = outlined(sample)
            if truth:
                image = read_image(sample.image, None)
                check_shapes(sample, truth, image.shape[:2])
                boxes = {t: boxes_of(m, each_part=self.each_part) for t, m in truth.items()}
                masks = self.model.outline(image, [b for some in boxes.values() for b in some])
                start = 0
                for target, some in boxes.items():
                    mask = np.asarray(masks[start : start + len(some)].any(axis=0))
                    start += len(some)
                    there = bool(mask.any())
                    yield answer_of(sample, target, truth[target], mask, present=there)
            if progress:
                progress(done, len(samples))


def boxes_of(mask: NDArray[np.bool_], *, each_part: bool) -> list[Box]:
    """The tight box around a mask, or around each of its parts (pixels connect at corners too).

    Returns
    -------
    list of (left, top, right, bottom)
        The first and last columns and rows that are touched.
    """
    eight = np.ones((3, 3), bool)
    parts = ndimage.label(mask, eight)[0] if each_part else mask.astype(int)
    return [
        (columns.start, rows.start, columns.stop - 1, rows.stop - 1)
        for rows, columns in ndimage.find_objects(parts)
    ]
