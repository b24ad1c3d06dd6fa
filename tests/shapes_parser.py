"""A scripted parser: finds rectangles where the test put them, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parser_model import ParsedObject, ParserInfo, Recognised
from parser_model.ontology import ontology

Box = tuple[int, int, int, int]


class ShapesParser:
    """Finds each target as the boxes (top, left, bottom, right) it was given.

    It remembers images as a real parser does, so that `encoded` means what it says.
    """

    def __init__(self, shapes: dict[str, list[Box]], *, modality: str | None = "CT") -> None:
        self.shapes = shapes
        self.modality = modality
        self.seen: set[bytes] = set()
        self.asked: list[list[str]] = []
        self.info = ParserInfo(
            name="shapes",
            weights_sha256="0" * 64,
            calibration="shapes",
            vocabulary=ontology().targets,
            input_size=(64, 64),
        )

    def parse(self, images, prompts: Sequence[str], *, modality=None, site=None):
        self.asked.append(list(prompts))
        return [[self._one(image, phrase, modality) for phrase in prompts] for image in images]

    def recognise(self, image) -> Recognised:
        return Recognised(self.modality, None, 0.9)

    def _one(self, image, phrase, modality) -> ParsedObject:
        shape = image.shape[:2]
        key = image.tobytes()
        fresh = key not in self.seen
        self.seen.add(key)
        target = ontology().resolve(phrase, modality or self.modality)
        mask = np.zeros(shape, bool)
        for top, left, bottom, right in self.shapes.get(target or "", []):
            mask[top:bottom, left:right] = True
        present = bool(mask.any())
        presence = None if target is None else 0.97 if present else 0.02
        probability = np.where(mask, np.float16(1), np.float16(0))
        return ParsedObject(phrase, target, probability, mask, presence, present, fresh)
