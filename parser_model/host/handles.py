"""Images that callers need not send again: random handles, bound to the key that made them."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from parser_model.types import ParsedImage


@dataclass
class _Held:
    image: ParsedImage
    caller: str
    used: float


class Handles:
    """Remembers images until they expire or their room is needed.

    Parameters
    ----------
    max_bytes : int
        Of pixels; the least recently used go first.
    seconds : float
        A handle not used for so long is gone.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self, max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of pixels held now."""
        return self._bytes

    def put(self, image: ParsedImage, caller: str) -> str | None:
        """A new handle of the caller's; None when the image is larger than all the room."""
        size = _size(image)
        if size > self._max_bytes:
            return None
        handle = secrets.token_urlsafe(24)
        with self._lock:
            self._drop_expired()
            self._held[handle] = _Held(image, caller, self._clock())
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._held)))
        return handle

    def get(self, handle: str, caller: str) -> ParsedImage | None:
        """The image of a handle, None when it is gone; another caller's is as good as gone."""
        with self._lock:
            self._drop_expired()
            held = self._held.get(handle)
            if held is None or held.caller != caller:
                return None
            held.used = self._clock()
            self._held.move_to_end(handle)
            return held.image

    def sweep(self) -> None:
        """Drop what has expired, though nobody asks for it."""
        with self._lock:
            self._drop_expired()

    def _drop_expired(self) -> None:
        """Entries are in the order of their last use."""
        oldest = self._clock() - self._seconds
        while self._held and next(iter(self._held.values())).used <= oldest:
            self._drop(next(iter(self._held)))

    def _drop(self, handle: str) -> None:
        self._bytes -= _size(self._held.pop(handle).image)


def _size(image: ParsedImage) -> int:
    """Bytes that an image and its neighbours hold."""
    return image.pixels.nbytes + sum(n.nbytes for n in image.neighbours)
