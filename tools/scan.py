"""A scan: pixels, geometry and what the file says about them, and nothing about the patient."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError, RequestError
from parser_model.types import MODALITIES
from tools.frames import FileFrame
from tools.geometry import Geometry
from tools.units import Unit

# What is kept is exactly what files bring; readers turn the rest (64 bits, half floats) into these.
_GREY_DTYPES: Final = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")

# (centre, width) in HU, where a CT file brings no window. Soft tissue is the lower and upper
# bound -150 and 250 in common use for the abdomen; the chest is wide enough to show the lungs and
# what lies between them; brain 40/80 and bone 300/1500 are the usual presets of workstations.
_SOFT_TISSUE: Final = (50.0, 400.0)
_BRAIN: Final = (40.0, 80.0)
_LUNGS: Final = (0.0, 2000.0)
_BONE: Final = (300.0, 1500.0)
CT_WINDOWS: Final[dict[str, tuple[float, float]]] = {
    "head": _BRAIN,
    "brain": _BRAIN,
    "chest": _LUNGS,
    "lung": _LUNGS,
    **dict.fromkeys(
        (
            "skull", "jaw", "spine", "cervical spine", "thoracic spine", "lumbar spine", "elbow",
            "wrist", "hand", "finger", "knee", "ankle", "foot", "toe", "extremity", "shoulder",
        ),
        _BONE,
    ),
}  # fmt: skip

# Deep pictures without window: grey runs between these percentiles of all pixels that are not the
# background (the smallest value), counted on at most so many pixels, evenly taken.
_PERCENTILES: Final = (0.5, 99.5)
_COUNTED: Final = 4_000_000
_LIKE_CT: Final = ((-1100, -900), (-150, 250))  # air and tissue in Hounsfield units
_ENOUGH: Final = 0.05

StackOf = Literal["slices", "frames"]

# Weights of red, green and blue in the luminance: ITU-R BT.601, as PNG and JPEG tools use.
_LUMINANCE: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Scan:
    """One picture or one stack of slices; valid once constructed.

    Nothing that names the patient, the visit or the file is kept.

    Attributes
    ----------
    pixels : (H, W) or (H, W, S) ndarray, or (H, W, 3) ndarray of uint8 when `colour`
        The values of the file, read-only: Hounsfield units in CT, otherwise what was stored.
        Rows run down, columns to the right, as the picture is shown.
    geometry : Geometry
    colour : bool
        Whether the last axis is red, green, blue. A colour file with three equal channels is grey.
    modality : str or None
        One of `parser_model.MODALITIES`, where the file says so.
    body_part : str or None
        Lower-case words, only from DICOM's list of body parts.
    window : (float, float) or None
        Centre and width that the file gives for display, in units of `pixels`.
    value_unit : str
        "HU" or "1".
    inverted : bool
        Low values are shown bright (DICOM's MONOCHROME1); `pixels` keep the stored values.
    source_format : str
        "PNG", "DICOM" and so on.
    notes : tuple of str
        What the user must be told, whole sentences; holds the geometry's caveat too.
    frame : FileFrame or None
        How the file's own array lies; None if that is the array shown (DICOM, pictures).
    stack_of : {"slices", "frames"} or None
        What follows along the third axis: slices that lie behind one another in the body (the
        default of stacks), or moments and unrelated pictures, which make no volume. None for
        pictures.

    Raises
    ------
    FileError
        If there are no pixels, or values that are no finite numbers.
    ValueError
        If the parts do not fit each other: a mistake of a reader, not of a file.
    """

    pixels: NDArray[Any]
    geometry: Geometry
    colour: bool = False
    modality: str | None = None
    body_part: str | None = None
    window: tuple[float, float] | None = None
    value_unit: Unit = "1"
    inverted: bool = False
    source_format: str = "array"
    notes: tuple[str, ...] = ()
    frame: FileFrame | None = None
    stack_of: StackOf | None = None

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.pixels)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        self._check(pixels)
        if pixels is self.pixels and pixels.flags.writeable:
            pixels = pixels.view()  # the caller's own array stays writeable
        pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)
        if len(self.shape) == 3 and self.stack_of is None:
            object.__setattr__(self, "stack_of", "slices")
        caveat = self.geometry.caveat
        if caveat and caveat not in self.notes:
            object.__setattr__(self, "notes", (*self.notes, caveat))

    def _check(self, pixels: NDArray[Any]) -> None:
        if pixels.size == 0:
            raise FileError("This file holds an image without pixels.")
        if self.colour and (pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8):
            raise ValueError("colour pixels are uint8 of shape (H, W, 3)")
        if not self.colour and (pixels.ndim not in (2, 3) or pixels.dtype.name not in _GREY_DTYPES):
            raise ValueError(f"grey pixels cannot be {pixels.dtype.name} {pixels.shape}")
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise FileError("This file holds pixels that are not numbers (NaN or infinite).")
        spacing = self.geometry.spacing_mm
        if spacing is not None and len(spacing) > (2 if self.colour else pixels.ndim):
            raise ValueError("the spacing has more axes than the pixels")
        if self.frame is not None and self.frame.display_shape != self.shape:
            raise ValueError("the frame is that of an array of another shape")
        if self.modality is not None and self.modality not in MODALITIES:
            raise ValueError(f"unknown modality {self.modality!r}")
        if self.value_unit not in ("HU", "1"):
            raise ValueError(f"unknown unit of values {self.value_unit!r}")
        if self.stack_of not in (None, "slices", "frames"):
            raise ValueError(f"unknown kind of stack {self.stack_of!r}")
        if self.stack_of is not None and (self.colour or pixels.ndim == 2):
            raise ValueError("a picture is no stack")
        if self.window is not None:
            _check_window(self.window)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns) or (rows, columns, slices)."""
        return self.pixels.shape[:2] if self.colour else self.pixels.shape

    @property
    def middle_slice(self) -> int | None:
        """Index of the slice in the middle of a stack; None for a picture."""
        return self.shape[2] // 2 if len(self.shape) == 3 else None

    @property
    def is_volume(self) -> bool:
        """Whether this is a stack of slices in space."""
        return self.stack_of == "slices"

    @property
    def in_plane_mm(self) -> tuple[float, float] | None:
        """Height and width of a pixel in millimetres, where known."""
        spacing = self.geometry.spacing_mm
        return None if spacing is None else (spacing[0], spacing[1])

    @cached_property
    def sha256(self) -> str:
        """Content id: hexadecimal SHA-256 over pixels, their meaning and the geometry."""
        spacing, affine = self.geometry.spacing_mm, self.geometry.affine
        meaning = {
            "dtype": self.pixels.dtype.str,
            "shape": self.pixels.shape,
            "colour": self.colour,
            "inverted": self.inverted,
            "unit": self.value_unit,
            "spacing": spacing,
            "source": self.geometry.spacing_source,
            "affine": None if affine is None else affine.tolist(),
            "direction": self.geometry.column_direction,
        }
        digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode())
        digest.update(self.pixels.data)
        return digest.hexdigest()

    @property
    def display_window(self) -> tuple[float, float] | None:
        """Centre and width that `display` uses by default; None when 8 bits are shown as they are.

        CT, and what `resembles_ct`: the window of the file, else the one of `CT_WINDOWS` for the
        body part, else soft tissue. Other deep pictures: the 0.5 and 99.5 percentiles of the whole
        scan without its background, so that all slices of a stack share one grey scale.
        """
        if self.colour:
            return None
        if self.modality == "CT" and self.window is not None:
            return self.window
        if self.region_window is not None:
            return self.region_window
        return None if self.pixels.dtype == np.uint8 else self._percentile_window

    @property
    def region_window(self) -> tuple[float, float] | None:
        """Centre and width in HU for the body part of a CT, soft tissue where it is not known.

        Also of what `resembles_ct`.
        """
        stated = self.modality == "CT" and self.value_unit == "HU"
        if not stated and not self.resembles_ct:
            return None
        return CT_WINDOWS.get(self.body_part or "", _SOFT_TISSUE)

    @cached_property
    def resembles_ct(self) -> bool:
        """Whether values that the file gives no unit lie as Hounsfield units do.

        Research keeps CT in formats that name neither modality nor unit. Such a scan is shown in
        the window of a CT, because its percentiles would hide every organ; its unit stays unknown.
        Asked for are air (-1100 to -900) and tissue (-150 to 250) in at least a twentieth each.
        """
        signed = not self.colour and self.pixels.dtype.kind in "if"
        if not signed or self.value_unit == "HU" or self.modality not in (None, "CT"):
            return False
        flat = self.pixels.reshape(-1)
        counted = flat[:: max(1, flat.size // _COUNTED)]
        air, tissue = ((counted >= low) & (counted <= high) for low, high in _LIKE_CT)
        return bool(min(air.mean(), tissue.mean()) >= _ENOUGH)

    @cached_property
    def _percentile_window(self) -> tuple[float, float]:
        flat = self.pixels.reshape(-1)
        counted = flat[:: max(1, flat.size // _COUNTED)]
        lowest = counted.min()
        foreground = counted[counted > lowest]
        if foreground.size == 0:
            return float(lowest) + 0.5, 1.0  # one value everywhere: black
        low, high = (float(bound) for bound in np.percentile(foreground, _PERCENTILES))
        if high <= low:  # two values: show their difference
            low, high = float(lowest), float(foreground.max())
        return (low + high) / 2, high - low

    def display(
        self, slice: int | None = None, window: tuple[float, float] | None = None
    ) -> NDArray[np.uint8]:
        """The picture as a person sees it and a parser gets it.

        Parameters
        ----------
        slice : int, optional
            Of a stack; the middle one by default. Pictures have none.
        window : (float, float), optional
            Centre and width to use instead of `display_window`. Grey values run linearly from
            0 at ``centre - width / 2`` to 255 at ``centre + width / 2`` (LINEAR_EXACT of DICOM).

        Returns
        -------
        (H, W, 3) ndarray of uint8

        Raises
        ------
        RequestError
            For a slice that is not there, or a width that is not positive.
        """
        plane = self._plane(slice)
        if self.colour:
            return np.array(plane)
        if window is not None:
            _check_window(window, RequestError)
        chosen = window or self.display_window
        grey = plane if chosen is None else _windowed(plane, chosen)
        if self.inverted:
            grey = 255 - grey
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)

    def values(self, slice: int | None = None) -> NDArray[np.float32]:
        """Values for statistics of intensity, in `value_unit`.

        Grey: the values of the file, Hounsfield units in CT, never inverted or windowed. Colour:
        the luminance 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), 0 to 255.

        Parameters
        ----------
        slice : int, optional
            Of a stack; the middle one by default.

        Returns
        -------
        (H, W) ndarray of float32

        Raises
        ------
        RequestError
            For a slice that is not there.
        """
        plane = self._plane(slice).astype(np.float32)
        return plane @ _LUMINANCE if self.colour else plane

    def with_scale(self, mm_per_pixel: float, height_mm: float | None = None) -> Scan:
        """The same scan with the pixel size that the user states.

        A note tells where it replaces one that the file gives.

        Raises
        ------
        RequestError
            If it is no size that a pixel can have.
        """
        before = self.geometry
        geometry = before.with_user_scale(mm_per_pixel, height_mm)
        notes = tuple(note for note in self.notes if note != before.caveat)
        if before.spacing_source not in ("none", "user"):
            replaced = before.spacing_source
            notes += (f"The scale of the file ({replaced}) was replaced by the one you gave.",)
        return replace(self, geometry=geometry, notes=notes)

    def _plane(self, slice: int | None) -> NDArray[Any]:
        if len(self.shape) == 2:
            if slice not in (None, 0):
                raise RequestError(f"This scan is one picture; there is no slice {slice}.")
            return self.pixels
        index = self.shape[2] // 2 if slice is None else slice
        if not 0 <= index < self.shape[2]:
            raise RequestError(
                f"There is no slice {index}; this scan has slices 0 to {self.shape[2] - 1}."
            )
        return self.pixels[:, :, index]


def _check_window(
    window: tuple[float, float], error: type[ValueError] | type[RequestError] = ValueError
) -> None:
    if not (np.isfinite(window).all() and window[1] > 0):
        raise error("A window has a finite centre and a positive width.")


def _windowed(plane: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Grey 0 to 255 over the window, rounded to the nearest."""
    centre, width = window
    scaled = (plane.astype(np.float64) - (centre - width / 2)) * 255 / width
    grey: NDArray[np.uint8] = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return grey
