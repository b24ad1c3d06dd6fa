"""Scans and masks as PNG layers that a browser can lay over each other.

All layers of a scan have the same size, so that they line up whatever the zoom. A small scan is
enlarged in whole steps, which keeps the measured pixels recognisable and outlines thin; a huge
one is reduced.
"""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from tools.overlay import rgb

if TYPE_CHECKING:
    from agent.conversation import Conversation

MAX_SIDE = 2048
MIN_SIDE = 900
CACHE_BYTES = 48 * 1024 * 1024
_ON_SLICE = re.compile(r"(?P<item>.+)-slice-(?P<slice>\d{1,6})")


class PictureCache:
    """The last pictures of one session, bounded in bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._items: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, item: str) -> bytes | None:
        """Return a kept picture."""
        with self._lock:
            if item in self._items:
                self._items.move_to_end(item)
            return self._items.get(item)

    def put(self, item: str, png: bytes) -> None:
        """Keep a picture; forgets the oldest where the limit is passed."""
        with self._lock:
            self._items[item] = png
            while sum(map(len, self._items.values())) > self._limit:
                self._items.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()


def canvas_size(height: int, width: int) -> tuple[int, int]:
    """Return (height, width) of the layers for a scan of that size."""
    side = max(height, width)
    if side > MAX_SIDE:
        return max(1, height * MAX_SIDE // side), max(1, width * MAX_SIDE // side)
    step = max(1, -(-MIN_SIDE // side))
    return height * step, width * step


def render(conversation: Conversation, item: str) -> bytes | None:
    """Make one layer as PNG.

    Parameters
    ----------
    conversation : Conversation
    item : str
        "scan-1" the scan, "mask-1" its coloured area, "mask-1-outline" its rim, "mask-1-overlay"
        scan and mask in one picture; all but the last with "-slice-17" for a slice of a stack.

    Returns
    -------
    bytes or None
        None where the case holds no such thing.
    """
    case = conversation.case
    slice = None
    if chosen := _ON_SLICE.fullmatch(item):
        item, slice = chosen["item"], int(chosen["slice"])
    if item in case.scans:
        scan = case.scans[item]
        if slice is not None and not (len(scan.shape) == 3 and slice < scan.shape[2]):
            return None
        picture = np.asarray(scan.display() if slice is None else scan.display(slice))
        return _png(_resized(Image.fromarray(picture), *canvas_size(*picture.shape[:2])))
    name, kind = item, "area"
    for suffix in ("outline", "overlay"):
        if item.endswith(f"-{suffix}"):
            name, kind = item.removesuffix(f"-{suffix}"), suffix
    found = case.objects.get(name)
    if found is None or found.mask is None:
        return None
    if kind == "overlay":
        path = found.overlay_file
        return path.read_bytes() if path is not None and path.is_file() else None
    mask = found.mask
    if mask.ndim == 3:
        if slice is None or slice >= mask.shape[2]:
            return None
        mask = mask[:, :, slice]
    return _layer(np.asarray(mask, dtype=bool), found.colour, outline=kind == "outline")


def _layer(mask: NDArray[np.bool_], colour: str, *, outline: bool) -> bytes:
    height, width = canvas_size(*mask.shape)
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    # Enlarging repeats pixels, so the edge shown is the edge measured; reducing averages.
    enlarge = height >= mask.shape[0]
    method = Image.Resampling.NEAREST if enlarge else Image.Resampling.BOX
    alpha = np.asarray(grey.resize((width, height), method))
    rgba = np.zeros((height, width, 4), np.uint8)
    if not outline:
        rgba[..., :3] = rgb(colour)
        rgba[..., 3] = alpha
        return _png(Image.fromarray(rgba))
    inside = alpha >= 128
    thick = max(1, round(max(height, width) / 700))
    outer = ndimage.binary_dilation(inside, iterations=thick)
    rim = outer & ~ndimage.binary_erosion(inside, iterations=thick)
    # A dark casing, so that the rim shows on a ground of its own colour too.
    rgba[ndimage.binary_dilation(outer, iterations=thick) & ~outer] = (0, 0, 0, 150)
    rgba[rim] = (*rgb(colour), 255)
    return _png(Image.fromarray(rgba))


def _resized(image: Image.Image, height: int, width: int) -> Image.Image:
    if image.size == (width, height):
        return image
    reduce = width < image.size[0]
    return image.resize(
        (width, height), Image.Resampling.BOX if reduce else Image.Resampling.BICUBIC
    )


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
