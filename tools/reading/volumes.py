"""From the numbers of a volume file to a scan: scaling, orientation, units, and what is told."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError, RequestError
from tools.frames import FileFrame, radiological
from tools.geometry import Geometry, SpacingSource
from tools.reading.limits import Limits
from tools.reading.pictures import FLATTENED, on_black, without_equal_channels
from tools.reading.streams import read_numbers, skip
from tools.scan import Scan

MILLIMETRES: Final = {
    "m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3,
    "microns": 1e-3, "meter": 1000.0, "millimeter": 1.0, "micrometer": 1e-3, "nm": 1e-6,
}  # fmt: skip
"""Units of length as headers spell them, in millimetres."""

RAS_TO_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])

_KEPT: Final = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
_MOST_VOLUMES: Final = 100_000
_LONGEST_AXIS: Final = 1 << 31
_SQUARE: Final = math.cos(math.radians(89))  # axes that meet at less are told
_UNKNOWN: Final = (
    "The file does not say how it lies in the patient, so it is shown in the usual order of its "
    "axes, and left and right may be exchanged."
)
_NO_UNIT: Final = "The file does not state its pixel size in a known unit, so there are no lengths."


@dataclass(frozen=True)
class Stored:
    """How a file stores a volume; valid once made.

    Attributes
    ----------
    dtype : dtype
        Of one number, in the byte order of the file.
    shape : three ints
        Of one volume, the axis that changes fastest first; 1 for axes that are not there.
    components : int
        Numbers of one voxel, stored side by side.
    volumes : int
        Volumes stored one after another.
    over_time : bool
        Whether the volumes, or components, follow each other in time.
    colour : bool
        The components are red, green, blue and perhaps opacity.
    slope, intercept : float
        From stored numbers to values.

    Raises
    ------
    FileError
        If these are no numbers that can be read as an image.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    components: int = 1
    volumes: int = 1
    over_time: bool = False
    colour: bool = False
    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if self.dtype.kind == "c":
            raise FileError(
                "This file holds complex numbers; export their magnitude to get an image."
            )
        if self.dtype.kind not in "iuf":
            raise FileError("This file stores its numbers in a way that is not read.")
        if max(self.shape) >= _LONGEST_AXIS or not 0 < self.frames <= _MOST_VOLUMES:
            raise FileError("This file announces a size that cannot be true; it is damaged.")
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and self.slope):
            raise FileError("This file scales its values by no number; it is damaged.")

    @property
    def frames(self) -> int:
        """How many grey volumes there are."""
        return self.volumes * (1 if self.colour else self.components)

    @property
    def volume_bytes(self) -> int:
        """Of one volume with all its components."""
        return self.dtype.itemsize * self.components * math.prod(self.shape)

    @property
    def total_bytes(self) -> int:
        """Of all volumes."""
        return self.volumes * self.volume_bytes


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the file says that its volume lies.

    Attributes
    ----------
    affine : (4, 4) ndarray of float64
        Maps (i, j, k, 1) to the patient (LPS), in millimetres if `scaled`.
    source : str
        Of the spacing, as in `Geometry`.
    oriented : bool
        False if the axes are only assumed to run so.
    scaled : bool
        Whether the lengths are millimetres.
    caveat : str
        What a reader of millimetres must be told.
    """

    affine: NDArray[np.float64]
    source: SpacingSource
    oriented: bool
    scaled: bool
    caveat: str = ""


def assumed(
    spacing: tuple[float, ...] | None,
    source: SpacingSource,
    *,
    directions: tuple[float, float, float] = (1.0, 1.0, 1.0),
    caveat: str = "",
) -> Placement:
    """The placement of a file that says nothing of the patient.

    Parameters
    ----------
    spacing : three floats or None
        Millimetres; None where unknown.
    source : str
    directions : three floats
        1 or -1: whether axes are taken to run towards left, posterior and head or against.
    caveat : str
    """
    lengths = spacing or (1.0, 1.0, 1.0)
    steps = [direction * length for direction, length in zip(directions, lengths, strict=True)]
    return Placement(np.diag([*steps, 1.0]), source, False, spacing is not None, caveat)


def millimetres_assumed(name: str) -> str:
    """The caveat of a format whose unit is custom and which does not state it."""
    return (
        f"The file does not name its unit of length; millimetres are taken, as is the custom of "
        f"{name} files."
    )


def is_affine(matrix: NDArray[np.float64]) -> bool:
    """Whether a matrix can place a volume: finite and not singular."""
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or not (steps > 0).all():
        return False
    return bool(abs(np.linalg.det(matrix[:3, :3] / steps)) > 1e-2)


def positive(lengths: tuple[float, ...]) -> tuple[float, ...] | None:
    """Lengths without sign, None unless all are known."""
    sizes = tuple(abs(one) for one in lengths)
    return sizes if sizes and all(math.isfinite(one) and one > 0 for one in sizes) else None


def read_volume(
    stream: BinaryIO,
    stored: Stored,
    place: Placement,
    name: str,
    limits: Limits,
    frame: int | None = None,
    modality: str | None = None,
) -> Scan:
    """Read one volume at the start of a stream.

    Parameters
    ----------
    stream : BinaryIO
        Stands at the first number; packed streams end with a check of what they held.
    stored : Stored
    place : Placement
    name : str
        Of the format.
    limits : Limits
    frame : int, optional
        Which volume, from 1; the first by default.
    modality : str, optional

    Raises
    ------
    FileError
        If it is too large, cut short, or a volume in colour.
    RequestError
        If there is no such volume.
    """
    number = _checked_frame(frame, stored.frames)
    side, rows, depth = stored.shape
    limits.check_size(rows, side, depth * stored.components)
    notes = _told(stored, number, chosen=frame is not None)
    if not place.oriented:
        notes += (_UNKNOWN,)
    if not place.scaled:
        notes += (_NO_UNIT,)
    frame_of = radiological(stored.shape, place.affine, known=place.oriented and place.scaled)
    if stored.colour:
        skip(stream, (number - 1) * stored.volume_bytes)
        pixels, more = _colours(_numbers(stream, stored), frame_of, stored)
        colour = pixels.ndim == 3
    else:
        skip(stream, (number - 1) // stored.components * stored.volume_bytes)
        grid = _numbers(stream, stored)[(number - 1) % stored.components]
        values, more = _without_nan(_scaled(grid, stored.slope, stored.intercept))
        pixels, colour = frame_of.to_display(values), False
    if number == stored.frames:
        stream.read(1)  # lets gzip and bzip2 compare the sum of what they unpacked
    return Scan(
        pixels=pixels,
        geometry=_geometry(place, frame_of),
        colour=colour,
        modality=modality,
        source_format=name,
        notes=(*notes, *more),
        frame=frame_of,
    )


def _checked_frame(frame: int | None, count: int) -> int:
    if frame is not None and not 1 <= frame <= count:
        holds = f"volumes 1 to {count}" if count > 1 else "one volume"
        raise RequestError(f"There is no volume {frame}; this file holds {holds}.")
    return frame or 1


def _told(stored: Stored, number: int, *, chosen: bool) -> tuple[str, ...]:
    if stored.frames == 1:
        return ()
    over = "over time" if stored.over_time else "of one place"
    which = f"number {number}" if chosen else "the first"
    return (f"This file holds {stored.frames} volumes {over}; this is {which}.",)


def _numbers(stream: BinaryIO, stored: Stored) -> NDArray[Any]:
    """(components, i, j, k) numbers."""
    numbers = read_numbers(stream, stored.dtype, stored.components * math.prod(stored.shape))
    return numbers.reshape((stored.components, *stored.shape), order="F")


def _scaled(grid: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Values in a type that scans keep: whole numbers stay whole where they can."""
    dtype = _kept_type(grid, slope, intercept)
    with np.errstate(over="ignore", invalid="ignore"):  # too large becomes infinite: it is told
        if (slope, intercept) == (1.0, 0.0):
            return grid.astype(dtype, copy=False)
        values = np.empty_like(grid, dtype)
        for index in range(grid.shape[2]):  # a plane at a time: 64 bits of all would be too many
            values[:, :, index] = grid[:, :, index].astype(np.float64) * slope + intercept
    return values


