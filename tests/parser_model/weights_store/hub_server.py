"""A model hub on loopback: the hub itself, and the store it sends large files' readers on to."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" * 6 + "cafe"


@dataclass
class Asked:
    """One request as it came in."""

    at: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class FakeHub:
    """Files by "repository/name", and what goes wrong.

    Attributes
    ----------
    large : set of str
        Files that are kept in the store.
    break_after, silent_after : list of int
        Bytes after which the next answers break off or stop coming, one each.
    status : int
        Given instead of any file, where not 200.
    busy : int
        How often to answer 503 first.
    wrong_hash, ignore_range, circles : bool
    wait : float
        Seconds before each block.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    break_after: list[int] = field(default_factory=list)
    silent_after: list[int] = field(default_factory=list)
    status: int = 200
    missing: set[str] = field(default_factory=set)
    busy: int = 0
    wrong_hash: bool = False
    ignore_range: bool = False
    circles: bool = False
    wait: float = 0.0
    needs_token: str | None = None
    asked: list[Asked] = field(default_factory=list)
    address: str = ""
    store: str = ""

    def got(self, at: str = "store", method: str = "GET") -> list[Asked]:
        """Requests of a kind."""
        return [a for a in self.asked if (a.at, a.method) == (at, method)]


def _handler(hub: FakeHub, at: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def answer(self):
            hub.asked.append(Asked(at, self.command, self.path, dict(self.headers)))
            if hub.busy:
                hub.busy -= 1
                return self.plain(503)
            if at == "store":
                return self.send(hub.files[self.path[1:]], {"ETag": '"a-store-has-its-own"'})
            if hub.status != 200:
                return self.plain(hub.status)
            token = self.headers.get("Authorization")
            if hub.needs_token and token != f"Bearer {hub.needs_token}":
                return self.plain(403 if token else 401)
            if self.path.startswith("/kept/"):
                content = hub.files[self.path.removeprefix("/kept/")]
                return self.send(content, {"ETag": f'"{git_hash(content)}"'})
            repository, _, rest = self.path[1:].partition("/resolve/")
            name = f"{repository}/{rest.partition('/')[2]}"
            if name not in hub.files or name in hub.missing:
                return self.plain(404)
            headers = {"X-Repo-Commit": COMMIT}
            if name not in hub.large:
                return self.plain(307, {**headers, "Location": f"/kept/{name}"})
            content = hub.files[name]
            digest = "0" * 64 if hub.wrong_hash else hashlib.sha256(content).hexdigest()
            headers |= {
                "X-Linked-ETag": f'"{digest}"',
                "X-Linked-Size": str(len(content)),
                "Location": self.path if hub.circles else f"{hub.store}/{name}",
            }
            return self.plain(302, headers)

        def plain(self, status, headers=()):
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            body = b"words of the hub"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def send(self, content, headers):
            start, total = 0, len(content)
            wanted = self.headers.get("Range")
            if wanted and not hub.ignore_range:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            else:
                self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            if self.command == "HEAD":
                return
            end, silence = total, 0.0
            if at == "store" and hub.silent_after:
                end, silence = min(total, start + hub.silent_after.pop(0)), 1.0
            if at == "store" and hub.break_after:
                end = min(total, start + hub.break_after.pop(0))
            for place in range(start, end, 1 << 16):
                time.sleep(hub.wait)
                self.wfile.write(content[place : min(end, place + (1 << 16))])
            if end < total:
                self.wfile.flush()
                time.sleep(silence)
                self.close_connection = True

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that went away is what some tests are about


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve a hub and its store on two ports, that is, as two strangers."""
    servers = {at: _Server(("127.0.0.1", 0), _handler(hub, at)) for at in ("hub", "store")}
    for server in servers.values():
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    hub.address = f"http://127.0.0.1:{servers['hub'].server_port}"
    hub.store = f"http://127.0.0.1:{servers['store'].server_port}"
    try:
        yield hub
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()


def git_hash(content: bytes) -> str:
    """As the hub names small files."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def contents_of(folder: Path) -> list[str]:
    """Paths of all files in a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
