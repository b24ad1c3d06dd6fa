"""A small real HTTP server that speaks the chat completions protocol, with scripted replies.

Each reply is text, a list of (tool, arguments), or an HTTP status to fail with. Requests are
kept, so that a test can see what left the machine.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = str | int | list[tuple[str, dict[str, Any]]]
Script = list[Reply | Callable[[dict[str, Any]], Reply]]


class Peer:
    """Where the server listens and what it was sent."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []


@contextmanager
def openai_server(script: Script) -> Iterator[Peer]:
    remaining = list(script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            peer.requests.append(body)
            peer.keys.append(self.headers.get("Authorization"))
            reply = remaining.pop(0) if remaining else "Nothing more to say."
            reply = reply(body) if callable(reply) else reply
            if isinstance(reply, int):
                self._json(
                    reply, {"error": {"message": "scripted failure", "type": "server_error"}}
                )
            elif body.get("stream"):
                self._stream(reply)
            else:
                self._json(200, _whole(reply))

        def _json(self, status: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, reply: str | list[tuple[str, dict[str, Any]]]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for chunk in _chunks(reply):
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    peer = Peer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _calls(reply: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for index, (name, arguments) in enumerate(reply)
    ]


def _whole(reply: str | list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(reply, str):
        message["content"] = reply
    else:
        message["tool_calls"] = _calls(reply)
    return _envelope("chat.completion") | {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]
    }


def _chunks(reply: str | list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Text in pieces of five characters; the arguments of a call in two halves, as servers do."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if isinstance(reply, str):
        deltas += [{"content": reply[i : i + 5]} for i in range(0, len(reply), 5)]
    else:
        for call in _calls(reply):
            text = call["function"]["arguments"]
            half = len(text) // 2
            first = call | {
                "function": {"name": call["function"]["name"], "arguments": text[:half]}
            }
            rest = {"index": call["index"], "function": {"arguments": text[half:]}}
            deltas += [{"tool_calls": [first]}, {"tool_calls": [rest]}]
    reason = "stop" if isinstance(reply, str) else "tool_calls"
    envelope = _envelope("chat.completion.chunk")
    chunks = [
        envelope | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    return [*chunks, envelope | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 0, "model": "scripted"}
