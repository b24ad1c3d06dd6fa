"""The compact network asked in raw words: no table says what they mean or where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from parser_model.errors import RequestError
from parser_model.presence import EVIDENCE
from parser_model.types import ParsedImage, ParsedObject

if TYPE_CHECKING:
    from parser_model.compact.parser import CompactParser

_SUPPORT = EVIDENCE.index("place_support")


class RawWords:
    """The compact parser without its ontology.

    A phrase goes to the text encoder as it is typed; words outside the network's own vocabulary
    are all the same unknown word to it. Nothing is refused as unknown and no target is named.
    Presence is null, as the shipped calibration rests on what the table says; its evidence is the
    network's own alone.

    Parameters
    ----------
    parser : CompactParser
    """

    evidence_names = tuple(name for name in EVIDENCE if name != "place_support")

    def __init__(self, parser: CompactParser) -> None:
        self._parser = parser
        note = "the network reads words as they are typed"
        self.info = replace(parser.info, calibration=None, notes=(*parser.info.notes, note))

    def parse(
        self,
        images: Sequence[NDArray[np.uint8] | ParsedImage],
        prompts: Sequence[str],
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> list[list[ParsedObject]]:
        """See `parser_model.types.Parser.parse`; modality and site change nothing."""
        if not images or not prompts or isinstance(prompts, str):
            raise RequestError("A parser needs at least one image and a list of phrases.")
        given = (
            image if isinstance(image, ParsedImage) else ParsedImage(image) for image in images
        )
        return [[self._one(image, phrase) for phrase in prompts] for image in given]

    def evidence(
        self, image: NDArray[np.uint8], target: str, *, modality: str | None = None
    ) -> NDArray[np.float64]:
        """Presence evidence (4,) of a phrase: what the network says, without the table's part."""
        encoded, _ = self._parser._encode([ParsedImage(image)])[0]
        logits, scores = self._parser._decode([encoded], [target])
        found = self._parser._evidence("", logits[0], float(scores[0]), encoded)
        return np.delete(found, _SUPPORT)

    def _one(self, image: ParsedImage, phrase: str) -> ParsedObject:
        from parser_model.compact.parser import _resize

        encoded, fresh = self._parser._encode([image])[0]
        logits, _ = self._parser._decode([encoded], [phrase])
        probability = torch.sigmoid(_resize(logits[0], image.pixels.shape[:2])).numpy()
        mask = probability > 0.5
        found = bool(mask.any())
        return ParsedObject(phrase, None, probability.astype(np.float16), mask, None, found, fresh)
