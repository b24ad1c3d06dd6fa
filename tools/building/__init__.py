"""Making a training table from images with masks as people have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from parser_model.errors import FileError, InputError
from parser_model.ontology import Ontology
from tools.building.cases import find_cases, parse_names, unused_files
from tools.building.harmonise import Labels
from tools.building.pictures import Read, read_case
from tools.building.table import Counts, Table, Wishes

__all__ = ["Built", "Counts", "Wishes", "build", "find_cases", "parse_names"]

_MODALITY = "what kind of image it is is not known; name it with --modality"


@dataclass(frozen=True)
class Built:
    """What came of a folder.

    Attributes
    ----------
    cases : int
    counts : Counts
    problems : tuple of str
        Cases that were left out, by number in the order of their names, and why.
    files : tuple of str
        The file of each problem, in the folder. It may name a patient, and so may the next: they
        are for the screen alone.
    unused : tuple of str
        Files that belong to no case, with the reason.
    """

    cases: int
    counts: Counts
    problems: tuple[str, ...]
    files: tuple[str, ...] = field(default=(), repr=False)
    unused: tuple[str, ...] = field(default=(), repr=False)


def build(
    root: Path,
    out: Path,
    ontology: Ontology,
    wishes: Wishes | None = None,
    *,
    modality: str | None = None,
    names: dict[int, str] | None = None,
    paraphrases: Callable[[str], Sequence[str]] = lambda _: (),
    progress: Callable[[int, int], None] | None = None,
) -> Built:
    """Write a training table in BiomedParse's naming.

    Nothing that names a patient is written: cases and patients are numbered in the order of
    their names, and labels that hold other than known words are left out.

    Parameters
    ----------
    root : Path
        See `tools.building.cases`.
    out : Path
        A new or empty folder.
    ontology : Ontology
    wishes : Wishes, optional
    modality : str, optional
        Where files do not say it.
    names : dict of int to str, optional
        Labels by value, for label volumes.
    paraphrases : callable
        More wordings of a target.
    progress : callable, optional
        Called with the number of cases done, and of all.

    Raises
    ------
    FileError
        If there are no cases, none is usable, or `out` is not empty.
    RequestError
        For an unknown modality.
    """
    wishes = wishes or Wishes()
    modality = ontology.modality(modality) if modality else None
    cases = find_cases(root, names)
    patients = {name: i for i, name in enumerate(dict.fromkeys(c.patient for c in cases), 1)}
    split = {case.split for case in cases} - {None, "train"}  # by whoever made the folder
    held_out = frozenset() if split else _held_out(len(patients), wishes)
    table = Table(out, ontology, wishes, paraphrases)
    problems: list[str] = []
    files: list[str] = []
    every: dict[str, list[str]] = {}
    for case in cases:  # of named folders all labels are known from their names alone
        if case.kind == "named":
            every.setdefault(case.stated["modality"], []).extend(str(n) for n, _ in case.masks)
    for number, case in enumerate(cases, 1):
        try:
            read = _placed(read_case(case, modality), ontology)
            known = every.get(case.stated.get("modality", ""), read.labels)
            labels = Labels.of(known, ontology, read.modality)
            patient = patients[case.patient]
            part = "val" if patient in held_out else case.split or "train"
            table.add(read, number, patient, part, labels)
        except InputError as error:
            problems.append(f"Case {number} is left out: {str(error).rstrip('.')}.")
            files.append(case.image.relative_to(root).as_posix())
        if progress:
            progress(number, len(cases))
    if not table.counts.masks:
        told = " ".join(problems[:3]) or _why_nothing(table.counts)
        raise FileError(f"Nothing could be used of {len(cases)} cases: {told}")
    table.close()
    unused = unused_files(root) if cases[0].kind == "named" else []
    return Built(len(cases), table.counts, tuple(problems), tuple(files), tuple(unused))


def _placed(read: Read, ontology: Ontology) -> Read:
    """With modality and site as the ontology spells them."""
    if read.modality is None:
        raise FileError(_MODALITY)
    site = next((s for s in ontology.sites if read.site in (s, *ontology.site_names(s))), None)
    if read.site is not None and site is None:
        raise FileError(f"its name holds an unknown site; there are {', '.join(ontology.sites)}")
    modality = ontology.modality(read.modality)
    return Read(read.labels, modality, site, read.case, read.scan, read.volume_masks)


def _why_nothing(counts: Counts) -> str:
    if counts.elsewhere:
        return f"no target is one of its place: {'; '.join(list(counts.elsewhere)[:3])}."
    return "no label names a known target."


def _held_out(patients: int, wishes: Wishes) -> frozenset[int]:
    order = np.random.default_rng(wishes.seed).permutation(patients) + 1
    return frozenset(order[: round(wishes.val * patients)].tolist())
