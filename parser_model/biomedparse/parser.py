"""BiomedParse behind the `Parser` seam."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from parser_model.biomedparse.checkpoint import load_network
from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.biomedparse.decoder import Decoded, ImageMemory
from parser_model.biomedparse.fitting import Fit, Placement
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.precision import lower_precision
from parser_model.biomedparse.text import TextEncoding
from parser_model.biomedparse.tokenizer import Tokenizer
from parser_model.errors import RequestError
from parser_model.memory import FeatureMemory, content_key
from parser_model.ontology import Ontology, ontology
from parser_model.types import ParsedImage, ParsedObject, ParserInfo

_MEMORY_BYTES = 1024 * 2**20  # two images of 442 MB
_TEXTS = 4096
_LICENCE = "see the model card of microsoft/BiomedParse"
_NOTES = (
    "Presence is not calibrated for these weights: an object counts as present when its mask "
    "has pixels, and this network gives every phrase a mask.",
)


class BiomedParseParser:
    """Finds named objects with BiomedParse v1.

    Each phrase is decoded alone, so no answer depends on what else was asked. Images are encoded
    once and remembered; phrases too.

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
    """

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
    ) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._names = names
        self._fit: Fit = fit
        self._size = network.config.image_size
        self._device = network.predictor.query_feat.weight.device
        self._memory: FeatureMemory[ImageMemory] = FeatureMemory(
            memory_bytes, lambda memory: memory.nbytes
        )
        self._text = lru_cache(maxsize=_TEXTS)(self._encode_text)
        self.info = ParserInfo(
            name="biomedparse",
            weights_sha256=weights_sha256,
            calibration=None,
            vocabulary=names.targets,
            input_size=(self._size, self._size),
            # Its training images were scaled by their own extremes after windowing.
            input_preparation="slice-extremes",
            precision=precision,
            licence=_LICENCE,
            notes=_NOTES,
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
        fit : {"pad", "squeeze"}
        memory_bytes : int

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
        return [self._parse_one(image.pixels, prompts, modality, site) for image in checked]

    @torch.inference_mode()
    def _parse_one(
        self,
        pixels: NDArray[np.uint8],
        prompts: Sequence[str],
        modality: str | None,
        site: str | None,
    ) -> list[ParsedObject]:
        targets = [self._names.resolve(phrase, modality) for phrase in prompts]
        if all(target is None for target in targets):
            return [_unknown(phrase, pixels) for phrase in prompts]
        height, width = pixels.shape[:2]
        placement = Placement.of(height, width, self._size, self._fit)
        memory, fresh = self._encode(pixels, placement)
        answers: dict[str, Decoded] = {}
        objects: list[ParsedObject] = []
        for phrase, target in zip(prompts, targets, strict=True):
            if target is None:
                objects.append(_unknown(phrase, pixels))
                continue
            if target not in answers:
                text = self._text(_wording(target, modality, site))
                answers[target] = self._network.decode(memory, text)
            logits = placement.bring_back(answers[target].mask_logits[0], (height, width))[0]
            probability = logits.sigmoid().cpu().numpy()
            mask = probability > 0.5
            objects.append(
                ParsedObject(
                    phrase=phrase,
                    target=target,
                    probability=probability.astype(np.float16),
                    mask=mask,
                    presence=None,
                    present=bool(mask.any()),
                    encoded=fresh,
                )
            )
            fresh = False
        return objects

    def _encode(self, pixels: NDArray[np.uint8], placement: Placement) -> tuple[ImageMemory, bool]:
        def compute() -> ImageMemory:
            square = torch.from_numpy(placement.fit(pixels)).permute(2, 0, 1)[None]
            return self._network.encode_image(square)

        return self._memory.get(content_key(pixels), compute)

    def _encode_text(self, wording: str) -> TextEncoding:
        ids, lengths = self._tokenizer([wording])
        return self._network.encode_text(
            torch.from_numpy(ids).to(self._device), torch.from_numpy(lengths).to(self._device)
        )


def _wording(target: str, modality: str | None, site: str | None) -> str:
    """What the network is told: the words it was trained on where the place is known."""
    return f"{target} in {site} {modality}" if modality and site else target


def _unknown(phrase: str, pixels: NDArray[np.uint8]) -> ParsedObject:
    shape = pixels.shape[:2]
    nothing = np.zeros(shape, np.float16)
    return ParsedObject(phrase, None, nothing, np.zeros(shape, np.bool_), None, False, False)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
