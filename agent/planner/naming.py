"""Which objects a question names, in its own words.

A name keeps the words that make it another object than the one it holds: of "the head of the
pancreas" the pancreas is not what is asked for, so it is looked for whole, and refused. Nor is the
lung what "is there fluid in the lung?" asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.planner import words
from agent.planner.plain_words import OTHER_TIMES, makes_another
from agent.planner.spans import (
    DETERMINERS,
    JOINS,
    Name,
    Resolve,
    Word,
    lower_case,
    phrase_of,
    skip_determiners,
    words_in,
)
from agent.planner.widening import AROUND, PARTS, widened
from parser_model.ontology import Ontology
from parser_model.wording import words_of

_LONGEST = 12
_COMPARING = frozenset(["larger", "bigger", "smaller", "wider", "longer", "thicker", "thinner"])
_BEGINS_ANEW = frozenset(["the", "a", "an", "left", "right"])
_LONGEST_UNKNOWN = 3
_SAYS_MORE = JOINS | {"is", "are", "was", "were", "than", "with", "how", "what", "which", "much"}
"""Words of a question that no description of an object goes across."""
_NOTHING_MORE = "visible shown seen displayed located situated inside within outline all patient"
_ADDS_NOTHING = words.FILLERS.union(_NOTHING_MORE.split())
"""Beside a name: of "the spleen visible" and "outline the spleen" the object is the spleen."""
_WHERE = AROUND | {"in", "on", "within", "inside"}
_HAVING = frozenset(["have", "has", "contain", "contains", "show", "shows"])
_BE = frozenset(["is", "are", "was", "were"])
_SAID_TO_BE = _BE | {"there", "visible", "seen", "present", "located", "found", "shown"}
_BEFORE_A_THING = DETERMINERS | _BE.union(
    ["any", "some", "no", "there", "see", "find", "show", "many", "much", "which"]
)


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
    text = words_in(question)

    def resolve(span: Sequence[str]) -> str | None:
        phrase = " ".join(span)
        named = ontology.named(phrase, modality)
        if named is not None:
            return named.target
        target = None if _crosses(span) else ontology.described(phrase, modality)
        return None if _holds_name(span, target, ontology, modality) else target

    known = _joined(text, _known(text, resolve), ontology)
    named = _apart([widened(text, name, known, resolve) for name in known])
    named = [
        _sought_in(text, name, named) or _sought_of(text, name, named) or name for name in named
    ]
    found = [(n.start, _told(text, n, ontology)) for n in named]
    sharing = [n for one in named for n in _sharing_its_noun(text, one, known, resolve)]
    found += [(name.start, name.target) for name in sharing if name.target]
    named += sharing
    for name in named:
        beside = _unknown_beside(text, name, named)
        found += [(start, phrase_of(text, start, end)) for start, end in beside]
    return sorted(set(found))


def _apart(named: Sequence[Name]) -> list[Name]:
    """Names without those inside others: of "liver and kidney cysts" the second one."""
    return [
        one
        for one in named
        if not any(o != one and o.start <= one.start and one.end <= o.end for o in named)
    ]


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


def _known(text: Sequence[Word], resolve: Resolve) -> list[Name]:
    """Known names, none inside another, longest first."""
    taken = [False] * len(text)
    found: list[Name] = []
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
            if _joins_two(span, target, resolve) or _breaks(text[start:end], resolve):
                continue
            found.append(Name(start, end, target))
            taken[start:end] = [True] * length
    return found


def _joined(text: Sequence[Word], known: Sequence[Name], ontology: Ontology) -> list[Name]:
    """The names, two of which may be one that nobody knows: "liver tumor", "tumor cells"."""

    def one_thing(a: Name, b: Name) -> bool:
        follows = a.end == b.start and text[a.end - 1].goes_on
        if not follows or a.target is None or b.target is None:
            return False
        if ontology.is_lesion(a.target):
            return ontology.is_many(b.target)
        return ontology.is_lesion(b.target) and not ontology.is_many(a.target)

    found: list[Name] = []
    for name in sorted(known):
        if found and one_thing(found[-1], name):
            found[-1] = Name(found[-1].start, name.end, None)
        else:
            found.append(name)
    return found


def _says_less(span: Sequence[str], target: str, resolve: Resolve) -> bool:
    """True where a part of the words names the same: of "the polyp in this image" one word does."""
    lower = [lower_case(word) for word in span]
    shorter = [span[:i] for i, word in enumerate(lower) if word in words.PLACE_JOINERS]
    if lower[0] in _ADDS_NOTHING:
        shorter.append(span[1:])
    if lower[-1] in _ADDS_NOTHING:
        shorter.append(span[:-1])
    return any(not part or resolve(part) == target for part in shorter)


def _breaks(span: Sequence[Word], resolve: Resolve) -> bool:
    """True for "left lung, right lung", which is two objects; False for "R. lung"."""
    told = [word.text for word in span]
    breaks = [i for i, word in enumerate(span[:-1], start=1) if not word.goes_on]
    anew = [i for i in breaks if span[i].lower in DETERMINERS or resolve(told[i:])]
    return any(resolve(told[:i]) for i in anew)


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
            parts = all(one.lower() in PARTS for one in before)  # "body and tail of ..."
            return after == target != resolve(before) and not parts
    return False


def _sought_in(text: Sequence[Word], name: Name, named: Sequence[Name]) -> Name | None:
    """The unknown thing that is sought in what a name names."""
    where = skip_determiners(text, name.start - 1)
    if where < 2 or text[where].lower not in _WHERE or not text[where - 1].goes_on:
        return None
    end = where
    while end > 1 and text[end - 1].lower in _SAID_TO_BE:
        end -= 1
    for start in range(end - 1, max(0, end - 1 - _LONGEST_UNKNOWN), -1):
        if any(other.holds(start) for other in named):
            return None
        if text[start - 1].lower in _BEFORE_A_THING and _may_be_a_thing(text[start:end]):
            return Name(start, end, None)
    return None


def _sought_of(text: Sequence[Word], name: Name, named: Sequence[Name]) -> Name | None:
    """The unknown thing that what a name names is asked to have: "has the tumor a capsule?"."""
    has = name.end
    if has + 1 >= len(text) or text[has].lower not in _HAVING or not text[has].goes_on:
        return None
    start = has + 1
    while start < len(text) - 1 and text[start].lower in _BEFORE_A_THING:
        start += 1
    for end in range(start + 1, min(len(text), start + _LONGEST_UNKNOWN) + 1):
        if any(other.holds(end - 1) for other in named) or not makes_another(text[end - 1].lower):
            return None
        if not text[end - 1].goes_on or not makes_another(text[end].lower):
            return Name(start, end, None)
    return None


def _sharing_its_noun(
    text: Sequence[Word], name: Name, known: Sequence[Name], resolve: Resolve
) -> list[Name]:
    """The benign one of "benign and malignant tumors"."""
    join = skip_determiners(text, name.start - 1)
    if join < 1 or text[join].lower not in JOINS or name.end - name.start < 2:
        return []
    first = join - 1
    if any(other.start <= first < other.end for other in known):
        return []
    target = resolve([text[first].text, *(w.text for w in text[name.start + 1 : name.end])])
    its_own = target not in (None, name.target) and text[first].lower in words_of(target or "")
    return [Name(first, join, target)] if its_own else []


def _told(text: Sequence[Word], name: Name, ontology: Ontology) -> str:
    """The user's own words; of a Chinese sentence, which has no spaces, the name alone."""
    phrase = phrase_of(text, name.start, name.end)
    if name.target is None:
        return phrase
    names = (one for one in ontology.chinese_names(name.target) if one in phrase)
    return max(names, key=len, default=phrase)


