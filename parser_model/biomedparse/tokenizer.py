"""Phrases to token ids, as CLIP's byte-pair tokenizer makes them.

The merges are read from files that come with the weights: the hub's ``merges.txt`` or OpenAI's
``bpe_simple_vocab_16e6.txt.gz``. The vocabulary follows from them, so they are all it takes.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import ftfy
import numpy as np
import regex
from numpy.typing import NDArray

from parser_model.errors import RequestError, SetupError

CONTEXT = 77
_MERGES = 48894
_START, _END = "<|startoftext|>", "<|endoftext|>"
_FILES = ("merges.txt", "bpe_simple_vocab_16e6.txt.gz")
_PIECES = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE,
)


def _byte_characters() -> dict[int, str]:
    """A printable character for each byte; the order of the dict is that of the vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + i) for i, byte in enumerate(others)
    }


class Tokenizer:
    """CLIP's tokenizer with the text cleaning of its reference implementation.

    Parameters
    ----------
    merges : sequence of (str, str)
        Pairs to join, most urgent first.

    Raises
    ------
    SetupError
        If the number of merges is not CLIP's.
    """

    def __init__(self, merges: Sequence[tuple[str, str]]) -> None:
        if len(merges) != _MERGES:
            raise SetupError(
                f"CLIP's vocabulary has {_MERGES} merges, but the tokenizer file has {len(merges)}."
            )
        self._characters = _byte_characters()
        single = list(self._characters.values())
        joined = [left + right for left, right in merges]
        words = [*single, *(c + "</w>" for c in single), *joined, _START, _END]
        self._ids = {word: i for i, word in enumerate(words)}
        self._rank = {pair: i for i, pair in enumerate(merges)}
        self.start, self.end = self._ids[_START], self._ids[_END]
        self._pieces_of = lru_cache(maxsize=4096)(self._split)

    @classmethod
    def from_file(cls, path: Path | str) -> Tokenizer:
        """Read the merges.

        Parameters
        ----------
        path : Path or str
            ``merges.txt``, ``bpe_simple_vocab_16e6.txt.gz``, or a folder with one of them.

        Raises
        ------
        SetupError
        """
        path = Path(path)
        if path.is_dir():
            path = next((path / name for name in _FILES if (path / name).is_file()), path)
        if not path.is_file():
            raise SetupError(f"There is no tokenizer file ({' or '.join(_FILES)}) at {path}.")
        try:
            data = path.read_bytes()
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise SetupError(f"{path.name} is damaged: {error}.") from error
        # The first line is a version; what follows the merges in the .gz file is not CLIP's.
        lines = text.split("\n")[1 : _MERGES + 1]
        pairs = [tuple(line.split()) for line in lines if line.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise SetupError(f"{path.name} is no list of byte-pair merges.")
        return cls([(pair[0], pair[1]) for pair in pairs])

    def __call__(self, phrases: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token ids of phrases.

        Parameters
        ----------
        phrases : sequence of str
            At least one. What goes beyond 75 tokens is cut off.

        Returns
        -------
        ids : (P, 77) ndarray of int64
            Start mark, tokens, end mark, and end marks as padding.
        lengths : (P,) ndarray of int64
            Tokens of each phrase with both marks.

        Raises
        ------
        RequestError
            If there is no phrase, or one is not text.
        """
        if isinstance(phrases, str) or not phrases:
            raise RequestError("Give a list with at least one phrase to look for.")
        ids = np.full((len(phrases), CONTEXT), self.end, dtype=np.int64)
        lengths = np.empty(len(phrases), dtype=np.int64)
        for row, phrase in enumerate(phrases):
            if not isinstance(phrase, str):
                raise RequestError(f"A phrase to look for is text, not {type(phrase).__name__}.")
            tokens = self.encode(phrase)[: CONTEXT - 2]
            ids[row, : len(tokens) + 1] = [self.start, *tokens]
            lengths[row] = len(tokens) + 2
        return ids, lengths

    def encode(self, phrase: str) -> list[int]:
        """Ids of a phrase without marks, of any length."""
        ids: list[int] = []
        for piece in _PIECES.findall(clean(phrase)):
            ids.extend(self._pieces_of(piece))
            if len(ids) >= CONTEXT:
                break  # the rest would be cut off
        return ids

    def _split(self, piece: str) -> tuple[int, ...]:
        """Byte pairs of one word, joined as long as a merge applies."""
        if piece in (_START, _END):
            return (self._ids[piece],)
        word = [self._characters[byte] for byte in piece.encode("utf-8", "replace")]
        word[-1] += "</w>"
        while len(word) > 1:
            pairs = set(pairwise(word))
            best = min(pairs, key=lambda pair: self._rank.get(pair, _MERGES))
            if best not in self._rank:
                break
            word = _join(word, best)
        return tuple(self._ids[part] for part in word)


def _join(word: list[str], pair: tuple[str, str]) -> list[str]:
    """Join every occurrence of a pair, from the left."""
    joined: list[str] = []
    i = 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            joined.append(word[i] + word[i + 1])
            i += 2
        else:
            joined.append(word[i])
            i += 1
    return joined


def clean(phrase: str) -> str:
    """Repair the text, make white space single, and lower the case."""
    return " ".join(ftfy.fix_text(phrase).split()).strip().lower()
