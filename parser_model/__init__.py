"""Finds named objects in medical images: the `Parser` seam and what stands behind it."""

from parser_model.errors import (
    FileError,
    InputError,
    ParsechatError,
    RequestError,
    ServiceError,
    SetupError,
    ToolError,
)
from parser_model.loading import load_parser
from parser_model.types import (
    MODALITIES,
    ParsedImage,
    ParsedObject,
    Parser,
    ParserInfo,
    Recognised,
    Recogniser,
)

__all__ = [
    "MODALITIES",
    "FileError",
    "InputError",
    "ParsechatError",
    "ParsedImage",
    "ParsedObject",
    "Parser",
    "ParserInfo",
    "Recognised",
    "Recogniser",
    "RequestError",
    "ServiceError",
    "SetupError",
    "ToolError",
    "load_parser",
]
