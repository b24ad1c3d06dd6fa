"""A self-test of half a second that tells how much faster bfloat16 is on this machine."""

from __future__ import annotations

import time
from functools import lru_cache
from statistics import median
from typing import Final

import torch
from torch import Tensor

# The widest product of the backbone's third stage: tokens x width x hidden width.
_TOKENS, _WIDTH, _HIDDEN = 4096, 768, 3072
_PAIRS: Final = 3


@lru_cache(maxsize=2)
def bfloat16_gain(device: str = "cpu") -> float:
    """How many times as fast a large matrix product is in bfloat16 as in float32.

    The two are timed in turns, so that a busy moment strikes both; the median of the ratios counts.
    Chips without units for bfloat16 give less than 1.

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
    """
    inputs, weights = torch.randn(_TOKENS, _WIDTH), torch.randn(_WIDTH, _HIDDEN)
    long = inputs.to(device), weights.to(device)
    short = long[0].bfloat16(), long[1].bfloat16()
    _seconds(*long)  # the first products of a type pay for its preparation
    _seconds(*short)
    return median(_seconds(*long) / _seconds(*short) for _ in range(_PAIRS))


def _seconds(inputs: Tensor, weights: Tensor) -> float:
    start = time.perf_counter()
    product = inputs @ weights
    product[0, 0].item()  # waits for an accelerator to finish
    return time.perf_counter() - start
