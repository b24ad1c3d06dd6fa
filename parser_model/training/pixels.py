"""The images and masks of a run, held where the network computes as long as they fit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parser_model.training.data import Sample, read_image, read_mask

_HELD_BYTES: Final = 4 * 2**30
_THREADS: Final = 8  # decoding waits for no lock of Python's


class Pixels:
    """Images as bytes and masks as bits, by the number of their sample.

    Parameters
    ----------
    samples : sequence of Sample
    size : int
        Everything is brought to size x size.
    device : str
        Where images and masks are held, and where they are given.
    pad : bool
        Keep the proportions of images; see `read_image`.
    """

    def __init__(
        self, samples: Sequence[Sample], size: int, device: str = "cpu", *, pad: bool = False
    ) -> None:
        self._samples, self._size, self._device, self._pad = samples, size, device, pad
        named = [(i, t) for i, sample in enumerate(samples) for t in sorted(sample.masks)]
        # Row 0 is the empty mask of everything that is not there.
        self._row = {name: row for row, name in enumerate(named, 1)}
        self.held = len(samples) * size**2 * 3 <= _HELD_BYTES
        if self.held:
            with ThreadPoolExecutor(_THREADS) as threads:
                images = list(threads.map(self._image, range(len(samples))))
                bits = list(threads.map(lambda name: self._mask(*name), named))
            self._images = torch.from_numpy(np.stack(images)).to(device)
            self._bits = torch.from_numpy(np.stack([self._empty(), *bits])).to(device)
        self._shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=device)

    def images(self, indices: Sequence[int]) -> Tensor:
        """Images (N, 3, size, size) of samples, float32 from 0 to 1."""
        if self.held:
            chosen = self._images.index_select(0, to_device(torch.tensor(indices), self._device))
        else:
            chosen = torch.from_numpy(np.stack([self._image(i) for i in indices]))
        return chosen.to(self._device).permute(0, 3, 1, 2).float() / 255

    def masks(self, named: Sequence[tuple[int, str]]) -> Tensor:
        """Masks (P, 1, size, size) of targets of samples, float32; empty where there is none."""
        if self.held:
            rows = torch.tensor([self._row.get(name, 0) for name in named])
            bits = self._bits.index_select(0, to_device(rows, self._device))
        else:
            read = [self._mask(*n) if n in self._row else self._empty() for n in named]
            bits = torch.from_numpy(np.stack(read)).to(self._device)
        whole = (bits[:, :, None] >> self._shifts) & 1
        return whole.flatten(1)[:, : self._size**2].view(-1, 1, self._size, self._size).float()

    def _image(self, index: int) -> NDArray[np.uint8]:
        return read_image(self._samples[index].image, self._size, pad=self._pad)

    def _mask(self, index: int, target: str) -> NDArray[np.uint8]:
        mask = read_mask(self._samples[index].masks[target], self._size, pad=self._pad)
        return np.packbits(mask, axis=None)

    def _empty(self) -> NDArray[np.uint8]:
        return np.packbits(np.zeros(self._size**2, np.bool_))


def to_device(x: Tensor, device: str) -> Tensor:
    """A small tensor on a device, without making a GPU wait for what it still computes."""
    return x.pin_memory().to(device, non_blocking=True) if device == "cuda" else x.to(device)
