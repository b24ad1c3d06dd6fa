"""A small client of the model hub: what a file is, and its bytes, continued where they broke off.

A file is asked for by the hub's own rules: the first answer names size and hash
(``x-linked-size``, ``x-linked-etag``, or the plain headers for small files) and may send us on
to a store. Only the hub itself ever sees the token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx

from parser_model.errors import RequestError, ServiceError, SetupError
from parser_model.weights_store.content import Described, check_content
from parser_model.weights_store.places import told_in_words
from parser_model.weights_store.sources import HubFile

T = TypeVar("T")
Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, bytes here, and bytes in all where they are known."""

_HOPS = 8
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class _BrokenOffError(Exception):
    """The connection ended early, or the hub is busy; what came is kept."""


class Hub:
    """The hub at an address.

    Parameters
    ----------
    address : str
        With http or https; a path in front of the repositories is kept.
    token : str or None
    timeout : float
        Seconds to wait for the next bytes.
    pauses : sequence of float
        Seconds to wait before trying again, as often as there are numbers without any progress.

    Raises
    ------
    RequestError
        If the address is none.
    """

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        pauses: tuple[float, ...] = (1.0, 3.0, 10.0),
    ) -> None:
        try:
            self._base = httpx.URL(address.rstrip("/"))
        except httpx.InvalidURL as error:
            raise RequestError(f"PARSECHAT_HUB is no web address: {address}.") from error
        if self._base.scheme not in ("http", "https") or not self._base.host:
            raise RequestError(f"PARSECHAT_HUB is no web address: {address}.")
        self._token = token or None
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        self._pauses = pauses

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self._base)

    def describe(self, file: HubFile) -> Described:
        """Size, hash and revision of a file.

        Raises
        ------
        ServiceError
            If the hub does not answer, or does not give the file.
        """

        def ask() -> Described:
            with self._client() as client:
                url, commit = self._url(file, "main"), None
                for _ in range(_HOPS):
                    with self._send(client, "HEAD", url, {}) as answer:
                        self._check(answer, file)
                        commit = commit or answer.headers.get("x-repo-commit")
                        final = not answer.has_redirect_location
                        if final or "x-linked-etag" in answer.headers:
                            return Described.from_headers(answer.headers, commit, final=final)
                        url = _next(answer)
                raise ServiceError(f"{self._base.host} sends requests for {file} in circles.")

        return self._patiently(ask, file, lambda: 0)

    def download(
        self, file: HubFile, said: Described, folder: Path, progress: Progress | None = None
    ) -> Path:
        """Fetch a file, or what is still lacking of it, and check its size and hash.

        Parameters
        ----------
        file : HubFile
        said : Described
            From `describe`.
        folder : Path
            Unfinished files wait here under names ending in ``.part``.
        progress : callable, optional

        Returns
        -------
        Path
            The complete file.

        Raises
        ------
        ServiceError
            If the connection fails for good; what came is kept for the next time.
        SetupError
            If the disk is full, or the content is not what the hub said.
        """
        path = folder / f"{said.key}-{file.name}"
        part = path.with_name(path.name + ".part")
        with told_in_words(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if not path.is_file():
                if said.size is None or _size(part) > said.size:
                    part.unlink(missing_ok=True)  # nothing tells where it would go on
                if said.size is None or _size(part) < said.size:
                    self._patiently(
                        lambda: self._continue(file, said, part, progress),
                        file,
                        lambda: _size(part),
                    )
                part.replace(path)
            try:
                check_content(path, file, said)
            except SetupError:
                path.unlink()  # or it would be found wrong again for ever
                raise
        return path

    def _continue(
        self, file: HubFile, said: Described, part: Path, progress: Progress | None
    ) -> None:
        """Append to an unfinished file until it is complete."""
        have = _size(part)
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._client() as client:
            url = self._url(file, said.commit or "main")
            for _ in range(_HOPS):
                with self._send(client, "GET", url, headers) as answer:
                    self._check(answer, file)
                    if answer.has_redirect_location:
                        url = _next(answer)
                        continue
                    # A store that ignores the range starts from the beginning; so do we.
                    fresh = answer.status_code != HTTPStatus.PARTIAL_CONTENT
                    with part.open("wb" if fresh else "ab") as stream:
                        have = 0 if fresh else have
                        # As it comes: gathered into blocks, what came before a break is lost.
                        for block in answer.iter_raw():
                            stream.write(block)
                            have += len(block)
                            if progress:
                                progress(file.name, have, said.size)
                if said.size is not None and have < said.size:
                    raise _BrokenOffError
                return
        raise ServiceError(f"{self._base.host} sends requests for {file} in circles.")

    def _patiently(self, work: Callable[[], T], file: HubFile, done: Callable[[], int]) -> T:
        """Do it again after short pauses, as long as a failure may pass or bytes keep coming."""
        pauses, before = list(self._pauses), done()
        while True:
            try:
                return work()
            except (httpx.TransportError, _BrokenOffError) as error:
                if done() > before:
                    pauses, before = list(self._pauses), done()
                if isinstance(error, httpx.ConnectError) and not before:
                    pauses = pauses[:1]  # who is offline should be told soon
                if not pauses:
                    raise self._gave_up(error, file, before) from error
                time.sleep(pauses.pop(0))

    def _gave_up(self, error: Exception, file: HubFile, have: int) -> ServiceError:
        if have:
            return ServiceError(
                f"The download of {file} broke off after {have / 1e6:,.1f} MB; run the same "
                "command again and it goes on from there."
            )
        slow = isinstance(error, _BrokenOffError | httpx.TimeoutException)
        return ServiceError(
            f"{self._base.host} {'does not answer in time' if slow else 'cannot be reached'}, so "
            f"{file} was not fetched; check the network (or PARSECHAT_HUB), or give a copy you "
            "have with --from FILE."
        )

    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=self._timeout, follow_redirects=False)

    def _url(self, file: HubFile, revision: str) -> httpx.URL:
        path = f"{self._base.path.rstrip('/')}/{file.repository}/resolve/{quote(revision, safe='')}"
        return self._base.copy_with(path=f"{path}/{quote(file.name)}")

    @contextmanager
    def _send(
        self, client: httpx.Client, method: str, url: httpx.URL, headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        # Compressed on the way, a file has neither the size nor the offsets we ask for.
        sent = {"Accept-Encoding": "identity", "User-Agent": "parsechat", **headers}
        if self._token and self._is_hub(url):
            sent["Authorization"] = f"Bearer {self._token}"
        if self._base.scheme == "https" and url.scheme != "https":
            raise ServiceError(f"{self._base.host} sends us on to an address without encryption.")
        with client.stream(method, url, headers=sent) as answer:
            if answer.status_code in _BUSY or answer.status_code >= 500:
                raise _BrokenOffError
            yield answer

    def _is_hub(self, url: httpx.URL) -> bool:
        """The very same origin, and not in clear text over a network."""
        same = (url.scheme, url.host, url.port) == (
            self._base.scheme,
            self._base.host,
            self._base.port,
        )
        return same and (url.scheme == "https" or url.host in _LOOPBACK)

    def _check(self, answer: httpx.Response, file: HubFile) -> None:
        status = answer.status_code
        if status < 400:
            return
        instead = f"or get {file.name} in a browser and give it with --from FILE"
        if status == HTTPStatus.UNAUTHORIZED and not self._token:
            raise ServiceError(
                f"The hub gives {file} only to people it knows: accept the terms on its page, set "
                f"HF_TOKEN to a read token of yours and run the command again, {instead}."
            )
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ServiceError(
                f"The hub does not give {file} to your token: accept the terms on its page (access "
                f"may have to be granted first) and run the command again, {instead}."
            )
        if status == HTTPStatus.NOT_FOUND:
            raise ServiceError(
                f"There is no {file} at {self._base.host}; check PARSECHAT_HUB, or give a copy "
                "you have with --from FILE."
            )
        raise ServiceError(f"{self._base.host} refused {file} with status {status}; try later.")


def _next(answer: httpx.Response) -> httpx.URL:
    """Where a redirect leads."""
    try:
        url = answer.url.join(answer.headers["location"])
    except httpx.InvalidURL as error:
        raise ServiceError(f"{answer.url.host} sends us on to no address.") from error
    if url.scheme not in ("http", "https"):
        raise ServiceError(f"{answer.url.host} sends us on to no web address.")
    return url


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
