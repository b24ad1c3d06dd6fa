"""MetaImage (.mha, .mhd): lines of text, and numbers behind them or in a file beside them.

Written from the public description of the format and tested against SimpleITK. Comments, names and
transforms between objects are passed over.
"""

from __future__ import annotations

from typing import BinaryIO, Final

import numpy as np

from parser_model.errors import FileError
from tools.reading.companions import open_beside
from tools.reading.limits import Limits
from tools.reading.streams import inflated, skip
from tools.reading.volumes import (
    MILLIMETRES,
    Placement,
    Stored,
    assumed,
    is_affine,
    millimetres_assumed,
    positive,
    read_volume,
)
from tools.scan import Scan

_MOST_LINES: Final = 10_000
_LONGEST_LINE: Final = 1 << 16
_SOURCE: Final = "metaimage-header"
_DTYPES: Final = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_MODALITIES: Final = {"MET_MOD_CT": "CT", "MET_MOD_MR": "MRI", "MET_MOD_US": "ultrasound"}


def read(file: BinaryIO, limits: Limits, frame: int | None = None) -> Scan:
    """Read one volume of a MetaImage file, or of the file of numbers that its header names.

    Raises
    ------
    FileError
        If it is damaged, too large, no image, or its numbers are not beside it.
    RequestError
        If there is no such volume.
    """
    fields = _fields(file)
    if fields.get("ObjectType", "Image") != "Image":
        raise FileError("This MetaImage file holds shapes, not an image.")
    stored = _stored(fields)
    stream = _numbers(file, fields, stored, limits)
    modality = _MODALITIES.get(fields.get("Modality", ""))
    return read_volume(stream, stored, _place(fields), "MetaImage", limits, frame, modality)


def _fields(file: BinaryIO) -> dict[str, str]:
    """Fields of the header; the last one says where the numbers are, and they follow it."""
    fields: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = file.readline(_LONGEST_LINE).decode("latin-1")
        if not line:
            break
        name, _, value = line.partition("=")
        fields[name.strip()] = value.strip()
        if "ElementDataFile" in fields:
            return fields
    raise FileError("The header of this MetaImage file does not end; it is damaged or cut short.")


def _stored(fields: dict[str, str]) -> Stored:
    sizes = [int(size) for size in fields["DimSize"].split()]
    if len(sizes) != int(fields["NDims"]) or min(sizes) < 1 or max(sizes) >= 1 << 31:
        raise ValueError("the header contradicts itself")
    code = _DTYPES.get(fields["ElementType"].removesuffix("_ARRAY"))
    if code is None:
        raise FileError("This MetaImage file stores its numbers in a way that is not read.")
    big = _is_true(fields.get("ElementByteOrderMSB", fields.get("BinaryDataByteOrderMSB", "")))
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    grid = [*sizes, 1, 1][:3]
    return Stored(
        dtype=np.dtype((">" if big else "<") + code),
        shape=(grid[0], grid[1], grid[2]),
        components=channels,
        volumes=int(np.prod(sizes[3:], dtype=object)) if len(sizes) > 3 else 1,
        over_time=len(sizes) > 3,
        colour=channels in (3, 4) and code == "u1",
        slope=float(fields.get("ElementToIntensityFunctionSlope", "1")),
        intercept=float(fields.get("ElementToIntensityFunctionOffset", "0")),
    )


def _place(fields: dict[str, str]) -> Placement:
    count = int(fields["NDims"])
    sizes = _floats(fields, ("ElementSpacing", "ElementSize"), count)
    stated = fields.get("DistanceUnits", "?").lower()
    unit = 1.0 if stated in ("?", "unknown", "") else MILLIMETRES.get(stated)
    caveat = "" if stated in MILLIMETRES else millimetres_assumed("MetaImage")
    known = sizes[:3] + (1.0,) * (3 - len(sizes[:3])) if sizes else None
    if known is None or unit is None or positive(known) is None:
        return assumed(None, _SOURCE)
    spacing = tuple(unit * size for size in known)
    # Each row of the matrix is the direction of one axis of the array.
    turned = _floats(fields, ("TransformMatrix", "Rotation", "Orientation"), count * count)
    origin = _floats(fields, ("Offset", "Position", "Origin"), count)
    if count < 3 or turned is None or origin is None:
        return assumed(positive(spacing), _SOURCE, caveat=caveat)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(turned, (count, count))[:3, :3].T * spacing
    affine[:3, 3] = np.multiply(origin[:3], unit)
    if not is_affine(affine):
        return assumed(positive(spacing), _SOURCE, caveat=caveat)
    return Placement(affine, _SOURCE, True, True, caveat)


def _floats(fields: dict[str, str], names: tuple[str, ...], count: int) -> tuple[float, ...] | None:
    """The numbers of the first of these fields that is there; None unless there are so many."""
    text = next((fields[name] for name in names if name in fields), "")
    numbers = tuple(float(word) for word in text.split())
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def _numbers(file: BinaryIO, fields: dict[str, str], stored: Stored, limits: Limits) -> BinaryIO:
    """The stream of numbers, standing at the first."""
    if not _is_true(fields.get("BinaryData", "True")):
        raise FileError("This MetaImage file keeps its numbers as text; save it as binary.")
    name = fields["ElementDataFile"]
    stream = file
    if name.upper().startswith("LIST") or "%" in name:
        raise FileError("The slices of this MetaImage file are in several files; join them.")
    if name.upper() != "LOCAL":
        stream = open_beside(file, [name.removeprefix("./")], limits)
    if _is_true(fields.get("CompressedData", "False")):
        return inflated(stream)
    passed = int(fields.get("HeaderSize", "0"))
    if passed == -1:
        stream.seek(-stored.total_bytes, 2)
    elif stream is not file:
        skip(stream, passed)
    return stream


def _is_true(text: str) -> bool:
    return text[:1] in ("T", "t", "1")