def _unknown_beside(
    text: Sequence[Word], name: Name, named: Sequence[Name]
) -> list[tuple[int, int]]:
    """Things with an article that are joined to a name or compared with it, unknown as they are."""
    found = []
    join = skip_determiners(text, name.start - 1)
    if join > 2 and text[join].lower == "than" and text[join - 1].lower in _COMPARING:
        join -= 1
    if join > 1 and text[join].lower in JOINS | _COMPARING:
        for start in range(join - 1, max(0, join - 1 - _LONGEST_UNKNOWN), -1):
            if text[start - 1].lower in DETERMINERS and _may_be_a_thing(text[start:join]):
                found.append((start, join))
                break
    join = name.end
    if join + 1 < len(text) and text[join].lower in _COMPARING and text[join + 1].lower == "than":
        join += 1
    if (
        join + 2 < len(text)
        and text[join].lower in JOINS | {"than"}
        and (text[join + 1].lower in DETERMINERS)
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


def _may_be_a_thing(span: Sequence[Word]) -> bool:
    """Whether words may name an object, and are none of the words that questions are made of."""
    common = words.FILLERS | words.MEASURES | words.NO_NAMES | DETERMINERS | JOINS | OTHER_TIMES
    if any(word.lower in common or word.text.isdigit() for word in span):
        return False
    phrase = " ".join(word.text for word in span)
    spoken = (pattern for pattern, _ in words.QUANTITIES)
    asked = (*spoken, words.SHOW, words.COMPARE, words.COUNT, words.WHERE, words.CENTRES)
    return not any(pattern.search(phrase) for pattern in asked)
