"""The words of a question, and stretches of them that name something."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

DETERMINERS = frozenset(["the", "a", "an", "this", "his", "her", "their", "its", "each", "both"])
JOINS = frozenset(["and", "or", "vs", "versus"])
Resolve = Callable[[Sequence[str]], str | None]

_WORD = re.compile(r"[^\W_]+(?:['’]s(?!\w))?")
_OWNED = re.compile(r"['’]s$", re.IGNORECASE)


class Word(NamedTuple):
    """A word of the question, and whether the sentence goes on after it without a break.

    Attributes
    ----------
    text : str
        With the "'s" of what belongs to it.
    after : str
        What joins it to the next word: a space or a hyphen.
    goes_on : bool
    """

    text: str
    after: str
    goes_on: bool

    @property
    def lower(self) -> str:
        return lower_case(self.text)


class Name(NamedTuple):
    """A stretch of words, and what it is a name of; None for an object nobody knows."""

    start: int
    end: int
    target: str | None

    def holds(self, position: int) -> bool:
        """Whether a word is one of this name's."""
        return self.start <= position < self.end


def lower_case(word: str) -> str:
    """A word to compare with others: "Liver's" is "liver"."""
    return _OWNED.sub("", word).lower()


def words_in(question: str) -> list[Word]:
    """The words of a question in order."""
    found = list(_WORD.finditer(question))
    ends = [*(word.start() for word in found), len(question)][1:]
    words = []
    for word, end in zip(found, ends, strict=True):
        between = question[word.end() : end]
        goes_on = end < len(question) and between.strip(" '’") in ("", "-") and between != " - "
        words.append(Word(word.group(), "-" if between == "-" else " ", goes_on))
    return words


def phrase_of(text: Sequence[Word], start: int, end: int) -> str:
    """The user's own words, without an "'s" at the end."""
    said = "".join(word.text + word.after for word in text[start:end])
    return _OWNED.sub("", said[:-1])


def skip_determiners(text: Sequence[Word], position: int) -> int:
    """The position of the word that stands before an article at a position, if there is one."""
    return position - 1 if position >= 0 and text[position].lower in DETERMINERS else position
