"""One thread that computes, and a bounded number of places before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """No place is left in the queue."""


class Places:
    """A bounded number of places; used on the event loop's thread only.

    Parameters
    ----------
    count : int
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = 0

    @property
    def full(self) -> bool:
        """No place is left now."""
        return self._taken >= self._count

    @contextmanager
    def place(self, needed: int = 1) -> Iterator[None]:
        """Hold a place, or as many as are needed.

        Raises
        ------
        BusyError
        """
        if self._taken + needed > self._count:
            raise BusyError
        self._taken += needed
        try:
            yield
        finally:
            self._taken -= needed


class Worker:
    """Runs one computation at a time; waiting ones keep their order.

    Attributes
    ----------
    overdue : bool
        The thread still computes what nobody waits for any more; it cannot be stopped.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="parser")
        self.overdue = False

    async def run(self, compute: Callable[[], T]) -> T:
        """Compute in the thread. Cancelled while it waits, it is never computed.

        Raises
        ------
        BusyError
            The thread is overdue, or this computation was cancelled before its turn came.
        """
        if self.overdue:
            raise BusyError
        computed = self._pool.submit(compute)
        try:
            return await asyncio.wrap_future(computed)
        except asyncio.CancelledError:
            if computed.cancel():
                raise BusyError from None
            self.overdue = True
            computed.add_done_callback(self._ended)
            raise

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self, _: Future[Any]) -> None:
        self.overdue = False
