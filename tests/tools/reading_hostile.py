"""Readers that do what a decoder of a hostile file might do; they run in the worker."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from typing import BinaryIO

import numpy as np

from tools.geometry import Geometry
from tools.reading.limits import Limits
from tools.scan import Scan


def hangs(file: BinaryIO, limits: Limits) -> Scan:
    """Never comes back."""
    while True:
        time.sleep(60)


def crashes(file: BinaryIO, limits: Limits) -> Scan:
    """Dies as C code does."""
    ctypes.string_at(0)
    raise AssertionError


def eats(file: BinaryIO, limits: Limits) -> Scan:
    """Takes more memory than there is."""
    kept = [np.ones(1 << 26, np.uint8) for _ in range(1 << 20)]
    raise AssertionError(len(kept))


def quotes(file: BinaryIO, limits: Limits) -> Scan:
    """Fails with a text from the file, as DICOM libraries do, and prints it besides."""
    print("Quillfeather^Ada")
    print("Quillfeather^Ada", file=sys.stderr)
    raise ValueError("invalid value for VR PN: 'Quillfeather^Ada'")


def reports(file: BinaryIO, limits: Limits) -> Scan:
    """Says what the worker has loaded and which of our keys it holds, as pixels."""
    found = ["torch" in sys.modules, "OPENAI_API_KEY" in os.environ]
    return Scan(np.array([found], dtype=np.uint8), Geometry())
