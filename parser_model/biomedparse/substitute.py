"""Substitute weights: pseudo-random numbers that anyone can make again from the names alone.

The public weights may not be at hand where the network is checked, so the recorded runs of the
public code that it is compared with were made with these.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_WIDE = (
    "query_feat.weight",
    "query_embed.weight",
    "pn_indicator.weight",
    "spatial_embed.weight",
    "spatial_featured.weight",
)
_CENTRED = (
    "mask_features.weight",
    "mask_embed.layers.1.weight",
    "mask_embed.layers.2.weight",
    "linear2.weight",
)


def _offset_and_scale(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Mean and spread of an entry; the first rule that applies decides."""
    fan_in = shape[1] if len(shape) > 1 else 1
    rules: tuple[tuple[bool, float, float], ...] = (
        (name.endswith("logit_scale"), 3.0, 0.02),
        (name.endswith(("gamma_1", "gamma_2")), 0.3, 0.05),
        (name.endswith(("token_embedding.weight", "positional_embedding")), 0.0, 0.02),
        (name.endswith(_WIDE), 0.0, 1.0),
        (name.endswith("level_embed.weight"), 0.0, 0.1),
        (len(shape) == 1 and name.endswith("weight"), 1.0, 0.1),
        (len(shape) == 1, 0.0, 0.05),
        (
            # Used as x @ W, so the first axis is the input.
            name.endswith(("lang_proj", "class_embed")) or "mask_sptial_embed" in name,
            0.0,
            1.0 / math.sqrt(shape[0]) if shape else 1.0,
        ),
        (name.endswith("in_proj_weight"), 0.0, 2.0 / math.sqrt(fan_in)),
        (name.endswith(("out_proj.weight", "linear2.weight")), 0.0, 0.3 / math.sqrt(fan_in)),
        ("mask_embed.layers" in name, 0.0, 1.4 / math.sqrt(fan_in)),
        (True, 0.0, 1.0 / math.sqrt(math.prod(shape[1:]))),
    )
    return next((offset, scale) for applies, offset, scale in rules if applies)


def substitute_array(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The substitute for one entry.

    Parameters
    ----------
    name : str
        As in the checkpoint.
    shape : tuple of int
    """
    seed = zlib.crc32(name.encode("utf-8"))
    generator = np.random.Generator(np.random.PCG64(seed))
    z = np.asarray(generator.standard_normal(shape, dtype=np.float32), dtype=np.float32)
    if name.endswith(_CENTRED):
        axes = tuple(range(1, z.ndim))
        z = z - z.mean(axis=axes, keepdims=True, dtype=np.float64).astype(np.float32)
    offset, scale = _offset_and_scale(name, shape)
    return (np.float32(offset) + np.float32(scale) * z).astype(np.float32)


def substitute_entries(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, Tensor]:
    """Substitutes for all entries of a list of names and shapes."""
    listed = list(shapes)
    # Threads gain, because NumPy draws its numbers without Python's lock.
    with ThreadPoolExecutor() as threads:
        arrays = threads.map(lambda entry: substitute_array(*entry), listed)
        return {
            name: torch.from_numpy(np.ascontiguousarray(array)).reshape(shape)
            for (name, shape), array in zip(listed, arrays, strict=True)
        }
