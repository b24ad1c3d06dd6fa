"""Images, masks and phrases for training, from folders in BiomedParse's naming.

``train/IMAGE_MODALITY_SITE.webp`` beside ``train_mask/IMAGE_MODALITY_SITE_TARGET.png``, spaces in
TARGET written as ``+``. A ``manifest.csv`` beside them, where there is one, adds the source and
the patient of each image (for splits and for honest negatives).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parser_model.errors import FileError
from parser_model.ontology import Ontology, Place

PICTURES = (".webp", ".png", ".jpg", ".jpeg")
PARAPHRASES = "paraphrases.json"

COMPLETE_SOURCES: dict[str, frozenset[str]] = {
    # Sources that label every object of these kinds in each image they give: a missing mask
    # means the object is absent. Each claim was looked at on images without the mask
    # (docs/model-card.md says how); masks under 30 pixels at 256 x 256 were dropped by the data.
    # Not here: the right heart ventricle of ACDC (slices at the base show the right heart without
    # a mask), the transitional zone of Prostate158 (seen without a mask), TotalSegmentator (the
    # output of a model).
    "ACDC": frozenset({"left heart ventricle", "myocardium"}),
    "BHSD": frozenset(
        {
            "epidural hemorrhage",
            "intraparenchymal hemorrhage",
            "intraventricular hemorrhage",
            "subarachnoid hemorrhage",
            "subdural hemorrhage",
        }
    ),
    "BRISC2025": frozenset({"glioma", "meningioma", "pituitary tumor"}),
    "BUS-BRA": frozenset({"benign tumor", "malignant tumor"}),
    "BUSI": frozenset({"benign tumor", "malignant tumor"}),
    "BraTS2023": frozenset({"edema", "tumor core", "whole tumor"}),
    "CURVAS": frozenset({"kidney", "liver", "pancreas"}),
    "KiTS19": frozenset({"kidney", "tumor"}),
    "MSD-Task04": frozenset({"tumor"}),
    "SPIDER": frozenset({"intervertebral disc", "spinal canal", "vertebrae"}),
}

PARTLY_LABELLED = frozenset({"DeepLesion", "Lizard"})
"""Sources that leave out objects of the kinds they outline: where none is outlined, one may be."""

SOME_OF_MANY = frozenset({"Lizard"})
"""Of these a mask is believed only on what it outlines and next to it: in the images of Lizard many
nuclei, often those of a whole region, have no outline, and are no background."""


@dataclass(frozen=True)
class Sample:
    """One image with the masks it has.

    Attributes
    ----------
    image : Path
    place : Place
        Modality and site.
    masks : dict of str to Path
        By target.
    source, patient : str
        Data set and patient; the image's own name where unknown.
    absent : tuple of str
        Targets that an empty mask says are not in the image.
    unknown : frozenset of str
        Targets of which a mask was given that is not used: a missing mask says nothing of them.
    """

    image: Path
    place: Place
    masks: dict[str, Path] = field(default_factory=dict)
    source: str = ""
    patient: str = ""
    absent: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()


def read_folder(root: Path, split: str, *, skip_bad: bool = False) -> list[Sample]:
    """The samples of ``root/split`` with the masks of ``root/split_mask``, in order of name.

    Names alone are read; `parser_model.training.survey` looks at what is in the files. Files whose
    names begin with a dot are none of the data.

    Parameters
    ----------
    root : Path
    split : str
    skip_bad : bool
        Pass by images whose names do not follow the convention.

    Raises
    ------
    FileError
        If the folders are missing or the name of a picture does not follow the convention.
    """
    images, masks = root / split, root / f"{split}_mask"
    for folder in (images, masks):
        if not folder.is_dir():
            raise FileError(f"The folder {folder.name} is missing under the data folder.")
    by_stem: dict[str, dict[str, Path]] = {}
    outlines = sorted(p for p in masks.iterdir() if p.suffix.lower() in PICTURES)
    for path in outlines:
        if path.suffix.lower() != ".png":
            if path.with_suffix(".png") in outlines:
                continue
            # Passed by, it would say that its target is absent.
            raise FileError(f"{path.name} is not named IMAGE_MODALITY_SITE_TARGET.png.")
        stem, _, target = path.stem.rpartition("_")
        by_stem.setdefault(stem, {})[target.replace("+", " ")] = path
    known = read_manifest(root)
    samples = []
    pictures = [p for p in images.iterdir() if p.suffix.lower() in PICTURES]
    for path in sorted(p for p in pictures if not p.name.startswith(".")):
        parts = path.stem.split("_")
        if len(parts) != 3:
            if skip_bad:
                continue
            raise FileError(f"{path.name} is not named IMAGE_MODALITY_SITE.")
        source, patient = known.get(f"{split}/{path.name}", ("", path.stem))
        place = Place(parts[1], parts[2].replace("+", " "))
        samples.append(Sample(path, place, by_stem.get(path.stem, {}), source, patient))
    return samples


def manifest_rows(root: Path) -> list[dict[str, str]]:
    """The rows of ``manifest.csv``, one a mask; none where there is no such file.

    Commas part the columns, or semicolons, as Excel writes them in many languages.

    Raises
    ------
    FileError
        If it is no such table.
    """
    path = root / "manifest.csv"
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            heading = lines.readline()
            lines.seek(0)
            sign = ";" if ";" in heading and "," not in heading else ","
            rows = list(csv.DictReader(lines, delimiter=sign, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"manifest.csv is no table in UTF-8: {error}.") from error
    missing = {"image", "source", "patient"} - set(rows[0] if rows else ())
    if rows and missing:
        raise FileError(f"manifest.csv lacks the columns {', '.join(sorted(missing))}.")
    for number, row in enumerate(rows, 1):
        if None in row.values():
            raise FileError(f"Row {number} below the heading of manifest.csv is cut short.")
    return rows


def read_manifest(root: Path) -> dict[str, tuple[str, str]]:
    """Source and patient of each image, by its path in the folder.

    Who has no patient told is one of their own, under the image's name.
    """
    return {
        row["image"]: (row["source"], row["patient"].strip() or Path(row["image"]).stem)
        for row in manifest_rows(root)
    }


def shared_patients(some: Sequence[Sample], others: Sequence[Sample]) -> set[tuple[str, str]]:
    """Patients of ``manifest.csv``, by source and name, with images among both."""
    of_some, of_others = (
        {(s.source, s.patient) for s in samples if s.patient not in ("", s.image.stem)}
        for samples in (some, others)
    )
    return of_some & of_others


def read_paraphrases(root: Path) -> dict[str, tuple[str, ...]]:
    """More wordings of targets, from ``paraphrases.json`` where the folder has one.

    Raises
    ------
    FileError
        If it is no such table.
    """
    path = root / PARAPHRASES
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise FileError(f"{PARAPHRASES} is no JSON in UTF-8.") from error
    if not isinstance(table, dict) or not all(map(_are_wordings, table.values())):
        raise FileError(f"{PARAPHRASES} is no table of targets and wordings: it needs lists.")
    return {name: tuple(texts) for name, texts in table.items()}


def _are_wordings(texts: object) -> bool:
    """Not so one wording without its list: its letters would be taught."""
    return isinstance(texts, list) and all(isinstance(t, str) and t.strip() for t in texts)


def read_picture(path: Path, mode: Literal["RGB", "L"]) -> Image.Image:
    """A file of a picture, decoded, in colour or in grey; grey keeps what is transparent (LA).

    Raises
    ------
    FileError
        If it is damaged, no picture, or too large, or colour is asked of deep grey.
    """
    try:
        with Image.open(path) as picture:
            deep = picture.mode.startswith("I")
            pixels = picture.convert(mode)
            if mode == "L" and picture.has_transparency_data:
                pixels.putalpha(picture.convert("RGBA").getchannel("A"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        why = type(error).__name__
        raise FileError(f"{path.name} cannot be read as a picture: {why}.") from error
    if deep and mode == "RGB":  # Pillow would show all that is above 255 as white
        why = "it has more than 8 bits a pixel ('parsechat data build' writes it with 8)"
        raise FileError(f"{path.name} cannot be read as a picture: {why}.")
    return pixels


def read_image(path: Path, size: int | None, *, pad: bool = False) -> NDArray[np.uint8]:
    """An image as (size, size, 3) uint8 RGB; None keeps the file's own size.

    With `pad` its proportions are kept and the rest of the square is black; else it is squeezed.
    Raises what `read_picture` does.
    """
    return np.asarray(_square(read_picture(path, "RGB"), size, Image.Resampling.BICUBIC, pad))


def read_mask(path: Path, size: int | None = None, *, pad: bool = False) -> NDArray[np.bool_]:
    """A mask as bool (size, size); None keeps the file's own size. See `read_image`.

    Raises
    ------
    FileError
        As `read_picture`, and for what is `no_mask`.
    """
    picture = read_picture(path, "L")
    why = no_mask(picture)
    if why:
        raise FileError(f"{path.name} cannot be read as a mask: it {why}.")
    grey = picture.getchannel("L")
    return np.asarray(_square(grey, size, Image.Resampling.NEAREST, pad)) > 127


def no_mask(picture: Image.Image) -> str | None:
    """Why a picture in grey is no mask, or None; an empty mask is one, and says "absent".

    So what is not empty must not pass for it: values of 0 and 1, or a shape that is drawn in what
    is transparent.
    """
    grey = np.asarray(picture.getchannel("L"))
    largest = int(grey.max())
    if 0 < largest <= 127:
        return f"holds values up to {largest} and not 0 and 255"
    plain = largest == 0 or bool((grey > 127).all())
    if plain and "A" in picture.getbands() and np.ptp(np.asarray(picture.getchannel("A"))) > 0:
        return "has its shape in what is transparent and not in 0 and 255"
    return None


def _square(
    picture: Image.Image, size: int | None, resampling: Image.Resampling, pad: bool
) -> Image.Image:
    if size is None or picture.size == (size, size):
        return picture
    if not pad or picture.width == picture.height:
        return picture.resize((size, size), resampling)
    longer = max(picture.size)
    width, height = (max(1, round(side * size / longer)) for side in picture.size)
    square = Image.new(picture.mode, (size, size))
    square.paste(
        picture.resize((width, height), resampling), ((size - width) // 2, (size - height) // 2)
    )
    return square


# Findings that might sit unlabelled in any image of these places are no honest negatives there.
_TRUNK = frozenset({"abdomen", "chest", "kidney", "lung", "body", "spine", "prostate"})
_ANYWHERE = frozenset({"tumor", "lesion", "edema", "benign tumor", "malignant tumor", "vessel"})
_NO_FINDINGS = (
    Place("fundus", "retinal"),
    Place("OCT", "retinal"),
    Place("ultrasound", "fetal"),
    Place("ultrasound", "neck"),
    Place("MRI", "heart"),
    Place("X-Ray", "chest"),
)


def absent_targets(sample: Sample, ontology: Ontology) -> list[str]:
    """Targets that are surely not in a sample's image.

    Those of other sites (no polyp in a chest X-ray), and those of the same site where the
    source labels all of its kind.
    """
    place = sample.place
    here: set[str] = set(ontology.targets_in(place.modality, place.site))
    neighbours = _TRUNK if place.site in _TRUNK else {place.site}
    for site in neighbours:
        here.update(ontology.targets_in(None, site))
    if place.modality == "pathology":
        here.update(ontology.targets_in("pathology"))
    if place.site in ("brain", "heart"):
        here.update(t for t in ontology.targets_in(None, place.site))
    absent = [
        target
        for target in ontology.targets
        if target not in here | sample.unknown
        and (target not in _ANYWHERE or place in _NO_FINDINGS)
    ]
    return absent + [t for t in same_site_absent(sample) if t not in absent]


def same_site_absent(sample: Sample) -> list[str]:
    """Absent targets of the same modality and site.

    From sources that label all of their kind, unless a mask was given, and from empty masks.
    """
    complete = COMPLETE_SOURCES.get(sample.source, frozenset()) - sample.unknown
    return sorted((complete | set(sample.absent)) - set(sample.masks))


def evenly(samples: Sequence[Sample], limit: int) -> list[Sample]:
    """At most so many samples, of all places in turn; the same ones every time."""
    if limit >= len(samples):
        return list(samples)
    shuffled = [samples[i] for i in np.random.default_rng(0).permutation(len(samples))]
    turn: dict[Place, int] = {}
    ranked = []
    for sample in shuffled:
        turn[sample.place] = turn.get(sample.place, 0) + 1
        ranked.append((turn[sample.place], sample))
    return [sample for _, sample in sorted(ranked, key=lambda item: item[0])[:limit]]
