"""What is installed of a parser, and where each file came from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from parser_model.errors import SetupError
from parser_model.weights_store.places import model_folder

RECORD = "installed.json"
_FORMAT = 1


@dataclass(frozen=True)
class Taken:
    """A file as it was taken in.

    Attributes
    ----------
    sha256 : str
    bytes : int
    origin : str
        The repository with its revision, or "a file given".
    """

    sha256: str
    bytes: int
    origin: str


@dataclass(frozen=True)
class Record:
    """What is installed; written last.

    Attributes
    ----------
    name, weights_file, installed : str
        Parser, name of the converted file, day.
    files : dict of str to Taken
        By path in the folder.
    checkpoint : Taken
        The file that was converted.
    numbers_used, numbers_skipped : int
        Of the checkpoint.
    notes : tuple of str
    """

    name: str
    weights_file: str
    installed: str
    files: dict[str, Taken]
    checkpoint: Taken
    numbers_used: int
    numbers_skipped: int
    notes: tuple[str, ...] = field(default=())

    @property
    def weights_sha256(self) -> str:
        """Of the converted file."""
        return self.files[self.weights_file].sha256

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"format": _FORMAT, **asdict(self)}


def installed(name: str) -> Record | None:
    """What is installed of a parser, or None. Looks at sizes, not at hashes; touches no network.

    Raises
    ------
    SetupError
        If files are missing or were changed since.
    """
    folder = model_folder(name)
    again = f"run 'parsechat models download {name} --again'"
    if not (folder / RECORD).is_file():
        return None
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if data.pop("format") != _FORMAT:
            raise SetupError(f"The weights of {name} are of another version; {again}.")
        data["files"] = {path: Taken(**taken) for path, taken in data["files"].items()}
        data["checkpoint"] = Taken(**data["checkpoint"])
        record = Record(**{**data, "notes": tuple(data["notes"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SetupError(f"The record of the weights of {name} is damaged; {again}.") from error
    for path, taken in record.files.items():
        if not (folder / path).is_file() or (folder / path).stat().st_size != taken.bytes:
            raise SetupError(f"{path} of {name} is missing or was changed; {again}.")
    return record
