"""Reading requests: every doubt is an `HttpError` with one plain sentence."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from starlette.requests import Request

from parser_model.host import wire
from parser_model.host.limits import Limits
from parser_model.types import ParsedImage

_MOST_NEIGHBOURS = 8
_FIELDS = {"handle", "phrases", "modality", "site", "probability", "absent", "stack_size"}


class HttpError(Exception):
    """An answer other than 200.

    Parameters
    ----------
    status : int
    code : str
        For programs.
    sentence : str
        For people.
    headers : dict of str to str, optional
    """

    def __init__(
        self, status: int, code: str, sentence: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.headers = headers or {}


@dataclass(frozen=True, eq=False)
class Asked:
    """What a request says.

    Attributes
    ----------
    handle : str or None
        Of an image sent before; None when the image comes along.
    images : tuple of bytes
        PNGs: the image and its neighbours.
    pixels : int
        That all of them have, as they claim.
    phrases : tuple of str or None
        None when the request has none.
    modality, site : str or None
    stack_size : int
        See `ParsedImage`.
    present, absent : {"none", "uint8", "float16"}
        How probability maps are wanted, of present and of other objects.
    """

    handle: str | None
    images: tuple[bytes, ...]
    pixels: int
    phrases: tuple[str, ...] | None
    modality: str | None
    site: str | None
    stack_size: int
    present: wire.Kind
    absent: wire.Kind


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body, never more than allowed.

    Raises
    ------
    HttpError
    """
    too_large = HttpError(
        413, "too_large", f"A request has at most {limits.body_bytes // 2**20} MB."
    )
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise HttpError(400, "bad_request", "The content length is not a number.")
    if len(length) > 15 or int(length) > limits.body_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise too_large
    except TimeoutError as error:
        raise HttpError(408, "too_slow", "The request did not arrive in time.") from error
    return bytes(body)


def read_request(content_type: str, body: bytes, limits: Limits) -> Asked:
    """What a body says.

    Raises
    ------
    HttpError
    """
    kind = content_type.split(";")[0].strip().lower()
    parts: list[bytes] = []
    try:
        if kind == wire.CONTENT_TYPE:
            header, parts = wire.unpack_message(body)
        elif kind == "application/json":
            header = wire.read_json(body)
        else:
            raise HttpError(
                415, "bad_type", f"Send {wire.CONTENT_TYPE}, or application/json with a handle."
            )
    except wire.WireError as error:
        raise _bad(f"The message cannot be read: {error}.") from error
    unknown = header.keys() - _FIELDS
    if unknown:
        raise _bad(f"The header has fields that this host does not know; it knows {_known()}.")
    handle = _text(header, "handle")
    if (handle is None) != bool(parts):
        raise _bad("Send either a handle or an image, as the first part of the message.")
    return Asked(
        handle=handle,
        images=tuple(parts),
        pixels=_pixels(parts, limits),
        phrases=_phrases(header.get("phrases"), limits),
        modality=_text(header, "modality"),
        site=_text(header, "site"),
        stack_size=_stack_size(header),
        present=_kind(header, "probability", "none"),
        absent=_kind(header, "absent", "none"),
    )


def read_images(pngs: tuple[bytes, ...]) -> ParsedImage:
    """The image and its neighbours, which `read_request` found to be of allowed sizes.

    Raises
    ------
    HttpError
    """
    try:
        first, *neighbours = (wire.unpack_image(png) for png in pngs)
    except wire.WireError as error:
        raise _unreadable(error) from error
    return ParsedImage(first, tuple(neighbours))


def _pixels(pngs: Sequence[bytes], limits: Limits) -> int:
    """Pixels of all images together, from their headers: nothing is decoded yet."""
    if len(pngs) > 1 + _MOST_NEIGHBOURS:
        raise _bad(f"An image has at most {_MOST_NEIGHBOURS} neighbouring slices.")
    try:
        pixels = sum(math.prod(wire.image_size(png)) for png in pngs)
    except wire.WireError as error:
        raise _unreadable(error) from error
    if pixels > limits.pixels:
        raise HttpError(
            413,
            "too_many_pixels",
            f"An image and its neighbouring slices have at most {limits.pixels / 1e6:g} million "
            f"pixels together, not {pixels / 1e6:g} million.",
        )
    return pixels


def _phrases(value: Any, limits: Limits) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(phrase, str) for phrase in value):
        raise _bad("The phrases are a list of texts.")
    if len(value) > limits.phrases:
        raise HttpError(413, "too_many_phrases", f"A request has at most {limits.phrases} phrases.")
    if any(len(phrase) > limits.phrase_characters for phrase in value):
        raise HttpError(
            413,
            "phrase_too_long",
            f"A phrase has at most {limits.phrase_characters} characters.",
        )
    return tuple(value)


def _text(header: dict[str, Any], name: str) -> str | None:
    value = header.get(name)
    if value is not None and (not isinstance(value, str) or not value or len(value) > 200):
        raise _bad(f"The field '{name}' is a short text.")
    return value


def _stack_size(header: dict[str, Any]) -> int:
    value = header.get("stack_size", 1)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _bad("The field 'stack_size' is how many images are asked about, at least one.")
    return value


def _kind(header: dict[str, Any], name: str, default: wire.Kind) -> wire.Kind:
    value = header.get(name, default)
    for kind in get_args(wire.Kind):
        if value == kind:
            return kind
    raise _bad(f"The field '{name}' is one of {', '.join(get_args(wire.Kind))}.")


def _unreadable(error: wire.WireError) -> HttpError:
    return _bad(f"The image cannot be read: {error}.")


def _bad(sentence: str) -> HttpError:
    return HttpError(400, "bad_request", sentence)


def _known() -> str:
    return ", ".join(sorted(_FIELDS))
