"""Finding images and the masks that belong to them in folders as people have them.

Three kinds: BiomedParse's naming (``train/`` beside ``train_mask/``); volumes with label volumes
(``imagesTr`` beside ``labelsTr``, a folder ``segmentations`` beside a volume, or
``NAME_seg.nii.gz`` beside ``NAME.nii.gz``); DICOM series with DICOM segmentations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from parser_model.errors import FileError, RequestError
from parser_model.training.data import PICTURES, manifest_rows

Kind = Literal["named", "volume", "dicom"]

_VOLUMES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_LABEL_ENDING = re.compile(r"[-_](?:seg|segmentation|label|labels|labelmap|mask|masks)$", re.I)
_IMAGE_ENDING = re.compile(r"[-_](?:image|img|0000)$", re.I)


@dataclass(frozen=True)
class Case:
    """An image with its masks, not read yet.

    Attributes
    ----------
    kind : {"named", "volume", "dicom"}
    image : Path
        A file; for DICOM the folder with the series.
    masks : tuple of (str or None, Path)
        Files of masks; with the label where a file holds one.
    patient : str
        Tells patients apart; never written.
    names : dict of int to str
        Labels by value, where a file holds several.
    split : str or None
        Of folders that have been split.
    stated : dict of str to str
        What is known beside the pixels: modality, site, source, licence, nc.
    """

    kind: Kind
    image: Path
    masks: tuple[tuple[str | None, Path], ...]
    patient: str
    names: dict[int, str] = field(default_factory=dict)
    split: str | None = None
    stated: dict[str, str] = field(default_factory=dict)


def find_cases(root: Path, names: dict[int, str] | None = None) -> list[Case]:
    """The cases of a folder, in the order of their names.

    Parameters
    ----------
    root : Path
    names : dict of int to str, optional
        Labels by value, for label volumes that do not come with their names.

    Raises
    ------
    FileError
        If there is no such folder, or nothing in it that has masks.
    """
    if not root.is_dir():
        raise FileError("There is no such folder; give one with images and masks.")
    for find in (_named, _volumes, _dicom):
        cases = list(find(root, names or {}))
        if cases:
            return cases
    raise FileError(
        "No images with masks were found: give a folder with train/ and train_mask/ in "
        "BiomedParse's naming, volumes with label volumes (imagesTr and labelsTr, or NAME_seg "
        "beside NAME), or DICOM series with DICOM segmentations."
    )


def parse_names(text: str) -> dict[int, str]:
    """Labels by value from words as "1=liver,2=left kidney".

    Raises
    ------
    RequestError
        For anything else.
    """
    found = {}
    for part in text.split(","):
        value, _, name = part.partition("=")
        if not value.strip().isdigit() or not name.strip():
            raise RequestError(f"Name labels as 1=liver,2=spleen; '{part}' is no such pair.")
        found[int(value)] = name.strip()
    return found


def unused_files(root: Path) -> list[str]:
    """Files of a folder in BiomedParse's naming that no case uses, and why.

    They may name patients, so they are for the screen and never for what is written.
    """
    found = []
    for images, masks in _named_folders(root):
        pictures, drawn = _pictures(images), _by_stem(masks)
        for path in pictures:
            if len(path.stem.split("_")) != 3:
                why = f"is not named IMAGE_MODALITY_SITE{path.suffix}"
            elif path.stem not in drawn:
                why = "has no mask"
            else:
                continue
            found.append(f"{images.name}/{path.name} {why}, is not used.")
        stems = {path.stem for path in pictures if len(path.stem.split("_")) == 3}
        for stem, files in drawn.items():
            if stem not in stems:
                why = "has no image of its name; it should be IMAGE_MODALITY_SITE_TARGET"
                found += [f"{masks.name}/{path.name} {why}, is not used." for _, path in files]
    return found


def _named_folders(root: Path) -> Iterator[tuple[Path, Path]]:
    """Folders of images, each with that of their masks."""
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        masks = root / f"{folder.name}_mask"
        if masks.is_dir():
            yield folder, masks


def _pictures(folder: Path) -> list[Path]:
    files = (p for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    return sorted(p for p in files if not p.name.startswith("."))


def _by_stem(masks: Path) -> dict[str, list[tuple[str | None, Path]]]:
    """Masks with their labels, by the name of their image."""
    by_stem: dict[str, list[tuple[str | None, Path]]] = {}
    for path in _pictures(masks):
        stem, _, label = path.stem.rpartition("_")
        by_stem.setdefault(stem, []).append((label.replace("+", " "), path))
    return by_stem


def _named(root: Path, _: dict[int, str]) -> Iterator[Case]:
    known = {row["image"]: row for row in manifest_rows(root)}
    for folder, masks in _named_folders(root):
        by_stem = _by_stem(masks)
        for path in _pictures(folder):
            parts = path.stem.split("_")
            if len(parts) != 3 or path.stem not in by_stem:
                continue
            row = known.get(f"{folder.name}/{path.name}", {})
            stated = {"modality": parts[1], "site": parts[2].replace("+", " ")}
            stated |= {k: row[k] for k in ("source", "licence", "nc") if row.get(k)}
            yield Case(
                "named",
                path,
                tuple(by_stem[path.stem]),
                row.get("patient") or path.stem,
                split=folder.name,
                stated=stated,
            )


def _volumes(root: Path, names: dict[int, str]) -> Iterator[Case]:
    names = names or _dataset_names(root)
    images, labels = root / "imagesTr", root / "labelsTr"
    if images.is_dir() and labels.is_dir():
        drawn = {_stem(path): path for path in _volume_files(labels)}
        for path in _volume_files(images):
            stem = _IMAGE_ENDING.sub("", _stem(path))
            if stem in drawn:
                yield Case("volume", path, ((None, drawn[stem]),), stem, names)
        return
    for folder in [root, *sorted(p for p in root.rglob("*") if p.is_dir())]:
        files = _volume_files(folder)
        parts = folder / "segmentations"
        if len(files) == 1 and parts.is_dir():
            masks = tuple((_stem(path), path) for path in _volume_files(parts))
            yield Case("volume", files[0], masks, folder.relative_to(root).as_posix(), names)
        elif folder.name != "segmentations":
            yield from _pairs(folder, files, names)


def _pairs(folder: Path, files: list[Path], names: dict[int, str]) -> Iterator[Case]:
    """``NAME_seg`` beside ``NAME``, a file or a folder with a DICOM series."""
    labels = [path for path in files if _LABEL_ENDING.search(_stem(path))]
    images = {_IMAGE_ENDING.sub("", _stem(p)): p for p in files if p not in labels}
    images |= {p.name: p for p in sorted(folder.iterdir()) if p.is_dir()}
    for path in labels:
        stem = _LABEL_ENDING.sub("", _stem(path))
        if stem in images:
            yield Case("volume", images[stem], ((None, path),), (folder / stem).as_posix(), names)


def _dicom(root: Path, _: dict[int, str]) -> Iterator[Case]:
    from tools.reading import group_series

    inside = sorted(p for p in root.iterdir() if p.is_dir())
    loose = any(p.is_file() and _is_dicom(p) for p in root.iterdir())
    for case in [root] if loose else inside:
        masks: list[tuple[str | None, Path]] = []
        for folder in [case, *sorted(p for p in case.rglob("*") if p.is_dir())]:
            files = sorted(p.name for p in folder.iterdir() if p.is_file() and _is_dicom(p))
            if not files:
                continue
            grouped = {name for group in group_series(folder, files) for name in group}
            masks += [(None, folder / name) for name in files if name not in grouped]
        if masks:
            yield Case("dicom", case, tuple(masks), case.name)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _volume_files(folder: Path) -> list[Path]:
    return sorted(
        p
        for p in folder.iterdir()
        if p.is_file() and p.name.lower().endswith(_VOLUMES) and not p.name.startswith(".")
    )


def _stem(path: Path) -> str:
    name = path.name
    ending = next(e for e in _VOLUMES if name.lower().endswith(e))
    return name[: -len(ending)]


def _dataset_names(root: Path) -> dict[int, str]:
    """Labels of a ``dataset.json``, written as {"1": "liver"} or {"liver": 1}."""
    path = root / "dataset.json"
    if not path.is_file():
        return {}
    try:
        labels: Any = json.loads(path.read_text(encoding="utf-8"))["labels"]
        pairs = [(a, b) if isinstance(b, str) else (b, a) for a, b in labels.items()]
        return {int(v): str(n) for v, n in pairs if not isinstance(v, list) and int(v) != 0}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError("dataset.json has no table of labels.") from error
