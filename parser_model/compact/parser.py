"""The compact network behind the `Parser` seam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from parser_model.compact.network import ImageFeatures
from parser_model.compact.weights import CompactWeights
from parser_model.errors import RequestError
from parser_model.memory import FeatureMemory, content_key
from parser_model.ontology import Ontology, Place, covers
from parser_model.presence import Calibration
from parser_model.training.phrases import canonical_phrase
from parser_model.types import ParsedImage, ParsedObject, ParserInfo, Recognised

_MEMORY_BYTES = 256 * 2**20  # about 80 images of 3.2 MB
_SURE_OF_MODALITY = 0.6
_PLAUSIBLE_PLACE = 0.02
_LICENCE = "LICENSE-WEIGHTS (research use only)"


@dataclass(frozen=True, eq=False)
class _Encoded:
    features: ImageFeatures
    place_probability: NDArray[np.float64]


class CompactParser:
    """Finds named objects with the bundled network.

    Parameters
    ----------
    weights : CompactWeights
    ontology : Ontology
    calibration : Calibration or None
        Without one for exactly these weights presence is null, and an object counts as present
        when its mask has pixels.
    precision : {"fp32", "bf16"}
    memory_bytes : int
        Budget for remembered image features.
    """

    def __init__(
        self,
        weights: CompactWeights,
        ontology: Ontology,
        calibration: Calibration | None,
        *,
        precision: str = "fp32",
        memory_bytes: int = _MEMORY_BYTES,
    ) -> None:
        self._weights = weights
        self._network = weights.network
        self._ontology = ontology
        self._calibration = calibration
        self._precision = precision
        self._memory: FeatureMemory[_Encoded] = FeatureMemory(memory_bytes, _bytes_of)
        self._size = weights.network.config.image_size
        self.info = ParserInfo(
            name="compact",
            weights_sha256=weights.sha256,
            calibration=calibration.name if calibration else None,
            vocabulary=tuple(sorted({t for p in weights.places for t in _catalogue(ontology, p)})),
            input_size=(self._size, self._size),
            precision=precision,
            licence=_LICENCE,
        )

    def parse(
        self,
        images: Sequence[NDArray[np.uint8] | ParsedImage],
        prompts: Sequence[str],
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> list[list[ParsedObject]]:
        """See `parser_model.types.Parser.parse`."""
        if not images or not prompts or isinstance(prompts, str):
            raise RequestError("A parser needs at least one image and a list of phrases.")
        modality = self._ontology.modality(modality) if modality else None
        return [
            self._parse_one(image.pixels, prompts, modality, site)
            for image in (i if isinstance(i, ParsedImage) else ParsedImage(i) for i in images)
        ]

    def recognise(self, image: NDArray[np.uint8] | ParsedImage) -> Recognised:
        """Modality and site from the pixels alone; None when unsure."""
        pixels = image.pixels if isinstance(image, ParsedImage) else ParsedImage(image).pixels
        encoded, _ = self._encode(pixels)
        return self._recognise(encoded)

    def _recognise(self, encoded: _Encoded) -> Recognised:
        by_modality: dict[str, float] = {}
        for place, p in zip(self._weights.places, encoded.place_probability, strict=True):
            by_modality[place.modality] = by_modality.get(place.modality, 0.0) + float(p)
        modality, confidence = max(by_modality.items(), key=lambda item: item[1])
        if confidence < _SURE_OF_MODALITY:
            return Recognised(None, None, confidence)
        best = int(encoded.place_probability.argmax())
        place = self._weights.places[best]
        sure = place.modality == modality and encoded.place_probability[best] >= _SURE_OF_MODALITY
        return Recognised(modality, place.site if sure else None, confidence)

    def _parse_one(
        self,
        pixels: NDArray[np.uint8],
        prompts: Sequence[str],
        modality: str | None,
        site: str | None,
    ) -> list[ParsedObject]:
        targets = [self._target(phrase, modality) for phrase in prompts]
        if all(target is None for target in targets):
            return [_unknown(phrase, pixels) for phrase in prompts]
        encoded, fresh = self._encode(pixels)
        if modality is None:
            seen = self._recognise(encoded).modality
            targets = [self._target(phrase, seen) for phrase in prompts]
        objects: list[ParsedObject] = []
        for phrase, target in zip(prompts, targets, strict=True):
            if target is None:
                objects.append(_unknown(phrase, pixels))
                continue
            place = self._place_for(target, encoded, modality, site)
            logits, network_logit = self._decode(encoded, canonical_phrase(target, place))
            objects.append(
                self._judge(phrase, target, pixels, logits, network_logit, encoded, fresh)
            )
            fresh = False
        return objects

    def _target(self, phrase: str, modality: str | None) -> str | None:
        target = self._ontology.resolve(phrase, modality)
        return target if target in self.info.vocabulary else None

    def _place_for(
        self, target: str, encoded: _Encoded, modality: str | None, site: str | None
    ) -> Place:
        """Where to look: of the places that hold the target, the one the image looks most like.

        When none of them is plausible the image's own place is named instead, so that the
        network judges the target absent rather than the image foreign.
        """
        probability = encoded.place_probability.copy()
        for index, place in enumerate(self._weights.places):
            if not covers(modality, place.modality) or site not in (None, place.site):
                probability[index] *= 1e-6
        holds = np.array([target in _catalogue(self._ontology, p) for p in self._weights.places])
        best = int(np.where(holds, probability, -1.0).argmax())
        share = probability[best] / max(float(probability.sum()), 1e-12)
        if share < _PLAUSIBLE_PLACE:
            best = int(probability.argmax())
        return self._weights.places[best]

    @torch.inference_mode()
    def _encode(self, pixels: NDArray[np.uint8]) -> tuple[_Encoded, bool]:
        def compute() -> _Encoded:
            with self._autocast():
                features = self._network.encode_image(_prepare(pixels, self._size))
            probability = torch.softmax(features.place_logits.double(), dim=1)[0].numpy()
            return _Encoded(features, probability)

        return self._memory.get(content_key(pixels), compute)

    @torch.inference_mode()
    def _decode(self, encoded: _Encoded, text: str) -> tuple[Tensor, float]:
        """Mask logits (S, S) and presence logit of one phrase, decoded alone."""
        words = torch.from_numpy(self._weights.vocabulary.encode([text]))
        with self._autocast():
            logits, presence = self._network.decode(
                encoded.features, self._network.encode_text(words)
            )
        return logits[0].float(), float(presence[0])

    def _judge(
        self,
        phrase: str,
        target: str,
        pixels: NDArray[np.uint8],
        logits: Tensor,
        network_logit: float,
        encoded: _Encoded,
        fresh: bool,
    ) -> ParsedObject:
        probability = torch.sigmoid(_resize(logits, pixels.shape[:2])).numpy()
        mask = probability > 0.5
        presence = None
        present = bool(mask.any())
        if self._calibration is not None:
            evidence = self._evidence(target, logits, network_logit, encoded)
            presence = float(self._calibration.probability(evidence))
            present = present and presence >= self._calibration.threshold
        if not present:
            mask = np.zeros_like(mask)
        return ParsedObject(
            phrase, target, probability.astype(np.float16), mask, presence, present, fresh
        )

    def _evidence(
        self, target: str, logits: Tensor, network_logit: float, encoded: _Encoded
    ) -> NDArray[np.float64]:
        """Raw evidence in the order of `parser_model.presence.EVIDENCE`."""
        p = torch.sigmoid(logits)
        inside = p > 0.5
        count = int(inside.sum())
        confidence = float(p[inside].mean()) if count else float(p.max())
        holds = [target in _catalogue(self._ontology, place) for place in self._weights.places]
        support = float(encoded.place_probability[np.array(holds)].sum())
        return np.array(
            [
                network_logit,
                np.log(support + 1e-4),
                confidence,
                np.log((count + 1) / logits.numel()),
            ]
        )

    def evidence(
        self, image: NDArray[np.uint8], target: str, *, modality: str | None = None
    ) -> NDArray[np.float64]:
        """Raw presence evidence (4,) of a target in an image, for fitting a calibration."""
        encoded, _ = self._encode(image)
        place = self._place_for(target, encoded, modality, None)
        logits, network_logit = self._decode(encoded, canonical_phrase(target, place))
        return self._evidence(target, logits, network_logit, encoded)

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self._precision == "bf16")


def _catalogue(ontology: Ontology, place: Place) -> tuple[str, ...]:
    return ontology.targets_in(place.modality, place.site)


def _unknown(phrase: str, pixels: NDArray[np.uint8]) -> ParsedObject:
    shape = pixels.shape[:2]
    empty = np.zeros(shape, np.float16)
    return ParsedObject(phrase, None, empty, np.zeros(shape, np.bool_), None, False, False)


def _prepare(pixels: NDArray[np.uint8], size: int) -> Tensor:
    """(H, W, 3) uint8 to (1, 3, size, size) in [-1, 1]; the aspect is not kept, as in training."""
    x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float()
    if x.shape[2:] != (size, size):
        x = F.interpolate(
            x, size=(size, size), mode="bicubic", antialias=True, align_corners=False
        ).clamp(0, 255)
    return (x / 127.5 - 1).to(memory_format=torch.channels_last)


def _resize(logits: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Logits (S, S) in the frame of the image, (H, W); averaged when the image is smaller."""
    height, width = shape
    if logits.shape == (height, width):
        return logits
    return F.interpolate(
        logits[None, None],
        size=(height, width),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )[0, 0]


def _bytes_of(encoded: _Encoded) -> int:
    features = encoded.features
    return sum(m.nbytes for m in (*features.skips, features.tokens, features.place_logits))
