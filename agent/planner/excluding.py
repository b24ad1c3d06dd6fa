"""What a question says it is not about: "not the liver, the spleen", "without the tumor"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agent.planner.plain_words import makes_another

_ARTICLE = r"(?:(?:the|an?|its|their|his|her|my|any|this|that|all|both|of the)\s+)?"
_ONE_OF = r"(?P<name>{names})\b"
_TO_END = (
    r"[^,;.:!?]*?(?=[,;.:!?]|\bbut\b|\bonly\b|\band (?:measure|show|segment|find|outline)\b|$)"
)
_DO_NOT = (
    r"(?:please\s+)?(?:i\s+)?(?:do not|don['’]?t|never)\s+"
    r"(?:measure|show|segment|outline|want|need|mean|count|mark|find|include)(?:\s+me)?"
)
_NOT = (
    r"(?:(?:but|and|no),?\s+)?"
    rf"(?:it is not|it['’]s not|(?<!\bor )not|{_DO_NOT}|ignore|leave out|skip)"
)
_REPLACED = r"(?:instead of|rather than)"
_IS_NOT = r"(?<!\bit )\b(?:is|are) not\s+(?:covered by\s+|part of\s+)?"
_REST = re.compile(
    r"\b(?:except(?: for)?|excluding|besides|(?:apart|aside) from|other than|ignoring|leaving out|"
    r"not (?:counting|including)|(?<=everything )but|(?<=anything )but)\s+[^,;.:!?]+",
    re.IGNORECASE,
)
_WITHOUT = r"\b(?:without|minus)\s+"
_WITHOUT_ANY = re.compile(r"\bwithout (?:the|its|their|any)\s+(?P<word>[^\W\d_]+)", re.IGNORECASE)
_ANYTHING = re.compile(
    r"\b(?:any|some)thing\b|\bwhat else\b|\bwhat (?:do|can) you (?:see|find)\b", re.IGNORECASE
)
_EVERYTHING: Final = "What do you see?"


def what_is_meant(text: str, phrases: Sequence[str]) -> str | None:
    """A question without the objects that it says are not meant.

    Parameters
    ----------
    text : str
    phrases : sequence of str
        The objects named in it, in the user's words.

    Returns
    -------
    str or None
        None where it asks for what is left of something without another, which nothing measures.

    Examples
    --------
    >>> what_is_meant("Not the liver, the spleen please", ["liver", "spleen"])
    'the spleen please'
    >>> what_is_meant("How large is the lung without the tumor?", ["lung", "tumor"]) is None
    True
    """
    rest = _REST.search(text)
    if rest and not re.search(r"\bfar\b", text, re.IGNORECASE):  # "how far apart from the liver"
        others = text[: rest.start()] + text[rest.end() :].lstrip(" ,")
        if rest.start() == 0 and others.strip(" ,;.:!?"):  # "Apart from the liver, how large ..."
            return others
        return _EVERYTHING if _ANYTHING.search(others) else None
    without = _WITHOUT_ANY.search(text)
    named = {word for phrase in phrases for word in phrase.split()}
    if without and without["word"] not in named and makes_another(without["word"].lower()):
        return None
    if not phrases:
        return text
    names = "|".join(r"[\W_]+".join(map(re.escape, phrase.split())) for phrase in phrases)
    one = _ARTICLE + _ONE_OF.format(names=names)
    if re.search(f"(?:{_WITHOUT}|{_IS_NOT}){one}", text, re.IGNORECASE):
        return None
    text = re.sub(rf"\b{_REPLACED}\s+{one}", "", text, flags=re.IGNORECASE)
    return re.sub(rf"\b{_NOT}\s+{one}{_TO_END}[,;\s]*", "", text, flags=re.IGNORECASE)
