"""Outlined images made up for tests, and a parser that is wrong about them in a known way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parser_model import ParsedObject, ParserInfo, Recognised

SIDE = 64


def disc(radius: float, centre: tuple[float, float] = (32, 32)) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.hypot(rows - centre[0], columns - centre[1]) <= radius


def write_outlined(root: Path, count: int = 60, *, train: bool = False, seed: int = 0) -> None:
    """Livers (CT) and lesions (dermoscopy) that are discs, each image of its own patient.

    The first channel of an image is what `Blurred` will see: the disc at another size, more or
    less soft; the softer, the more wrong its size.
    """
    rng = np.random.default_rng(seed)
    split = "train" if train else "val"
    for folder in (root / split, root / f"{split}_mask"):
        folder.mkdir(parents=True)
    rows, columns = np.mgrid[:SIDE, :SIDE] - 32
    for number in range(count):
        place, target = (("CT_abdomen", "liver"), ("dermoscopy_skin", "lesion"))[number % 2]
        radius, softness = rng.uniform(9, 16), rng.uniform(0.5, 5)
        wrong = float(np.clip(rng.normal(0, 0.7 * softness), -6, 9))
        seen = np.clip(0.5 + (radius + wrong - np.hypot(rows, columns)) / (2 * softness), 0, 1)
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        image[..., 0] = np.round(255 * seen)
        name = f"{number:03}_{place}"
        Image.fromarray(image).save(root / split / f"{name}.png")
        outline = Image.fromarray(255 * disc(radius).astype(np.uint8))
        outline.save(root / f"{split}_mask" / f"{name}_{target}.png")


class Blurred:
    """Reads the probability off the first channel; refuses what is below `least` pixels."""

    def __init__(self, *, least: int = 1, sha256: str | None = "ab" * 32) -> None:
        self.least = least
        self.told: list[str | None] = []
        self.info = ParserInfo("blurred", sha256, None, ("liver", "lesion"), (SIDE, SIDE))

    def parse(self, images, prompts, *, modality=None, site=None):
        self.told.append(modality)
        return [[self._one(image, phrase) for phrase in prompts] for image in images]

    def recognise(self, image) -> Recognised:
        return Recognised("CT" if image[..., 0].max() == 255 else None, None, 0.9)

    def _one(self, image, phrase) -> ParsedObject:
        seen = (image[..., 0] / 255).astype(np.float16)
        if phrase not in self.info.vocabulary:
            seen = np.zeros_like(seen)
        mask = seen > 0.5
        present = int(mask.sum()) >= self.least
        presence = min(1.0, float(mask.mean()) * 10)
        return ParsedObject(phrase, phrase, seen, mask & present, presence, present)
