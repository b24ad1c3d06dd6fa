"""Looking over a folder before training: every file that cannot be used is named at the start.

What is wrong with single files costs those files only, and they are counted. When more than a
tenth is wrong it is not the files but the folder or the naming, and the run stops.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from parser_model.errors import FileError, RequestError
from parser_model.ontology import Ontology, Place
from parser_model.training.data import PICTURES, Sample, no_mask, read_manifest, read_picture

Kind = Literal[
    "bad name",
    "beside another",
    "unknown modality",
    "unknown place",
    "unknown target",
    "named twice",
    "unreadable",
    "sizes differ",
    "no mask values",
    "mask without image",
    "image without mask",
    "empty mask",
]
# These tell something about the data rather than being faults of it.
_HARMLESS: frozenset[Kind] = frozenset({"beside another", "empty mask", "image without mask"})
_STOP_ABOVE = 0.1


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file.

    Attributes
    ----------
    file : str
        Relative to the data folder.
    kind : Kind
    sentence : str
        For people: what is wrong, and what becomes of the file.
    """

    file: str
    kind: Kind
    sentence: str


@dataclass(frozen=True)
class Survey:
    """What a folder holds.

    Attributes
    ----------
    split : str
        "train" or "val".
    samples : list of Sample
        Images with at least one usable mask or known absence, all files readable.
    problems : list of Problem
        Faults first, then what is harmless.
    files : int
        Images and masks together, the bad ones included.
    """

    split: str
    samples: list[Sample]
    problems: list[Problem]
    files: int

    @property
    def counts(self) -> dict[str, int]:
        """Number of problems by kind, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    @property
    def skipped(self) -> int:
        """Files that are left out because something is wrong with them."""
        return sum(problem.kind not in _HARMLESS for problem in self.problems)

    def check(self, *, skip_bad: bool = False) -> None:
        """Refuse a folder in which too much is wrong.

        Raises
        ------
        FileError
            If there is nothing to train on, or more than a tenth of the files is bad and
            `skip_bad` is off.
        """
        if self.split == "train" and not any(sample.masks for sample in self.samples):
            raise FileError("There is no usable mask in this folder, so there is nothing to learn.")
        if not skip_bad and self.skipped > _STOP_ABOVE * self.files:
            raise FileError(
                f"{self.skipped} of {self.files} files cannot be used (listed above); repair them, "
                "or leave them out with --skip-bad."
            )


def survey(
    root: Path,
    split: str,
    ontology: Ontology,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Read names and pixels of ``root/split`` and ``root/split_mask`` and tell what is wrong.

    Parameters
    ----------
    root : Path
        A folder in BiomedParse's naming; see `parser_model.training.data`.
    split : str
        "train" or "val".
    ontology : Ontology
        What modalities, sites and targets there are.
    progress : callable, optional
        Called with the number of files done, and of all.

    Raises
    ------
    FileError
        If a folder is missing.
    """
    images, masks = root / split, root / f"{split}_mask"
    for folder in (images, masks):
        if not folder.is_dir():
            raise FileError(f"The folder {folder.name} is missing under the data folder.")
    pictures = sorted(p for p in images.iterdir() if p.is_file() and not p.name.startswith("."))
    outlines = sorted(p for p in masks.iterdir() if p.is_file() and not p.name.startswith("."))
    work = _Work(root, ontology, progress, len(pictures) + len(outlines))
    named = {p.stem for p in pictures if p.suffix.lower() in PICTURES}
    named |= {p.stem for p in outlines if p.suffix.lower() == ".png"}
    for path in pictures:
        if path.suffix.lower() not in PICTURES and path.stem in named:
            work.beside(path)
        else:
            work.image(path)
    for path in outlines:
        if path.suffix.lower() != ".png" and path.stem in named:
            work.beside(path)
        else:
            work.mask(path)
    for stem, sample in work.samples.items():
        if not sample.masks and not sample.absent and stem not in work.blamed:
            work.note(sample.image, "image without mask", "has no mask and is not used")
    kept = [s for s in work.samples.values() if s.masks or s.absent]
    faults_first = sorted(work.problems, key=lambda problem: problem.kind in _HARMLESS)
    return Survey(split, kept, faults_first, work.total)


