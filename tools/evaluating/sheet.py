"""A contact sheet: the best, the median and the worst outline of each modality, to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from parser_model.errors import FileError
from parser_model.training.data import Sample, read_image
from tools.evaluating.answers import Answer, Answers
from tools.evaluating.overlap import Overlap
from tools.evaluating.paper import FAINT, INK, PAPER, font, write_page
from tools.overlay import draw_overlay

RANKS = ("best", "median", "worst")
_REFERENCE, _FOUND = "#56B4E9", "#E69F00"  # sky blue and orange, told apart by everyone
_SIDE, _GAP, _CAPTION, _HEAD = 256, 12, 40, 64
_LETTERS = 38  # of a line of a caption


@dataclass(frozen=True)
class Example:
    """One picture of the sheet: which rank it has in its modality, and its score."""

    rank: str
    score: Overlap


def examples(scores: Iterable[Overlap], counted: set[tuple[str, str]]) -> list[Example]:
    """Best, median and worst by Dice of each modality, of the targets that count.

    Ties go to the mask that comes first; the median is the lower one of an even number.
    """
    by_modality: dict[str, list[Overlap]] = {}
    for score in scores:
        if (score.modality, score.target) in counted:
            by_modality.setdefault(score.modality, []).append(score)
    chosen = []
    for _, group in sorted(by_modality.items()):
        ranked = sorted(group, key=lambda score: -score.dice)
        for rank, place in zip(RANKS, (0, len(ranked) // 2, len(ranked) - 1), strict=True):
            chosen.append(Example(rank, ranked[place]))
    return chosen


def write_sheet(
    path: Path, source: Answers, samples: Sequence[Sample], chosen: Sequence[Example]
) -> None:
    """Draw examples, a row for each modality, and write them as PNG.

    The source is asked again about these images: its masks were not kept.

    Raises
    ------
    FileError
        If there is nothing to draw, or the file cannot be written.
    """
    if not chosen:
        raise FileError("There is no outline to draw a contact sheet of.")
    wanted = {(e.score.image, e.score.target) for e in chosen}
    images = {image for image, _ in wanted}
    answers = {
        (answer.image, answer.target): answer
        for answer in source.to([s for s in samples if s.image in images])
        if (answer.image, answer.target) in wanted
    }
    rows = len(chosen) // len(RANKS)
    width = len(RANKS) * (_SIDE + _GAP) + _GAP
    page = Image.new("RGB", (width, _HEAD + rows * (_SIDE + _CAPTION + _GAP)), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((_GAP, 10), f"{source.name}: best, median and worst", fill=INK, font=font(18))
    _key(pen, 38)
    for number, example in enumerate(chosen):
        row, column = divmod(number, len(RANKS))
        left, top = _GAP + column * (_SIDE + _GAP), _HEAD + row * (_SIDE + _CAPTION + _GAP)
        answer = answers[(example.score.image, example.score.target)]
        page.paste(Image.fromarray(_drawn(answer)), (left, top))
        for line, (text, colour) in enumerate(_caption(example)):
            pen.text((left, top + _SIDE + 3 + 17 * line), text, fill=colour, font=font(13))
    write_page(path, page, "contact sheet")


def _drawn(answer: Answer) -> NDArray[np.uint8]:
    """The picture with both outlines, fitted into a square."""
    picture = read_image(answer.image, None)
    scale = _SIDE / max(picture.shape[:2])
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    masks = [
        np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        for mask in (answer.truth, answer.mask)
    ]
    drawn = draw_overlay(small, masks, colours=[_REFERENCE, _FOUND], opacity=0.0)
    square = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    square[: drawn.shape[0], : drawn.shape[1]] = drawn
    return square


def _caption(example: Example) -> list[tuple[str, str]]:
    score = example.score
    where = f" ({score.source})" if score.source else ""
    state = ", refused" if score.refused else ""
    lines = (
        f"{score.modality}, {example.rank}: Dice {score.dice:.2f}{state}",
        f"{score.target}{where}",
    )
    return [
        (text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…", colour)
        for text, colour in zip(lines, (INK, FAINT), strict=True)
    ]


def _key(pen: ImageDraw.ImageDraw, y: int) -> None:
    x = _GAP
    for colour, text in ((_REFERENCE, "reference"), (_FOUND, "found")):
        pen.rectangle((x, y + 3, x + 12, y + 13), fill=colour)
        pen.text((x + 18, y), text, fill=INK, font=font(13))
        x += 110
    pen.text((x, y), "parsechat: research use only, not for diagnosis", fill=FAINT, font=font(13))
