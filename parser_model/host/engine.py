"""From a request that was read to the message that answers it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from parser_model.host import answers, wire
from parser_model.host.handles import Handles
from parser_model.host.limits import Limits
from parser_model.host.requests import Asked, HttpError, read_images
from parser_model.host.worker import Worker
from parser_model.ontology import ontology
from parser_model.overlaps import without_overlaps
from parser_model.types import (
    FindsEverything,
    ParsedImage,
    ParsedObject,
    Parser,
    Recognised,
    Recogniser,
)

_BYTES_A_PIXEL = 8  # of one object: maps in single and half precision, mask, and room to pack
_LARGEST_ANSWER = 256 * 2**20


class Engine:
    """Answers for one parser.

    Parameters
    ----------
    parser : Parser
    limits : Limits
    handles : Handles
    worker : Worker
        Only in its thread is the parser called.
    """

    def __init__(self, parser: Parser, limits: Limits, handles: Handles, worker: Worker) -> None:
        self._parser = parser
        self._limits = limits
        self._handles = handles
        self._worker = worker
        self._info = answers.pack_info(parser.info)
        # Tells clients when another parser answers than the one they know.
        self.model = hashlib.sha256(json.dumps(self._info).encode()).hexdigest()[:16]

    @property
    def overdue(self) -> bool:
        """The parser still works at a request that was given up, so no other has its turn."""
        return self._worker.overdue

    def models(self) -> dict[str, Any]:
        """Who answers, and what may be asked."""
        limits = self._limits
        return {
            "model": self.model,
            "info": self._info,
            "recognises": isinstance(self._parser, Recogniser),
            "finds": isinstance(self._parser, FindsEverything),
            "stacks": True,  # hosts before this refuse the field stack_size
            "limits": {
                "body_bytes": limits.body_bytes,
                "pixels": limits.pixels,
                "phrases": limits.phrases,
                "phrase_characters": limits.phrase_characters,
                "handle_seconds": limits.handle_seconds,
            },
        }

    async def parse(self, asked: Asked, caller: str) -> bytes:
        """Find each phrase."""
        if not asked.phrases:
            raise HttpError(400, "no_phrases", "Name at least one object to look for.")
        image, header = await self._image(asked, caller)
        parts: list[bytes] = []
        header["objects"] = []
        for chunk in self._chunks(asked.phrases, image):
            found = await self._ask(image, chunk, asked.modality, asked.site)
            header["objects"] += await self._pack(found, parts, asked)
        return wire.pack_message(header, parts)

    async def find(self, asked: Asked, caller: str) -> bytes:
        """Everything of the image's modality and site that is there, without overlaps."""
        if asked.phrases is not None:
            raise HttpError(400, "bad_request", "Finding everything takes no phrases.")
        image, header = await self._image(asked, caller)
        modality, site = asked.modality, asked.site
        if modality is None:
            seen = await self._recognised(image)
            modality, site = seen.modality, site or seen.site
        else:
            modality = ontology().modality(modality)
        names = ontology().targets_in(modality, site) or ontology().targets_in(modality)
        known = set(self._parser.info.vocabulary)
        targets = [name for name in names if name in known]
        kept = await self._found(image, targets, modality, site)
        parts: list[bytes] = []
        header["objects"] = await self._pack(kept, parts, asked)
        header |= {"modality": modality, "site": site}
        return wire.pack_message(header, parts)

    async def _found(
        self, image: ParsedImage, targets: list[str], modality: str | None, site: str | None
    ) -> list[ParsedObject]:
        """What is there of the targets, without overlaps; the parser's own way where it has one."""
        parser = self._parser
        fits = len(targets) * image.pixels[..., 0].size * _BYTES_A_PIXEL <= (
            self._limits.working_bytes
        )
        if isinstance(parser, FindsEverything) and fits:
            return await self._worker.run(
                lambda: parser.find(_bare(image), modality=modality, site=site)
            )
        present: list[ParsedObject] = []
        for chunk in self._chunks(targets, image):
            found = await self._ask(image, chunk, modality, site)
            present += [one for one in found if one.present]
            if sum(3 * one.mask.size for one in present) > 2 * self._limits.working_bytes:
                raise HttpError(413, "too_large", "The image is too large to find everything.")
        return await run_in_threadpool(without_overlaps, present)

    async def encode(self, asked: Asked, caller: str) -> bytes:
        """Remember an image, and tell what kind it is."""
        if asked.phrases is not None:
            raise HttpError(400, "bad_request", "Encoding takes no phrases.")
        image, header = await self._image(asked, caller)
        seen = await self._recognised(image)
        header |= {"modality": seen.modality, "site": seen.site, "confidence": seen.confidence}
        return wire.pack_message(header, [])

    async def _image(self, asked: Asked, caller: str) -> tuple[ParsedImage, dict[str, Any]]:
        """The image asked about, and what every answer says of it."""
        handle = asked.handle
        if handle is None:
            image = await run_in_threadpool(read_images, asked.images)
            handle = self._handles.put(image, caller)
        else:
            remembered = self._handles.get(handle, caller)
            if remembered is None:
                raise HttpError(410, "gone", "This handle is not known any more; send the image.")
            image = remembered
        return replace(image, stack_size=asked.stack_size), {
            "model": self.model,
            "handle": handle,
            "expires_in": self._limits.handle_seconds,
            "shape": list(image.pixels.shape[:2]),
        }

    def _chunks(self, phrases: Sequence[str], image: ParsedImage) -> Iterator[Sequence[str]]:
        """As many phrases at once as the working memory allows."""
        each = image.pixels[..., 0].size * _BYTES_A_PIXEL
        size = max(1, self._limits.working_bytes // each)
        for start in range(0, len(phrases), size):
            yield phrases[start : start + size]

    async def _ask(
        self, image: ParsedImage, phrases: Sequence[str], modality: str | None, site: str | None
    ) -> list[ParsedObject]:
        def compute() -> list[ParsedObject]:
            return self._parser.parse([_bare(image)], phrases, modality=modality, site=site)[0]

        return await self._worker.run(compute)

    async def _recognised(self, image: ParsedImage) -> Recognised:
        parser = self._parser
        if not isinstance(parser, Recogniser):
            return Recognised(None, None, 0.0)
        return await self._worker.run(lambda: parser.recognise(_bare(image)))

    async def _pack(
        self, objects: list[ParsedObject], parts: list[bytes], asked: Asked
    ) -> list[dict[str, Any]]:
        packed = await run_in_threadpool(
            answers.pack_objects, objects, parts, present=asked.present, absent=asked.absent
        )
        if sum(len(part) for part in parts) > _LARGEST_ANSWER:
            raise HttpError(413, "too_large", "The answer is too large; ask for fewer objects.")
        return packed


def _bare(image: ParsedImage) -> NDArray[np.uint8] | ParsedImage:
    """The plain pixels of an image that stands alone: every parser takes those."""
    return image if image.neighbours or image.stack_size > 1 else image.pixels
