"""The host's HTTP application.

=======================  ==================================================================
``POST /v1/parse``       image or handle, and phrases: one object a phrase
``POST /v1/find``        image or handle: everything that is recognised, without overlaps
``POST /v1/encode``      image or handle: a handle for later, and what kind of image it is
``GET /v1/models``       which parser and weights answer, and the limits
``GET /healthz``         ``{"status": "ok"}``, without a key
=======================  ==================================================================

Requests and answers are the messages of `parser_model.host.wire`; `requests.Asked` lists the
fields of a header. Errors are JSON, ``{"error": {"code": ..., "message": ...}}``.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from parser_model.errors import InputError, ParsechatError
from parser_model.host import wire
from parser_model.host.auth import NOBODY, Keys, is_own_name
from parser_model.host.engine import Engine
from parser_model.host.handles import Handles
from parser_model.host.limits import Limits
from parser_model.host.requests import Asked, HttpError, read_body, read_request
from parser_model.host.worker import BusyError, Places, Worker
from parser_model.memory import forget_unused
from parser_model.types import Parser

LOG = logging.getLogger("parsechat.host")
_SWEEP_SECONDS = 5.0
_LARGEST_IMAGES = 4
_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


def build_app(
    parser: Parser,
    *,
    keys: Keys | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    parser : Parser
    keys : Keys, optional
        Without keys it answers only to programs that call this machine by its own names.
    limits : Limits, optional
    clock : callable
        For the handles.
    """
    keys = keys or Keys(None)
    limits = limits or Limits()
    worker = Worker()
    handles = Handles(limits.handle_bytes, limits.handle_seconds, clock)
    host = _Host(keys, limits, Engine(parser, limits, handles, worker))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        forgetting = asyncio.create_task(_forget_in_time(handles, limits.handle_seconds))
        try:
            yield
        finally:
            forgetting.cancel()
            worker.close()

    app = FastAPI(
        title="parsechat host",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    engine = host.engine
    for path, answer in (
        ("/v1/parse", engine.parse),
        ("/v1/find", engine.find),
        ("/v1/encode", engine.encode),
    ):
        app.add_api_route(path, host.computed(answer), methods=["POST"])
    app.add_api_route("/v1/models", host.models, methods=["GET"])
    app.add_api_route("/healthz", _health, methods=["GET"])
    app.add_exception_handler(HTTPException, _unknown_route)
    return app


async def _forget_in_time(handles: Handles, seconds: float) -> None:
    """Keep no image longer than promised, also where no further request comes."""
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        handles.sweep()
        forget_unused(seconds)


async def _health() -> Response:
    return JSONResponse({"status": "ok"}, headers=_HEADERS)


class _Host:
    """Doors and order: who may come in, how many, and what is told when it goes wrong."""

    def __init__(self, keys: Keys, limits: Limits, engine: Engine) -> None:
        self._keys = keys
        self._limits = limits
        self._uploads = Places(2 * limits.waiting)
        self._queue = Places(limits.waiting)
        self._pixels = Places(_LARGEST_IMAGES * limits.pixels)
        self.engine = engine

    async def models(self, request: Request) -> Response:
        """Answer ``GET /v1/models``."""
        try:
            self._caller(request)
        except HttpError as error:
            return _failure(error)
        return JSONResponse(self.engine.models(), headers=_HEADERS)

    def computed(
        self, answer: Callable[[Asked, str], Awaitable[bytes]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that computes an answer in turn."""

        async def endpoint(request: Request) -> Response:
            started = time.perf_counter()
            caller = NOBODY
            try:
                caller = self._caller(request)
                # Before reading: what cannot be answered is not taken in.
                if self._queue.full or self.engine.overdue:
                    raise BusyError
                with self._uploads.place():
                    body = await read_body(request, self._limits)
                asked = read_request(request.headers.get("content-type", ""), body, self._limits)
                del body
                with self._queue.place(), self._pixels.place(asked.pixels):
                    async with asyncio.timeout(self._limits.seconds):
                        message = await answer(asked, caller)
                response = Response(message, media_type=wire.CONTENT_TYPE, headers=_HEADERS)
            except ClientDisconnect:
                response = Response(status_code=400)
            except Exception as error:  # told without its data, which may be the caller's
                response = _failure(_as_http_error(error))
            LOG.info(
                "%s %d %.0f ms, %s",
                request.url.path,
                response.status_code,
                1000 * (time.perf_counter() - started),
                caller,
            )
            return response

        return endpoint

    def _caller(self, request: Request) -> str:
        """Who asks.

        Raises
        ------
        HttpError
        """
        if "origin" in request.headers or not (
            self._keys or is_own_name(request.headers.get("host", ""))
        ):
            raise HttpError(403, "forbidden", "This host does not talk to web pages.")
        caller = self._keys.caller(request.headers.get("authorization"))
        if caller is None:
            raise HttpError(
                401, "unauthorized", "The key is not accepted.", {"www-authenticate": "Bearer"}
            )
        return caller


def _as_http_error(error: Exception) -> HttpError:
    """What the caller is told of anything that went wrong."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, BusyError):
        return HttpError(
            503, "busy", "The host is busy; try again in a moment.", {"retry-after": "1"}
        )
    if isinstance(error, TimeoutError):
        return HttpError(504, "timeout", "The answer took too long; ask for fewer objects.")
    if isinstance(error, InputError):
        return HttpError(400, "bad_request", str(error))
    if isinstance(error, ParsechatError):
        return HttpError(500, "not_ready", str(error))
    number = uuid.uuid4().hex[:8]
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]
    LOG.error("bug %s: %s at %s", number, type(error).__name__, places)
    return HttpError(500, "bug", f"Something broke inside the host (id {number}).")


def _failure(error: HttpError) -> Response:
    content = {"error": {"code": error.code, "message": error.sentence}}
    return JSONResponse(content, error.status, headers={**_HEADERS, **error.headers})


async def _unknown_route(_: Request, error: Any) -> Response:
    status = int(getattr(error, "status_code", 404))
    if status == 405:
        return _failure(HttpError(405, "bad_method", "This address takes another method."))
    return _failure(HttpError(status, "not_found", "There is nothing at this address."))
