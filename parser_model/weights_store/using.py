"""From installed weights to a parser."""

from __future__ import annotations

from typing import Literal, cast

from parser_model.biomedparse.evidence import BIOMEDPARSE_EVIDENCE, JudgedBiomedParse
from parser_model.biomedparse.postprocess import read_distributions
from parser_model.errors import SetupError
from parser_model.presence import read_calibration
from parser_model.types import Parser
from parser_model.weights_store.places import calibration_file, model_folder
from parser_model.weights_store.record import installed
from parser_model.weights_store.sources import SOURCES


def load_biomedparse(precision: str) -> Parser:
    """BiomedParse from the installed weights, with the user's calibration where there is one.

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
    loaded = JudgedBiomedParse.load(
        folder / record.weights_file,
        folder / "tokenizer",
        precision=cast(Literal["fp32", "bf16"], precision),
        config=source.config,
        # Known since the installation; hashing 1.4 GB would take longer than loading them.
        weights_sha256=record.weights_sha256,
    )
    parser = cast(JudgedBiomedParse, loaded)  # of the class that loads it
    table = folder / source.distributions.name
    parser.judge_by(
        read_calibration(
            calibration_file(source.name), record.weights_sha256, BIOMEDPARSE_EVIDENCE
        ),
        read_distributions(table) if table.is_file() else None,
    )
    return parser
