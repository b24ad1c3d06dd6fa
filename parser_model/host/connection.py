"""One host as its client reaches it: connections, second tries, and errors in plain words."""

from __future__ import annotations

import os
import ssl
import time
from urllib.parse import urlsplit

import httpx

from parser_model.errors import RequestError, ServiceError, SetupError
from parser_model.host import wire

KEY_VARIABLE = "PARSECHAT_HOST_KEY"
_TRIES_WHEN_BUSY = 8
_LONGEST_PAUSE = 4.0


class GoneError(Exception):
    """The host does not know a handle any more."""


class Connection:
    """Sends requests to one host; connections are kept and shared between threads.

    Parameters
    ----------
    address : str
    key : str or None
        Bearer key; the environment variable PARSECHAT_HOST_KEY when None.
    timeout : float
        Seconds to wait for an answer.

    Raises
    ------
    RequestError
        The address is none.
    SetupError
        The key cannot be sent.
    """

    def __init__(self, address: str, key: str | None, timeout: float) -> None:
        self.where, base = _checked_address(address)
        self._http = httpx.Client(
            base_url=base,
            headers={"accept-encoding": "identity", **_authorization(key)},
            timeout=httpx.Timeout(timeout, connect=5.0),
            limits=httpx.Limits(max_connections=32, keepalive_expiry=30.0),
            trust_env=False,  # no proxy of the environment between us and the host
            verify=ssl.create_default_context() if base.startswith("https") else True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, method: str, path: str, body: bytes, most: int) -> bytes:
        """Send one request, again where the connection was stale or the host is busy.

        Parameters
        ----------
        most : int
            Bytes that a sensible answer has at most.

        Raises
        ------
        GoneError
            A handle is not known any more.
        RequestError
            The host says that the request is at fault.
        ServiceError
            Anything else.
        """
        broken = False
        for attempt in range(_TRIES_WHEN_BUSY):
            try:
                status, headers, data = self._exchange(method, path, body, most)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
                if broken:
                    raise ServiceError(
                        f"The host at {self.where} broke off the connection."
                    ) from error
                broken = True
                continue
            except httpx.TimeoutException as error:
                raise ServiceError(
                    f"The host at {self.where} did not answer in time; is it running?"
                ) from error
            except (httpx.HTTPError, OSError) as error:
                raise ServiceError(
                    f"The host at {self.where} cannot be reached; is 'parsechat serve' running?"
                ) from error
            # A 503 without a sentence is of a proxy that does not reach the host.
            if status != 429 and not (status == 503 and _sentence(data)):
                return self._checked(status, data)
            if attempt + 1 < _TRIES_WHEN_BUSY:
                time.sleep(_pause(headers.get("retry-after"), attempt))
        raise ServiceError(f"The host at {self.where} is busy; try again later.")

    def _exchange(
        self, method: str, path: str, body: bytes, most: int
    ) -> tuple[int, httpx.Headers, bytes]:
        headers = {"content-type": wire.CONTENT_TYPE} if body else {}
        data = bytearray()
        with self._http.stream(method, path, content=body or None, headers=headers) as response:
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > most:
                    raise self.nonsense()
            return response.status_code, response.headers, bytes(data)

    def _checked(self, status: int, data: bytes) -> bytes:
        """The data of a good answer; every other is an error in our words."""
        if status == 200:
            return data
        if status == 410:
            raise GoneError
        if status in (401, 403):
            raise ServiceError(f"The host at {self.where} refuses the key; set {KEY_VARIABLE}.")
        sentence = _sentence(data)
        if status in (400, 413) and sentence:
            raise RequestError(sentence)
        if status == 408:
            raise ServiceError(
                f"The request did not arrive at {self.where} in time; try again, with a smaller "
                "image or over a faster connection."
            )
        if status == 504 and sentence:
            raise ServiceError(f"The host at {self.where} took too long; ask for fewer objects.")
        if status in (502, 503, 504):
            raise ServiceError(
                f"The proxy at {self.where} does not reach its host ({status}); is "
                "'parsechat serve' running there?"
            )
        if status == 500 and sentence:
            raise ServiceError(f"The host at {self.where} failed: {sentence}")
        raise self.nonsense()

    def nonsense(self) -> ServiceError:
        """What to raise when the answer is not what a host gives."""
        return ServiceError(
            f"What answers at {self.where} is no parsechat host, or one of another version."
        )


def _checked_address(address: str) -> tuple[str, str]:
    """How the host is named to people, and the address without a slash at its end."""
    try:
        parts = urlsplit(address.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise RequestError("The address of a host looks like http://127.0.0.1:8100.")
    if "@" in parts.netloc:
        raise RequestError(f"A key does not belong into the address; set {KEY_VARIABLE}.")
    return parts.netloc, address.strip().rstrip("/")


def _authorization(key: str | None) -> dict[str, str]:
    key = (os.environ.get(KEY_VARIABLE, "") if key is None else key).strip()
    if not key:
        return {}
    if not key.isascii() or not key.isprintable():
        raise SetupError(f"{KEY_VARIABLE} has characters that a key cannot have.")
    return {"authorization": f"Bearer {key}"}


def _pause(retry_after: str | None, attempt: int) -> float:
    """Seconds until the next try: what the host asks for, growing and bounded."""
    asked = float(retry_after) if retry_after and retry_after.isdigit() else 1.0
    return min(_LONGEST_PAUSE, max(0.1, asked) * 1.3**attempt)


def _sentence(data: bytes) -> str:
    """The host's own sentence, as one short line; empty when there is none."""
    try:
        message = wire.read_json(data)["error"]["message"]
    except (wire.WireError, KeyError, TypeError):
        return ""
    line = " ".join(str(message).split())
    return "".join(c for c in line if c.isprintable())[:300]
