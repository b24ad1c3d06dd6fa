"""How a scan travels from the worker: a line of JSON and the bytes of its pixels.

No pickle: what a decoder might be tricked into sending must stay data.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tools.frames import FileFrame
from tools.geometry import Geometry, SpacingSource
from tools.scan import Scan


def describe(scan: Scan) -> dict[str, Any]:
    """Everything of a scan but the pixel bytes, for JSON."""
    geometry, frame = scan.geometry, scan.frame
    return {
        "dtype": scan.pixels.dtype.str,
        "shape": list(scan.pixels.shape),
        "colour": scan.colour,
        "modality": scan.modality,
        "body_part": scan.body_part,
        "window": scan.window,
        "value_unit": scan.value_unit,
        "inverted": scan.inverted,
        "source_format": scan.source_format,
        "stack_of": scan.stack_of,
        "notes": scan.notes,
        "geometry": {
            "spacing_mm": geometry.spacing_mm,
            "spacing_source": geometry.spacing_source,
            "affine": None if geometry.affine is None else geometry.affine.tolist(),
            "column_direction": geometry.column_direction,
            "caveat": geometry.caveat,
        },
        "frame": frame
        and {
            "shape": frame.shape,
            "axes": frame.axes,
            "flips": frame.flips,
            "affine": None if frame.affine is None else frame.affine.tolist(),
        },
    }


def empty_pixels(meta: dict[str, Any], most_bytes: int) -> NDArray[Any]:
    """An array for the pixels that `describe` announces.

    Raises
    ------
    ValueError
        If it would take more than `most_bytes`.
    """
    dtype, shape = np.dtype(meta["dtype"]), tuple(int(side) for side in meta["shape"])
    if dtype.hasobject or min(shape) <= 0:
        raise ValueError("the worker announced no pixels")
    size = dtype.itemsize
    for side in shape:
        size *= side
    if size > most_bytes:
        raise ValueError("the worker announced more pixels than allowed")
    return np.empty(shape, dtype)


def rebuild(meta: dict[str, Any], pixels: NDArray[Any]) -> Scan:
    """The scan again; it checks itself anew.

    Raises
    ------
    FileError, ValueError, KeyError
        If `meta` and `pixels` are no valid scan.
    """
    place, frame = meta["geometry"], meta["frame"]
    return Scan(
        pixels=pixels,
        geometry=Geometry(
            spacing_mm=place["spacing_mm"] and tuple(place["spacing_mm"]),
            spacing_source=cast(SpacingSource, place["spacing_source"]),
            affine=place["affine"] and np.array(place["affine"], dtype=np.float64),
            column_direction=place["column_direction"],
            caveat=place["caveat"],
        ),
        colour=meta["colour"],
        modality=meta["modality"],
        body_part=meta["body_part"],
        window=meta["window"] and tuple(meta["window"]),
        value_unit=meta["value_unit"],
        inverted=meta["inverted"],
        source_format=meta["source_format"],
        stack_of=meta["stack_of"],
        notes=tuple(meta["notes"]),
        frame=frame
        and FileFrame(
            shape=tuple(frame["shape"]),
            axes=tuple(frame["axes"]),
            flips=tuple(frame["flips"]),
            affine=frame["affine"] and np.array(frame["affine"], dtype=np.float64),
        ),
    )
