"""Calls a reader by its name, so that decoders are imported in the worker only."""

from __future__ import annotations

import importlib
from typing import Any


def call_reader(reader: str, *arguments: Any, **options: Any) -> Any:
    """Call ``module:function`` with these arguments."""
    module, function = reader.split(":")
    return getattr(importlib.import_module(module), function)(*arguments, **options)
