"""From installed weights to a parser."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from parser_model.biomedparse.evidence import BIOMEDPARSE_EVIDENCE
from parser_model.biomedparse.parser import BiomedParseParser
from parser_model.biomedparse.postprocess import read_distributions
from parser_model.errors import SetupError
from parser_model.intensities import Preparation
from parser_model.loading import load_parser
from parser_model.presence import fitted_calibration
from parser_model.types import Parser, Recognised, Recogniser
from parser_model.weights_store.places import model_folder
from parser_model.weights_store.record import installed
from parser_model.weights_store.sources import SOURCES


def load_biomedparse(
    precision: str, *, device: str, memory_bytes: int, preparation: Preparation
) -> Parser:
    """BiomedParse from the installed weights, with the user's calibration where there is one.

    Parameters
    ----------
    precision : {"fp32", "bf16"}
    device : str
        As PyTorch calls it.
    memory_bytes : int
        Budget for remembered images.
    preparation : {"slice-extremes", "window"}
        How grey values should be made.

    Raises
    ------
    SetupError
        If the weights are not here or were damaged.
    """
    source = SOURCES["biomedparse"]
    record = installed(source.name)
    if record is None:
        raise SetupError(f"The weights of {source.name} are not here.")
    folder = model_folder(source.name)
    table = folder / source.distributions.name
    return BiomedParseParser.load(
        folder / record.weights_file,
        folder / "tokenizer",
        precision=cast(Literal["fp32", "bf16"], precision),
        device=device,
        memory_bytes=memory_bytes,
        preparation=preparation,
        config=source.config,
        # Known since the installation; hashing 1.4 GB would take longer than loading them.
        weights_sha256=record.weights_sha256,
        calibration=fitted_calibration(source.name, record.weights_sha256, BIOMEDPARSE_EVIDENCE),
        distributions=read_distributions(table) if table.is_file() else None,
        recognise=_by_the_bundled_parser,
    )


def _by_the_bundled_parser(pixels: NDArray[np.uint8]) -> Recognised:
    """What kind of image it is: this network was never taught to tell, the bundled one was."""
    parser = load_parser("compact")
    return parser.recognise(pixels) if isinstance(parser, Recogniser) else Recognised(None, None, 0)
