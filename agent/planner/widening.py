"""The words around a known name that make it the name of another object.

A kidney stone is no kidney, nor is the cortex of one or the area around it. What is found here is
one name in the user's words, of an object that nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.planner.plain_words import makes_another
from agent.planner.spans import (
    DETERMINERS,
    JOINS,
    Name,
    Resolve,
    Word,
    skip_determiners,
)
from agent.planner.words import MEASURES
from parser_model.wording import noun_of

_SIDES = """
left right upper lower anterior posterior superior inferior medial lateral proximal distal inner
outer middle central peripheral apical basal dorsal ventral cortical medullary
"""
_PLACED = frozenset(_SIDES.split())
"""What stands before a name and makes it one of several, or a part."""
_PARTS = """
lobe lobes head tail body neck apex base tip pole poles half horn horns cortex medulla wall walls
quadrant root segment segments
"""
_SOME_PART = frozenset(["part", "portion", "section", "side", "rest"])
PARTS = _SOME_PART.union(_PARTS.split())
_WHERE_IN_IMAGE = re.compile(
    r"(?:on|at|in) (?:the|its|his|her) (?:left|right|top|bottom|upper|lower)(?: left| right)?"
    r"(?: side| half| part| third| quadrant| corner)?(?=$| of | and | than | in )"
)
"""What after a name makes it one of several: not of what "is the lesion on the left or right?"."""
_ASKS_WHERE = frozenset(["is", "are", "was", "were", "does", "do"])
_INSIDE = frozenset(["of", "in", "on", "within", "inside"])
_NEAR = """
around outside beside near between behind above below beneath under next adjacent close encircling
surrounding
"""
AROUND = frozenset(_NEAR.split())
_PLACES = "area region tissue space rim ring zone band structure object organ thing part spot"
_AREAS = frozenset(_PLACES.split())
"""Things that are told by what they are near to."""
_LEADING = frozenset(["to", "from", "containing", "supplying", "draining"])
_APART = frozenset(
    ["far", "close", "near", "distance", "gap", "apart", "compare", "compared", "ratio"]
)
"""Where one of these is said, "to" and "from" join two objects, and are no words of a vein's."""
_THAT = frozenset(["that", "which"])
_BE = frozenset(["is", "are", "was", "were"])
_DO = frozenset(["do", "does", "did", "has", "have", "can", "could", "will", "would", "should"])
_GOES_ON_WITH = DETERMINERS | JOINS | frozenset(["than", "to", "with", "at", "from", "into", "up"])
"""What follows on the verb or the adjective that ends what is said of a name."""
_LONGEST = 3


def widened(text: Sequence[Word], name: Name, known: Sequence[Name], resolve: Resolve) -> Name:
    """A name with the words around it that make it another object, a part, or one of several.

    Parameters
    ----------
    text : sequence of Word
    name : Name
    known : sequence of Name
        All names in the question that are known; no other takes in one of them.
    resolve : callable
        The target of words: what still names the same is not widened.
    """
    start, end = _begin(text, name.start, known), _end(text, name, known)
    start = _from_what_it_is_of(text, start, known)
    end = _to_what_it_is_in(text, end, known)
    end = _to_words_of_where(text, end)
    if (start, end) == (name.start, name.end):
        return name
    if name.target and resolve([word.text for word in text[start:end]]) == name.target:
        return name
    return Name(start, end, None)


def _taken(known: Sequence[Name], position: int) -> bool:
    return any(other.holds(position) for other in known)


def _is_thing(text: Sequence[Word], position: int, known: Sequence[Name]) -> bool:
    return not _taken(known, position) and makes_another(text[position].lower)


def _begin(text: Sequence[Word], start: int, known: Sequence[Name]) -> int:
    """Where a name begins with the words before it: "left", "thyroid"."""
    first = start
    while start and first - start < _LONGEST and text[start - 1].goes_on:
        placed = text[start - 1].lower in _PLACED
        after_name = any(other.end == start - 1 for other in known)  # "liver left kidney"
        if _taken(known, start - 1) or (placed and after_name):
            break
        if not placed and not _is_thing(text, start - 1, known):
            break
        start -= 1
    return start


def _end(text: Sequence[Word], name: Name, known: Sequence[Name]) -> int:
    """Where a name ends with the words after it: "stone", "upper pole"."""
    end = _to_shared_noun(text, name, known)
    if _is_said_of(text, name, known):
        return end
    while end < len(text) and end - name.end < _LONGEST and text[end - 1].goes_on:
        is_part = text[end].lower in _PLACED and text[end].goes_on
        if is_part and _follows_as_part(text, end + 1, known):
            end += 2
        elif _is_segment(text, end) or _is_unplaced_thing(text, end, known):
            end += 1
        else:
            break
    return end


