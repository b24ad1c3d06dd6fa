"""What a client says when it is not answered as a host answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from parser_model import ServiceError
from tests.parser_model.host.host_server import connect, picture


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """The address of a server that always answers the same, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>hello</html>"),
        (200, b"{}"),
        (200, b'{"model": "m", "info": {}, "limits": {}, "recognises": true}'),
        (200, b"PCM1\xff\xff\xff\xff"),
        (200, b"x" * 2_000_000),
        (302, b""),
        (404, b"no"),
        (410, b""),
        (500, b"oops"),
    ],
)
def test_nonsense_is_one_sentence(status, body):
    with answering(status, body) as (address, _):
        remote = connect(address, key="")
        with pytest.raises(ServiceError, match="is no parsechat host"):
            remote.parse([picture()], ["liver"])


OF_A_PROXY = b"<html>Bad Gateway</html>"


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (408, OF_A_PROXY, "did not arrive at .* in time; try again, with a smaller image"),
        (502, OF_A_PROXY, r"does not reach its host \(502\); is 'parsechat serve' running there"),
        (503, OF_A_PROXY, r"does not reach its host \(503\)"),
        (504, OF_A_PROXY, r"does not reach its host \(504\)"),
        (504, b'{"error": {"message": "Too slow."}}', "took too long; ask for fewer objects"),
    ],
)
def test_what_went_wrong_on_the_way_is_told_with_what_to_do(status, body, sentence):
    with answering(status, body) as (address, asked):
        with pytest.raises(ServiceError, match=sentence):
            connect(address, key="").parse([picture()], ["liver"])
        assert len(asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_who_is_busy_is_asked_again_a_few_times(status, monkeypatch):
    monkeypatch.setattr("parser_model.host.connection._LONGEST_PAUSE", 0.01)
    body = json.dumps({"error": {"code": "busy", "message": "Come back."}}).encode()
    with answering(status, body if status == 503 else b"") as (address, asked):
        with pytest.raises(ServiceError, match="is busy; try again later"):
            connect(address, key="").parse([picture()], ["liver"])
        assert len(asked) == 8
