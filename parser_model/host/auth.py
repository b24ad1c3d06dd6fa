"""Who may ask: bearer keys, and without keys this machine's own programs only."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from parser_model.errors import SetupError
from parser_model.listening import is_loopback

SHORTEST_KEY = 16
NOBODY = "this-machine"
"""The caller of a host without keys."""


class Keys:
    """The keys that a host accepts; empty means that it asks for none.

    Parameters
    ----------
    text : str or None
        Keys separated by commas, each of at least 16 printable characters.

    Raises
    ------
    SetupError
        A key is too short or has other characters.
    """

    def __init__(self, text: str | None) -> None:
        keys = [key.strip() for key in (text or "").split(",") if key.strip()]
        for key in keys:
            if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
                raise SetupError(
                    f"A key of PARSECHAT_SERVE_KEYS has fewer than {SHORTEST_KEY} characters, or "
                    "others than plain letters, digits and signs; choose a longer random one."
                )
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def caller(self, authorization: str | None) -> str | None:
        """Name of the caller, which says nothing about the key; None for a wrong key."""
        if not self._digests:
            return NOBODY
        scheme, _, key = (authorization or "").partition(" ")
        digest = _digest(key.strip())
        # All are compared, whole, so that time tells nothing.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if scheme.lower() != "bearer" or not any(matches):
            return None
        return hashlib.sha256(b"caller" + digest).hexdigest()[:12]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def is_own_name(host_header: str) -> bool:
    """Tell whether a Host header names this machine, not a web page's name that points here."""
    try:
        return is_loopback(urlsplit(f"//{host_header}").hostname or "")
    except ValueError:
        return False
