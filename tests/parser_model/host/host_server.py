"""A real host on a free loopback port, in a thread of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import uvicorn

from parser_model import ParsedImage
from parser_model.host.app import build_app
from parser_model.host.auth import Keys
from parser_model.host.limits import Limits
from parser_model.remote import RemoteParser
from tests.shapes_parser import ShapesParser

clients: list[RemoteParser] = []
KEY = "first-key-of-the-tests"
OTHER_KEY = "other-key-of-the-tests"


def connect(address: str, **options) -> RemoteParser:
    """Make a client that is closed when the test ends."""
    clients.append(RemoteParser(address, **{"key": KEY, **options}))
    return clients[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """Where a host listens, and what it was sent: bytes of each request, headers included."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.requests: list[tuple[str, int]] = []

    def post(self, path: str, key: str | None = KEY, **arguments) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        headers |= arguments.pop("headers", {})
        return httpx.post(f"{self.address}{path}", headers=headers, trust_env=False, **arguments)


class _Counting:
    def __init__(self, app, served: Served) -> None:
        self.app, self.served = app, served

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        seen = sum(len(name) + len(value) + 4 for name, value in scope["headers"])

        async def counted():
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return message

        try:
            return await self.app(scope, counted, send)
        finally:
            self.served.requests.append((scope["path"], seen))


@contextmanager
def host(
    parser,
    *,
    keys: str | None = f"{KEY},{OTHER_KEY}",
    limits: Limits | None = None,
    port: int | None = None,
    clock=time.monotonic,
) -> Iterator[Served]:
    served = Served(port or free_port())
    app = _Counting(build_app(parser, keys=Keys(keys), limits=limits, clock=clock), served)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=served.port,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the host did not start"
        assert time.monotonic() < deadline, "the host does not start"
        time.sleep(0.01)
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(10)


class Boxes(ShapesParser):
    """The scripted parser, taking images with neighbours too."""

    def parse(self, images, prompts, *, modality=None, site=None):
        bare = [i.pixels if isinstance(i, ParsedImage) else i for i in images]
        return super().parse(bare, prompts, modality=modality, site=site)


def boxes() -> Boxes:
    return Boxes({"liver": [(10, 12, 40, 50)], "spleen": [(60, 60, 70, 90)]})


def picture(seed: int = 0, shape: tuple[int, int] = (96, 128), *, grey: bool = False):
    draw = np.random.default_rng(seed)
    if grey:
        return np.repeat(draw.integers(0, 256, (*shape, 1), np.uint8), 3, axis=2)
    return draw.integers(0, 256, (*shape, 3), np.uint8)


def assert_same(mine, theirs, *, exact: bool = True) -> None:
    """Objects of two parsers are equal; probability maps exactly where objects are present."""
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert (a.phrase, a.target, a.presence, a.present) == (
            b.phrase,
            b.target,
            b.presence,
            b.present,
        )
        assert np.array_equal(a.mask, b.mask)
        if exact and a.present:
            assert np.array_equal(a.probability, b.probability)
        elif exact:
            assert np.allclose(a.probability, b.probability, atol=0.0025)
