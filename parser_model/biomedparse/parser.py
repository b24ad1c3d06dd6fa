"""BiomedParse behind the `Parser` seam."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from parser_model.biomedparse.checkpoint import load_network
from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.biomedparse.decoder import ImageMemory
from parser_model.biomedparse.engine import Answer, Engine
from parser_model.biomedparse.everything import kind_in_table, shared_out
from parser_model.biomedparse.evidence import (
    BIOMEDPARSE_EVIDENCE,
    evidence_of,
    reference_log_score,
    sibling_overlap,
)
from parser_model.biomedparse.fitting import Fit
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.postprocess import Distributions
from parser_model.biomedparse.precision import lower_precision
from parser_model.biomedparse.tokenizer import Tokenizer
from parser_model.errors import RequestError
from parser_model.intensities import Preparation
from parser_model.memory import FeatureMemory, content_key
from parser_model.ontology import Ontology, covers, ontology
from parser_model.overlaps import share_pixels, without_overlaps
from parser_model.presence import Calibration
from parser_model.types import ParsedImage, ParsedObject, ParserInfo, Recognised

Recognise = Callable[[NDArray[np.uint8]], Recognised]
_Maps = dict[str, NDArray[np.float16]]

_MEMORY_BYTES = 1024 * 2**20  # two images of 442 MB
_PLACES_KEPT = 256
_SIBLING_BYTES = 64 * 2**20  # about thirty images of fifteen targets
_LICENCE = "see the model card of microsoft/BiomedParse"
_NOTES = (
    "Presence is not calibrated for these weights: an object counts as present when its mask "
    "has pixels, and this network gives every phrase a mask. "
    "'parsechat models calibrate biomedparse --data DIR' fits it.",
)


class _Place(NamedTuple):
    """Where an image is from, as far as it is said or seen."""

    modality: str | None
    site: str | None


@dataclass(frozen=True, eq=False)
class _Look:
    """One image being asked about."""

    pixels: NDArray[np.uint8]
    memory: ImageMemory
    place: _Place


class BiomedParseParser:
    """Finds named objects with BiomedParse v1.

    Each phrase is decoded by itself, so no answer depends on what else was asked.

    Parameters
    ----------
    network : BiomedParseNetwork
        In evaluation mode.
    tokenizer : Tokenizer
    names : Ontology
        Which phrases are known, and by what name the network was trained on them.
    weights_sha256 : str or None
    precision : {"fp32", "bf16"}
        What was done to the network; "bf16" means `lower_precision`.
    fit : {"pad", "squeeze"}
        How an image that is not square fills the square: in proportion with black around, as
        the training images were, or stretched, as the public inference function does.
    memory_bytes : int
        Budget for remembered images.
    preparation : {"slice-extremes", "window"}
        Grey values it asks for; its training images were scaled by their own extremes.
    calibration : Calibration, optional
        Of presence, for exactly these weights; without it presence is null.
    distributions : mapping, optional
        The public score's table.
    recognise : callable, optional
        Tells modality and site from pixels where they are not given; this network cannot.
    """

    evidence_names = BIOMEDPARSE_EVIDENCE

    def __init__(
        self,
        network: BiomedParseNetwork,
        tokenizer: Tokenizer,
        names: Ontology,
        *,
        weights_sha256: str | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
        fit: Fit = "pad",
        memory_bytes: int = _MEMORY_BYTES,
        preparation: Preparation = "slice-extremes",
        calibration: Calibration | None = None,
        distributions: Distributions | None = None,
        recognise: Recognise | None = None,
    ) -> None:
        self._engine = Engine(network, tokenizer, fit, memory_bytes)
        self._names = names
        self._calibration = calibration
        self._distributions = distributions
        self._recognise = recognise
        self._seen: FeatureMemory[Recognised] = FeatureMemory(_PLACES_KEPT, lambda _: 1)
        self._siblings: FeatureMemory[_Maps] = FeatureMemory(
            _SIBLING_BYTES, lambda maps: sum(m.nbytes for m in maps.values())
        )
        self.info = ParserInfo(
            name="biomedparse",
            weights_sha256=weights_sha256,
            calibration=calibration.name if calibration else None,
            vocabulary=names.targets,
            input_size=(self._engine.size, self._engine.size),
            input_preparation=preparation,
            precision=precision,
            licence=_LICENCE,
            notes=() if calibration else _NOTES,
            device=self._engine.device.type,
        )

    @classmethod
    def load(
        cls,
        weights: Path | str,
        tokenizer: Path | str,
        *,
        precision: Literal["fp32", "bf16"] = "fp32",
        device: torch.device | str = "cpu",
        config: BiomedParseConfig | None = None,
        weights_sha256: str | None = None,
        fit: Fit = "pad",
        memory_bytes: int = _MEMORY_BYTES,
        preparation: Preparation = "slice-extremes",
        calibration: Calibration | None = None,
        distributions: Distributions | None = None,
        recognise: Recognise | None = None,
    ) -> BiomedParseParser:
        """Load from files.

        Parameters
        ----------
        weights : Path or str
            The public ``.pt`` file or a converted ``.safetensors`` one.
        tokenizer : Path or str
            A tokenizer file, or the folder with it.
        precision : {"fp32", "bf16"}
        device : torch.device or str
        config : BiomedParseConfig, optional
        weights_sha256 : str, optional
            Where it is known already; else the file is hashed.
        fit, memory_bytes, preparation, calibration, distributions, recognise

        Raises
        ------
        SetupError
            If a file is missing, damaged or not what it should be.
        """
        # A file that was shortened before is taken as it is.
        kind = torch.float32 if precision == "fp32" else None
        network = load_network(weights, config, device=device, dtype=kind)
        if precision == "bf16":
            lower_precision(network)
        return cls(
            network,
            Tokenizer.from_file(tokenizer),
            ontology(),
            weights_sha256=weights_sha256 or _sha256(Path(weights)),
            precision=precision,
            fit=fit,
            memory_bytes=memory_bytes,
            preparation=preparation,
            calibration=calibration,
            distributions=distributions,
            recognise=recognise,
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
        if len(images) == 0 or isinstance(prompts, str) or not prompts:
            raise RequestError("A parser needs at least one image and a list of phrases.")
        modality = self._names.modality(modality) if modality else None
        checked = [i if isinstance(i, ParsedImage) else ParsedImage(i) for i in images]
        step = self._engine.images_at_once()
        return [
            row
            for start in range(0, len(checked), step)
            for row in self._parse_some(checked[start : start + step], prompts, modality, site)
        ]

    def recognise(self, image: NDArray[np.uint8] | ParsedImage) -> Recognised:
        """Modality and site from the pixels alone, by the recogniser given; None when unsure."""
        pixels = image.pixels if isinstance(image, ParsedImage) else ParsedImage(image).pixels
        return self._recognised(pixels)

    def find(
        self,
        image: NDArray[np.uint8] | ParsedImage,
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> list[ParsedObject]:
        """All targets of the image's modality and site that are there, without overlaps.

        They are decoded in one pass. Where the public score's table knows the kind of image and
        presence is not calibrated, pixels are shared out as the public code does.

        Raises
        ------
        RequestError
            When the modality is neither given nor recognised.
        """
        pixels = image.pixels if isinstance(image, ParsedImage) else ParsedImage(image).pixels
        modality = self._names.modality(modality) if modality else None
        place = self._place(pixels, modality, site)
        if place.modality is None:
            raise RequestError(
                "What kind of image this is cannot be told from its pixels; say it, e.g. CT."
            )
        targets = self._targets_in(place)
        table = self._distributions or {}
        kind = kind_in_table(place.modality, place.site, table)
        judged = self._calibration is not None or kind is None
        if kind is not None and not judged:
            targets = [target for target in targets if target in table[kind]]
        memory, fresh = self._engine.encode([pixels])[0]
        look = _Look(pixels, memory, place)
        answers = self._answers(look, targets, at_once=True)
        objects = [self._object(look, t, t, answers[t], fresh) for t in targets]
        if kind is None or judged:
            return without_overlaps(objects)
        return shared_out(objects, pixels, kind, table)

    def evidence(
        self,
        image: NDArray[np.uint8],
        target: str,
        *,
        modality: str | None = None,
        site: str | None = None,
    ) -> NDArray[np.float64]:
        """Raw presence evidence (6,) of a target in an image; see `BIOMEDPARSE_EVIDENCE`."""
        place = self._place(image, modality, site)
        memory, _ = self._engine.encode([image])[0]
        look = _Look(image, memory, place)
        answer = self._answers(look, [target])[target]
        return self._evidence(look, target, answer, self._probability(look, answer))

    def _parse_some(
        self,
        given: Sequence[ParsedImage],
        prompts: Sequence[str],
        modality: str | None,
        site: str | None,
    ) -> list[list[ParsedObject]]:
        """Images that are encoded together."""
        images = [image.pixels for image in given]
        places = [self._place(pixels, modality, site) for pixels in images]
        targets = [[self._names.resolve(p, place.modality) for p in prompts] for place in places]
        known = [i for i, row in enumerate(targets) if any(t is not None for t in row)]
        rows = [[_unknown(phrase, pixels) for phrase in prompts] for pixels in images]
        stack = max(image.stack_size for image in given)
        encoded = self._engine.encode([images[i] for i in known], stack)
        for i, (memory, fresh) in zip(known, encoded, strict=True):
            rows[i] = self._row(_Look(images[i], memory, places[i]), prompts, targets[i], fresh)
        return rows

    def _row(
        self, look: _Look, prompts: Sequence[str], targets: Sequence[str | None], fresh: bool
    ) -> list[ParsedObject]:
        """The objects of one image, one a phrase; phrases of one target share its answer."""
        answers = self._answers(look, list(dict.fromkeys(t for t in targets if t is not None)))
        made: dict[str, ParsedObject] = {}
        objects = []
        for phrase, target in zip(prompts, targets, strict=True):
            if target is None:
                objects.append(_unknown(phrase, look.pixels))
                continue
            known = made.get(target)
            if known is None:
                known = self._object(look, phrase, target, answers[target], fresh)
                made[target] = known
            objects.append(replace(known, phrase=phrase, encoded=fresh))
            fresh = False
        return objects

    def _answers(
        self, look: _Look, targets: Sequence[str], *, at_once: bool = False
    ) -> dict[str, Answer]:
        wordings = [self._wording(target, look.place) for target in targets]
        found = self._engine.answer(look.memory, wordings, at_once=at_once)
        return dict(zip(targets, found, strict=True))

    def _object(
        self, look: _Look, phrase: str, target: str, answer: Answer, fresh: bool
    ) -> ParsedObject:
        probability = self._probability(look, answer)
        mask = probability > 0.5
        presence = None
        present = bool(mask.any())
        if self._calibration is not None:
            evidence = self._evidence(look, target, answer, probability)
            presence = float(self._calibration.probability(evidence))
            present = present and presence >= self._calibration.threshold
        if not present:
            mask = np.zeros_like(mask)
        return ParsedObject(
            phrase, target, probability.astype(np.float16), mask, presence, present, fresh
        )

    def _probability(self, look: _Look, answer: Answer) -> NDArray[np.float32]:
        """(H, W) in the frame of the image."""
        height, width = look.pixels.shape[:2]
        placement = self._engine.placement(look.pixels.shape)
        logits = placement.bring_back(answer.logits[None], (height, width))[0]
        probability: NDArray[np.float32] = logits.sigmoid().cpu().numpy()
        return probability

    def _evidence(
        self, look: _Look, target: str, answer: Answer, probability: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        score = reference_log_score(
            probability, look.pixels, look.place.modality, target, self._distributions
        )
        others = self._sibling_maps(look)
        small = answer.logits.float().sigmoid().cpu().numpy()
        apart = (m for name, m in others.items() if not share_pixels(name, target))
        return evidence_of(answer.similarity, probability, score, sibling_overlap(small, apart))

    def _sibling_maps(self, look: _Look) -> _Maps:
        """Maps (h, w) of all targets of the image's kind, decoded once an image."""
        if look.place.modality is None or look.place.site is None:
            return {}

        def decode() -> _Maps:
            answers = self._answers(look, self._targets_in(look.place), at_once=True)
            return {t: a.logits.float().sigmoid().half().cpu().numpy() for t, a in answers.items()}

        return self._siblings.get(f"{content_key(look.pixels)} {look.place}", decode)[0]

    def _targets_in(self, place: _Place) -> list[str]:
        """What images of a place may show."""
        found = self._names.targets_in(place.modality, place.site)
        return list(found or self._names.targets_in(place.modality))

    def _place(self, pixels: NDArray[np.uint8], modality: str | None, site: str | None) -> _Place:
        """Modality and site as given; what is not given as recognised, if that fits."""
        if (modality and site) or self._recognise is None:
            return _Place(modality, site)
        seen = self._recognised(pixels)
        if seen.modality is None or not covers(modality, seen.modality):
            return _Place(modality, site)
        return _Place(seen.modality, site or seen.site)

    def _recognised(self, pixels: NDArray[np.uint8]) -> Recognised:
        recognise = self._recognise
        if recognise is None:
            return Recognised(None, None, 0.0)
        return self._seen.get(content_key(pixels), lambda: recognise(pixels))[0]

    def _wording(self, target: str, place: _Place) -> str:
        """What the network is told: the words it was trained on where the place is known."""
        if place.modality is None or place.site is None:
            return target
        return f"{target} in {place.site} {place.modality}"


def _unknown(phrase: str, pixels: NDArray[np.uint8]) -> ParsedObject:
    shape = pixels.shape[:2]
    nothing = np.zeros(shape, np.float16)
    return ParsedObject(phrase, None, nothing, np.zeros(shape, np.bool_), None, False, False)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
