"""Which scans a question names: "the second picture", "scan 2", "the first and the second scan"."""

from __future__ import annotations

import re
from typing import Final

ORDINALS: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
PICTURE: Final = r"(?:scan|image|picture|photo(?:graph)?|file)s?"
_NTH = rf"(?:{'|'.join(ORDINALS)})"
_JOIN = r"\s+(?:and|or|to|than|with|vs\.?|versus)\s+"
_NO_SIZE = r"\b(?!\s*(?:px|pix|mm|cm|x\b|%))"
_NAMED = re.compile(
    rf"\b{PICTURE}[\s-]*(?:no\.?\s*|number\s*|#)?(?P<a>\d+){_NO_SIZE}(?:{_JOIN}(?P<b>\d+){_NO_SIZE})?"
    rf"|\b(?P<nth>{_NTH})(?:(?P<picture>\s+{PICTURE}\b)|(?:\s+one)?\s*(?:$|[?.!,])"
    rf"|(?={_JOIN}(?:in\s+)?(?:the\s+)?{_NTH}\b))",
    re.IGNORECASE,
)
_IN_THE = re.compile(rf"\b(?:in|on)\s+(?:the\s+)?(?P<nth>{_NTH})(?:\s+one)?\W*$", re.IGNORECASE)


def named_scans(text: str) -> tuple[str, ...]:
    """Ids of the scans that a text names by their numbers, in reading order.

    Examples
    --------
    >>> named_scans("Is the liver in the second image larger than in the first?")
    ('scan-2', 'scan-1')
    """
    found = list(_NAMED.finditer(text))
    if not any(match["a"] or match["picture"] for match in found):
        return ()  # "the second" of something else
    numbers = [int(n) for match in found for n in (match["a"], match["b"]) if n]
    numbers += [ORDINALS[match["nth"].lower()] for match in found if match["nth"]]
    return tuple(f"scan-{number}" for number in dict.fromkeys(numbers))


def scan_of_follow_up(text: str) -> tuple[str, ...]:
    """The scan that "and in the first?" means."""
    match = _IN_THE.search(text)
    return (f"scan-{ORDINALS[match['nth'].lower()]}",) if match else ()
