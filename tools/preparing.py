"""What a parser sees of a scan: grey values made the way its weights learnt them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parser_model.intensities import scale_intensities
from parser_model.types import Parser
from tools.scan import Scan


def picture_for(parser: Parser, scan: Scan, slice: int | None = None) -> NDArray[np.uint8]:
    """One picture or slice of a scan as a parser wants it (`ParserInfo.input_preparation`).

    Most want what people look at. BiomedParse wants what its public readers make: in CT the window
    of the region whatever the file says, elsewhere the 0.5 and 99.5 percentiles of the positive
    pixels of the slice; then scaled by the extremes of the slice. Pictures of 8 bits stay as they
    are.

    Parameters
    ----------
    parser : Parser
    scan : Scan
    slice : int, optional
        Of a stack; the middle one by default.

    Returns
    -------
    (H, W, 3) ndarray of uint8

    Raises
    ------
    RequestError
        For a slice that is not there.
    """
    plain = scan.colour or scan.pixels.dtype == np.uint8
    if parser.info.input_preparation != "slice-extremes" or plain:
        return scan.display(slice)
    bounds = None
    region = scan.region_window
    if region is not None:
        bounds = region[0] - region[1] / 2, region[0] + region[1] / 2
    grey = scale_intensities(scan.values(slice), bounds).astype(np.uint8)  # cut off, as they do
    if scan.inverted:
        grey = 255 - grey
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
