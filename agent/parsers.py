"""Which parser finds the objects: the one that the settings name."""

from __future__ import annotations

from agent.settings import Settings
from parser_model import Parser, load_parser


def chosen_parser(settings: Settings) -> Parser:
    """The parser of the settings, loaded once per process.

    Raises
    ------
    RequestError, SetupError
        See `parser_model.load_parser`.
    """
    key = settings.host_key.get_secret_value() if settings.host_key else None
    return load_parser(settings.parser, precision=settings.precision, host_key=key)
