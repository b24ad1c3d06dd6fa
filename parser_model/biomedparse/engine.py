"""Images and wordings in, mask logits and similarities out; images and wordings are remembered.

Whether answers depend on each other is decided here. On a CPU each wording is decoded alone, so
that an answer is the same to the last bit whatever is asked beside it; a GPU gains much from
several at once, and its answers agree within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from parser_model.biomedparse.decoder import Decoded, ImageMemory
from parser_model.biomedparse.fitting import Fit, Placement
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.text import TextEncoding
from parser_model.biomedparse.tokenizer import Tokenizer
from parser_model.memory import FeatureMemory, content_key

_TEXTS = 4096
# What encoding takes beside the weights, for each pixel of the square in float32: 1.1 GiB at
# 1024 x 1024, the peak of the finest stage and of the finest map of the pixel decoder.
_BYTES_A_PIXEL = 1100
_SHARE_OF_GPU = 0.5
# Enough to keep a GPU busy; some kernels refuse maps of 2**31 numbers, which 64 images have.
_MOST_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network says to one wording.

    Attributes
    ----------
    logits : (h, w) Tensor
        Of the square, at a quarter of its side.
    similarity : (Q,) Tensor
        Of the wording with each query.
    """

    logits: Tensor
    similarity: Tensor


class Engine:
    """Runs the network and remembers.

    Parameters
    ----------
    network : BiomedParseNetwork
        In evaluation mode.
    tokenizer : Tokenizer
    fit : {"pad", "squeeze"}
    memory_bytes : int
        Budget for remembered images.
    """

    def __init__(
        self, network: BiomedParseNetwork, tokenizer: Tokenizer, fit: Fit, memory_bytes: int
    ) -> None:
        self.size = network.config.image_size
        self._network = network
        self._tokenizer = tokenizer
        self._fit: Fit = fit
        self.device = network.predictor.query_feat.weight.device
        self._memory: FeatureMemory[ImageMemory] = FeatureMemory(memory_bytes, lambda m: m.nbytes)
        self._text = lru_cache(maxsize=_TEXTS)(self._encode_text)

    def placement(self, shape: tuple[int, ...]) -> Placement:
        """Where an image of (H, W, ...) lies in the network's square."""
        return Placement.of(shape[0], shape[1], self.size, self._fit)

    def images_at_once(self) -> int:
        """As many images as are encoded together: one, except where a GPU has room for more."""
        if self.device.type != "cuda":
            return 1
        free, _ = torch.cuda.mem_get_info(self.device)
        # PyTorch keeps what it no longer uses, so that the driver does not count it as free.
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        fitting = int(_SHARE_OF_GPU * (free + kept)) // (self.size**2 * _BYTES_A_PIXEL)
        return min(max(1, fitting), _MOST_AT_ONCE)

    @torch.inference_mode()
    def encode(
        self, images: Sequence[NDArray[np.uint8]], stack_size: int = 1
    ) -> list[tuple[ImageMemory, bool]]:
        """What is remembered of each image, and whether it was encoded now.

        Parameters
        ----------
        images : sequence of (H, W, 3) ndarray of uint8
            New ones are encoded together: give at most `images_at_once`.
        stack_size : int
            How many follow each other in all. Where not all would fit into the memory none is
            put there: it would be gone before it is asked for, and others with it.
        """
        keys = [content_key(pixels) for pixels in images]
        found = {key: self._memory.peek(key) for key in keys}
        new = [i for i, key in enumerate(keys) if found[key] is None and i == keys.index(key)]
        if new:
            fitted = [self.placement(images[i].shape).fit(images[i]) for i in new]
            squares = torch.from_numpy(np.stack(fitted)).permute(0, 3, 1, 2)
            together = self._network.encode_image(squares)
            for row, i in enumerate(new):
                alone = together if len(new) == 1 else together.image(row)
                found[keys[i]] = alone
                if stack_size * alone.nbytes <= self._memory.max_bytes:
                    self._memory.put(keys[i], alone)
        memories = [found[key] for key in keys]
        return [(m, i in new) for i, m in enumerate(memories) if m is not None]

    @torch.inference_mode()
    def answer(
        self, memory: ImageMemory, wordings: Sequence[str], *, at_once: bool = False
    ) -> list[Answer]:
        """The network's answers to wordings about one image.

        Parameters
        ----------
        memory : ImageMemory
            Of one image.
        wordings : sequence of str
        at_once : bool
            Decode all of them together also on a CPU (faster; each its own group, so they agree
            with single ones within rounding).
        """
        texts = [self._text(wording) for wording in wordings]
        if not texts:
            return []
        if at_once or self.device.type != "cpu":
            return _rows(self._network.decode(memory, _joined(texts)))
        return [row for text in texts for row in _rows(self._network.decode(memory, text))]

    def _encode_text(self, wording: str) -> TextEncoding:
        ids, lengths = self._tokenizer([wording])
        return self._network.encode_text(
            torch.from_numpy(ids).to(self.device), torch.from_numpy(lengths).to(self.device)
        )


def _rows(decoded: Decoded) -> list[Answer]:
    pairs = zip(decoded.mask_logits[0], decoded.similarity[0], strict=True)
    return [Answer(logits, similarity) for logits, similarity in pairs]


def _joined(texts: Sequence[TextEncoding]) -> TextEncoding:
    """Encodings of single phrases as one, padded to the longest."""
    longest = max(text.tokens.shape[1] for text in texts)
    padded = [F.pad(text.tokens, (0, 0, 0, longest - text.tokens.shape[1])) for text in texts]
    return TextEncoding(
        torch.cat(padded),
        torch.cat([text.lengths for text in texts]),
        torch.cat([text.phrases for text in texts]),
    )
