"""A parser behind HTTP: the client of `parser_model.host`. It needs neither torch nor weights."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import RequestError
from parser_model.host import answers, wire
from parser_model.host.connection import Connection, GoneError
from parser_model.memory import content_key
from parser_model.types import ParsedImage, ParsedObject, ParserInfo, Recognised

_MOST_HANDLES = 512
# In one request, so that neither side holds many maps at once:
_MOST_PHRASES = 32
_MOST_PIXELS = 64_000_000  # of the image, times phrases


@dataclass(frozen=True)
class _Hello:
    """What the host says about itself."""

    model: str
    info: ParserInfo
    recognises: bool
    finds: bool
    stacks: bool
    most_bytes: int
    most_pixels: int
    most_phrases: int


class RemoteParser:
    """Finds named objects on another machine.

    An image is sent once; follow-ups send the handle that the host gave for it. A handle that the
    host has forgotten, because it expired or the host was restarted, is replaced unnoticed.

    Parameters
    ----------
    address : str
        "http://127.0.0.1:8100", or "https://..." where a proxy stands before the host.
    key : str, optional
        Bearer key; the environment variable PARSECHAT_HOST_KEY when left out.
    precision : {"auto", "fp32", "bf16"}
        Other than "auto": refuse a host that computes in another one.
    probability : {"float16", "uint8", "none"}
        How maps of present objects are sent: exact, within 1/510, or not at all (then they are
        zero, and so are sizes' ranges). Those of other objects are never sent exactly: within
        1/510, or not at all.
    timeout : float
        Seconds to wait for an answer.

    Raises
    ------
    RequestError
        The address is none.
    SetupError
        The key cannot be sent.
    """

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        precision: str = "auto",
        probability: wire.Kind = "float16",
        timeout: float = 150.0,
    ) -> None:
        self._host = Connection(address, key, timeout)
        self._precision = precision
        self._probability: wire.Kind = probability
        self._handles: OrderedDict[str, str] = OrderedDict()
        self._hello: _Hello | None = None
        self._lock = threading.Lock()

    @property
    def info(self) -> ParserInfo:
        """Who answers, as the host says; asked for once, and again when the host changed.

        Raises
        ------
        ServiceError
            The host does not answer.
        """
        return self._greeted().info

    def parse(
        self,
        images: Sequence[NDArray[np.uint8] | ParsedImage],
        prompts: Sequence[str],
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> list[list[ParsedObject]]:
        """See `parser_model.types.Parser.parse`.

        Raises
        ------
        RequestError
        ServiceError
            The host does not answer, is busy for long, refuses the key, or answers nonsense.
        """
        if len(images) == 0 or isinstance(prompts, str) or len(prompts) == 0:
            raise RequestError("A parser needs at least one image and a list of phrases.")
        if not all(isinstance(phrase, str) for phrase in prompts):
            raise RequestError("A phrase is a text.")
        checked = [i if isinstance(i, ParsedImage) else ParsedImage(i) for i in images]
        fields = self._fields(modality, site)
        return [self._parse_one(image, list(prompts), fields) for image in checked]

    @property
    def finds(self) -> bool:
        """Whether the host's parser has a way of its own to find everything."""
        return self._greeted().finds

    def find(
        self,
        image: NDArray[np.uint8] | ParsedImage,
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> list[ParsedObject]:
        """See `parser_model.types.FindsEverything.find`; the host shares out the pixels.

        Raises
        ------
        RequestError
        ServiceError
            The host does not answer, is busy for long, refuses the key, or answers nonsense.
        """
        checked = image if isinstance(image, ParsedImage) else ParsedImage(image)
        known = len(self._greeted().info.vocabulary)
        header, parts = self._ask("/v1/find", checked, self._fields(modality, site), known)
        rows, columns = checked.pixels.shape[:2]
        try:
            entries = header["objects"]
            phrases = [str(entry["phrase"]) for entry in entries]
            return answers.unpack_objects(entries, parts, (rows, columns), phrases)
        except (wire.WireError, KeyError, TypeError) as error:
            raise self._host.nonsense() from error

    def _fields(self, modality: str | None, site: str | None) -> dict[str, Any]:
        """What a request says besides its image and phrases."""
        said = {
            "probability": self._probability,
            "absent": "none" if self._probability == "none" else "uint8",
            "modality": modality,
            "site": site,
        }
        return {name: value for name, value in said.items() if value}

    def recognise(self, image: NDArray[np.uint8] | ParsedImage) -> Recognised:
        """Modality and site from the pixels alone; None when the host's parser cannot tell."""
        checked = image if isinstance(image, ParsedImage) else ParsedImage(image)
        if not self._greeted().recognises:
            return Recognised(None, None, 0.0)
        header, _ = self._ask("/v1/encode", checked, {}, 0)
        try:
            modality, site = header["modality"], header["site"]
            confidence = float(header["confidence"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._host.nonsense() from error
        if not all(v is None or isinstance(v, str) for v in (modality, site)):
            raise self._host.nonsense()
        return Recognised(modality, site, confidence)

    def close(self) -> None:
        """Close the connections."""
        self._host.close()

    def _parse_one(
        self, image: ParsedImage, phrases: list[str], fields: dict[str, Any]
    ) -> list[ParsedObject]:
        rows, columns = image.pixels.shape[:2]
        fitting = max(1, _MOST_PIXELS // (rows * columns))
        size = min(_MOST_PHRASES, fitting, self._greeted().most_phrases)
        objects: list[ParsedObject] = []
        for start in range(0, len(phrases), size):
            some = phrases[start : start + size]
            header, parts = self._ask("/v1/parse", image, {**fields, "phrases": some}, size)
            try:
                if header.get("shape") != [rows, columns]:
                    raise wire.WireError("the answer is about an image of another size")
                entries = header.get("objects")
                objects += answers.unpack_objects(entries, parts, (rows, columns), some)
            except wire.WireError as error:
                raise self._host.nonsense() from error
        return objects

    def _ask(
        self, path: str, image: ParsedImage, fields: dict[str, Any], objects: int
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Ask for so many objects in an image, with its handle where there is one."""
        if image.stack_size > 1 and self._greeted().stacks:
            fields = {**fields, "stack_size": image.stack_size}
        key = _image_key(image)
        with self._lock:
            handle = self._handles.get(key)
        answer = None
        if handle is not None:
            try:
                answer = self._post(path, image, {**fields, "handle": handle}, [], objects)
            except GoneError:
                with self._lock:
                    self._handles.pop(key, None)
        if answer is None:
            try:
                answer = self._post(path, image, fields, self._packed(image), objects)
            except GoneError as error:  # no handle was sent
                raise self._host.nonsense() from error
        header = answer[0]
        handle = header.get("handle")
        with self._lock:
            if isinstance(handle, str):
                self._handles[key] = handle
                self._handles.move_to_end(key)
                while len(self._handles) > _MOST_HANDLES:
                    self._handles.popitem(last=False)
            if self._hello is not None and header.get("model") != self._hello.model:
                self._hello = None  # another parser answers now: who it is, is asked again
        return answer

    def _packed(self, image: ParsedImage) -> list[bytes]:
        """The image as it is sent, refused here where the host would refuse it."""
        hello = self._greeted()
        arrays = (image.pixels, *image.neighbours)
        pixels = sum(array[..., 0].size for array in arrays)
        if pixels > hello.most_pixels:
            raise RequestError(
                f"The image has {pixels / 1e6:.1f} million pixels; the host at {self._host.where} "
                f"takes at most {hello.most_pixels / 1e6:g} million."
            )
        parts = [wire.pack_image(array) for array in arrays]
        if sum(map(len, parts)) + wire.MOST_HEADER > hello.most_bytes:
            raise RequestError(f"The image is too large for the host at {self._host.where}.")
        return parts

    def _post(
        self,
        path: str,
        image: ParsedImage,
        fields: dict[str, Any],
        parts: list[bytes],
        objects: int,
    ) -> tuple[dict[str, Any], list[bytes]]:
        most = wire.MOST_HEADER + 4 * objects * (image.pixels[..., 0].size + 64)
        body = wire.pack_message(fields, parts)
        data = self._host.send("POST", path, body, most)
        try:
            return wire.unpack_message(data)
        except wire.WireError as error:
            raise self._host.nonsense() from error

    def _greeted(self) -> _Hello:
        with self._lock:
            hello = self._hello
        if hello is None:
            hello = self._read_hello()
            with self._lock:
                self._hello = hello
        if self._precision not in ("auto", hello.info.precision):
            raise RequestError(
                f"The host at {self._host.where} computes in {hello.info.precision}, not "
                f"{self._precision}; it is chosen where the host is started."
            )
        return hello

    def _read_hello(self) -> _Hello:
        try:
            said = wire.read_json(self._host.send("GET", "/v1/models", b"", wire.MOST_HEADER))
            limits = {name: int(said["limits"][name]) for name in ("body_bytes", "pixels")}
            return _Hello(
                model=str(said["model"]),
                info=answers.unpack_info(said["info"]),
                recognises=bool(said["recognises"]),
                finds=bool(said.get("finds", False)),
                stacks=bool(said.get("stacks", False)),
                most_bytes=limits["body_bytes"],
                most_pixels=limits["pixels"],
                most_phrases=max(1, int(said["limits"]["phrases"])),
            )
        except (GoneError, KeyError, TypeError, ValueError) as error:
            raise self._host.nonsense() from error


def _image_key(image: ParsedImage) -> str:
    keys = [content_key(array) for array in (image.pixels, *image.neighbours)]
    return keys[0] if len(keys) == 1 else hashlib.blake2b(" ".join(keys).encode()).hexdigest()