def _kept_type(grid: NDArray[Any], slope: float, intercept: float) -> np.dtype[Any]:
    whole = grid.dtype.kind in "iu"
    if (slope, intercept) == (1.0, 0.0) and grid.dtype.name in _KEPT:
        return grid.dtype
    if whole and slope.is_integer() and intercept.is_integer():
        ends = [int(end) * int(slope) + int(intercept) for end in (grid.min(), grid.max())]
        for dtype in (np.int16, np.int32, np.uint32):
            if np.iinfo(dtype).min <= min(ends) and max(ends) <= np.iinfo(dtype).max:
                return np.dtype(dtype)
    return np.dtype(np.float32)


def _without_nan(values: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Values with the lowest one instead of those that are no numbers, and what to say of it."""
    if values.dtype.kind != "f":
        return values, ()
    finite = np.isfinite(values)
    share = 1 - np.count_nonzero(finite) / finite.size
    if share == 0:
        return values, ()
    if share == 1:
        raise FileError("This file holds no finite number, so there is nothing to see.")
    low = values.min(where=finite, initial=np.inf)
    high = values.max(where=finite, initial=-np.inf)
    percent = f"{100 * share:.1f} %" if share >= 0.001 else "Less than 0.1 %"
    np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    return values, (
        f"{percent} of the values are no finite numbers (NaN or infinite), as outside of a brain "
        "that was cut out; they were set to the lowest value (infinite ones to the highest).",
    )


def _colours(
    grid: NDArray[Any], frame: FileFrame, stored: Stored
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Red, green and blue (H, W, 3) of a single slice, or grey (H, W) if they agree."""
    if len(frame.display_shape) != 2 or stored.dtype != np.uint8:
        raise FileError(
            "This file is a volume in colour, which is not read; export it in grey, or one slice."
        )
    shown = np.stack([frame.to_display(channel) for channel in grid], axis=2)
    pixels, _ = without_equal_channels(np.ascontiguousarray(shown[:, :, :3]))
    if stored.components < 4 or (shown[:, :, 3] == 255).all():
        return pixels, ()
    return on_black(pixels, shown[:, :, 3]), (FLATTENED,)


def _geometry(place: Placement, frame: FileFrame) -> Geometry:
    """Of the array that is shown."""
    affine = frame.display_affine(place.affine)
    letters = _letters(affine[:3, 0]) if place.oriented else None
    if not place.scaled:
        return Geometry(column_direction=letters)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    across = np.cross(affine[:3, 0], affine[:3, 1])
    across /= np.linalg.norm(across)
    spacing: tuple[float, ...] = (float(steps[1]), float(steps[0]))
    if len(frame.display_shape) == 3:
        spacing += (float(abs(affine[:3, 2] @ across)),)
    else:
        affine[:3, 2] = across * math.copysign(1.0, affine[:3, 2] @ across)
    geometry = Geometry(spacing, place.source, None, letters, _caveat(place, affine))
    return replace(geometry, affine=affine) if place.oriented else geometry


def _caveat(place: Placement, affine: NDArray[np.float64]) -> str:
    columns, rows = (affine[:3, axis] / np.linalg.norm(affine[:3, axis]) for axis in (0, 1))
    cosine = abs(float(columns @ rows))
    if cosine <= _SQUARE:
        return place.caveat
    angle = math.degrees(math.acos(cosine))
    sheared = (
        f"Rows and columns of this file meet at {angle:.0f} degrees, not at a right angle, so "
        "lengths and areas are approximate."
    )
    return f"{place.caveat} {sheared}".strip()


def _letters(direction: NDArray[np.float64]) -> str:
    """The letter of the patient's direction that is nearest."""
    axis = int(np.abs(direction).argmax())
    return ("LR", "PA", "HF")[axis][0 if direction[axis] > 0 else 1]
