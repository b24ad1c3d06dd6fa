"""Objects named by what they are or do: "the organ that holds urine".

A description is no guess at the nearest. A phrase fits one only when it is about a noun that the
object may be called by, says one of its telling groups of words (a cue) wholly, and says nothing
that the description does not know. So "the stone in the organ that holds urine" fits none, and
what fits two objects names neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from parser_model.wording import is_chinese, noun_of

_CARRIES_NOTHING = """
organ structure that which who whose where is are be it its and or also as for by with has have can
do does you we i me us people person human patient called known like in on of at to from into inside
within then just very lie lying sit sitting located shaped size sized here seen visible only whole
的 在 里 里面 内 中 那 那个 那颗 那根 那条 这 这个 一个 一段 之 于 与 和 及 位于 器官 结构
人体 人 患者 处 个
"""
# These carry much: the area around the disc is not the disc. A description has to know them.
_PLACE = """
under underneath below beneath above over behind between around along through across past beyond
after before near beside outside next surrounding encircling hugging wrapping enclosing
"""
_PLACED = frozenset(_PLACE.split())
# What stands before one of these is what a phrase is about: the wall of the sac is a wall.
_ENDS_HEAD = """
in on of at to from into inside within just that which where who whose with without including
located lying sitting
"""
_AFTER_HEAD = _PLACED.union(_ENDS_HEAD.split())
_ANY_HEAD = ("organ", "structure", "one", "器官", "结构")
_THEN = ">"
_REMEMBERED = 1024  # more than the ways to take words of place off one phrase
_ENDINGS = ("ing", "ed", "es", "s", "e")


def stem(word: str) -> str:
    """A word without its ending, so that "holds", "holding" and "hold" are one.

    Examples
    --------
    >>> [stem(word) for word in ("storing", "stores", "running", "carried")]
    ['stor', 'stor', 'run', 'carry']
    """
    if word.endswith("ied"):
        return word[:-3] + "y"
    for ending in _ENDINGS:
        bare = word.removesuffix(ending)
        if bare != word and len(bare) >= 3:
            doubled = len(ending) > 1 and bare[-1] == bare[-2] and bare[-1] not in "aeiouls"
            return bare[:-1] if doubled else bare
    return word


@dataclass(frozen=True)
class _Cue:
    """Words that tell an object: one of each group, and groups of a later step after those before.

    Attributes
    ----------
    steps : tuple of tuple of frozenset of str
        Stems; "cord > spine/back" has two steps of one group each.
    """

    steps: tuple[tuple[frozenset[str], ...], ...]

    @classmethod
    def read(cls, text: str) -> _Cue:
        steps = (
            tuple(frozenset(_stems(group.split("/"))) for group in step.split())
            for step in text.split(_THEN)
        )
        return cls(tuple(steps))

    @property
    def words(self) -> frozenset[str]:
        return frozenset(word for step in self.steps for group in step for word in group)

    def may_be_in(self, letters: str) -> bool:
        return all(any(word in letters for word in group) for step in self.steps for group in step)

    def said_in(self, said: Sequence[str]) -> bool:
        reached = -1
        for step in self.steps:
            places = [
                next((i for i, word in enumerate(said) if word in group and i > reached), -1)
                for group in step
            ]
            if min(places) < 0:
                return False
            reached = max(places) if len(self.steps) > 1 else reached
        return True


@dataclass(frozen=True)
class _Description:
    heads: frozenset[str]
    cues: tuple[_Cue, ...]
    words: frozenset[str]

    def fits(self, stems: Sequence[str], head: frozenset[str]) -> bool:
        # Reading the words takes long, so first whether their letters hold a cue at all.
        letters = "".join(stems)
        if not any(cue.may_be_in(letters) for cue in self.cues):
            return False
        said = self._understood(stems)
        if said is None or self.heads.isdisjoint(head or said[-1:]):
            return False
        place = next((i for i, word in enumerate(said) if word in _PLACE_STEMS), len(said))
        if not self.heads.isdisjoint(said[place:]):
            return False  # the chamber above the chamber
        return any(cue.said_in(said) for cue in self.cues)

    def _understood(self, stems: Sequence[str]) -> list[str] | None:
        """The words, Chinese characters as the longest known words; None if any is unknown."""
        said: list[str] = []
        start = 0
        while start < len(stems):
            run = len(list(takewhile(is_chinese, stems[start:])))
            for length in range(max(run, 1), 0, -1):
                word = "".join(stems[start : start + length])
                if word in self.words:
                    break
            else:
                return None
            said.append(word)
            start += length
        return said


class Describer:
    """Looks objects up by descriptions.

    Parameters
    ----------
    table : mapping of str to mapping
        By target: ``heads``, nouns it may be called by; ``by``, a list of cues ("urine hold/store"
        is "urine" and one of the others, in any order; what stands after ">" must be said after
        what stands before it); and ``besides``, words that may be said as well.
    """

    def __init__(self, table: Mapping[str, Mapping[str, Any]]) -> None:
        self._descriptions = {target: _description(entry) for target, entry in table.items()}
        # Asked again for each modality, and by phrases that repeat themselves.
        self._remembered = lru_cache(_REMEMBERED)(self._fitting)

    def targets_of(self, words: Sequence[str]) -> frozenset[str]:
        """Targets whose description fits words in one spelling (see `wording.words_of`)."""
        return self._remembered(tuple(words))

    def _fitting(self, words: tuple[str, ...]) -> frozenset[str]:
        stems = _stems(words)
        head = frozenset(_stems(takewhile(_is_of_head, words)))
        return frozenset(t for t, one in self._descriptions.items() if one.fits(stems, head))


def _description(entry: Mapping[str, Any]) -> _Description:
    heads = frozenset(_stems((*entry["heads"].split(), *_ANY_HEAD)))
    cues = tuple(_Cue.read(text) for text in entry["by"])
    told = frozenset(word for cue in cues for word in cue.words)
    besides = _stems((*entry["besides"].split(), *_CARRIES_NOTHING.split()))
    return _Description(heads, cues, heads.union(told, besides))


def _is_of_head(word: str) -> bool:
    """Whether a word may be of what an English phrase is about; a Chinese one ends with that."""
    return word not in _AFTER_HEAD and not is_chinese(word)


def _stems(words: Iterable[str]) -> list[str]:
    return [stem(noun_of(word)) for word in words]


_PLACE_STEMS = frozenset(_stems((*_PLACED, "inside", "within")))
