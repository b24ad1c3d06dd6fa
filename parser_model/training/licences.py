"""Training on a part of the data alone: what a permissive licence leaves, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parser_model.errors import FileError, RequestError
from parser_model.training.data import Sample, manifest_rows

LICENCES = ("all", "permissive")


@dataclass(frozen=True)
class LicensedPart:
    """The samples that are trained on.

    Attributes
    ----------
    licence : {"all", "permissive"}
    samples : list of Sample
    left_out : int
        Masks that the licence filter took away.
    missing_modalities : tuple of str
        Of which nothing is left, though the data has it.
    sources_left_out : tuple of str
        Data sets that were left out; see `parser_model.training.leaving_out`.
    """

    licence: str
    samples: list[Sample]
    left_out: int
    missing_modalities: tuple[str, ...]
    sources_left_out: tuple[str, ...] = ()


def licensed(root: Path, samples: Sequence[Sample], licence: str) -> LicensedPart:
    """The samples whose masks may be used under a licence filter.

    Parameters
    ----------
    root : Path
        With ``manifest.csv``, whose column ``nc`` says "no" where commercial use seems allowed;
        every other word, and a mask without a row, counts as not allowed.
    samples : sequence of Sample
    licence : {"all", "permissive"}

    Raises
    ------
    FileError
        If the manifest or its column is missing, or nothing is left.
    RequestError
        For an unknown licence filter.
    """
    if licence not in LICENCES:
        raise RequestError(f"Unknown licence filter '{licence}'; use {', '.join(LICENCES)}.")
    if licence == "all":
        return LicensedPart(licence, list(samples), 0, ())
    rows = manifest_rows(root)
    if not rows or "nc" not in rows[0] or "mask" not in rows[0]:
        raise FileError(
            "--licence permissive needs a manifest.csv in the data folder with the columns image, "
            "mask and nc (no: commercial use allowed)."
        )
    free = {row["mask"] for row in rows if row["nc"].strip().lower() == "no"}
    kept = []
    for sample in samples:
        masks = {t: p for t, p in sample.masks.items() if p.relative_to(root).as_posix() in free}
        if masks:
            unknown = sample.unknown | (set(sample.masks) - set(masks))
            kept.append(replace(sample, masks=masks, unknown=unknown))
    if not kept:
        raise FileError("No mask of this folder has nc=no in its manifest, so nothing is left.")
    before, after = ({s.place.modality for s in part} for part in (samples, kept))
    count = sum(len(s.masks) for s in samples) - sum(len(s.masks) for s in kept)
    return LicensedPart(licence, kept, count, tuple(sorted(before - after)))
