"""A self-test of at most two seconds that tells what bfloat16 gains on this machine."""

from __future__ import annotations

import time
from functools import lru_cache
from statistics import median
from typing import Final

import torch
from torch import Tensor

# Rows, inner and columns of products, up to the widest of BiomedParse's backbone: tokens of its
# third stage, width, hidden width. A chip without units for bfloat16 takes 30 s for that one.
_PRODUCTS: Final = ((16, 256, 256), (64, 768, 768), (512, 768, 3072), (4096, 768, 3072))
_PAIRS: Final = 3
_BUDGET_SECONDS: Final = 1.0


@lru_cache(maxsize=2)
def bfloat16_gain(device: str = "cpu") -> float:
    """How many times as fast a large matrix product is in bfloat16 as in float32.

    The products grow as long as the next size is expected to take less than a second in all, and
    the last size counts. The two types are timed in turns, so that a busy moment strikes both; the
    result is the median of the ratios. Chips without units for bfloat16 give less than 1.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
    """
    gain, rate = 1.0, float("inf")
    for sides in _PRODUCTS:
        work = sides[0] * sides[1] * sides[2]
        # Besides the pairs, the first products of a size are made untimed: they pay for preparation
        if (_PAIRS + 1) * work / rate > _BUDGET_SECONDS:
            break
        pairs = _timed_pairs(*sides, device)
        gain = median(long / short for long, short in pairs)
        rate = work / median(long + short for long, short in pairs)
    return gain


def _timed_pairs(rows: int, inner: int, columns: int, device: str) -> list[tuple[float, float]]:
    """Seconds of a product in float32 and in bfloat16, in turns."""
    long = torch.randn(rows, inner).to(device), torch.randn(inner, columns).to(device)
    short = long[0].bfloat16(), long[1].bfloat16()
    pairs = [(_seconds(*long), _seconds(*short)) for _ in range(_PAIRS + 1)]
    return pairs[1:]


def _seconds(inputs: Tensor, weights: Tensor) -> float:
    start = time.perf_counter()
    product = inputs @ weights
    product[0, 0].item()  # waits for an accelerator to finish
    return time.perf_counter() - start
