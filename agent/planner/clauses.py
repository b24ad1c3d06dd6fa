"""Two questions in one sentence: "how large are the polyps, and where are they?"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.planner.relations import RELATIONS
from agent.planner.request import Request
from agent.planner.understand import understand
from parser_model.ontology import Ontology

_AND = r"(?:(?:and|but|then|also|if so|if yes)\b[\s,]*)"
_NEXT = re.compile(
    rf"(?:\s*[,;?.]\s*{_AND}*|\s+{_AND}+)"
    r"(?=(?:how|where|is there|are there|is it|are they)\b)",
    re.IGNORECASE,
)
_BY_ITSELF = frozenset(
    ["measure", "where", "exists", "count", "density", "sure", "everything", "describe", *RELATIONS]
)


def understand_all(
    question: str, earlier: Sequence[Request], ontology: Ontology, modality: str | None = None
) -> list[Request]:
    """What a sentence asks, one request for each thing of another kind.

    "How large is the liver and how large is the spleen?" asks one kind of thing of two objects,
    and stays one request. Where a part is not understood by itself, the sentence is read whole.

    Parameters
    ----------
    question, earlier, ontology, modality
        As of `understand`.
    """
    whole = understand(question, earlier, ontology, modality)
    if whole.kind not in _BY_ITSELF:
        return [whole]
    requests: list[Request] = []
    for clause in _clauses(question):
        requests.append(understand(clause, [*earlier, *requests], ontology, modality))
    kinds = [request.kind for request in requests]
    apart = len(set(kinds)) == len(kinds) > 1 and _BY_ITSELF.issuperset(kinds)
    return requests if apart else [whole]


def _clauses(question: str) -> list[str]:
    starts = [0, *(m.end() for m in _NEXT.finditer(question) if m.start() > 0)]
    ends = [*starts[1:], len(question)]
    return [question[a:b].strip() for a, b in zip(starts, ends, strict=True)]
