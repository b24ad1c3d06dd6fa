"""What a file should be, and whether it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from parser_model.errors import SetupError
from parser_model.weights_store.sources import HubFile

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Described:
    """What the hub says of a file.

    Attributes
    ----------
    size : int or None
    sha256, git_hash : str or None
        Of the content; large files have the first, small ones the second.
    commit : str or None
        The revision it was found in.
    """

    size: int | None
    sha256: str | None
    git_hash: str | None
    commit: str | None

    @property
    def key(self) -> str:
        """Tells contents apart, so that a changed file never continues an old one."""
        return (self.sha256 or self.git_hash or self.commit or f"size-{self.size}")[:16]

    @classmethod
    def from_headers(
        cls, headers: Mapping[str, str], commit: str | None, *, final: bool
    ) -> Described:
        """Read the headers of an answer; `final`: it holds the file, and is no redirect to it."""
        size = headers.get("x-linked-size")
        etag = headers.get("x-linked-etag", "")
        if final:
            size = size or headers.get("content-length")
            etag = etag or headers.get("etag", "")
        etag = etag.removeprefix("W/").strip('"').lower()
        return cls(
            size=int(size) if size and size.isdecimal() else None,
            sha256=etag if re.fullmatch("[0-9a-f]{64}", etag) else None,
            git_hash=etag if re.fullmatch("[0-9a-f]{40}", etag) else None,
            commit=commit,
        )


def check_content(path: Path, file: HubFile, said: Described) -> None:
    """Compare a file with what the hub said of it, or with what is known of it.

    Raises
    ------
    SetupError
        In one sentence, if it is another file.
    """
    again = "it was thrown away; run the same command again"
    size = path.stat().st_size
    if said.size is not None and size != said.size:
        raise SetupError(
            f"{file} has {size:,} bytes instead of the {said.size:,} the hub announced; {again}."
        )
    known = (said.sha256,) if said.sha256 else file.sha256 if not said.git_hash else ()
    if known and sha256_of(path) not in known:
        raise SetupError(f"{file} is not the file it should be (its sha256 is another); {again}.")
    if said.git_hash and _git_hash(path) != said.git_hash:
        raise SetupError(f"{file} is not the file it should be (its hash is another); {again}.")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _git_hash(path: Path) -> str:
    """How git, and so the hub, names the content of a small file."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
