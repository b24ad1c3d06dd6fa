"""What one request, and all together, may take of the host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of the host.

    Attributes
    ----------
    body_bytes : int
        Of one request.
    pixels : int
        Of an image and its neighbours together. All requests that wait or are at work hold at most
        four times as many; more are told to come back.
    phrases : int
        In one request.
    phrase_characters : int
    waiting : int
        Requests that wait or are at work; more are told to come back.
    seconds : float
        From the request read to the answer computed. What computes then cannot be stopped: until
        it ends, others are told to come back.
    upload_seconds : float
        To read a request.
    handle_seconds : float
        A handle, and what the parser remembers of an image, is forgotten when it was not used for
        so long.
    handle_bytes : int
        Pixels remembered for all handles together; the least recently used go first.
    working_bytes : int
        Maps of one request held at once.
    """

    body_bytes: int = 64 * 2**20
    pixels: int = 36_000_000
    phrases: int = 100
    phrase_characters: int = 1000
    waiting: int = 16
    seconds: float = 120.0
    upload_seconds: float = 30.0
    handle_seconds: float = 1800.0
    handle_bytes: int = 512 * 2**20
    working_bytes: int = 512 * 2**20
