"""Training without some data sets, so that their images show how well a recipe carries over."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from parser_model.errors import FileError, RequestError
from parser_model.training.data import Sample, manifest_rows
from parser_model.training.licences import LicensedPart


def check_sources(root: Path, names: Sequence[str]) -> None:
    """Refuse data sets that ``manifest.csv`` does not name exactly so.

    A name that matches nothing would leave nothing out, and the run would look as if it had.

    Raises
    ------
    FileError
        If there is no manifest to tell where images are from.
    RequestError
        For a name that is not in it; it lists those that are.
    """
    if not names:
        return
    known = sorted({row["source"] for row in manifest_rows(root)} - {""})
    if not known:
        raise FileError("--leave-out needs a manifest.csv whose column source names data sets.")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RequestError(
            f"No image of manifest.csv is from {', '.join(unknown)}; there are {', '.join(known)}."
        )


def without_sources(samples: Sequence[Sample], names: Collection[str]) -> list[Sample]:
    """The samples of other data sets."""
    return [sample for sample in samples if sample.source not in names]


def leaving_out(part: LicensedPart, names: Sequence[str]) -> LicensedPart:
    """What is left of a part without some data sets, with the modalities that are then missing.

    Raises
    ------
    FileError
        If nothing is left.
    """
    if not names:
        return part
    kept = without_sources(part.samples, names)
    if not any(sample.masks for sample in kept):
        raise FileError(f"Without {', '.join(names)} no mask is left.")
    before, after = ({s.place.modality for s in samples} for samples in (part.samples, kept))
    missing = tuple(sorted({*part.missing_modalities, *(before - after)}))
    return replace(
        part, samples=kept, missing_modalities=missing, sources_left_out=tuple(sorted(set(names)))
    )
