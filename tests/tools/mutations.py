"""Damaged and hostile files, made from good ones: repeatable, one after another."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom.data
from pydicom import dcmread

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"
Random = np.random.Generator
_LARGEST = 400_000  # bytes of a source; more would test the disk
_ABSURD = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_HEADER_TAGS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PlanarConfiguration",
)  # fmt: skip


def sources(samples: Path | None) -> list[Path]:
    """The good files: samples where there are any, and what pydicom brings."""
    found = [path for path in BUNDLED.rglob("*") if path.is_file()]
    if samples is not None:
        found += [path for path in samples.rglob("*") if path.is_file()]
    return sorted(
        (path for path in found if 0 < path.stat().st_size <= _LARGEST), key=lambda p: p.name
    )


def mutants(count: int, files: list[Path], seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """So many damaged files: how each was made, and its bytes."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        source = files[int(draw.integers(len(files)))]
        kind = _KINDS[number % len(_KINDS)]
        made = kind(source.read_bytes(), draw)
        yield f"{number} {kind.__name__} {source.name}", made


def cut(data: bytes, draw: Random) -> bytes:
    return data[: int(draw.integers(len(data)))]


def cut_in_the_header(data: bytes, draw: Random) -> bytes:
    return data[: int(draw.integers(min(len(data), 2000)))]


def flipped(data: bytes, draw: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(int(draw.integers(1, 30))):
        changed[int(draw.integers(len(changed)))] = int(draw.integers(256))
    return bytes(changed)


def flipped_header(data: bytes, draw: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(int(draw.integers(1, 12))):
        changed[int(draw.integers(min(len(changed), 3000)))] = int(draw.integers(256))
    return bytes(changed)


def absurd_numbers(data: bytes, draw: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(int(draw.integers(1, 6))):
        size = int(draw.choice([2, 4]))
        at = int(draw.integers(max(1, min(len(changed), 4000) - size)))
        value = int(draw.choice(_ABSURD)) & (1 << 8 * size) - 1
        order = str(draw.choice(["<", ">"]))
        changed[at : at + size] = struct.pack(order + {2: "H", 4: "I"}[size], value)
    return bytes(changed)


def absurd_tags(data: bytes, draw: Random) -> bytes:
    """A DICOM header that announces something else; other files are flipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(io.BytesIO(data))
            for keyword in draw.choice(_HEADER_TAGS, 2):
                value = int(draw.choice(_ABSURD))
                setattr(dataset, keyword, value if keyword == "NumberOfFrames" else value & 0xFFFF)
            written = io.BytesIO()
            dataset.save_as(written)
        except Exception:  # not DICOM, or damaged by design
            return flipped(data, draw)
    return written.getvalue()


def repeated(data: bytes, draw: Random) -> bytes:
    start, end = sorted(int(place) for place in draw.integers(len(data), size=2))
    return data[:end] + data[start:end] + data[end:]


def in_a_zip(data: bytes, draw: Random) -> bytes:
    """Two copies in an archive, of which one is damaged, under names that lead elsewhere."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../etc/scan", data)
        archive.writestr("/tmp/scan", flipped(data, draw))
        archive.writestr("C:\\scan\n", cut(data, draw))
    return written.getvalue()


def damaged_zip(data: bytes, draw: Random) -> bytes:
    packed = in_a_zip(data, draw)
    kind = (flipped, flipped_header, cut, absurd_numbers)[int(draw.integers(4))]
    return kind(packed, draw)


def bomb(data: bytes, draw: Random) -> bytes:
    """An archive of zeros behind a head, or with entries that share their bytes."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a", data[:4096] + bytes(int(draw.integers(1_000_000, 40_000_000))))
        if draw.random() < 0.5:  # the directory lists one entry a thousand times
            entry = archive.infolist()[0]
            archive.filelist.extend([entry] * 1000)
    return written.getvalue()


_KINDS: tuple[Callable[[bytes, Random], bytes], ...] = (
    cut, flipped, flipped_header, absurd_numbers, absurd_tags, cut_in_the_header, flipped_header,
    absurd_numbers, repeated, in_a_zip, damaged_zip, absurd_tags, flipped, cut, bomb, damaged_zip,
)  # fmt: skip
