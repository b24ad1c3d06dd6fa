"""More wordings of a target from the LLM that the user configured; each is checked and kept.

Only the target's name leaves the machine: no pixels, no file names, no tags.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langsmith import tracing_context

from agent.llm import endpoint_errors
from agent.toolbox import prompt_text
from parser_model.ontology import Ontology, words_of
from parser_model.weights_store.places import home

_COUNT = 12
_MOST_WORDS = 8
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")


class Paraphraser:
    """Asks once for each target, and remembers on disk.

    Parameters
    ----------
    model : BaseChatModel
    name : str
        Of the model: answers of another one are another file.
    ontology : Ontology
    folder : Path, optional
        Where answers are kept; the user's cache by default.
    """

    def __init__(
        self, model: BaseChatModel, name: str, ontology: Ontology, folder: Path | None = None
    ) -> None:
        self._model, self._ontology = model, ontology
        self._prompt = prompt_text("paraphrase.md").replace("{count}", str(_COUNT))
        text = f"{name}\n{self._prompt}"
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._folder = (folder or home() / "paraphrases") / key
        self.asked = 0
        self.dropped = 0

    def __call__(self, target: str) -> Sequence[str]:
        """Checked wordings of a target.

        Raises
        ------
        ServiceError
            If the endpoint does not answer.
        """
        lines = self._kept(target)
        if lines is None:
            lines = self._ask(target)
            self._keep(target, lines)
        good = [line for line in lines if means(line, target, self._ontology)]
        self.dropped += len(lines) - len(good)
        return good

    def _ask(self, target: str) -> list[str]:
        self.asked += 1
        with endpoint_errors(), tracing_context(enabled=False):
            reply = self._model.invoke([("system", self._prompt), ("human", target)])
        text = reply.content if isinstance(reply.content, str) else ""
        lines = [_LIST_MARK.sub("", line).strip(" \t\"'`.,;") for line in text.splitlines()]
        return list(dict.fromkeys(line.lower() for line in lines if line))

    def _path(self, target: str) -> Path:
        return self._folder / f"{target.replace(' ', '+')}.json"

    def _kept(self, target: str) -> list[str] | None:
        path = self._path(target)
        try:
            lines: Any = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return [str(line) for line in lines] if isinstance(lines, list) else None

    def _keep(self, target: str, lines: list[str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path(target).write_text(json.dumps(lines, ensure_ascii=False), encoding="utf-8")


def means(phrase: str, target: str, ontology: Ontology) -> bool:
    """Whether a paraphrase surely means its target.

    It does when the ontology resolves it to the target. Words that the ontology does not know pass
    only around the target's own name, and only if they do not name another target or side:
    "liver tumor" is no liver, and "left kidney" no kidney.
    """
    words = words_of(phrase)
    if not words or len(words) > _MOST_WORDS:
        return False
    found = ontology.resolve(phrase)
    if found is not None:
        return found == target
    own = [name for name in (target, *ontology.synonyms(target)) if _holds(words, name)]
    if not own:
        return False
    rest = _without(words, max(own, key=lambda name: len(words_of(name))))
    sides = {"left", "right", "both"}
    if sides & set(rest) or {"no", "not", "without", "near", "around", "beside"} & set(rest):
        return False
    return not any(
        _holds(rest, name)
        for other in ontology.targets
        for name in (other, *ontology.synonyms(other), *ontology.synonyms(other, "MRI"))
    )


def _holds(words: Sequence[str], name: str) -> bool:
    inside = words_of(name)
    return any(list(words[i : i + len(inside)]) == inside for i in range(len(words)))


def _without(words: Sequence[str], name: str) -> list[str]:
    inside = words_of(name)
    start = next(i for i in range(len(words)) if list(words[i : i + len(inside)]) == inside)
    return [*words[:start], *words[start + len(inside) :]]
