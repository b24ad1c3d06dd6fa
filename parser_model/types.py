"""The seam: what every parser takes and gives.

A parser turns (image, phrase) into a probability map and says whether the object is there.
It knows nothing of files, patients, millimetres or conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal as _Literal
from typing import Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import RequestError

Modality = _Literal[
    "CT",
    "MRI",
    "MRI-FLAIR",
    "MRI-T1-Gd",
    "X-Ray",
    "pathology",
    "ultrasound",
    "fundus",
    "endoscope",
    "dermoscopy",
    "OCT",
]
MODALITIES: tuple[str, ...] = get_args(Modality)


@dataclass(frozen=True, eq=False)
class ParsedImage:
    """One image as a parser wants it.

    Attributes
    ----------
    pixels : (H, W, 3) ndarray of uint8
        RGB; a grey image has three equal channels. Rows run down, columns to the right.
    neighbours : tuple of (H, W, 3) ndarray of uint8
        Neighbouring slices in order, for parsers that use them; usually empty.
    stack_size : int
        How many images are parsed one after another, such as the slices of a volume. A parser
        need not remember the features of a stack that its memory cannot hold as a whole.

    Raises
    ------
    RequestError
        If the array is not uint8 (H, W, 3), or has no pixels.
    """

    pixels: NDArray[np.uint8]
    neighbours: tuple[NDArray[np.uint8], ...] = ()
    stack_size: int = 1

    def __post_init__(self) -> None:
        for array in (self.pixels, *self.neighbours):
            if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
                raise RequestError("A parser takes images as uint8 arrays of shape (H, W, 3).")
            if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
                raise RequestError(
                    f"A parser takes images of shape (H, W, 3), not {tuple(array.shape)}."
                )


@dataclass(frozen=True, eq=False)
class ParsedObject:
    """The answer to one phrase about one image.

    Attributes
    ----------
    phrase : str
        The words given.
    target : str or None
        The ontology's name for them; None when the phrase is unknown.
    probability : (H, W) ndarray of float16
        In the frame of the image given, 0 to 1.
    mask : (H, W) ndarray of bool
        Where the object is; all False for an unknown phrase.
    presence : float or None
        Calibrated probability that the object is in the image; None without a calibration
        for these weights, or for an unknown phrase.
    present : bool
        The decision: the object is there and may be measured.
    encoded : bool
        True when the image was encoded for this call, False when its features were remembered.
    """

    phrase: str
    target: str | None
    probability: NDArray[np.float16]
    mask: NDArray[np.bool_]
    presence: float | None
    present: bool
    encoded: bool = True

    def __post_init__(self) -> None:
        if self.probability.dtype != np.float16 or self.mask.dtype != np.bool_:
            raise ValueError("probability is float16 and mask is bool")
        if self.probability.ndim != 2 or self.probability.shape != self.mask.shape:
            raise ValueError("probability and mask have the image's (H, W)")
        if self.presence is not None and not 0.0 <= self.presence <= 1.0:
            raise ValueError("presence lies in [0, 1]")


@dataclass(frozen=True)
class Recognised:
    """What kind of image the pixels show.

    Attributes
    ----------
    modality, site : str or None
        Best guess, None when unsure.
    confidence : float
        Probability given to the modality, 0 to 1.
    """

    modality: str | None
    site: str | None
    confidence: float


@dataclass(frozen=True)
class ParserInfo:
    """Who is answering.

    Attributes
    ----------
    name : str
        "compact", "biomedparse", or the host's name.
    weights_sha256 : str or None
        Of the weights file; None for a parser without weights.
    calibration : str or None
        Identifier of the presence calibration in use, None when presence is null.
    vocabulary : tuple of str
        Names of all targets it was trained on.
    input_size : tuple of int
        (rows, columns) that every image is resampled to inside.
    input_preparation : str
        How scans should become uint8, e.g. "window" (fixed display window).
    precision : str
        "fp32" or "bf16".
    licence : str
        Licence of the weights.
    device : str
        What computes: "cpu", "cuda" or "mps".
    places : tuple of (str, str)
        Modality and site of the images it was trained on, each labelled as the ontology's
        catalogue says; empty where that is not known.
    """

    name: str
    weights_sha256: str | None
    calibration: str | None
    vocabulary: tuple[str, ...]
    input_size: tuple[int, int]
    input_preparation: str = "window"
    precision: str = "fp32"
    licence: str = ""
    notes: tuple[str, ...] = field(default=())
    device: str = "cpu"
    places: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class Parser(Protocol):
    """Finds named objects in images. One method; `info` says who answers.

    `parse` gives one list per image with one object per phrase, in the order given.
    The answer for a phrase does not depend on the phrases beside it.
    """

    @property
    def info(self) -> ParserInfo:
        """Name, weights, calibration, vocabulary and wanted input preparation."""
        ...

    def parse(
        self,
        images: Sequence[NDArray[np.uint8] | ParsedImage],
        prompts: Sequence[str],
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> list[list[ParsedObject]]:
        """Find each phrase in each image.

        Parameters
        ----------
        images : sequence of (H, W, 3) uint8 ndarray or ParsedImage
        prompts : sequence of str
            Phrases such as "liver" or "optic disc".
        modality, site : str, optional
            Of all images, where known; otherwise the parser recognises them or does without.

        Returns
        -------
        list of list of ParsedObject

        Raises
        ------
        RequestError
            No image, no phrase, an image of the wrong shape, or an unknown modality.
        """
        ...


@runtime_checkable
class Recogniser(Protocol):
    """A parser that can also tell what kind of image it sees."""

    def recognise(self, image: NDArray[np.uint8] | ParsedImage) -> Recognised:
        """Modality and site from the pixels alone."""
        ...


@runtime_checkable
class FindsEverything(Protocol):
    """A parser with a way of its own to find all targets of an image in one pass."""

    def find(
        self,
        image: NDArray[np.uint8] | ParsedImage,
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> list[ParsedObject]:
        """All targets of the modality and site that are there, without overlaps.

        Raises
        ------
        RequestError
            When the modality is neither given nor recognised.
        """
        ...


def finder_of(parser: Parser) -> FindsEverything | None:
    """The parser as one that finds everything in one pass; None where it has no way of its own.

    A host is asked whether its parser has one.

    Raises
    ------
    ServiceError
        If the host does not answer.
    """
    if isinstance(parser, FindsEverything) and getattr(parser, "finds", True):
        return parser
    return None
