"""Where weights live, and which hub they come from.

::

    HOME/models/NAME/                       installed weights, complete or not there at all
    HOME/downloads/                         what a download has got so far
    HOME/calibrations/NAME-SHA256.json      presence, fitted by the user for weights whose hash
                                            begins so; ranges of sizes beside it, .ranges.json
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from parser_model.errors import SetupError

_DIGITS = 12


def cache_folder() -> Path:
    """The folder in which programs of this system keep what they can fetch again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) if base else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) if base else Path.home() / ".cache"


class StoreSettings(BaseSettings):
    """What can be chosen from outside, as ``PARSECHAT_*`` or in a file ``.env``.

    Attributes
    ----------
    home : Path or None
        Folder of everything that is fetched or fitted; None means the user's cache folder.
    hub : str
        Address of the model hub.
    hub_token : SecretStr or None
        For models behind a form; HF_TOKEN is understood too.
    """

    model_config = SettingsConfigDict(
        env_prefix="PARSECHAT_", env_file=".env", extra="ignore", env_ignore_empty=True
    )

    home: Path | None = None
    hub: str = "https://huggingface.co"
    hub_token: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("PARSECHAT_HUB_TOKEN", "HF_TOKEN")
    )


def home() -> Path:
    """The folder of everything that is fetched or fitted; it may not exist yet."""
    chosen = StoreSettings().home
    return chosen.expanduser().absolute() if chosen else cache_folder() / "parsechat"


def model_folder(name: str) -> Path:
    """Where the weights of a parser are once they are installed."""
    return home() / "models" / name


def downloads_folder() -> Path:
    """Where unfinished downloads wait to be continued."""
    return home() / "downloads"


def calibration_file(name: str, weights_sha256: str) -> Path:
    """Where presence is kept when the user fits it for these weights of a parser."""
    return home() / "calibrations" / f"{name}-{weights_sha256[:_DIGITS]}.json"


def calibration_files(name: str, weights_sha256: str) -> tuple[Path, ...]:
    """Where it may be: there, or as all weights of a parser shared one file before."""
    file = calibration_file(name, weights_sha256)
    return file, file.with_name(f"{name}.json")


@contextmanager
def told_in_words(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into a sentence.

    Raises
    ------
    SetupError
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(
            f"Cannot write to {folder} ({reason}); make room or name another folder with "
            "PARSECHAT_HOME, then run the same command again."
        ) from error


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep a second download into the same home out while this one runs.

    Raises
    ------
    SetupError
    """
    try:
        import fcntl
    except ImportError:  # Windows: hashes still tell when two downloads got into each other
        yield
        return
    with told_in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("w")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SetupError("Another download is running; wait until it is done.") from error
        yield
