"""The state of a run on disk: complete or not there, and read without running code from it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from parser_model.errors import FileError


def write_state(path: Path, content: dict[str, Any]) -> None:
    """Write a state so that a kill at any moment leaves the old one or the new one whole.

    Raises
    ------
    FileError
        If the disk does not take it.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise FileError(f"{path.name} could not be written: {error.strerror}.") from error


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote.

    Raises
    ------
    FileError
        If it is damaged or holds more than numbers and words.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise FileError(
            f"{path.name} is damaged, so the run cannot go on; delete it to start anew."
        ) from error
    if not isinstance(content, dict):
        raise FileError(f"{path.name} does not hold the state of a run.")
    return content
