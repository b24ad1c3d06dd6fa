"""Where training runs and in which precision: asked of the machine, never assumed."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from parser_model.errors import RequestError

Precision = Literal["fp32", "bf16"]
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")
_WORTH_IT: Final = 1.15
_HOPELESS: Final = 2.0
# A layer in the middle of the compact network: images x channels x side x side. On a GPU it is
# large enough that computing takes longer than asking for it.
_SHAPE: Final = (4, 32, 32, 32)
_GPU_SHAPE: Final = (32, 64, 128, 128)
_TURNS: Final = 3


@dataclass(frozen=True)
class Machine:
    """What a run computes on.

    Attributes
    ----------
    device : str
        "cpu", "cuda" or "mps".
    precision : {"fp32", "bf16"}
        bf16: convolutions and products in bfloat16, weights and sums in float32.
    """

    device: str = "cpu"
    precision: Precision = "fp32"

    @classmethod
    def chosen(cls, device: str = "auto", precision: str = "auto") -> Machine:
        """The machine asked for; "auto" takes an accelerator, and bfloat16 where that is faster.

        Raises
        ------
        RequestError
            For a device that is not here, or an unknown word.
        """
        if device not in DEVICES:
            raise RequestError(f"Unknown device '{device}'; use {', '.join(DEVICES)}.")
        if precision not in PRECISIONS:
            raise RequestError(f"Unknown precision '{precision}'; use {', '.join(PRECISIONS)}.")
        here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if device == "auto":
            device = next((name for name, there in here.items() if there), "cpu")
        elif not here.get(device, True):
            raise RequestError(f"This PyTorch sees no '{device}' device; use --device cpu.")
        if precision == "auto":
            gain = training_gain(device)
            return cls(device, "bf16" if gain >= _WORTH_IT else "fp32")
        return cls(device, "bf16" if precision == "bf16" else "fp32")

    def mixed(self) -> AbstractContextManager[object]:
        """A context in which layers run in the machine's precision."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device, torch.bfloat16)


@lru_cache(maxsize=3)
def training_gain(device: str) -> float:
    """How many times as fast a convolution and its gradients are in bfloat16 as in float32.

    Takes a fraction of a second. Chips without units for bfloat16 (most processors of desktops and
    laptops) give far less than 1; one slow pass is enough to know them.
    """
    shape = _SHAPE if device == "cpu" else _GPU_SHAPE
    x = torch.randn(shape, device=device).to(memory_format=torch.channels_last)
    weight = torch.randn(shape[1], shape[1], 3, 3, device=device, requires_grad=True)

    def seconds(short: bool) -> float:
        start = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=short):
            _pass(x, weight)
        return time.perf_counter() - start

    seconds(False)  # the first pass of a type pays for its preparation
    seconds(True)
    first = seconds(False) / seconds(True)
    if first < 1 / _HOPELESS:
        return first
    return median(seconds(False) / seconds(True) for _ in range(_TURNS))


def _pass(x: Tensor, weight: Tensor) -> None:
    y = F.conv2d(F.conv2d(x, weight, padding=1), weight, padding=1)
    (gradient,) = torch.autograd.grad(y.float().square().mean(), weight)
    gradient[0, 0, 0, 0].item()  # waits for an accelerator to finish
