"""Which objects a question names, in its own words.

A name keeps the words that make it another object than the one it holds: of "the head of the
pancreas" the pancreas is not what is asked for, so it is looked for whole, and refused. Nor is the
lung what "is there fluid in the lung?" asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from agent.planner import words
from parser_model.ontology import Ontology
from parser_model.wording import words_of

_LONGEST = 12
_DETERMINERS = frozenset(["the", "a", "an", "this", "his", "her", "their", "its", "each", "both"])
_JOINS = frozenset(["and", "or", "vs", "versus"])
_SIDES = """
left right upper lower anterior posterior superior inferior medial lateral proximal distal inner
outer middle central peripheral apical basal dorsal ventral cortical medullary
"""
_PLACED = frozenset(_SIDES.split())
"""What stands before a name and makes it one of several, or a part."""
_PARTS = """
lobe lobes head tail body neck apex base tip pole poles half horn horns cortex medulla wall walls
quadrant root segment
"""
_PART = frozenset(_PARTS.split())
_PART_AFTER = _PART - {"segment", "head", "body", "half"}  # "the liver: segment it"
_WHERE_IN_IMAGE = re.compile(
    r"(?:on|at|in) (?:the|its|his|her) (?:left|right|top|bottom|upper|lower)(?: left| right)?"
    r"(?: side| half| part| third| quadrant| corner)?(?=$| of | and | than | in )"
)
"""What after a name makes it one of several: not of what "is the lesion on the left or right?"."""
_ASKS_WHERE = frozenset(["is", "are", "was", "were", "does", "do"])
_COMPARING = frozenset(["larger", "bigger", "smaller", "wider", "longer", "thicker", "thinner"])
_TIMES = "last previous prior earlier first baseline time normal usual average"
_OTHER_TIMES = frozenset(_TIMES.split())
"""What a size is compared with that is no object."""
_BEGINS_ANEW = frozenset(["the", "a", "an", "left", "right"])
_LONGEST_UNKNOWN = 3
_SAYS_MORE = _JOINS | {"is", "are", "was", "were", "than", "with", "how", "what", "which", "much"}
"""Words of a question that no description of an object goes across."""
_WHERE = frozenset(["in", "on", "within", "inside", "around", "near", "behind", "beside", "under"])
_BEFORE_A_THING = _DETERMINERS | {"any", "some", "no", "there", "see", "find", "show", "many"}

Resolve = Callable[[Sequence[str]], str | None]


class _Word(NamedTuple):
    """A word of the question, and whether the sentence goes on after it without a break."""

    text: str
    goes_on: bool

    @property
    def lower(self) -> str:
        return self.text.lower()


class _Name(NamedTuple):
    """A stretch of words, and what it is a name of; None for an object nobody knows."""

    start: int
    end: int
    target: str | None


def find_phrases(
    question: str, ontology: Ontology, modality: str | None = None
) -> list[tuple[int, str]]:
    """Objects named in a question, in reading order.

    Known names are found first, longest first. Each then takes in the words that make it another
    object ("left hippocampus", "lobe of the liver"); of "benign and malignant tumors" both are
    named; and so is what is joined to a known name, known or not ("the heart and the left lung").
    What only says where an unknown thing is sought is no object asked for ("fluid in the lung").

    Returns
    -------
    list of (int, str)
        Word position and the user's own words.
    """
    text = _words(question)

    def resolve(span: Sequence[str]) -> str | None:
        phrase = " ".join(span)
        named = ontology.named(phrase, modality)
        if named is not None:
            return named.target
        target = None if _crosses(span) else ontology.described(phrase, modality)
        return None if _holds_name(span, target, ontology, modality) else target

    known = _joined(text, _known(text, resolve), ontology)
    named = [_whole(text, name, known) for name in known]
    named = [_sought_in(text, name, named) or name for name in named]
    found = [(n.start, _told(text, n, ontology)) for n in named]
    sharing = [n for one in named for n in _sharing_its_noun(text, one, known, resolve)]
    found += [(name.start, name.target) for name in sharing if name.target]
    named += sharing
    for name in named:
        found += [
            (start, _phrase(text, start, end)) for start, end in _unknown_beside(text, name, named)
        ]
    return sorted(set(found))


def _crosses(span: Sequence[str]) -> bool:
    """Whether words go from one thing that is said to another."""
    return not _SAYS_MORE.isdisjoint(word.lower() for word in span)


def _holds_name(
    span: Sequence[str], target: str | None, ontology: Ontology, modality: str | None
) -> bool:
    """Whether a description names its object besides: of "the mole irregular" one word does."""
    parts = (span[i:j] for i in range(len(span)) for j in range(i + 1, len(span) + 1))
    named = (ontology.named(" ".join(part), modality) for part in parts if target)
    return any(one is not None and one.target == target for one in named)


def _words(question: str) -> list[_Word]:
    found = list(re.finditer(r"[^\W_]+", question))
    ends = [*(word.start() for word in found[1:]), len(question)]
    return [
        _Word(word.group(), end < len(question) and not question[word.end() : end].strip(" -'’"))
        for word, end in zip(found, ends, strict=True)
    ]


def _phrase(text: Sequence[_Word], start: int, end: int) -> str:
    return " ".join(word.text for word in text[start:end])


def _known(text: Sequence[_Word], resolve: Resolve) -> list[_Name]:
    """Known names, none inside another, longest first."""
    taken = [False] * len(text)
    found: list[_Name] = []
    for length in range(min(_LONGEST, len(text)), 0, -1):
        for start in range(len(text) - length + 1):
            end = start + length
            if any(taken[start:end]):
                continue
            span = [word.text for word in text[start:end]]
            if {span[0].lower(), span[-1].lower()} & words.MEASURES:
                continue
            target = resolve(span)
            if target is None or _says_less(span, target, resolve):
                continue
            if _joins_two(span, target, resolve):
                continue
            found.append(_Name(start, end, target))
            taken[start:end] = [True] * length
    return found


def _joined(text: Sequence[_Word], known: Sequence[_Name], ontology: Ontology) -> list[_Name]:
    """The names, two of which may be one that nobody knows: "liver tumor", "tumor cells"."""

    def one_thing(a: _Name, b: _Name) -> bool:
        follows = a.end == b.start and text[a.end - 1].goes_on
        if not follows or a.target is None or b.target is None:
            return False
        if ontology.is_lesion(a.target):
            return ontology.is_many(b.target)
        return ontology.is_lesion(b.target) and not ontology.is_many(a.target)

    found: list[_Name] = []
    for name in sorted(known):
        if found and one_thing(found[-1], name):
            found[-1] = _Name(found[-1].start, name.end, None)
        else:
            found.append(name)
    return found


def _says_less(span: Sequence[str], target: str, resolve: Resolve) -> bool:
    """True where a part of the words names the same: of "the polyp in this image" one word does."""
    lower = [word.lower() for word in span]
    shorter = [span[:i] for i, word in enumerate(lower) if word in words.PLACE_JOINERS]
    if lower[0] in words.FILLERS:
        shorter.append(span[1:])
    if lower[-1] in words.FILLERS:
        shorter.append(span[:-1])
    return any(not part or resolve(part) == target for part in shorter)


def _joins_two(span: Sequence[str], target: str, resolve: Resolve) -> bool:
    """True for "lungs and the liver", which is two objects; False for "photoreceptor and RPE".

    What is named, and joined to what has an article or a side, is by itself: "the left lung and the
    right lung" are not the lungs.
    """
    for position, word in enumerate(span):
        if word.lower() in ("and", "or"):
            before, after = span[:position], resolve(span[position + 1 :])
            anew = position + 1 < len(span) and span[position + 1].lower() in _BEGINS_ANEW
            if anew and resolve(before) not in (None, target):
                return True
            parts = all(one.lower() in _PART for one in before)  # "body and tail of ..."
            return after == target != resolve(before) and not parts
    return False


def _whole(text: Sequence[_Word], name: _Name, known: Sequence[_Name]) -> _Name:
    """A name with the words around it that make it a part of its object, or one of several."""
    start, end, target = name
    start = _with_places(text, start, known)
    if end < len(text) and text[end - 1].goes_on and text[end].lower in _PART_AFTER:
        end += 1
    of = start - 1
    if of >= 0 and text[of].lower in _DETERMINERS:
        of -= 1
    if of >= 1 and text[of].lower == "of" and text[of - 1].lower in _PART:
        start = _with_places(text, of - 1, known)
    end += _words_of_where(text, end)
    return _Name(start, end, target if (start, end) == name[:2] else None)


def _words_of_where(text: Sequence[_Word], end: int) -> int:
    """How many words after a name say which one of several is meant ("on the left")."""
    if end == len(text) or not text[end - 1].goes_on or text[0].lower in _ASKS_WHERE:
        return 0
    stop = next((i for i in range(end, len(text)) if not text[i].goes_on), len(text) - 1)
    said = _WHERE_IN_IMAGE.match(" ".join(word.lower for word in text[end : stop + 1]))
    return len(said.group().split()) if said else 0


def _with_places(text: Sequence[_Word], start: int, known: Sequence[_Name]) -> int:
    """Where a name begins with the words of place before it."""
    while start and text[start - 1].lower in _PLACED and text[start - 1].goes_on:
        if any(other.start < start <= other.end for other in known):
            break
        start -= 1
    return start


def _sought_in(text: Sequence[_Word], name: _Name, named: Sequence[_Name]) -> _Name | None:
    """The unknown thing that is sought in what a name names."""
    where = name.start - 1
    if where >= 0 and text[where].lower in _DETERMINERS:
        where -= 1
    if where < 2 or text[where].lower not in _WHERE or not text[where - 1].goes_on:
        return None
    for start in range(where - 1, max(0, where - 1 - _LONGEST_UNKNOWN), -1):
        if any(other.start <= start < other.end for other in named):
            return None
        if text[start - 1].lower in _BEFORE_A_THING and _may_be_a_thing(text[start:where]):
            return _Name(start, where, None)
    return None


def _sharing_its_noun(
    text: Sequence[_Word], name: _Name, known: Sequence[_Name], resolve: Resolve
) -> list[_Name]:
    """The benign one of "benign and malignant tumors"."""
    join = name.start - 1
    if join >= 0 and text[join].lower in _DETERMINERS:
        join -= 1
    if join < 1 or text[join].lower not in _JOINS or name.end - name.start < 2:
        return []
    first = join - 1
    if any(other.start <= first < other.end for other in known):
        return []
    target = resolve([text[first].text, *(w.text for w in text[name.start + 1 : name.end])])
    its_own = target not in (None, name.target) and text[first].lower in words_of(target or "")
    return [_Name(first, join, target)] if its_own else []


def _told(text: Sequence[_Word], name: _Name, ontology: Ontology) -> str:
    """The user's own words; of a Chinese sentence, which has no spaces, the name alone."""
    phrase = _phrase(text, name.start, name.end)
    if name.target is None:
        return phrase
    names = (one for one in ontology.chinese_names(name.target) if one in phrase)
    return max(names, key=len, default=phrase)


