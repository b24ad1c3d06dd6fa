"""Networks without numbers: the frame that weights from a file are put into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWS = frozenset({"normal_", "uniform_"})


class _Unfilled(TorchFunctionMode):
    """Leaves tensors as they are where they would be filled with numbers."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init" or func.__name__ in _DRAWS:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


@contextmanager
def blank() -> Iterator[None]:
    """Networks made inside take no memory and no time, and draw no random numbers.

    Their parameters are on PyTorch's "meta" device. That alone would not do: to fill a tensor
    there PyTorch imports its symbolic mathematics (800 modules, two to five seconds).
    """
    with torch.device("meta"), _Unfilled():
        yield
