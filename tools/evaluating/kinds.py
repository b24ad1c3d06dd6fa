"""How often the kind of image is recognised from its pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from parser_model.training.data import Sample, read_image
from parser_model.types import Recogniser
from tools.evaluating.answers import Progress


def modality_report(
    parser: Recogniser, samples: Sequence[Sample], progress: Progress | None = None
) -> dict[str, Any]:
    """Images whose modality was told rightly, left open or told wrongly, by modality and "all".

    Sequences of MRI count as different modalities here. ``taken_for`` says what the wrong ones
    were taken for.
    """
    seen: dict[str, Counter[str | None]] = {}
    for done, sample in enumerate(samples, 1):
        told = parser.recognise(read_image(sample.image, None)).modality
        seen.setdefault(sample.place.modality, Counter())[told] += 1
        if progress:
            progress(done, len(samples))
    report = {
        name: _entry(counts[name], counts[None], counts.total(), _wrong(name, counts))
        for name, counts in sorted(seen.items())
    }
    right = sum(counts[name] for name, counts in seen.items())
    unsure = sum(counts[None] for counts in seen.values())
    report["all"] = _entry(right, unsure, sum(c.total() for c in seen.values()), {})
    return report


def _wrong(name: str, counts: Counter[str | None]) -> dict[str, int]:
    return {told: n for told, n in counts.most_common() if told is not None and told != name}


def _entry(right: int, unsure: int, images: int, taken_for: dict[str, int]) -> dict[str, Any]:
    return {
        "images": images,
        "right": round(right / images, 4) if images else None,
        "unsure": round(unsure / images, 4) if images else None,
        "taken_for": taken_for,
    }
