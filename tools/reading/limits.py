"""What opening one file may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parser_model.errors import FileError

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds for one file; the defaults fit a workstation.

    Attributes
    ----------
    pixels : int
        Rows x columns x frames that a header may announce; checked before decoding.
    seconds : float
        After which the worker is killed.
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

    def check_size(self, rows: int, columns: int, frames: int = 1) -> None:
        """Refuse an image by the size that its header announces.

        Raises
        ------
        FileError
            If it has no pixels, or more than `pixels`.
        """
        if min(rows, columns, frames) <= 0:
            raise FileError("This file announces an image without pixels; it is damaged.")
        if rows * columns * frames > self.pixels:
            size = f"{columns:,} x {rows:,} pixels" + (
                f" in {frames:,} frames" if frames > 1 else ""
            )
            raise FileError(
                f"This file announces an image of {size}; the limit is {self.pixels:,} pixels, "
                "so export a smaller version or a part of it."
            )