class _Work:
    """One pass over a folder."""

    def __init__(
        self,
        root: Path,
        ontology: Ontology,
        progress: Callable[[int, int], None] | None,
        total: int,
    ) -> None:
        self.root, self.total = root, total
        self.problems: list[Problem] = []
        self.samples: dict[str, Sample] = {}
        self.blamed: set[str] = set()  # images whose own masks are at fault already
        self._ontology, self._progress, self._done = ontology, progress, 0
        self._shapes: dict[str, tuple[int, int]] = {}
        self._bad_images: set[str] = set()
        self._known = read_manifest(root)

    def note(self, path: Path, kind: Kind, sentence: str) -> None:
        """Put a problem on the list."""
        name = path.relative_to(self.root).as_posix()
        self.problems.append(Problem(name, kind, f"{name} {sentence}."))

    def beside(self, path: Path) -> None:
        """Pass by a file, such as a description, that lies beside an image or mask of its name."""
        self._step()
        self.note(
            path, "beside another", "lies beside an image or mask of its name and is not used"
        )

    def image(self, path: Path) -> None:
        """Look at one file of the folder of images."""
        self._step()
        self._bad_images.add(path.stem)  # until it has proved good
        if path.suffix.lower() not in PICTURES or len(path.stem.split("_")) != 3:
            self.note(path, "bad name", f"is not named IMAGE_MODALITY_SITE{PICTURES[1]}")
            return
        if path.stem in self.samples:
            self._bad_images.discard(path.stem)
            self.note(path, "named twice", "has the name of another image; the first is used")
            return
        _, modality, site = path.stem.split("_")
        place = Place(modality, site.replace("+", " "))
        if place not in self._ontology.places:
            self._strange_place(path, place)
            return
        picture = self._read(path, "RGB")
        if picture is None:
            return
        self._bad_images.discard(path.stem)
        self._shapes[path.stem] = picture.height, picture.width
        name = path.relative_to(self.root).as_posix()
        source, patient = self._known.get(name, ("", path.stem))
        self.samples[path.stem] = Sample(path, place, {}, source, patient)

    def mask(self, path: Path) -> None:
        """Look at one file of the folder of masks."""
        self._step()
        stem, _, target = path.stem.rpartition("_")
        target = target.replace("+", " ")
        if path.suffix.lower() != ".png" or len(stem.split("_")) != 3:
            self.note(path, "bad name", "is not named IMAGE_MODALITY_SITE_TARGET.png")
            parts = path.stem.split("_")
            self._lose("_".join(parts[:3]), " ".join(parts[3:]).replace("+", " "))
            return
        if stem in self._bad_images:
            return  # the image is on the list, and its masks go with it
        sample = self.samples.get(stem)
        if sample is None:
            self.note(path, "mask without image", "has no image of its name")
            return
        self.blamed.add(stem)
        known = self._ontology.targets_in(sample.place.modality, sample.place.site)
        if target not in known:
            hint = self._ontology.resolve(target, sample.place.modality)
            hint = f"; '{hint}' is meant?" if hint in known else ""
            place = f"{sample.place.site} {sample.place.modality}"
            self.note(
                path, "unknown target", f"names '{target}', unknown in {place}, is skipped{hint}"
            )
            self._lose(stem, target)
        elif not self._pixels(path, stem, target):
            self._lose(stem, target)

    def _lose(self, stem: str, name: str) -> None:
        """Remember that a mask of an image is not used: what it outlines is not absent.

        Where its name says nothing, it may outline any target of such images.
        """
        sample = self.samples.get(stem)
        if sample is None:
            return
        place = sample.place
        meant = name if name in self._ontology.targets else None
        meant = meant or self._ontology.resolve(name, place.modality)
        lost = {meant} if meant else self._ontology.targets_in(place.modality, place.site)
        self.samples[stem] = replace(sample, unknown=sample.unknown.union(lost))

    def _pixels(self, path: Path, stem: str, target: str) -> bool:
        """Take in what a mask holds; False where it cannot be used."""
        picture = self._read(path, "L")
        if picture is None:
            return False
        rows, columns = self._shapes[stem]
        if picture.size != (columns, rows):
            size = f"{picture.height} x {picture.width}"
            self.note(path, "sizes differ", f"is {size}, its image {rows} x {columns}, is skipped")
            return False
        why = no_mask(picture)
        if why:
            self.note(path, "no mask values", f"{why}, is skipped")
            return False
        sample = self.samples[stem]
        if picture.getchannel("L").getbbox() is None:
            self.samples[stem] = replace(sample, absent=(*sample.absent, target))
            self.note(path, "empty mask", f"is empty: taken as an image without {target}")
        else:
            self.samples[stem] = replace(sample, masks={**sample.masks, target: path})
        return True

    def _read(self, path: Path, mode: Literal["RGB", "L"]) -> Image.Image | None:
        try:
            # Whole: headers alone may be fine while the pixels are cut off.
            return read_picture(path, mode)
        except FileError as error:
            why = str(error).removeprefix(f"{path.name} ").rstrip(".")
            self.note(path, "unreadable", f"{why}, is skipped")
            return None

    def _strange_place(self, path: Path, place: Place) -> None:
        if place.modality in self._ontology.modalities:
            sites = sorted({p.site for p in self._ontology.places if p.modality == place.modality})
            text = f"names the site '{place.site}'; {place.modality} has {', '.join(sites)}"
            self.note(path, "unknown place", text)
            return
        try:
            hint = f"; write it '{self._ontology.modality(place.modality)}'"
        except RequestError:
            hint = f"; there are {', '.join(self._ontology.modalities)}"
        self.note(path, "unknown modality", f"names the modality '{place.modality}'{hint}")

    def _step(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self.total)


def data_sha256(root: Path, samples: Sequence[Sample]) -> str:
    """SHA-256 over names (relative to `root`) and bytes of all images and masks of samples."""
    digest = hashlib.sha256()
    for path in sorted({p for s in samples for p in (s.image, *s.masks.values())}):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def labels_sha256(root: Path, samples: Sequence[Sample]) -> str:
    """SHA-256 of what is said of images beside their masks: source, what is absent or unknown."""
    said = sorted(
        [s.image.relative_to(root).as_posix(), s.source, sorted(s.absent), sorted(s.unknown)]
        for s in samples
    )
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
