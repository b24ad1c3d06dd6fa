"""What every answer of the server must carry, and which requests it does not answer.

Plain ASGI middleware: Starlette's function middleware breaks Chainlit's cancelled requests.
There is no login, so the browser itself must not become a way in: another site open in the same
browser can neither read from the chat nor talk to it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 210 * 1024 * 1024
"""Bytes of a request: the 200 MB upload limit of chainlit.toml, and its envelope."""

_OUTSIDE_LINK = re.compile(r"<link\b[^>]*https?://[^>]*>", re.DOTALL)
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

FIXED_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def without_outside_links(page: str) -> str:
    """Drop style sheets and preconnects of other hosts from Chainlit's page."""
    return _OUTSIDE_LINK.sub("", page)


def content_security_policy(page: str) -> str:
    """Write the policy for a page: this host only, and only the inline scripts it came with.

    'unsafe-eval' stays because Chainlit compiles custom elements in the browser, and inline
    styles because its components set them.
    """
    hashes = " ".join(
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
        for script in _INLINE_SCRIPT.findall(page)
    )
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'unsafe-eval' {hashes}".strip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "object-src 'none'",
            "frame-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        )
    )


class Guard:
    """Refuse foreign hosts, foreign origins and oversized bodies; add the security headers.

    Parameters
    ----------
    app : ASGIApp
    policy : callable
        Gives the Content-Security-Policy; called once, at the first request.
    hosts : iterable of str or None
        Host names the server answers to (without port). Anything else is a page that made its
        own name point here. None answers to all, for a server meant to be reached from outside.
    """

    def __init__(
        self, app: ASGIApp, *, policy: Callable[[], str], hosts: Iterable[str] | None
    ) -> None:
        self.app = app
        self._make_policy = policy
        self._policy: str | None = None
        self._hosts = None if hosts is None else {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._foreign(headers):
            await self._refuse(scope, receive, send, 403, "This server only talks to its own page.")
            return
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            await self._refuse(scope, receive, send, 413, "This is more than 200 MB.")
            return
        if self._policy is None:
            self._policy = self._make_policy()
        policy = self._policy
        seen = 0

        async def capped() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > MAX_BODY:  # a body sent in pieces, without a length
                    return {"type": "http.disconnect"}
            return message

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in FIXED_HEADERS.items():
                    answer[name] = value
                answer["content-security-policy"] = policy
            await send(message)

        await self.app(scope, capped, stamped)

    def _foreign(self, headers: Headers) -> bool:
        host = headers.get("host", "")
        if self._hosts is not None:
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            if name.lower() not in self._hosts:
                return True
        origin = headers.get("origin")
        return origin is not None and urlsplit(origin).netloc.lower() != host.lower()

    @staticmethod
    async def _refuse(
        scope: Scope, receive: Receive, send: Send, status: int, sentence: str
    ) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        response = PlainTextResponse(sentence, status, headers=FIXED_HEADERS)
        await response(scope, receive, send)
