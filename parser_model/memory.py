"""A bounded memory of encoded images, least recently used out first."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def content_key(pixels: NDArray[np.uint8]) -> str:
    """Hash of an image's pixels and shape; equal images have equal keys."""
    digest = hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16)
    digest.update(repr(pixels.shape).encode())
    return digest.hexdigest()


def forget_unused(seconds: float) -> None:
    """Forget, in every memory of this process, what was not used for so long."""
    with _ALL_LOCK:
        memories = list(_ALL)
    for memory in memories:
        memory.forget_unused(seconds)


class FeatureMemory(Generic[T]):
    """Keeps what was computed for an image until the byte budget is spent.

    Parameters
    ----------
    max_bytes : int
        Budget for all entries together. An entry larger than it is computed but not kept.
    size_of : callable
        Bytes that an entry holds.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        max_bytes: int,
        size_of: Callable[[T], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_bytes = max_bytes
        self._size_of = size_of
        self._clock = clock
        self._entries: OrderedDict[str, T] = OrderedDict()
        self._used: dict[str, float] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        with _ALL_LOCK:
            _ALL.add(self)

    @property
    def held_bytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def get(self, key: str, compute: Callable[[], T]) -> tuple[T, bool]:
        """The entry for a key, and whether it had to be computed now."""
        known = self.peek(key)
        if known is not None:
            return known, False
        value = compute()
        self.put(key, value)
        return value, True

    def peek(self, key: str) -> T | None:
        """The entry for a key, None when it is not (or no longer) remembered."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                self._used[key] = self._clock()
            return self._entries.get(key)

    def put(self, key: str, value: T) -> None:
        """Remember a value, and forget the least recently used ones beyond the budget."""
        size = self._size_of(value)
        with self._lock:
            if size <= self.max_bytes and key not in self._entries:
                self._entries[key] = value
                self._used[key] = self._clock()
                self._bytes += size
                while self._bytes > self.max_bytes:
                    self._forget_oldest()

    def forget_unused(self, seconds: float) -> None:
        """Forget what was not used for so long."""
        with self._lock:
            last = self._clock() - seconds
            while self._entries and self._used[next(iter(self._entries))] <= last:
                self._forget_oldest()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._used.clear()
            self._bytes = 0

    def _forget_oldest(self) -> None:
        key, old = self._entries.popitem(last=False)
        del self._used[key]
        self._bytes -= self._size_of(old)


_ALL: WeakSet[FeatureMemory[Any]] = WeakSet()
_ALL_LOCK = threading.Lock()
