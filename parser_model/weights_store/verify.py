"""Looking at installed weights again: names, shapes, sizes, hashes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.errors import SetupError
from parser_model.weights_store.content import sha256_of
from parser_model.weights_store.places import model_folder
from parser_model.weights_store.record import Record, installed
from parser_model.weights_store.sources import Source

NOT_RUN = (
    "This project has not run the real BiomedParse weights: its network was checked with "
    "substitute weights against recorded runs of the public code (python -m parser_model.parity)."
)
_PARTS = (
    "backbone",
    "sem_seg_head.pixel_decoder",
    "sem_seg_head.predictor.lang_encoder",
    "sem_seg_head.predictor",
)


@dataclass(frozen=True)
class FileCheck:
    """One installed file: what it should be, and whether it is."""

    path: str
    bytes: int
    sha256: str
    origin: str
    unchanged: bool


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes
    ----------
    record : Record
    files : tuple of FileCheck
    shapes : dict of str to tuple of int
        Names and shapes in the weights file; empty where they are wrong.
    problem : str or None
        What is wrong with names, shapes or contents, in a sentence.
    """

    record: Record
    files: tuple[FileCheck, ...]
    shapes: dict[str, tuple[int, ...]]
    problem: str | None

    @property
    def numbers(self) -> int:
        """How many numbers the weights file holds."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def parts(self) -> dict[str, tuple[int, int]]:
        """Entries and numbers of each part of the network."""
        counts: dict[str, tuple[int, int]] = {}
        for name, shape in self.shapes.items():
            part = next((p for p in _PARTS if name.startswith(p)), "other")
            entries, numbers = counts.get(part, (0, 0))
            counts[part] = (entries + 1, numbers + math.prod(shape))
        return counts


def verify(source: Source) -> Report:
    """Hash every installed file and hold names and shapes against the network.

    Raises
    ------
    SetupError
        If nothing is installed, or files are missing.
    """
    record = installed(source.name)
    if record is None:
        raise SetupError(
            f"The weights of {source.name} are not here; run "
            f"'parsechat models download {source.name}'."
        )
    folder = model_folder(source.name)
    files = []
    for path, taken in record.files.items():
        same = sha256_of(folder / path) == taken.sha256
        files.append(FileCheck(path, taken.bytes, taken.sha256, taken.origin, same))
    changed = [file.path for file in files if not file.unchanged]
    problem = None
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        shapes = entry_shapes(folder / record.weights_file, source.config)
    except SetupError as error:
        problem = str(error)
    if changed:
        problem = (
            f"{', '.join(changed)} changed since the installation; run "
            f"'parsechat models download {source.name} --again'."
        )
    return Report(record, tuple(files), shapes, problem)


def entry_shapes(path: Path, config: BiomedParseConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a weights file, unused ones included, checked strictly.

    Nothing is read but the table of contents.

    Raises
    ------
    SetupError
        If the file is damaged, or its entries are not the network's.
    """
    from parser_model.biomedparse.checkpoint import check_entries, read_entries

    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as stored:
                names = list(stored.keys())
                shapes = {name: tuple(stored.get_slice(name).get_shape()) for name in names}
        except (SafetensorError, OSError) as error:
            raise SetupError(f"{path.name} is damaged or no safetensors file: {error}.") from error
    else:
        shapes = {name: tuple(t.shape) for name, t in read_entries(path, config).items()}
    check_entries(shapes, config)
    return shapes


def count_numbers(path: Path, config: BiomedParseConfig) -> int:
    """How many numbers a weights file holds."""
    return sum(math.prod(shape) for shape in entry_shapes(path, config).values())
