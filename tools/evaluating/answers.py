"""What is scored: a parser's answers, or masks that another tool made, beside the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError
from parser_model.range_calibration import family
from parser_model.training.data import Sample, read_image, read_mask
from parser_model.types import Parser

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Answer:
    """What was found where a person outlined a target.

    Attributes
    ----------
    modality, target, patient, source : str
        The modality as it is counted (`family`), the rest as in the data.
    truth : (H, W) ndarray of bool
        The reference outline; never empty.
    mask : (H, W) ndarray of bool
        What was outlined, whether or not the object was judged present.
    present : bool
        The decision; a refused object is one that was missed.
    presence : float or None
    probability : (H, W) ndarray of float16, or None
        None for masks of another tool.
    image : Path
        The file that was looked at.
    missing : bool
        Another tool left no file for it, so the mask is empty.
    resized : bool
        Another tool's mask had another size than the reference.
    """

    modality: str
    target: str
    patient: str
    source: str
    truth: NDArray[np.bool_] = field(repr=False)
    mask: NDArray[np.bool_] = field(repr=False)
    present: bool
    presence: float | None = None
    probability: NDArray[np.float16] | None = field(default=None, repr=False)
    image: Path = Path()
    missing: bool = False
    resized: bool = False


class Answers(Protocol):
    """Something that can be scored."""

    @property
    def name(self) -> str:
        """What to call it in tables."""
        ...

    def to(self, samples: Sequence[Sample], progress: Progress | None = None) -> Iterator[Answer]:
        """An answer for each target that is outlined in the samples."""
        ...


@dataclass(frozen=True)
class ParserAnswers:
    """A parser's answers.

    Attributes
    ----------
    name : str
    parser : Parser
    tell : bool
        Give the parser the modality, as a DICOM header would.
    table : bool
        The ontology says what words mean; without it the network reads them as they are typed.
    """

    name: str
    parser: Parser
    tell: bool = True
    table: bool = True

    def to(self, samples: Sequence[Sample], progress: Progress | None = None) -> Iterator[Answer]:
        """Ask for each outlined target by its own name, at the size of the file."""
        for done, sample in enumerate(samples, 1):
            truth = outlined(sample)
            if truth:
                image = read_image(sample.image, None)
                check_shapes(sample, truth, image.shape[:2])
                modality = sample.place.modality if self.tell else None
                for found in self.parser.parse([image], list(truth), modality=modality)[0]:
                    yield answer_of(
                        sample,
                        found.phrase,
                        truth[found.phrase],
                        found.probability > 0.5,
                        present=found.present,
                        presence=found.presence,
                        probability=found.probability,
                    )
            if progress:
                progress(done, len(samples))


@dataclass(frozen=True)
class MaskFolder:
    """Masks of another tool: ``IMAGE_MODALITY_SITE_TARGET.png`` as in the data.

    A target without a file, or with an empty one, was not found; files that are not there are
    marked as missing. A mask of another size is brought to the size of the reference by its
    nearest pixels.
    """

    name: str
    folder: Path

    def to(self, samples: Sequence[Sample], progress: Progress | None = None) -> Iterator[Answer]:
        """Read the mask of each outlined target.

        Raises
        ------
        FileError
            If the folder is missing, holds no mask of any of them, or a damaged one.
        """
        if not self.folder.is_dir():
            raise FileError(f"The folder of masks '{self.folder.name}' is not there.")
        any_file = False
        for done, sample in enumerate(samples, 1):
            for target, truth in outlined(sample).items():
                path = self.folder / sample.masks[target].name
                there = path.is_file()
                any_file |= there
                given = read_mask(path) if there else np.zeros_like(truth)
                mask = _as_large(given, truth.shape)
                yield answer_of(
                    sample,
                    target,
                    truth,
                    mask,
                    present=bool(mask.any()),
                    missing=not there,
                    resized=given.shape != truth.shape,
                )
            if progress:
                progress(done, len(samples))
        if not any_file:
            raise FileError(
                f"No mask in '{self.folder.name}' is named after one in the data "
                "(IMAGE_MODALITY_SITE_TARGET.png)."
            )


def outlined(sample: Sample) -> dict[str, NDArray[np.bool_]]:
    """The reference masks that are not empty, by target; an empty one says it is absent."""
    masks = {target: read_mask(sample.masks[target]) for target in sorted(sample.masks)}
    return {target: mask for target, mask in masks.items() if mask.any()}


def check_shapes(
    sample: Sample, truth: dict[str, NDArray[np.bool_]], shape: tuple[int, ...]
) -> None:
    """Refuse reference masks that do not lie on their image.

    Raises
    ------
    FileError
        If a mask has another size than the image.
    """
    for target, mask in truth.items():
        if mask.shape != shape:
            raise FileError(
                f"The mask of '{target}' for {sample.image.name} is {mask.shape[0]} × "
                f"{mask.shape[1]} pixels, the image {shape[0]} × {shape[1]}."
            )


def answer_of(
    sample: Sample,
    target: str,
    truth: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    *,
    present: bool,
    presence: float | None = None,
    probability: NDArray[np.float16] | None = None,
    missing: bool = False,
    resized: bool = False,
) -> Answer:
    """An answer about a target of a sample, under the modality that it counts for."""
    return Answer(
        family(sample.place.modality),
        target,
        sample.patient,
        sample.source,
        truth,
        mask,
        present,
        presence,
        probability,
        sample.image,
        missing,
        resized,
    )


def _as_large(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if mask.shape == shape:
        return mask
    rows, columns = (
        ((np.arange(wanted) + 0.5) * given / wanted).astype(int)
        for given, wanted in zip(mask.shape, shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]
