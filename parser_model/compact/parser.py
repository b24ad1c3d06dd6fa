"""The compact network behind the `Parser` seam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from parser_model.compact.network import ImageFeatures
from parser_model.compact.raw_words import RawWords
from parser_model.compact.weights import CompactWeights
from parser_model.errors import RequestError
from parser_model.memory import FeatureMemory, content_key
from parser_model.ontology import Ontology, Place, covers
from parser_model.presence import Calibration
from parser_model.training.phrases import canonical_phrase
from parser_model.types import ParsedImage, ParsedObject, ParserInfo, Recognised

_MEMORY_BYTES = 512 * 2**20  # about 70 images of 7.4 MB, half as many looked at twice
_IMAGES_AT_ONCE = 4  # with 8 a CPU takes a tenth longer, for memory that is asked for anew
_SURE_OF_MODALITY = 0.6
_PEAK_PIXELS = 50  # at the working size
_PLAUSIBLE_PLACE = 0.02
_LICENCE = "LICENSE-WEIGHTS (research use only)"
_LOOKED_AT_TWICE = frozenset({"dermoscopy", "fundus", "pathology"})
"""The second time mirrored, which makes masks a little better in these kinds and not in endoscopy
(docs/model-card.md). Slices come in hundreds, and in many of them left is not right."""


@dataclass(frozen=True, eq=False)
class _Encoded:
    """What is remembered of an image; of some also of their mirror image."""

    features: ImageFeatures
    place_probability: NDArray[np.float64]
    mirrored: ImageFeatures | None = None

    @classmethod
    def of(cls, features: ImageFeatures) -> _Encoded:
        probability = torch.softmax(features.place_logits.double(), dim=1)[0]
        return cls(features, probability.cpu().numpy())


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
    device : str
        Where the network is and computes; it is small, so the processor will do.
    """

    def __init__(
        self,
        weights: CompactWeights,
        ontology: Ontology,
        calibration: Calibration | None,
        *,
        precision: str = "fp32",
        memory_bytes: int = _MEMORY_BYTES,
        device: str = "cpu",
    ) -> None:
        self._weights = weights
        self._network = weights.network
        self._ontology = ontology
        self._calibration = calibration
        self._precision = precision
        self._device = device
        self._memory: FeatureMemory[_Encoded] = FeatureMemory(memory_bytes, _bytes_of)
        self._size = weights.network.config.image_size
        self.info = ParserInfo(
            name="compact",
            weights_sha256=weights.sha256,
            calibration=calibration.name if calibration else None,
            vocabulary=tuple(sorted({t for p in weights.places for t in _catalogue(ontology, p)})),
            input_size=(self._size, self._size),
            precision=precision,
            licence=str(weights.record.get("licence", _LICENCE)),
            places=tuple((place.modality, place.site) for place in weights.places),
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
        checked = [i if isinstance(i, ParsedImage) else ParsedImage(i) for i in images]
        return [
            row
            for start in range(0, len(checked), _IMAGES_AT_ONCE)
            for row in self._parse_some(
                checked[start : start + _IMAGES_AT_ONCE], prompts, modality, site
            )
        ]

    def recognise(self, image: NDArray[np.uint8] | ParsedImage) -> Recognised:
        """Modality and site from the pixels alone; None when unsure."""
        given = image if isinstance(image, ParsedImage) else ParsedImage(image)
        encoded, _ = self._encode([given])[0]
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

    def _parse_some(
        self,
        images: Sequence[ParsedImage],
        prompts: Sequence[str],
        modality: str | None,
        site: str | None,
    ) -> list[list[ParsedObject]]:
        """Images that are encoded, and phrase by phrase decoded, together."""
        targets = [[self._target(phrase, modality) for phrase in prompts]] * len(images)
        rows = [[_unknown(phrase, image.pixels) for phrase in prompts] for image in images]
        if not self._may_be_known(prompts, modality):
            return rows
        encoded, fresh = (list(column) for column in zip(*self._encode(images), strict=True))
        if modality is None:
            seen = [self._recognise(one).modality for one in encoded]
            targets = [[self._target(phrase, kind) for phrase in prompts] for kind in seen]
        asked: dict[tuple[str | None, ...], int] = {}
        for column, phrase in enumerate(prompts):
            known = [(i, t) for i, row in enumerate(targets) if (t := row[column]) is not None]
            if not known:
                continue
            first = asked.setdefault(tuple(row[column] for row in targets), column)
            if first != column:  # other words for the same targets have the same answers
                for i, _ in known:
                    rows[i][column] = replace(rows[i][first], phrase=phrase, encoded=False)
                continue
            places = [self._place_for(t, encoded[i], modality, site) for i, t in known]
            texts = [canonical_phrase(t, p) for (_, t), p in zip(known, places, strict=True)]
            logits, scores = self._decode([encoded[i] for i, _ in known], texts)
            for row, (i, target) in enumerate(known):
                rows[i][column] = self._judge(
                    phrase,
                    target,
                    images[i].pixels,
                    logits[row],
                    float(scores[row]),
                    encoded[i],
                    fresh[i],
                )
                fresh[i] = False
        return rows

    def _target(self, phrase: str, modality: str | None) -> str | None:
        target = self._ontology.resolve(phrase, modality)
        return target if target in self.info.vocabulary else None

    def _may_be_known(self, phrases: Sequence[str], modality: str | None) -> bool:
        """Whether one of them names something, perhaps only once the image is seen ("cup")."""
        kinds = (None, *self._ontology.modalities) if modality is None else (modality,)
        return any(self._target(phrase, kind) for kind in kinds for phrase in phrases)

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
    def _encode(self, images: Sequence[ParsedImage]) -> list[tuple[_Encoded, bool]]:
        """What is remembered of each image, and whether it was encoded now; new ones together."""
        keys = [content_key(image.pixels) for image in images]
        found = {key: self._memory.peek(key) for key in keys}
        new = [i for i, key in enumerate(keys) if found[key] is None and i == keys.index(key)]
        if new:
            squares = torch.cat([_prepare(images[i].pixels, self._size) for i in new])
            squares = squares.to(self._device)
            for i, alone in zip(new, self._looked_at(squares), strict=True):
                found[keys[i]] = alone
                # Slices that go before the last one is encoded would never be found again.
                if images[i].stack_size * _bytes_of(alone) <= self._memory.max_bytes:
                    self._memory.put(keys[i], alone)
        known = [found[key] for key in keys]
        return [(one, i in new) for i, one in enumerate(known) if one is not None]

    def _looked_at(self, squares: Tensor) -> list[_Encoded]:
        """What is to be remembered of images (N, 3, S, S)."""
        with self._autocast():
            seen = [_Encoded.of(one) for one in _parted(self._network.encode_image(squares))]
            twice = [
                i for i, one in enumerate(seen) if self._recognise(one).modality in _LOOKED_AT_TWICE
            ]
            if twice:
                flipped = self._network.encode_image(squares[twice].flip(-1))
                for i, mirrored in zip(twice, _parted(flipped), strict=True):
                    seen[i] = replace(seen[i], mirrored=mirrored)
        return seen

    @torch.inference_mode()
    def _decode(self, encoded: Sequence[_Encoded], texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Mask logits (N, S, S) and presence logits (N,) of N images, one text each."""
        together = _joined([one.features for one in encoded])
        mirrored = {i: one.mirrored for i, one in enumerate(encoded) if one.mirrored is not None}
        different = list(dict.fromkeys(texts))
        words = torch.from_numpy(self._weights.vocabulary.encode(different)).to(self._device)
        with self._autocast():
            vectors = self._network.encode_text(words)
            asked = vectors[[different.index(text) for text in texts]]
            logits = self._network.decode(together, asked)
            presence = self._network.presence(together.tokens, asked)
            if mirrored:
                rows = list(mirrored)
                flipped = self._network.decode(_joined(list(mirrored.values())), asked[rows])
                logits[rows] = (logits[rows] + flipped.flip(-1)) / 2
        return logits.float().cpu(), presence.float().cpu()

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
        probability = torch.sigmoid(_resize(logits, pixels.shape[:2]))
        mask = (probability > 0.5).numpy()
        presence = None
        present = bool(mask.any())
        if self._calibration is not None:
            evidence = self._evidence(target, logits, network_logit, encoded)
            presence = float(self._calibration.probability(evidence))
            present = present and presence >= self._calibration.threshold
        if not present:
            mask = np.zeros_like(mask)
        return ParsedObject(
            phrase, target, probability.half().numpy(), mask, presence, present, fresh
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
        # How sure it is where it is surest: real objects have a core, wrong guesses are dim.
        peak = float(logits.flatten().topk(min(_PEAK_PIXELS, logits.numel())).values.mean())
        return np.array(
            [
                network_logit,
                np.log(support + 1e-4),
                confidence,
                np.log((count + 1) / logits.numel()),
                peak,
            ]
        )

    def evidence(
        self, image: NDArray[np.uint8], target: str, *, modality: str | None = None
    ) -> NDArray[np.float64]:
        """Raw presence evidence (5,) of a target in an image, for fitting a calibration."""
        encoded, _ = self._encode([ParsedImage(image)])[0]
        place = self._place_for(target, encoded, modality, None)
        logits, scores = self._decode([encoded], [canonical_phrase(target, place)])
        return self._evidence(target, logits[0], float(scores[0]), encoded)

    def words_as_typed(self) -> RawWords:
        """The same network without the ontology, to measure what it knows by itself."""
        return RawWords(self)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device, torch.bfloat16, enabled=self._precision == "bf16")


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


def _parted(features: ImageFeatures) -> list[ImageFeatures]:
    """The features of each image of a batch, in memory of their own."""
    count = len(features.tokens)
    return [features] if count == 1 else [features.image(row) for row in range(count)]


def _joined(features: Sequence[ImageFeatures]) -> ImageFeatures:
    return features[0] if len(features) == 1 else ImageFeatures.joined(features)


def _bytes_of(encoded: _Encoded) -> int:
    views = (encoded.features, encoded.mirrored)
    maps = [(*view.skips, view.tokens, view.place_logits) for view in views if view is not None]
    return sum(m.nbytes for view in maps for m in view)