def _to_shared_noun(text: Sequence[Word], name: Name, known: Sequence[Name]) -> int:
    """Where a noun shared with another begins or ends: of "hepatic and portal veins"."""
    joins = name.end
    if joins + 1 >= len(text) or text[joins].lower not in ("and", "or"):
        return name.end
    other = next((one for one in known if one.start == joins + 1), None)
    if other is not None:
        end = _end(text, other, known)
        return end if end > other.end else name.end
    adjective = (
        joins - name.start == 1 and noun_of(text[name.start].lower) != text[name.start].lower
    )
    return joins + 1 if adjective and _is_thing(text, joins + 1, known) else name.end


def _follows_as_part(text: Sequence[Word], position: int, known: Sequence[Name]) -> bool:
    part = text[position].lower in PARTS - {"side"}
    return part or _is_unplaced_thing(text, position, known)


def _is_unplaced_thing(text: Sequence[Word], position: int, known: Sequence[Name]) -> bool:
    return text[position].lower not in _PLACED and _is_thing(text, position, known)


def _is_segment(text: Sequence[Word], position: int) -> bool:
    """Whether "segment" is a part here: not so in "the liver segment it"."""
    if text[position].lower != "segment":
        return False
    follows = text[position + 1].lower if text[position].goes_on else ""
    return follows not in DETERMINERS | {"it", "them"}


def _is_said_of(text: Sequence[Word], name: Name, known: Sequence[Name]) -> bool:
    """Whether the word after a name is said of it: "Does the tumor abut the liver?"."""
    before, said = skip_determiners(text, name.start - 1), name.end
    if before < 0 or said >= len(text) or _taken(known, said):
        return False
    last = not text[said].goes_on
    ends = last or text[said + 1].lower in _GOES_ON_WITH or _taken(known, said + 1)
    if text[before].lower in _DO:
        return ends
    several = text[said].lower.endswith("s") and not text[said].lower.endswith(("ss", "us"))
    return before == 0 and text[before].lower in _BE and ends and not several


def _from_what_it_is_of(text: Sequence[Word], start: int, known: Sequence[Name]) -> int:
    """Where a name begins with what is of it or near it: "lobe of the", "area around the"."""
    joins = skip_determiners(text, start - 1)
    if joins < 1 or not text[joins].goes_on:
        return start
    if text[joins].lower == "of" and _may_be_of(text, joins - 1, known):
        return _begin(text, joins - 1, known)
    if text[joins].lower in _LEADING and _is_thing(text, joins - 1, known):
        first = _begin(text, joins - 1, known)
        apart = any(word.lower in _APART for word in text[:joins])
        thing = first > 0 and text[first - 1].lower in DETERMINERS  # not "back to the liver"
        return first if thing and not apart else start
    if text[joins].lower in ("to", "of") and text[joins - 1].lower in AROUND:
        joins -= 1  # "next to", "outside of"
    if text[joins].lower in AROUND and joins and text[joins - 1].lower in _AREAS:
        return _begin(text, joins - 1, known)
    return start


def _may_be_of(text: Sequence[Word], position: int, known: Sequence[Name]) -> bool:
    """Whether a word before "of" is a part, or a thing that is no property."""
    if text[position].lower in _SOME_PART:  # not of "what part of", "the largest part of"
        return position > 0 and text[position - 1].lower in DETERMINERS | _PLACED
    return text[position].lower in PARTS or _is_thing(text, position, known)


def _to_what_it_is_in(text: Sequence[Word], end: int, known: Sequence[Name]) -> int:
    """Where a name ends with what tells it: "of Vater", "in the heart", "that makes hormones"."""
    if end >= len(text) or not text[end - 1].goes_on:
        return end
    first = end + 1
    if text[end].lower in _THAT:
        first += 1  # "that makes"
    elif text[end].lower not in _INSIDE | AROUND:
        return end
    while first < len(text) and text[first].lower in DETERMINERS | _PLACED:
        first += 1
    last = first
    while last < len(text) and last - first < _LONGEST and _is_thing(text, last, known):
        last += 1
        if not text[last - 1].goes_on:
            break
    reaches_name = last < len(text) and _taken(known, last) and text[last - 1].goes_on
    return end if last == first or reaches_name else last


def _to_words_of_where(text: Sequence[Word], end: int) -> int:
    """Where a name ends with what says which one of several is meant ("on the left")."""
    if text[0].lower in _ASKS_WHERE:
        return end
    start = end
    while start < len(text) and text[start - 1].goes_on and text[start].lower in MEASURES:
        start += 1  # "the polyp area on the left"
    if start == len(text) or not text[start - 1].goes_on:
        return end
    stop = next((i for i in range(start, len(text)) if not text[i].goes_on), len(text) - 1)
    said = _WHERE_IN_IMAGE.match(" ".join(word.lower for word in text[start : stop + 1]))
    return start + len(said.group().split()) if said else end
