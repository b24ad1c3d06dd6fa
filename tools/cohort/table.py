"""A table on disk that grows file by file and can be continued after any end.

The rows of a file are written in one go. Its settings stand beside it (``NAME.csv.settings.json``),
with the number of rows when the program last ended in order: if there are more, it was killed, and
the last file is measured again because its rows may not be complete.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Final

from parser_model.errors import FileError, RequestError
from tools.cohort.rows import COLUMNS, Row
from tools.cohort.sources import FORMULAS

_NO_TABLE: Final = (
    "The file to continue is no table of 'parsechat measure', or another program changed it; give "
    "another name after --csv."
)
_IN_WORDS: Final = {
    "phrases": "other phrases",
    "folder": "files of another folder",
    "scale": "another scale",
    "modality": "another modality",
    "parser": "another parser",
    "weights_sha256": "other weights",
    "calibration": "another calibration of presence",
    "ranges": "another calibration of ranges",
    "precision": "another precision",
    "version": "another version of parsechat",
}


@dataclass(frozen=True)
class Settings:
    """What all rows of a table have in common; another value means another table.

    Attributes
    ----------
    phrases : tuple of str
    folder : str
        A hash of the folder that file names are relative to.
    scale : float or None
    modality : str or None
    parser, precision, version : str
    weights_sha256, calibration, ranges : str or None
    """

    phrases: tuple[str, ...]
    folder: str
    scale: float | None
    modality: str | None
    parser: str
    precision: str
    version: str
    weights_sha256: str | None
    calibration: str | None
    ranges: str | None


class Table:
    """A CSV file that rows are appended to, a file at a time.

    Parameters
    ----------
    path : Path
        Continued where it exists already.
    settings : Settings

    Attributes
    ----------
    done : set of (str, str)
        Keys of the sources that are in it.
    measured : int
        How many of these are no failures.
    last_number : int
        The highest `number` of a row; 0 in a new table.

    Raises
    ------
    RequestError
        If the table was begun with other settings, or the file is none.
    FileError
        If it cannot be read or written.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.done: set[tuple[str, str]] = set()
        self.measured = 0
        self.last_number = 0
        self._settings = settings
        self._beside = settings_file(path)
        self._rows = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            try:
                self._begin()
            except BaseException:
                self._file.close()
                raise
        except OSError:
            raise FileError("The table cannot be written; check --csv and its folder.") from None

    def _begin(self) -> None:
        _lock(self._file)
        if self.path.stat().st_size:
            self._continue()
        self._keep_settings()
        if self.path.stat().st_size == 0:
            self._write(_line(COLUMNS))

    def add(self, rows: Sequence[Row]) -> None:
        """Append the rows of one source; they are on disk when this returns."""
        self._write("".join(_line([_cell(row[column]) for column in COLUMNS]) for row in rows))
        self._rows += len(rows)
        self._note(rows[0])

    def close(self) -> None:
        """End in order: everything in the table is complete."""
        self._file.close()
        self._keep_settings()

    def _note(self, row: dict[str, Any]) -> None:
        self.done.add((str(row["file"]), str(row["series"] or "")))
        self.measured += row["row"] != "failure"
        self.last_number = int(row["number"])

    def _keep_settings(self) -> None:
        content = {"settings": asdict(self._settings), "rows": self._rows}
        draft = self._beside.with_name(self._beside.name + ".part")
        draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
        draft.replace(self._beside)

    def _write(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _continue(self) -> None:
        """Take over what is complete in the table and cut off the rest."""
        ended_at = self._check_settings()
        self._file.seek(0)
        header, kept = _line(COLUMNS).encode(), self._file.readline()
        if kept != header and not (header.startswith(kept) and not kept.endswith(b"\n")):
            raise RequestError(_NO_TABLE)
        end = len(kept) if kept == header else 0
        first: list[tuple[dict[str, str], int, int]] = []  # of every source: row, offset, rows
        for line in self._file:
            if not line.endswith(b"\n"):
                break  # the program was killed while it wrote this
            row = _parsed(line)
            if not first or first[-1][0]["number"] != row["number"]:
                first.append((row, end, self._rows))
            end += len(line)
            self._rows += 1
        if first and self._rows != ended_at:
            _, end, self._rows = first.pop()
        self._file.truncate(end)
        for row, _, _ in first:
            self._note(row)

    def _check_settings(self) -> int:
        """The number of rows when the program last ended in order."""
        try:
            content = json.loads(self._beside.read_text(encoding="utf-8"))
            kept, rows = dict(content["settings"]), int(content["rows"])
        except (OSError, ValueError, KeyError, TypeError):
            raise RequestError(
                "There is a file of this name already, without the settings of a table beside it; "
                "give another name after --csv."
            ) from None
        now = json.loads(json.dumps(asdict(self._settings)))
        other = [_IN_WORDS[f.name] for f in fields(Settings) if kept.get(f.name) != now[f.name]]
        if other:
            raise RequestError(
                f"This table was begun with {' and '.join(other)}; ask for the same again, or give "
                "another name after --csv."
            )
        return rows


def settings_file(path: Path) -> Path:
    """Where the settings of a table are kept."""
    return path.with_name(path.name + ".settings.json")


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _parsed(line: bytes) -> dict[str, str]:
    try:
        cells = next(csv.reader([line.decode("utf-8")], strict=True))
        row = dict(zip(COLUMNS, cells, strict=True))
        int(row["number"])
        return row
    except (UnicodeDecodeError, ValueError, csv.Error, StopIteration):
        raise RequestError(_NO_TABLE) from None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """A text that no table program takes for a formula, on one line."""
    text = " ".join(text.split()) if set(text) & set("\r\n\t") else text
    return f"'{text}" if text.startswith(FORMULAS) else text


def _lock(file: BinaryIO) -> None:
    """Keep a second run from writing the same table; released when the file is closed."""
    with contextlib.suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestError("Another run is writing this table; wait until it ends.") from None
