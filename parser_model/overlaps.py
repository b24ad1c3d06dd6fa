"""Give every pixel to one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from parser_model.types import ParsedObject


def without_overlaps(objects: Sequence[ParsedObject]) -> list[ParsedObject]:
    """Share out the pixels of present objects; drop wholes whose named parts are there.

    A pixel claimed by several goes to the one with the highest probability. An object that loses
    more than half of its pixels is dropped.
    """
    names = {one.target for one in objects if one.target}
    chosen = [one for one in objects if one.present and not _has_parts(one.target, names)]
    if not chosen:
        return []
    best = np.full(chosen[0].mask.shape, -1, np.float16)
    owner = np.full(best.shape, -1, np.int32)
    for index, one in enumerate(chosen):
        claimed = one.mask & (one.probability > best)
        best[claimed] = one.probability[claimed]
        owner[claimed] = index
    kept = []
    for index, one in enumerate(chosen):
        mask = owner == index
        if mask.sum() * 2 >= one.mask.sum():
            kept.append(replace(one, mask=mask))
    return kept


def _has_parts(target: str | None, names: set[str]) -> bool:
    """True for a whole ("lung") when sides or kinds of it ("left lung") are among the names."""
    return target is not None and any(name.endswith(f" {target}") for name in names)
