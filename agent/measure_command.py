"""What ``measure`` does: files and folders in, a table of measurements out."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

from agent.bugs import log_bug
from agent.commands import NOTICE, Options, check_scale, run_record
from agent.conversation import stated
from agent.measure_text import one_scan, several_scans
from agent.models_commands import bars
from agent.parsers import chosen_parser
from parser_model import FileError, InputError, Parser, ToolError
from parser_model.ontology import ontology
from parser_model.range_calibration import ranges_of
from tools.actions.segment import check_phrases
from tools.cohort import (
    Place,
    Settings,
    Source,
    Table,
    failure_row,
    failure_tile,
    find_places,
    measure_scan,
    rows_of,
    sources_in,
    tile_of,
)
from tools.cohort.rows import Row
from tools.cohort.sources import base_folder
from tools.cohort.table import settings_file
from tools.contact_sheet import ContactSheet, Tile, page_file
from tools.volumes import Progress

_SAVE_SECONDS: Final = 10.0  # a page of a contact sheet takes a second to write


def measure(
    paths: Sequence[Path],
    phrases: Sequence[str],
    options: Options,
    *,
    csv: Path | None,
    sheet: Path | None,
    as_json: bool,
) -> None:
    """Measure named objects in files and folders, and print or write the table.

    Raises
    ------
    FileError
        If a path leads nowhere, nothing could be read, or the table cannot be written.
    RequestError, SetupError, ToolError
        For a request that makes no sense, or what is missing here.
    SystemExit
        130 when the user stops it, after the table was ended in order; 1 when a bug was met.
    """
    started = time.perf_counter()
    wanted = check_phrases(list(phrases))
    check_scale(options.scale)
    if options.modality is not None:
        ontology().modality(options.modality)
    settings = options.settings()
    places = find_places(paths, without=_own_files(csv, sheet))
    if not places:
        raise FileError("There are no files in this folder; give one that holds images.")
    parser = chosen_parser(settings)
    pages = ContactSheet(sheet) if sheet else None
    table = Table(csv, _settings(paths, wanted, options, parser)) if csv else None
    if pages and table:
        pages.start = table.last_number
    run = _Run(parser, wanted, options, table, pages, keep=as_json or csv is None)
    try:
        with bars() as (progress, _):
            run.through(places, progress)
    except KeyboardInterrupt:
        done = f"{run.measured} measured"
        kept = "the same command goes on from there" if csv else "--csv keeps what is done"
        print(f"Stopped with {done}; {kept}.", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        run.end()
    if run.measured == 0 and not (table and table.measured):
        raise FileError(run.nothing())
    if as_json:
        document = {
            "run": run_record(parser.info, None, started),
            "csv": str(csv.resolve()) if csv else None,
            "sheet": str(sheet.resolve()) if sheet else None,
            "measured": run.measured,
            "failed": run.failed,
            "measured_before": run.before,
            "rows": run.rows,
        }
        print(json.dumps(document, ensure_ascii=False))
    else:
        print("\n".join([*run.lines(), *_where(csv, sheet), NOTICE]))
    if run.bugs:
        raise SystemExit(1)


@dataclass
class _Run:
    """One walk through files: each is measured, noted and forgotten."""

    parser: Parser
    phrases: list[str]
    options: Options
    table: Table | None
    sheet: ContactSheet | None
    keep: bool
    rows: list[Row] = field(default_factory=list)
    measured: int = 0
    failed: int = 0
    before: int = 0
    bugs: int = 0
    _reason: str = ""
    _number: int = 0
    _saved: float = 0.0
    _slices: Progress | None = None

    def through(self, places: Sequence[Place], bar: Callable[[str, int, int | None], None]) -> None:
        """Measure everything; `bar` hears of files and of slices, done and in all."""

        def progress(done: int, total: int) -> None:
            bar("files", done, total)

        self._slices = lambda done, total: bar("slices", done, total)
        self._number = self.table.last_number if self.table else 0
        total = sum(len(place.files) for place in places)
        done = 0
        progress(done, total)
        for place in places:
            for source in sources_in(place):
                if self.table and source.key in self.table.done:
                    self.before += 1
                else:
                    self._one(source)
                if place.dicom:
                    done += len(source.files) or 1
                    progress(min(done, total), total)
            if not place.dicom:
                done += 1
                progress(done, total)

    def _one(self, source: Source) -> None:
        number = self._number + 1
        try:
            rows, tile = self._measured(number, source)
        except (InputError, ToolError) as error:
            rows, tile = self._failed(number, source, str(error))
        except Exception as error:  # one file must not end a night's run; the bug is logged
            self.bugs += 1
            reason = f"Something broke inside parsechat over this file (id {log_bug(error)})."
            rows, tile = self._failed(number, source, reason)
        else:
            self.measured += 1
        self._number = number
        if self.table:
            self.table.add(rows)
        if self.keep:
            self.rows += rows
        if self.sheet:
            self.sheet.add(tile)
            if time.monotonic() - self._saved > _SAVE_SECONDS:
                self.sheet.save()
                self._saved = time.monotonic()

    def _measured(self, number: int, source: Source) -> tuple[list[Row], Tile]:
        scan = stated(source.open(), self.options.modality)
        if self.options.scale is not None:
            scan = scan.with_scale(self.options.scale)
        found = measure_scan(self.parser, scan, self.phrases, progress=self._slices)
        return rows_of(number, source, found), tile_of(number, found)

    def _failed(self, number: int, source: Source, reason: str) -> tuple[list[Row], Tile]:
        self.failed += 1
        self._reason = self._reason or reason
        return [failure_row(number, source, reason)], failure_tile(number, reason)

    def end(self) -> None:
        """Close what is written, also after an interruption."""
        if self.table:
            self.table.close()
        if self.sheet:
            self.sheet.save()

    def nothing(self) -> str:
        """Why there is no measurement at all."""
        if self.failed == 1:
            return self._reason
        return f"None of the {self.failed} files could be read; the first: {self._reason}"

    def lines(self) -> list[str]:
        """What a person reads."""
        scans = self.measured + self.failed
        if self.keep and scans == 1 and not self.before:
            return list(one_scan(self.rows))
        lines = list(several_scans(self.rows)) if self.keep else []
        lines.append(f"Measured {self.measured} scan{'' if self.measured == 1 else 's'}.")
        if self.before:
            lines[-1] += f" {self.before} were in the table before."
        if self.failed:
            lines[-1] += f" {self.failed} could not be read; their rows say why."
        return lines


def _settings(
    paths: Sequence[Path], phrases: Sequence[str], options: Options, parser: Parser
) -> Settings:
    info = parser.info
    ranges = ranges_of(info.weights_sha256)
    folder = hashlib.sha256(bytes(base_folder(paths))).hexdigest()[:16]
    return Settings(
        phrases=tuple(phrases),
        folder=folder,
        scale=options.scale,
        modality=options.modality,
        parser=info.name,
        precision=info.precision,
        version=version("parsechat"),
        weights_sha256=info.weights_sha256,
        calibration=info.calibration,
        ranges=ranges.name if ranges else None,
    )


def _own_files(csv: Path | None, sheet: Path | None) -> list[Path]:
    """Files that this command writes, which may lie among those it measures."""
    own = [csv, settings_file(csv)] if csv else []
    if sheet:
        number = 0
        while number == 0 or page_file(sheet, number).exists():
            own.append(page_file(sheet, number))
            number += 1
    return own


def _where(csv: Path | None, sheet: Path | None) -> list[str]:
    return [f"{what}: {path}" for what, path in (("Table", csv), ("Sheet", sheet)) if path]
