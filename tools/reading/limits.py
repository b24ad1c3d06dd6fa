"""What opening one file may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from parser_model.errors import FileError

_MIB = 1024 * 1024

MOST_SLIDE_PIXELS: Final = 25_000_000
"""Of the level of a slide: 5,000 x 5,000, as much as masks are drawn on without waiting."""


@dataclass(frozen=True)
class Limits:
    """Bounds for one file; the defaults fit a workstation.

    Attributes
    ----------
    pixels : int
        Rows x columns that a header may announce, a third of rows x columns x slices; checked
        before decoding.
    seconds : float
        After which the worker is killed; a series of files or an archive gets six times as long.
    memory_bytes : int
        Address space of the worker process (RLIMIT_AS, where the system has it).
    file_bytes : int
        Size on disk.
    """

    pixels: int = 100_000_000
    seconds: float = 20.0
    memory_bytes: int = 4096 * _MIB
    file_bytes: int = 2048 * _MIB

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError("the limit of seconds is positive and finite")
        if min(self.pixels, self.memory_bytes, self.file_bytes) <= 0:
            raise ValueError("limits are positive")

    @property
    def volume_pixels(self) -> int:
        """Rows x columns x slices of a stack: at the default some 1,100 slices of 512 x 512."""
        return 3 * self.pixels

    @property
    def series_seconds(self) -> float:
        """Seconds for a folder or an archive: at the default 1,000 slices of JPEG 2000."""
        return 6 * self.seconds

    def check_size(self, rows: int, columns: int, frames: int = 1) -> None:
        """Refuse an image by the size that its header announces.

        Raises
        ------
        FileError
            If it has no pixels, or more than `pixels`, as a stack more than `volume_pixels`.
        """
        most = self.pixels if frames == 1 else self.volume_pixels
        if min(rows, columns, frames) <= 0:
            raise FileError("This file announces an image without pixels; it is damaged.")
        if rows * columns * frames > most:
            size = f"{columns:,} x {rows:,} pixels" + (
                f" in {frames:,} frames" if frames > 1 else ""
            )
            raise FileError(
                f"This file announces an image of {size}; the limit is {most:,} pixels, "
                "so export a smaller version or a part of it."
            )
