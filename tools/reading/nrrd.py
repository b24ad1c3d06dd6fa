"""NRRD: a header of text, and numbers behind it or in a file beside it.

Written from the public definition of the format (NRRD0001 to NRRD0005). Of the header only the
fields below are read; comments and key:=value pairs, where patients are named, are passed over.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError
from tools.reading.companions import open_beside
from tools.reading.limits import Limits
from tools.reading.streams import bunzipped, gunzipped, skip
from tools.reading.volumes import (
    MILLIMETRES,
    RAS_TO_LPS,
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
_SOURCE: Final = "nrrd-header"
_TYPES: Final = {
    "int8": ("signed char", "int8", "int8_t"),
    "uint8": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "int16": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "uint16": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "int32": ("int", "signed int", "int32", "int32_t"),
    "uint32": ("uint", "unsigned int", "uint32", "uint32_t"),
    "int64": (
        "longlong", "long long", "long long int", "signed long long", "signed long long int",
        "int64", "int64_t",
    ),
    "uint64": (
        "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t",
    ),
    "float32": ("float",),
    "float64": ("double",),
}  # fmt: skip
_DTYPES: Final = {name: np.dtype(dtype) for dtype, names in _TYPES.items() for name in names}
_LAS_TO_LPS: Final = np.diag([1.0, -1.0, 1.0, 1.0])
_TO_LPS: Final = {  # names of spaces without "time", which stands at the end
    "left-posterior-superior": np.eye(4), "lps": np.eye(4),
    "right-anterior-superior": RAS_TO_LPS, "ras": RAS_TO_LPS,
    "left-anterior-superior": _LAS_TO_LPS, "las": _LAS_TO_LPS,
}  # fmt: skip
_COLOURS: Final = {"rgb-color": 3, "rgba-color": 4}
_IN_SPACE: Final = ("domain", "space")
_AXES: Final = "This NRRD file arranges its axes in a way that is not read."


def read(file: BinaryIO, limits: Limits, frame: int | None = None) -> Scan:
    """Read one volume of an NRRD file, or of the file of numbers that its header names.

    Raises
    ------
    FileError
        If it is damaged, too large, packed or arranged in a way that is not read, or its numbers
        are not beside it.
    RequestError
        If there is no such volume.
    """
    fields = _fields(file)
    sizes = [int(size) for size in fields["sizes"].split()]
    if len(sizes) != int(fields["dimension"]):
        raise ValueError("the header contradicts itself")
    space = _space_axes(fields, sizes)
    stored = _stored(fields, sizes, space)
    place = _place(fields, space)
    stream = file
    if name := fields.get("data file", fields.get("datafile")):
        if name.upper().startswith("LIST") or "%" in name:
            raise FileError(
                "The slices of this NRRD file are spread over several files; join them."
            )
        stream = open_beside(file, [name.removeprefix("./")], limits)
    stream = _unpacked(stream, fields, stored)
    return read_volume(stream, stored, place, "NRRD", limits, frame)


def _fields(file: BinaryIO) -> dict[str, str]:
    """Fields of the header by lower-case name; the file then stands behind it."""
    file.readline(_LONGEST_LINE)  # NRRD000x
    fields: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = file.readline(_LONGEST_LINE).decode("latin-1").strip("\r\n")
        if not line:  # a blank line, or the end of a detached header
            return fields
        name, colon, value = line.partition(": ")
        if colon and not line.startswith("#") and ":=" not in name:
            fields[name.strip().lower()] = value.strip()
    raise FileError("The header of this NRRD file does not end; it is damaged.")


def _space_axes(fields: dict[str, str], sizes: list[int]) -> range:
    """The axes of the array that lie in space; they follow each other, others come around them."""
    count = len(sizes)
    kinds = fields.get("kinds", "").lower().split()
    directions = re.findall(r"none|\([^)]*\)", fields.get("space directions", "").lower())
    if len(directions) == count:
        inside = [axis for axis, one in enumerate(directions) if one != "none"]
    elif len(kinds) == count:
        inside = [axis for axis, kind in enumerate(kinds) if kind in (*_IN_SPACE, "???", "none")]
    else:
        inside = list(range(min(count, 3)))
    inside = inside[:3] if len(inside) > 3 and inside == list(range(count)) else inside
    if len(inside) not in (2, 3) or inside != list(range(inside[0], inside[-1] + 1)):
        raise FileError(_AXES)
    return range(inside[0], inside[-1] + 1)


def _stored(fields: dict[str, str], sizes: list[int], space: range) -> Stored:
    dtype = _DTYPES.get(fields["type"].lower())
    if dtype is None:
        raise FileError("This NRRD file stores its numbers in a way that is not read.")
    if fields.get("endian", "little").lower() == "big":
        dtype = dtype.newbyteorder(">")
    before, after = sizes[: space.start], sizes[space.stop :]
    if min(sizes) < 1 or max(sizes) >= 1 << 31:
        raise ValueError("the header announces impossible sizes")
    if len(before) > 1:
        raise FileError(_AXES)
    kinds = fields.get("kinds", "").lower().split()
    first = kinds[0] if before and len(kinds) == len(sizes) else ""
    others = kinds[: space.start] + kinds[space.stop :] if len(kinds) == len(sizes) else []
    grid = [sizes[axis] for axis in space] + [1] * (3 - len(space))
    return Stored(
        dtype=dtype,
        shape=(grid[0], grid[1], grid[2]),
        components=before[0] if before else 1,
        volumes=int(np.prod(after, dtype=object)) if after else 1,
        over_time="time" in others,
        colour=bool(before) and _COLOURS.get(first) == before[0],
    )


def _place(fields: dict[str, str], space: range) -> Placement:
    name = fields.get("space", "").lower().removesuffix("-time")
    to_lps = _TO_LPS.get(name, _TO_LPS.get(name.removesuffix("t")))
    speaks_of_bodies = to_lps is not None or name == "scanner-xyz"
    units = re.findall(r'"([^"]*)"', fields.get("space units", ""))[: len(space)]
    factors = [MILLIMETRES.get(unit.lower()) for unit in units]
    unit = factors[0] if factors and len(set(factors)) == 1 else None
    caveat = ""
    if unit is None and not units and speaks_of_bodies:
        unit, caveat = 1.0, millimetres_assumed("NRRD")
    affine = _affine(fields)
    if affine is None:
        sizes = _spacings(fields, space, unit)
        return assumed(sizes, _SOURCE, caveat=caveat if sizes else "")
    affine = np.diag([unit or 1.0] * 3 + [1.0]) @ affine
    if to_lps is None:
        steps = tuple(float(step) for step in np.linalg.norm(affine[:3, :3], axis=0))
        return assumed(steps if unit else None, _SOURCE, caveat=caveat)
    return Placement(to_lps @ affine, _SOURCE, True, unit is not None, caveat)


def _affine(fields: dict[str, str]) -> NDArray[np.float64] | None:
    """From the axes in space to the space of the file; None if the file gives none."""
    vectors = re.findall(r"\(([^)]*)\)", fields.get("space directions", ""))
    # Spaces with time have a fourth number, and a fourth axis along it.
    steps = [[float(number) for number in one.split(",")[:3]] for one in vectors[:3]]
    if len(steps) == 2 and all(len(step) == 3 for step in steps):  # a picture in space
        normal = np.cross(steps[0], steps[1])
        steps.append((normal / (np.linalg.norm(normal) or 1.0)).tolist())
    if len(steps) != 3 or any(len(step) != 3 for step in steps):
        return None
    affine = np.eye(4)
    affine[:3, :3] = np.transpose(steps)
    origin = re.search(r"\(([^)]*)\)", fields.get("space origin", ""))
    if origin:
        affine[:3, 3] = [float(number) for number in origin.group(1).split(",")[:3]]
    return affine if is_affine(affine) else None


def _spacings(fields: dict[str, str], space: range, unit: float | None) -> tuple[float, ...] | None:
    """Millimetres between voxels where each axis states its own distance and unit."""
    stated = fields.get("spacings", "").split()
    units = re.findall(r'"([^"]*)"', fields.get("units", ""))
    if len(stated) < space.stop:
        return None
    factors = [MILLIMETRES.get(one.lower()) for one in units[space.start : space.stop]]
    if len(factors) != len(space):
        factors = [unit] * len(space)
    sizes = [
        float(stated[axis]) * factor
        for axis, factor in zip(space, factors, strict=True)
        if factor is not None
    ]
    if len(sizes) != len(space):
        return None
    return positive(tuple(sizes) + (1.0,) * (3 - len(sizes)))


def _unpacked(stream: BinaryIO, fields: dict[str, str], stored: Stored) -> BinaryIO:
    """The stream of numbers, standing at the first."""
    encoding = fields.get("encoding", "").lower()
    lines = int(fields.get("line skip", fields.get("lineskip", "0")))
    passed = int(fields.get("byte skip", fields.get("byteskip", "0")))
    for _ in range(min(lines, _MOST_LINES)):
        stream.readline(_LONGEST_LINE)
    if encoding in ("gzip", "gz"):
        stream = gunzipped(stream)
    elif encoding in ("bzip2", "bz2"):
        stream = bunzipped(stream)
    elif encoding != "raw":
        raise FileError("This NRRD file keeps its numbers as text; save it as raw or gzip.")
    if passed == -1 and encoding == "raw":
        stream.seek(-stored.total_bytes, 2)
    else:
        skip(stream, passed)
    return stream
