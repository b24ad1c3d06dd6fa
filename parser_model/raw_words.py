"""Asking a parser in words as they are typed, past the table of names."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from parser_model.errors import RequestError
from parser_model.types import Parser


@runtime_checkable
class TakesRawWords(Protocol):
    """A parser that can do without the ontology; this is for measuring, not for answering."""

    def words_as_typed(self) -> Parser:
        """The same weights, whose network reads every phrase as it is typed."""
        ...


def without_ontology(parser: Parser) -> Parser:
    """A parser whose network reads phrases as they are typed.

    Raises
    ------
    RequestError
        If the parser has no such way.
    """
    if not isinstance(parser, TakesRawWords):
        raise RequestError(f"The parser '{parser.info.name}' has no way past the ontology.")
    return parser.words_as_typed()