def _unknown_beside(
    text: Sequence[_Word], name: _Name, named: Sequence[_Name]
) -> list[tuple[int, int]]:
    """Things with an article that are joined to a name or compared with it, unknown as they are."""
    found = []
    join = name.start - 1
    if join >= 0 and text[join].lower in _DETERMINERS:
        join -= 1
    if join > 2 and text[join].lower == "than" and text[join - 1].lower in _COMPARING:
        join -= 1
    if join > 1 and text[join].lower in _JOINS | _COMPARING:
        for start in range(join - 1, max(0, join - 1 - _LONGEST_UNKNOWN), -1):
            if text[start - 1].lower in _DETERMINERS and _may_be_a_thing(text[start:join]):
                found.append((start, join))
                break
    join = name.end
    if join + 1 < len(text) and text[join].lower in _COMPARING and text[join + 1].lower == "than":
        join += 1
    if (
        join + 2 < len(text)
        and text[join].lower in _JOINS | {"than"}
        and (text[join + 1].lower in _DETERMINERS)
    ):
        start = join + 2
        for end in range(start + 1, min(len(text), start + _LONGEST_UNKNOWN) + 1):
            if _may_be_a_thing(text[start:end]) and not text[end - 1].goes_on:
                found.append((start, end))
                break
    return [
        (start, end)
        for start, end in found
        if not any(other.start < end and start < other.end for other in named)
    ]


def _may_be_a_thing(span: Sequence[_Word]) -> bool:
    """Whether words may name an object, and are none of the words that questions are made of."""
    common = words.FILLERS | words.MEASURES | words.NO_NAMES | _DETERMINERS | _JOINS | _OTHER_TIMES
    if any(word.lower in common or word.text.isdigit() for word in span):
        return False
    phrase = " ".join(word.text for word in span)
    spoken = (pattern for pattern, _ in words.QUANTITIES)
    asked = (*spoken, words.SHOW, words.COMPARE, words.COUNT, words.WHERE, words.CENTRES)
    return not any(pattern.search(phrase) for pattern in asked)
