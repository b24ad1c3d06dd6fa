"""Numbers and measurements: the writer writes references, this module writes the numbers.

A model answers with ``[[m-3]]`` or ``[[m-3 in cm]]``; the renderer puts in value, unit and range
and remembers which stretch of the answer shows which measurement. A number that the model wrote
itself is marked, because nothing stands behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.events import Evidence
from parser_model.errors import ToolError
from tools.case import Measurement
from tools.units import parse_unit

UNVERIFIED = " (unverified)"
_REFERENCE = re.compile(r"\[\[\s*(m-\d+)\s*(?:\bin\s+([^\]]+?))?\s*\]\]")
_COMPARATIVE = re.compile(
    r"\b(?:larger|bigger|smaller|wider|narrower|longer|shorter|grew|grown|shrank|shrunk|twice|"
    r"doubled|halved)\b",
    re.IGNORECASE,
)
_WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|"
    "thousand|million|dozen"
)
_COUNTED = "part|lesion|tumou?r|mass|nodule|polyp|nucleus|nuclei|cell|millimet|centimet|pixel|mm|cm"
_NUMBER = re.compile(
    r"(?P<list>^[ \t]*\d{1,2}[.)](?=\s))"  # a list mark
    r"|(?P<id>\b(?:scan|mask|m)-\d+\b)"  # an id of the case
    r"|(?P<number>(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?:\s?%)?(?![\w]*\d))"
    rf"|(?P<word>\b(?:{_WORDS})\b|\bone (?=(?:{_COUNTED}))"
    r"|[二三四五六七八九十百千万两]+|一(?=[个处块]))",
    re.IGNORECASE | re.MULTILINE,
)


class Renderer:
    """Turns a model's prose into the answer, piece by piece as it streams.

    Parameters
    ----------
    measurements : mapping of str to Measurement
        Of the case; looked up when a reference is complete, so later ones are seen.
    said : str
        What the user said in this conversation: numbers of theirs may be repeated.
    """

    def __init__(self, measurements: Mapping[str, Measurement], said: str) -> None:
        self._measurements = measurements
        self._said = {m.group("number") for m in _NUMBER.finditer(said) if m.group("number")}
        self._pending = ""
        self._text = ""
        self.evidence: list[Evidence] = []
        self.unverified: list[str] = []

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._text

    def feed(self, piece: str) -> str:
        """Take a piece of prose and return what can be shown of it now.

        Only the unfinished tail is held back: an open reference, and the last two words, which
        may still turn out to be a number ("one polyp").
        """
        self._pending += piece
        cut = self._safe_cut(self._pending)
        ready, self._pending = self._pending[:cut], self._pending[cut:]
        return self._render(ready)

    def finish(self) -> str:
        """The rest of the answer."""
        ready, self._pending = self._pending, ""
        return self._render(ready)

    @staticmethod
    def _safe_cut(text: str) -> int:
        opened = text.rfind("[[")
        if opened >= 0 and "]]" not in text[opened:]:
            text = text[:opened]
        elif text.endswith("["):
            text = text[:-1]
        words = list(re.finditer(r"(?:\[\[[^\]]*\]\]|\S)+", text))
        return words[-2].start() if len(words) > 1 else 0

    def _render(self, prose: str) -> str:
        before, position = len(self._text), 0
        for match in _REFERENCE.finditer(prose):
            self._text += self._check(prose[position : match.start()])
            self._text += self._value(match.group(1), match.group(2))
            position = match.end()
        self._text += self._check(prose[position:])
        return self._text[before:]

    def _value(self, name: str, unit: str | None) -> str:
        measurement = self._measurements.get(name)
        if measurement is None:
            self.unverified.append(name)
            return f"[no measurement {name}]"
        try:
            text = measurement.measured.text(parse_unit(unit) if unit else None)
        except (ToolError, ValueError):
            text = measurement.text
        self.evidence.append(Evidence(text, name))
        return text

    def _check(self, prose: str) -> str:
        line_begins = not self._text or self._text.endswith("\n")

        def mark(match: re.Match[str]) -> str:
            found = match.group(0)
            if match.group("id") or (match.group("list") and (match.start() > 0 or line_begins)):
                return found
            if found.strip() in self._said:
                return found
            self.unverified.append(found.strip())
            return found.rstrip() + UNVERIFIED + found[len(found.rstrip()) :]

        return _NUMBER.sub(mark, prose)


def comparatives_without_proof(answer: str, signs: set[str]) -> list[str]:
    """Words such as "larger" in an answer of a turn in which nothing was compared.

    Parameters
    ----------
    signs : set of str
        Names of compare results of the turn, e.g. {"ratio", "change"}.
    """
    if signs & {"ratio", "change", "fraction_of"}:
        return []
    return [match.group(0) for match in _COMPARATIVE.finditer(answer)]
