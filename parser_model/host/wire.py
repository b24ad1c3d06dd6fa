"""What travels between the host and its clients; plain numpy, so that clients need no torch.

A *message* is a JSON header followed by binary parts, content type ``application/x-parsechat``::

    4 bytes     b"PCM1"
    4 bytes     length of the header, unsigned, little-endian
    header      JSON object in UTF-8; its "parts" holds the length of every part
    parts       one after the other

A message without parts may also be sent as plain ``application/json``.

Images
    PNG with 8 bits, grey or RGB, of one image; its neighbouring slices follow as further parts.
Masks
    One bit a pixel, row after row, the first pixel in the highest bit; zlib. No part: empty.
Probability maps
    "uint8" is round(255 p). "float16" is exact. Each value is stored as the difference from the
    one to its left (modulo 2^8 or 2^16); of float16 all high bytes come before all low bytes; zlib.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CONTENT_TYPE = "application/x-parsechat"
MAGIC = b"PCM1"
MOST_HEADER = 2**20
MOST_PARTS = 4096

Kind = Literal["none", "uint8", "float16"]
"""How a probability map is sent."""


class WireError(ValueError):
    """A message that is not what this module writes; the text says what is wrong with it."""


def pack_message(header: dict[str, Any], parts: Sequence[bytes]) -> bytes:
    """One message."""
    text = json.dumps({**header, "parts": [len(part) for part in parts]}).encode()
    return b"".join((MAGIC, struct.pack("<I", len(text)), text, *parts))


def unpack_message(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Header and parts of a message.

    Raises
    ------
    WireError
    """
    if len(data) < 8 or data[:4] != MAGIC:
        raise WireError("the message does not begin as one")
    (length,) = struct.unpack("<I", data[4:8])
    if length > MOST_HEADER or 8 + length > len(data):
        raise WireError("the header is longer than the message")
    header = read_json(data[8 : 8 + length])
    lengths = header.pop("parts", None)
    if (
        not isinstance(lengths, list)
        or len(lengths) > MOST_PARTS
        or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in lengths)
        or 8 + length + sum(lengths) != len(data)
    ):
        raise WireError("the parts are not as long as the header says")
    parts, at = [], 8 + length
    for size in lengths:
        parts.append(data[at : at + size])
        at += size
    return header, parts


def read_json(data: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    WireError
    """
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise WireError("the header is not JSON") from error
    if not isinstance(value, dict):
        raise WireError("the header is not a JSON object")
    return value


def pack_image(pixels: NDArray[np.uint8]) -> bytes:
    """An (H, W, 3) image as PNG, in one channel where all three are equal."""
    first = pixels[..., 0]
    grey = bool((first == pixels[..., 1]).all() and (first == pixels[..., 2]).all())
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(first if grey else pixels)).save(
        buffer, "PNG", compress_level=1
    )
    return buffer.getvalue()


def image_size(png: bytes) -> tuple[int, int]:
    """Rows and columns that a PNG claims, before anything of it is decoded.

    Raises
    ------
    WireError
        Not a PNG, or not of 8 bits in grey or RGB.
    """
    if len(png) < 33 or png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR":
        raise WireError("the image is not a PNG")
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    if depth != 8 or colour not in (0, 2):
        raise WireError("the image is not a PNG of 8 bits in grey or RGB")
    if not width or not height:
        raise WireError("the image has no pixels")
    return height, width


def unpack_image(png: bytes) -> NDArray[np.uint8]:
    """The (H, W, 3) image of a PNG whose size `image_size` gave.

    Raises
    ------
    WireError
        It is damaged.
    """
    size = image_size(png)
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            if picture.size != size[::-1]:
                raise WireError("the image is not of the size it claims")
            pixels = np.asarray(picture)
    # Pillow tells of damage in many ways.
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error) as error:
        raise WireError("the image is damaged") from error
    except Image.DecompressionBombError as error:
        raise WireError("the image is too large") from error
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """A mask as one part."""
    return zlib.compress(np.packbits(mask).tobytes(), 6)


def unpack_mask(data: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of a part.

    Raises
    ------
    WireError
    """
    count = shape[0] * shape[1]
    bits = np.frombuffer(_inflate(data, (count + 7) // 8), np.uint8)
    return np.unpackbits(bits, count=count).reshape(shape).astype(np.bool_)


def pack_probability(probability: NDArray[np.float16], kind: Kind) -> bytes:
    """A probability map as one part; see the module for the kinds."""
    if kind == "uint8":
        whole = np.rint(probability.astype(np.float32) * 255).astype(np.uint8)
        whole[:, 1:] -= whole[:, :-1].copy()
        return zlib.compress(whole.tobytes(), 1)
    words = np.ascontiguousarray(probability).view(np.uint16).copy()
    words[:, 1:] -= words[:, :-1].copy()
    high, low = (words >> 8).astype(np.uint8), (words & 255).astype(np.uint8)
    return zlib.compress(high.tobytes() + low.tobytes(), 1)


def unpack_probability(data: bytes, shape: tuple[int, int], kind: str) -> NDArray[np.float16]:
    """The probability map of a part.

    Raises
    ------
    WireError
    """
    count = shape[0] * shape[1]
    if kind == "uint8":
        steps = np.frombuffer(_inflate(data, count), np.uint8).reshape(shape)
        whole = np.cumsum(steps, axis=1, dtype=np.uint8)
        return (whole.astype(np.float32) / 255).astype(np.float16)
    if kind != "float16":
        raise WireError("the probability is of an unknown kind")
    halves = np.frombuffer(_inflate(data, 2 * count), np.uint8).reshape(2, *shape)
    words = (halves[0].astype(np.uint16) << 8) | halves[1]
    return np.cumsum(words, axis=1, dtype=np.uint16).view(np.float16)


def _inflate(data: bytes, expected: int) -> bytes:
    """Exactly the expected bytes; a bomb is stopped there."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, expected + 1)
    except zlib.error as error:
        raise WireError("a map is damaged") from error
    if len(plain) != expected or not inflater.eof:
        raise WireError("a map is not of the size of the image")
    return plain
