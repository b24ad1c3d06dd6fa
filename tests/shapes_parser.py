"""A scripted parser: finds rectangles where the test put them, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parser_model import ParsedImage, ParsedObject, ParserInfo, Recognised
from parser_model.ontology import ontology

Box = tuple[int, int, int, int]


class ShapesParser:
    """Finds each target as the boxes (top, left, bottom, right) it was given.

    It remembers images as a real parser does, so that `encoded` means what it says.
    """

    def __init__(
        self,
        shapes: dict[str, list[Box]],
        *,
        modality: str | None = "CT",
        site: str | None = None,
    ) -> None:
        self.shapes = shapes
        self.modality, self.site = modality, site
        self.doubt = 0.02  # presence of what is not there
        self.seen: set[bytes] = set()
        self.asked: list[list[str]] = []
        self.info = ParserInfo(
            name="shapes",
            weights_sha256="0" * 64,
            calibration="shapes",
            vocabulary=ontology().targets,
            input_size=(64, 64),
            places=(("CT", "abdomen"), ("CT", "lung")),
        )

    def parse(self, images, prompts: Sequence[str], *, modality=None, site=None):
        self.asked.append(list(prompts))
        pictures = [i.pixels if isinstance(i, ParsedImage) else i for i in images]
        return [
            [self._one(picture, phrase, modality) for phrase in prompts] for picture in pictures
        ]

    def recognise(self, image) -> Recognised:
        return Recognised(self.modality, self.site, 0.9)

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
        presence = None if target is None else 0.97 if present else self.doubt
        probability = np.where(mask, np.float16(1), np.float16(0))
        return ParsedObject(phrase, target, probability, mask, presence, present, fresh)


class BrightParser(ShapesParser):
    """Finds every known target where the picture is bright: what it outlines can be drawn.

    Whatever it is asked, the image answers; so a test draws a volume and knows the mask. It
    doubts the images whose numbers are in `doubted`, counted from 0 as they come.
    """

    def __init__(self, *, modality: str | None = "CT", doubted: Sequence[int] = ()) -> None:
        super().__init__({}, modality=modality)
        self.doubted = set(doubted)
        self.sizes: list[int] = []
        self.parsed = 0

    def parse(self, images, prompts: Sequence[str], *, modality=None, site=None):
        self.sizes.append(len(images))
        rows = []
        for image in images:
            rows += super().parse([image], prompts, modality=modality, site=site)
            self.parsed += 1
        return rows

    def _one(self, image, phrase, modality) -> ParsedObject:
        target = ontology().resolve(phrase, modality or self.modality)
        bright = image[..., 0] > 127 if target else np.zeros(image.shape[:2], bool)
        sure = bool(bright.any()) and self.parsed not in self.doubted
        presence = None if target is None else 0.97 if sure else 0.02
        probability = np.where(bright, np.float16(1), np.float16(0))
        mask = bright if sure else np.zeros_like(bright)
        return ParsedObject(phrase, target, probability, mask, presence, sure)
