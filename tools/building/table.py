"""The training table on disk: pictures, masks and what is said about them."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parser_model.errors import FileError
from parser_model.ontology import Ontology, Place
from parser_model.training.data import PARAPHRASES, Sample, absent_targets, same_site_absent
from parser_model.training.phrases import canonical_phrase, say
from tools.building.harmonise import Labels, site_groups
from tools.building.pictures import Picture, Read
from tools.reading.mask_names import mask_name

LEAST_PIXELS = 10
_FOREIGN = 2  # absent targets of other sites that are written of each picture
_MANIFEST = (
    "image", "mask", "modality", "site", "target", "phrase", "mask_px", "orig_width",
    "orig_height", "source", "licence", "nc", "patient", "split", "pixel_spacing_mm",
)  # fmt: skip
_TRIPLES = (
    "image", "mask", "phrase", "modality", "site", "target", "present", "patient", "source",
    "licence", "split",
)  # fmt: skip


@dataclass(frozen=True)
class Wishes:
    """How a table is to be made.

    Attributes
    ----------
    slices : int
        At most so many of a volume.
    phrases : int
        Wordings of a mask.
    site, source, licence, nc : str or None
        Where the data does not say it.
    keep_unknown : bool
        Keep masks whose label names no target, under the label's own words.
    complete : bool
        The source outlines all objects of the kinds it labels: what has no mask is absent, and
        gets an empty one.
    val : float
        Share of the patients that is set aside for validation, where the data holds train/ alone
        or is not split.
    seed : int
    """

    slices: int = 20
    phrases: int = 4
    site: str | None = None
    source: str | None = None
    licence: str | None = None
    nc: str | None = None
    keep_unknown: bool = False
    complete: bool = False
    val: float = 0.15
    seed: int = 0


@dataclass
class Counts:
    """What a table holds.

    Attributes
    ----------
    images, masks, phrases, patients : int
    by_target : Counter of str
        Masks.
    absent : Counter of str
        Targets that are known to be absent though the image is of their own kind, by source.
    foreign : int
        Absent targets of other kinds of images in the table.
    unknown : Counter of str
        Labels without a target, by their words where those are known words.
    elsewhere : Counter of str
        Targets that the place of the image does not hold, with that place and those that do.
    small : int
        Masks of too few pixels.
    """

    images: int = 0
    masks: int = 0
    phrases: int = 0
    patients: int = 0
    by_target: Counter[str] = field(default_factory=Counter)
    absent: Counter[str] = field(default_factory=Counter)
    foreign: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)
    small: int = 0


class Table:
    """A table that is being written.

    Parameters
    ----------
    out : Path
        A new or empty folder.
    ontology : Ontology
    wishes : Wishes
    paraphrases : callable
        More wordings of a target, checked.

    Raises
    ------
    FileError
        If the folder holds something, or cannot be written.
    """

    def __init__(
        self,
        out: Path,
        ontology: Ontology,
        wishes: Wishes,
        paraphrases: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        self.counts = Counts()
        self._out, self._ontology, self._wishes = out, ontology, wishes
        self._paraphrases = paraphrases
        self._said: dict[str, tuple[str, ...]] = {}
        self._rng = np.random.default_rng(wishes.seed)
        self._manifest: list[dict[str, Any]] = []
        self._triples: list[dict[str, Any]] = []
        try:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()):
                raise FileError(f"The folder {out.name} is not empty; name a new one with --out.")
        except OSError as error:
            raise FileError(f"The folder {out.name} cannot be used: {error.strerror}.") from error

    def add(self, read: Read, number: int, patient: int, split: str, labels: Labels) -> None:
        """Write the pictures of a case.

        Parameters
        ----------
        read : Read
            With a modality.
        number, patient : int
            Of case and patient; all that is written of either.
        split : str
        labels : Labels
            Of the whole data set.
        """
        for picture in read.pictures(self._wishes.slices):
            self._add(read, picture, labels, number, patient, split)

    def _add(
        self, read: Read, picture: Picture, labels: Labels, number: int, patient: int, split: str
    ) -> None:
        modality = str(read.modality)
        masks, outlined = {}, labels.masks(picture.masks)
        for target, mask in outlined.items():
            if int(mask.sum()) >= LEAST_PIXELS:
                masks[target] = mask
            else:
                self.counts.small += 1
        hint = self._wishes.site or read.site
        groups = site_groups(masks, modality, self._ontology, hint)
        held = {target for _, targets in groups for target in targets}
        strange = {t: m for t, m in masks.items() if t not in held}
        self.counts.elsewhere.update(self._elsewhere(t, modality, hint) for t in strange)
        for label in picture.masks:
            if label in labels.unknown:
                name = _harmless(label)
                self.counts.unknown[name or "(words that are not known)"] += 1
                if name:
                    strange[name] = picture.masks[label]
        if not self._wishes.keep_unknown:
            strange = {}
        elif strange and not groups:
            groups = [(hint or "body", ())]
        name = f"c{number:04d}" if picture.slice is None else f"c{number:04d}-{picture.slice:03d}"
        for order, (site, targets) in enumerate(groups):
            place = Place(modality, site)
            stem = f"{name}{'' if order == 0 else 'abcdefgh'[order - 1]}"
            here = {t: masks[t] for t in targets} | (strange if order == 0 else {})
            known = set(self._ontology.targets_in(modality, site))
            absent = {labels.targets[label] for label in picture.empty if label in labels.targets}
            if self._wishes.complete:
                absent |= labels.all_targets
            absent = (absent & known) - set(outlined)
            unused = frozenset(outlined) - set(here)
            self._write(stem, place, picture, here, absent, unused, read, patient, split)

    def _elsewhere(self, target: str, modality: str, site: str | None) -> str:
        """A target with the place that does not hold it, and the places that do."""
        holding = [
            place
            for place in self._ontology.places
            if target in self._ontology.targets_in(place.modality, place.site)
        ]
        near = [place for place in holding if place.modality == modality] or holding
        known = ", ".join(f"{place.site} {place.modality}" for place in near)
        return f"'{target}' in {site or 'any'} {modality} (it is known in {known})"

    def _write(
        self,
        stem: str,
        place: Place,
        picture: Picture,
        masks: Mapping[str, NDArray[np.bool_]],
        absent: Iterable[str],
        unused: frozenset[str],
        read: Read,
        patient: int,
        split: str,
    ) -> None:
        name = f"{stem}_{place.modality}_{place.site.replace(' ', '+')}"
        image = f"{split}/{name}.png"
        self._save(image, _grey_if_grey(picture.pixels))
        stated = read.case.stated
        height, width = picture.pixels.shape[:2]
        common = {
            "image": image,
            "modality": place.modality,
            "site": place.site,
            "source": self._wishes.source or stated.get("source", ""),
            "licence": self._wishes.licence or stated.get("licence", ""),
            "nc": self._wishes.nc or stated.get("nc", "unclear"),
            "patient": f"p{patient:04d}",
            "split": split,
            "orig_width": width,
            "orig_height": height,
            "pixel_spacing_mm": " ".join(f"{x:g}" for x in picture.spacing_mm or ()),
        }
        self.counts.images += 1
        files = {}
        for target, mask in sorted(masks.items()):
            files[target] = self._mask(split, name, target, mask)
            self._row(common, target, files[target], int(mask.sum()), place)
        for target in sorted(absent):
            files[target] = self._mask(split, name, target, np.zeros((height, width), bool))
            self._row(common, target, files[target], 0, place)
        known = dict.fromkeys(masks, Path())
        sample = Sample(Path(), place, known, common["source"], "", tuple(absent), unused)
        self._absent(common, sample, files)

    def _row(
        self, common: dict[str, Any], target: str, mask: str, pixels: int, place: Place
    ) -> None:
        phrase = canonical_phrase(target, place)
        row = {**common, "target": target, "mask": mask, "phrase": phrase, "mask_px": pixels}
        self._manifest.append(row)
        if pixels:
            self.counts.masks += 1
            self.counts.by_target[f"{place.modality} {target}"] += 1
            for wording in self._wordings(target, place):
                self._triple(row, wording, True)

    def _absent(self, common: dict[str, Any], sample: Sample, files: Mapping[str, str]) -> None:
        """Rows of objects that are not in the picture: of the same kind all, of others some."""
        local = same_site_absent(sample)
        foreign = [t for t in absent_targets(sample, self._ontology) if t not in local]
        drawn = self._rng.choice(foreign, min(_FOREIGN, len(foreign)), replace=False)
        self.counts.absent[common["source"] or "(no source)"] += len(local)
        self.counts.foreign += len(drawn)
        for target in [*local, *map(str, drawn)]:
            row = {**common, "target": target, "mask": files.get(target, "")}
            self._triple(row, canonical_phrase(target, sample.place), False)

    def _wordings(self, target: str, place: Place) -> list[str]:
        """The canonical phrase and others, each once."""
        found = {canonical_phrase(target, place): None}
        if target in self._ontology.targets:
            if target not in self._said:
                self._said[target] = tuple(self._paraphrases(target))
            for _ in range(4 * self._wishes.phrases):
                if len(found) >= self._wishes.phrases:
                    break
                found[say(target, place, self._ontology, self._rng)] = None
            found.update(dict.fromkeys(self._said[target]))
        return list(found)

    def _triple(self, row: dict[str, Any], phrase: str, present: bool) -> None:
        self.counts.phrases += 1
        kept = {key: row.get(key, "") for key in _TRIPLES}
        self._triples.append({**kept, "phrase": phrase, "present": "yes" if present else "no"})

    def _mask(self, split: str, name: str, target: str, mask: NDArray[np.bool_]) -> str:
        path = f"{split}_mask/{name}_{target.replace(' ', '+')}.png"
        self._save(path, 255 * mask.astype(np.uint8))
        return path

    def _save(self, name: str, pixels: NDArray[np.uint8]) -> None:
        path = self._out / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)

    def close(self) -> None:
        """Write ``manifest.csv`` (a row a mask), ``triples.csv`` (a row a phrase), paraphrases."""
        self.counts.patients = len({row["patient"] for row in self._manifest})
        _write_csv(self._out / "manifest.csv", _MANIFEST, self._manifest)
        _write_csv(self._out / "triples.csv", _TRIPLES, self._triples)
        said = {target: list(texts) for target, texts in sorted(self._said.items()) if texts}
        if said:
            text = json.dumps(said, indent=1, ensure_ascii=False)
            (self._out / PARAPHRASES).write_text(text, encoding="utf-8")


def _harmless(label: str) -> str | None:
    """A label in words that name no person, or None: labels are typed by people."""
    if re.fullmatch(r"(?:label|segment) \d+", label):
        return label
    name = mask_name([label.replace("_", " ")], 0)
    return None if name == "segment 0" else name


def _grey_if_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    red = pixels[..., 0]
    same = np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2])
    return red if same else pixels


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
