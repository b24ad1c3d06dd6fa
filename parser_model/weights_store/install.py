"""Installing a parser's weights: fetch or take what is there, check it, convert it once.

Everything is put together in a folder beside the final one and renamed at the end, so that an
interruption at any point leaves the earlier weights, or none, but never a mixture.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from parser_model.errors import FileError, ServiceError, SetupError
from parser_model.weights_store.content import sha256_of
from parser_model.weights_store.hub import Hub, Progress
from parser_model.weights_store.places import (
    StoreSettings,
    downloads_folder,
    home,
    model_folder,
    one_at_a_time,
    told_in_words,
)
from parser_model.weights_store.record import RECORD, Record, Taken
from parser_model.weights_store.sources import HubFile, Source
from parser_model.weights_store.tokenizer_files import take_tokenizer
from parser_model.weights_store.verify import count_numbers


@dataclass(frozen=True)
class Given:
    """Files the user has already.

    Attributes
    ----------
    checkpoint : Path or None
        The checkpoint, or a folder with it.
    tokenizer : Path or None
        A tokenizer file, or a folder with it.
    """

    checkpoint: Path | None = None
    tokenizer: Path | None = None


def install(
    source: Source,
    given: Given = Given(),
    *,
    hub: Hub | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Record:
    """Install a parser's weights from the hub, or from files.

    Parameters
    ----------
    source : Source
    given : Given
        Files to take in place of the hub's. What lies beside the checkpoint is taken as well.
    hub : Hub, optional
        By default the one in the settings.
    progress : callable, optional
    say : callable, optional
        Told what begins now.

    Raises
    ------
    SetupError, ServiceError
        In one sentence that says what to do; nothing half-done is left in use.
    FileError
        If a file given is not there.
    """
    if hub is None:
        settings = StoreSettings()
        token = settings.hub_token
        hub = Hub(settings.hub, token.get_secret_value() if token else None)
    final = model_folder(source.name)
    staged = final.with_name(final.name + ".part")
    with one_at_a_time(home()):
        with told_in_words(home()):
            shutil.rmtree(staged, ignore_errors=True)
            _recover(final)
            staged.mkdir(parents=True)
        try:
            record = _Installation(source, given, hub, progress, say, staged).run()
            with told_in_words(home()):
                (staged / RECORD).write_text(
                    json.dumps(record.as_dict(), indent=1) + "\n", encoding="utf-8"
                )
                _swap(staged, final)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        # What was fetched has been converted or copied; a later command needs none of it.
        shutil.rmtree(downloads_folder(), ignore_errors=True)
    return record


def _swap(staged: Path, final: Path) -> None:
    """Put a complete folder in the place of another."""
    old = _set_aside(final)
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    staged.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _recover(final: Path) -> None:
    """Take back what an interruption between the two renames left aside."""
    if not final.exists() and _set_aside(final).exists():
        _set_aside(final).rename(final)


def _set_aside(final: Path) -> Path:
    return final.with_name(final.name + ".old")


class _Installation:
    """One run: where each file comes from, and what becomes of it."""

    def __init__(
        self,
        source: Source,
        given: Given,
        hub: Hub,
        progress: Progress | None,
        say: Callable[[str], None],
        staged: Path,
    ) -> None:
        self._source, self._hub, self._progress = source, hub, progress
        self._say, self._staged = say, staged
        self._checkpoint = _checkpoint_given(given.checkpoint, source)
        self._tokenizer = given.tokenizer
        if given.tokenizer is not None and not given.tokenizer.exists():
            raise FileError(f"There is no tokenizer file at {given.tokenizer}.")
        self._files: dict[str, Taken] = {}
        self._notes: list[str] = []

    def run(self) -> Record:
        # Small files first: what is wrong with access shows before gigabytes have come.
        self._take_tokenizer()
        self._take_distributions()
        path, origin = self._where(self._source.checkpoint)
        return self._convert(path, origin)

    def _where(self, file: HubFile) -> tuple[Path, str]:
        """A file given, lying beside the one given, or from the hub."""
        if self._checkpoint is not None:
            if file == self._source.checkpoint:
                return self._checkpoint, "a file given"
            for folder in (self._checkpoint.parent, self._checkpoint.parent / "tokenizer"):
                if (folder / file.name).is_file():
                    return folder / file.name, "a file given"
        said = self._hub.describe(file)
        if said.size is not None:
            self._need_room(said.size, for_checkpoint=file == self._source.checkpoint)
        path = self._hub.download(file, said, downloads_folder(), self._progress)
        return path, f"{file.repository}@{said.commit or 'main'}"

    def _need_room(self, size: int, *, for_checkpoint: bool) -> None:
        """Say before a long download that the disk cannot hold it and what is made of it."""
        need = 2 * size if for_checkpoint else size
        waiting = sum(p.stat().st_size for p in downloads_folder().glob("*") if p.is_file())
        free = shutil.disk_usage(home()).free
        if need - waiting > free:
            raise SetupError(
                f"{need / 1e9:.1f} GB are needed in {home()}, but only {free / 1e9:.1f} GB are "
                "free; make room or name another folder with PARSECHAT_HOME."
            )

    def _take_tokenizer(self) -> None:
        folder = self._staged / "tokenizer"
        files, origin = self._tokenizer, "a file given"
        if files is None:
            try:
                found = [self._where(file) for file in self._source.tokenizer]
            except ServiceError as error:
                if self._checkpoint is None:
                    raise
                raise SetupError(
                    f"The tokenizer is missing ({_without_stop(error)}); give its merges.txt "
                    "with --tokenizer-from FILE."
                ) from error
            folder.mkdir()
            for file, (path, _) in zip(self._source.tokenizer, found, strict=True):
                with told_in_words(home()):
                    shutil.copyfile(path, folder / file.name)
            files, origin = folder, found[0][1]
        with told_in_words(home()):
            for path in take_tokenizer(files, folder, self._source):
                self._keep(path, origin)

    def _take_distributions(self) -> None:
        from parser_model.biomedparse.postprocess import read_distributions

        file = self._source.distributions
        try:
            path, origin = self._where(file)
        except ServiceError as error:
            if self._checkpoint is None:
                raise
            # The network runs without it; only the reference's own score does not.
            self._notes.append(
                f"without {file.name}, so without the reference's score: {_without_stop(error)}"
            )
            return
        read_distributions(path)
        with told_in_words(home()):
            shutil.copyfile(path, self._staged / file.name)
        self._keep(self._staged / file.name, origin)

    def _convert(self, path: Path, origin: str) -> Record:
        from parser_model.biomedparse.checkpoint import convert_checkpoint

        source = self._source
        self._say(f"Converting {source.checkpoint.name} (once) ...")
        target = self._staged / source.weights_file
        held = count_numbers(path, source.config)
        with told_in_words(home()):
            convert_checkpoint(path, target, source.config)
            self._keep(target, f"converted from {source.checkpoint.name}")
            checkpoint = Taken(sha256_of(path), path.stat().st_size, origin)
        used = count_numbers(target, source.config)
        return Record(
            name=source.name,
            weights_file=source.weights_file,
            installed=time.strftime("%Y-%m-%d"),
            files=self._files,
            checkpoint=checkpoint,
            numbers_used=used,
            numbers_skipped=held - used,
            notes=tuple(self._notes),
        )

    def _keep(self, path: Path, origin: str) -> None:
        name = path.relative_to(self._staged).as_posix()
        self._files[name] = Taken(sha256_of(path), path.stat().st_size, origin)


def _checkpoint_given(path: Path | None, source: Source) -> Path | None:
    if path is not None and path.is_dir():
        path = path / source.checkpoint.name
    if path is not None and not path.is_file():
        raise FileError(f"There is no file {path} to take the weights from.")
    return path


def _without_stop(error: Exception) -> str:
    return str(error).rstrip(".")
