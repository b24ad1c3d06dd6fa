"""NIfTI-1, NIfTI-2 and Analyze 7.5: single files, and pairs of header and pixels.

Nibabel reads the fields of the header. Header extensions, which may hold whole DICOM headers, are
passed over unread.
"""

from __future__ import annotations

import math
from typing import Any, BinaryIO, Final

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from nibabel.spm2analyze import Spm2AnalyzeHeader
from numpy.typing import NDArray

from parser_model.errors import FileError
from tools.reading.companions import open_beside, own_name
from tools.reading.limits import Limits
from tools.reading.streams import skip, unpacked
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

_HEADER_BYTES: Final = 348
_LONGER: Final = 192  # by which the header of NIfTI-2 is longer
_UNITS: Final = {1: "m", 2: "mm", 3: "um"}  # xyzt_units & 7, NIFTI_UNITS_*
_SURFACES: Final = range(3000, 3100)  # intent codes of CIFTI
# Where no form is valid: the axes as Analyze has them, patient's left, front and head (LAS).
_USUAL: Final = (1.0, -1.0, 1.0)
_TWO_SIZES: Final = (
    "The file states two pixel sizes that differ by more than 1 %; that of its affine was used."
)
_AS_ANALYZE: Final = "analyze-header"


def read(file: BinaryIO, limits: Limits, frame: int | None = None) -> Scan:
    """Read one volume of a NIfTI or Analyze file, or of the pair that a header begins.

    The sform counts before the qform; with neither, and in Analyze, only sizes are known. Slope
    and intercept are applied.

    Raises
    ------
    FileError
        If it is damaged, too large, half of a pair, or holds no grey values or colours.
    RequestError
        If there is no such volume.
    """
    stream = unpacked(file)
    block = stream.read(_HEADER_BYTES)
    if block[4:8] in (b"n+2\0", b"ni2\0"):
        block += stream.read(_LONGER)
    header, single = _header(block)
    analyze = not isinstance(header, Nifti1Header)
    stored = _stored(header, analyze=analyze)
    place = _analyze_place(header) if analyze else _place(header)
    if not single:
        stream = unpacked(open_beside(file, _pixel_files(own_name(file)), limits))
    start = header.get_data_offset()
    skip(stream, start - stream.tell())
    name = "Analyze" if analyze else "NIfTI"
    return read_volume(stream, stored, place, name, limits, frame)


def _header(block: bytes) -> tuple[Any, bool]:
    """The header as nibabel reads it, and whether the pixels are in the same file."""
    kinds: dict[bytes, tuple[Any, bool]] = {
        b"n+1\0": (Nifti1Header, True),
        b"ni1\0": (Nifti1PairHeader, False),
        b"n+2\0": (Nifti2Header, True),
        b"ni2\0": (Nifti2PairHeader, False),
    }
    kind, single = kinds.get(block[4:8]) or kinds.get(block[344:348]) or (Spm2AnalyzeHeader, False)
    return kind(block), single


def _stored(header: Any, *, analyze: bool) -> Stored:
    try:
        dtype = header.get_data_dtype()
        slope, intercept = header.get_slope_inter()
    except HeaderDataError:
        raise FileError("This file stores its numbers in a way that is not read.") from None
    if not analyze and int(header["intent_code"]) in _SURFACES:
        raise FileError("This file is a table of brain regions (CIFTI), not an image.")
    shape = [int(side) for side in header.get_data_shape()]
    shape += [1] * (3 - len(shape))
    channels = dtype.names or ()
    return Stored(
        dtype=np.dtype(np.uint8) if channels else dtype,
        shape=(shape[0], shape[1], shape[2]),
        components=len(channels) or 1,
        volumes=math.prod(shape[3:]),
        over_time=len(shape) > 3 and shape[3] > 1,
        colour=bool(channels),
        slope=1.0 if slope is None or channels else float(slope),
        intercept=0.0 if intercept is None or channels else float(intercept),
    )


def _place(header: Any) -> Placement:
    """By the affine of the file; a form whose code is 0, or that is no affine, does not count."""
    name = _UNITS.get(int(header["xyzt_units"]) & 7)
    unit = MILLIMETRES[name] if name else 1.0
    caveat = "" if name else millimetres_assumed("NIfTI")
    sizes = tuple(float(size) * unit for size in header["pixdim"][1:4])
    affine = _affine(header)
    if affine is None:
        # Without form and unit, sizes of 1 are what a header holds to which nothing was written.
        unsaid = name is None and all(size in (0.0, 1.0) for size in sizes)
        known = None if unsaid else _spacing(sizes, header)
        return assumed(known, "nifti-affine", directions=_USUAL, caveat=caveat)
    affine = np.diag([unit, unit, unit, 1.0]) @ affine
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(steps, np.abs(sizes), rtol=0.01):
        caveat = f"{caveat} {_TWO_SIZES}".strip()
    return Placement(RAS_TO_LPS @ affine, "nifti-affine", True, True, caveat)


def _affine(header: Any) -> NDArray[np.float64] | None:
    """To right, anterior, superior (RAS) in the unit of the file."""
    if int(header["sform_code"]) > 0 and is_affine(sform := header.get_sform()):
        return sform
    if int(header["qform_code"]) > 0:
        try:
            qform = header.get_qform()
        except (HeaderDataError, ValueError):  # a quaternion longer than 1
            return None
        return qform if is_affine(qform) else None
    return None


def _analyze_place(header: Any) -> Placement:
    """Sizes in millimetres unless it names another unit; what it says of orientation is unsafe."""
    name = bytes(header["vox_units"].item()).decode("latin-1").strip("\0 ").lower() or "mm"
    unit = MILLIMETRES.get(name)
    sizes = tuple(float(size) * (unit or 1.0) for size in header["pixdim"][1:4])
    known = _spacing(sizes, header) if unit else None
    return assumed(known, _AS_ANALYZE, directions=_USUAL)


def _spacing(sizes: tuple[float, ...], header: Any) -> tuple[float, ...] | None:
    """Positive sizes; of a picture those of rows and columns suffice."""
    if int(header["dim"][0]) < 3:
        sizes = (*sizes[:2], 1.0)
    return positive(sizes)


def _pixel_files(name: str) -> tuple[str, ...]:
    """Names of the file of pixels beside a header of this name."""
    packed = ".gz" if name.lower().endswith(".gz") else ""
    stem, dot, ending = name[: len(name) - len(packed)].rpartition(".")
    if ending.lower() != "hdr":
        raise FileError(
            "This header has lost its name, which ends in .hdr, so its pixels are lost."
        )
    image = dot + ("IMG" if ending.isupper() else "img")
    return tuple(dict.fromkeys((stem + image + packed, stem + image, stem + image + ".gz")))
