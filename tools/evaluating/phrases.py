"""Users' words for targets; how many are understood, and what is found by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from parser_model.errors import FileError
from parser_model.ontology import covers
from parser_model.training.data import Sample, read_image, read_mask
from parser_model.training.score import dice
from parser_model.types import ParsedObject, Parser
from tools.evaluating.answers import Progress, outlined

PER_PHRASE = 5
"""Images that each phrase is asked of, at most; of different patients where there are enough."""
_COLUMNS = ("target", "modality", "phrase")


@dataclass(frozen=True)
class Phrase:
    """Words for a target in images of a modality."""

    target: str
    modality: str
    words: str


def read_phrases(path: Path) -> list[Phrase]:
    """Read a table with a line for each phrase: target, modality and phrase, parted by tabs.

    A first line with these three words is a heading; lines that are empty do not count. Quotation
    marks are part of the words.

    Raises
    ------
    FileError
        If it cannot be read, is empty, or a line has not three entries.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise FileError(f"The table of phrases {path.name} cannot be read as text.") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        entries = [entry.strip() for entry in line.split("\t")]
        if not any(entries) or tuple(entries) == _COLUMNS:
            continue
        if len(entries) != 3 or not all(entries):
            raise FileError(
                f"Line {number} of {path.name} should have a target, a modality and a phrase, "
                "parted by tabs."
            )
        found.append(Phrase(*entries))
    if not found:
        raise FileError(f"{path.name} holds no phrase.")
    return found


def phrases_report(
    parser: Parser,
    samples: Sequence[Sample],
    phrases: Sequence[Phrase],
    *,
    tell: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Dice with a user's words beside Dice with the target's own name, on the same images.

    Parameters
    ----------
    parser : Parser
    samples : sequence of Sample
    phrases : sequence of Phrase
    tell : bool
        Give the parser the modality.
    progress : callable, optional

    Returns
    -------
    dict
        ``all``, ``chinese`` and ``other`` with the number of phrases and means over them: dice,
        dice_by_name; how many were not_understood (refused as words), taken for another target
        (mapped_wrong), or understood but judged absent (not_seen, a share of the images);
        ``phrases``: a row for each, and ``without_images``: those that no image is there for.
    """
    asked = [(phrase, _images_for(phrase, samples)) for phrase in phrases]
    by_image: dict[Path, list[int]] = {}
    of_path = {sample.image: sample for _, some in asked for sample in some}
    for number, (_, some) in enumerate(asked):
        for sample in some:
            by_image.setdefault(sample.image, []).append(number)
    results: list[list[tuple[ParsedObject, float, float]]] = [[] for _ in phrases]
    for done, (path, numbers) in enumerate(by_image.items(), 1):
        sample, image = of_path[path], read_image(path, None)
        truth = outlined(sample)
        modality = sample.place.modality if tell else None
        prompts = [p for n in numbers for p in (phrases[n].words, phrases[n].target)]
        found = parser.parse([image], list(dict.fromkeys(prompts)), modality=modality)[0]
        said = {one.phrase: one for one in found}
        for n in numbers:
            reference = truth[phrases[n].target]
            mine, named = (said[p] for p in (phrases[n].words, phrases[n].target))
            results[n].append((mine, _dice_of(mine, reference), _dice_of(named, reference)))
        if progress:
            progress(done, len(by_image))
    rows = [_row(p, r) for p, r in zip(phrases, results, strict=True) if r]
    return {
        "all": _summary(rows),
        "chinese": _summary([r for r in rows if _is_chinese(r["phrase"])]),
        "other": _summary([r for r in rows if not _is_chinese(r["phrase"])]),
        "phrases": rows,
        "without_images": [p.words for p, r in zip(phrases, results, strict=True) if not r],
    }


def _images_for(phrase: Phrase, samples: Sequence[Sample]) -> list[Sample]:
    """Images of the phrase's modality with its target, of as many patients as possible."""
    having = [
        s for s in samples if phrase.target in s.masks and covers(phrase.modality, s.place.modality)
    ]
    first = {sample.patient: sample for sample in reversed(having)}
    others = [sample for sample in having if first[sample.patient] is not sample]
    there = (s for s in (*first.values(), *others) if read_mask(s.masks[phrase.target]).any())
    return list(islice(there, PER_PHRASE))


def _dice_of(found: ParsedObject, reference: Any) -> float:
    return dice(found.probability > 0.5, reference)


def _row(phrase: Phrase, results: list[tuple[ParsedObject, float, float]]) -> dict[str, Any]:
    objects = [found for found, _, _ in results]
    # What answers without a table of words names no target, but draws something.
    unknown = [o.target is None and not np.any(o.probability) for o in objects]
    targets = sorted({o.target for o in objects if o.target is not None})
    return {
        "phrase": phrase.words,
        "target": phrase.target,
        "modality": phrase.modality,
        "mapped_to": targets,
        "images": len(results),
        "dice": round(float(np.mean([d for _, d, _ in results])), 4),
        "dice_by_name": round(float(np.mean([d for _, _, d in results])), 4),
        "understood": not any(unknown),
        "mapped_wrong": any(target != phrase.target for target in targets),
        "not_seen": sum(not o.present for o in objects) if not any(unknown) else 0,
    }


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    understood = [row for row in rows if row["understood"]]
    images = sum(row["images"] for row in understood)
    return {
        "phrases": len(rows),
        "not_understood": len(rows) - len(understood),
        "mapped_wrong": sum(row["mapped_wrong"] for row in rows),
        "not_seen": round(sum(r["not_seen"] for r in understood) / images, 4) if images else None,
        "dice": _mean([row["dice"] for row in rows]),
        "dice_of_understood": _mean([row["dice"] for row in understood]),
        "dice_by_name": _mean([row["dice_by_name"] for row in rows]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _is_chinese(words: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in words)
