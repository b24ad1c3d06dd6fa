"""Taking in CLIP's tokenizer, from whichever of its files is at hand."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path

from parser_model.errors import SetupError
from parser_model.weights_store.sources import Source

_PACKED = "bpe_simple_vocab_16e6.txt.gz"
_MERGES, _VOCABULARY = "merges.txt", "vocab.json"


def take_tokenizer(given: Path, folder: Path, source: Source) -> list[Path]:
    """Copy a tokenizer into a folder, if it is the one the network was trained with.

    Parameters
    ----------
    given : Path
        ``merges.txt``, OpenAI's packed vocabulary, or a folder with one of them.
    folder : Path
        May be the one given.
    source : Source

    Returns
    -------
    list of Path
        The files in the folder.

    Raises
    ------
    SetupError
        If it is missing, damaged or another tokenizer.
    """
    from parser_model.biomedparse.tokenizer import Tokenizer

    if given.is_file() and given.name == _VOCABULARY:
        given = given.parent  # the merges lie beside it
    tokenizer = Tokenizer.from_file(given)
    if given.is_dir():
        given = next(given / name for name in (_MERGES, _PACKED) if (given / name).is_file())
    digest = merges_sha256(given)
    if source.merges_sha256 is not None and digest != source.merges_sha256:
        raise SetupError(f"{given.name} is not the tokenizer of {source.name}: its merges differ.")
    vocabulary = given.with_name(_VOCABULARY)
    if vocabulary.is_file():
        _check_vocabulary(vocabulary, tokenizer.start, tokenizer.end)
    folder.mkdir(exist_ok=True)
    kept = []
    for path in (given, vocabulary):
        target = folder / path.name
        if path.is_file() and path != target:
            shutil.copyfile(path, target)
        if target.is_file():
            kept.append(target)
    return kept


def merges_sha256(path: Path) -> str:
    """SHA-256 of the merges alone, one on a line, whatever file they come in."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    # As the tokenizer reads them: the first line is a version, and the packed file goes on.
    lines = text.split("\n")[1:48895]
    merges = "\n".join(" ".join(line.split()) for line in lines if line.strip())
    return hashlib.sha256(merges.encode()).hexdigest()


def _check_vocabulary(path: Path, start: int, end: int) -> None:
    """The ids that follow from the merges must be those written down."""
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
        marks = (ids["<|startoftext|>"], ids["<|endoftext|>"])
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{path.name} is damaged or no vocabulary of the tokenizer.") from error
    if marks != (start, end) or len(ids) != end + 1:
        raise SetupError(f"{path.name} and {_MERGES} do not belong together.")
