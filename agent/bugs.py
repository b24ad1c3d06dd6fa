"""Tells of a bug without its data: an id for the user, places in our code for the log."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path


def log_bug(error: Exception) -> str:
    """Write a log line about an unexpected error and give its id; no values, only our lines."""
    import traceback

    import structlog

    number = uuid.uuid4().hex[:8]
    frames = [
        f"{Path(f.filename).name}:{f.lineno} {f.name}"
        for f in traceback.extract_tb(error.__traceback__)
    ]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    structlog.get_logger().error("bug", id=number, kind=type(error).__name__, at=frames[-6:])
    return number
