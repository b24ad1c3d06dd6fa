"""Give every pixel to one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from parser_model.ontology import ontology


class Outlined(Protocol):
    """An object with a probability for each pixel: of a picture, or of a volume."""

    @property
    def target(self) -> str | None: ...
    @property
    def present(self) -> bool: ...
    @property
    def mask(self) -> NDArray[np.bool_]: ...
    @property
    def probability(self) -> NDArray[np.float16]: ...


Found = TypeVar("Found", bound=Outlined)

_NESTED: Final = {
    "optic disc": ("optic cup",),
    "retina": (
        "inner retina layers",
        "outer nuclear layer",
        "photoreceptor and RPE layers",
    ),
    "vertebrae": ("spinal cord",),
}


def without_overlaps(objects: Sequence[Found]) -> list[Found]:
    """Share out the pixels of present objects; drop wholes whose named parts are there.

    A pixel claimed by several goes to the one with the highest probability. An object that loses
    more than half of its pixels is dropped.
    """
    there = [one for one in objects if one.present]
    names = {one.target for one in there if one.target}
    chosen = [one for one in there if not _has_parts(one.target, names)]
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
            changed: Any = one  # a dataclass, which a protocol cannot say
            kept.append(replace(changed, mask=mask))
    return kept


def share_pixels(one: str, other: str) -> bool:
    """True for targets that may rightly share pixels, e.g. an organ and what lies in it.

    Findings lie in organs, sides and kinds are parts of a whole ("left lung" of "lung"), and a
    few structures are nested by their nature.
    """
    names = ontology()
    if one == other or names.is_lesion(one) or names.is_lesion(other):
        return True
    if one.endswith(f" {other}") or other.endswith(f" {one}"):
        return True
    return other in _NESTED.get(one, ()) or one in _NESTED.get(other, ())


def _has_parts(target: str | None, names: set[str]) -> bool:
    """True for a whole ("lung") when sides or kinds of it ("left lung") are among the names."""
    return target is not None and any(name.endswith(f" {target}") for name in names)
