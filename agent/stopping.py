"""Stopping long work in good order: between two steps of it, not in the middle of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_STDERR = 2
_ASKED = b"Stopping after this step (once more: at once).\n"


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Tell whether Ctrl-C or SIGTERM asked to stop; the second time they end the work at once.

    Only for the main thread, as all of Python's signals are.
    """
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        os.write(_STDERR, _ASKED)  # print may be at work where the signal fell

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield lambda: asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
