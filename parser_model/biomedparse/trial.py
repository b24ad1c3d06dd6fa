"""A trial of a device: whether a small network gives the same answers on it as on the CPU."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from parser_model.biomedparse.checkpoint import network_from_entries
from parser_model.biomedparse.config import (
    BackboneConfig,
    BiomedParseConfig,
    DecoderConfig,
    PixelDecoderConfig,
    TextConfig,
)
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.substitute import substitute_entries
from parser_model.blank import blank

# Every kind of layer of the real network, a few milliseconds of work.
_SMALL: Final = BiomedParseConfig(
    backbone=BackboneConfig(width=16, depths=(1, 1, 1, 1)),
    pixel_decoder=PixelDecoderConfig(width=32, mask_width=32, layers=1, heads=4, feed_forward=64),
    text=TextConfig(width=32, heads=4, layers=1, vocabulary=100),
    decoder=DecoderConfig(width=32, heads=4, feed_forward=64, layers=3, queries=7),
    embedding_width=32,
    image_size=128,
)
# In standard deviations of the values. Rounding in another order gives 1e-5; a GPU that shortens
# numbers to 10 bits of mantissa gives 1e-2, a wrong kernel 1.
_MOST: Final = 5e-2


@lru_cache(maxsize=4)
def trouble_on(device: str) -> str | None:
    """What is wrong with a device, in a few words; None where it computes as the CPU does.

    Parameters
    ----------
    device : str
        As PyTorch calls it.
    """
    try:
        there = _answers(device)
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        # What a driver or a missing kernel says is for a log; its first line tells enough.
        reason = str(error).strip().partition("\n")[0][:120]
        return f"the network does not run on it ({type(error).__name__}: {reason})"
    off = [
        float((theirs - ours).abs().max() / ours.std())
        for ours, theirs in zip(_answers("cpu"), there, strict=True)
    ]
    if all(difference <= _MOST for difference in off):  # never true of what is no number
        return None
    return f"its answers differ from the CPU's by {max(off):.2g} standard deviations"


@torch.inference_mode()
def _answers(device: str) -> list[Tensor]:
    """What a small network says of two images and three phrases on a device, as float32 on the CPU.

    Where queries may look is given, because one bit on the threshold would change all that follows.
    """
    with blank():
        shapes = {n: tuple(v.shape) for n, v in BiomedParseNetwork(_SMALL).state_dict().items()}
    network = network_from_entries(substitute_entries(shapes.items()), _SMALL, device=device)
    steps = torch.arange(2 * 3 * _SMALL.image_size**2)
    pixels = (steps * 7 % 251).view(2, 3, _SMALL.image_size, _SMALL.image_size).to(torch.uint8)
    ids = torch.tensor([[98, 5, 6, 99, 99], [98, 7, 99, 99, 99], [98, 8, 9, 10, 99]])
    memory = network.encode_image(pixels)
    queries = len(ids) * _SMALL.decoder.queries
    blocked = []
    for layer in range(_SMALL.decoder.layers):
        places = memory.level_features[layer % len(memory.level_features)].shape[-1]
        hidden = (torch.arange(queries * places) % 3 == 0).view(1, queries, places)
        hidden[:, 0] = True  # a query that may look nowhere looks everywhere
        blocked.append(hidden.expand(2, -1, -1).to(device))
    decoded = network.decode(memory, network.encode_text(ids.to(device)), blocked=blocked)
    found = (memory.mask_features, decoded.query_vectors, decoded.similarity, decoded.mask_logits)
    return [value.float().cpu() for value in found]
