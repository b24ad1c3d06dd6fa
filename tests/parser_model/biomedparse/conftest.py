"""A tiny network with substitute weights, and recorded runs where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from parser_model.biomedparse.checkpoint import network_from_entries
from parser_model.biomedparse.config import (
    BackboneConfig,
    BiomedParseConfig,
    DecoderConfig,
    PixelDecoderConfig,
    TextConfig,
)
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.recorded import data_folder
from parser_model.biomedparse.substitute import substitute_entries

TINY = BiomedParseConfig(
    backbone=BackboneConfig(width=8, depths=(1, 1, 1, 1)),
    pixel_decoder=PixelDecoderConfig(width=32, mask_width=16, layers=1, heads=4, feed_forward=48),
    text=TextConfig(width=16, heads=2, layers=2, vocabulary=100),
    decoder=DecoderConfig(width=32, heads=4, feed_forward=48, layers=4, queries=7),
    embedding_width=32,
    image_size=64,
)


@pytest.fixture(autouse=True)
def one_thread():
    """Results that do not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tiny network's entries."""
    with torch.device("meta"):
        network = BiomedParseNetwork(TINY)
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


@pytest.fixture
def entries(shapes) -> dict[str, torch.Tensor]:
    """Substitute weights of the tiny network, new for each test."""
    return substitute_entries(shapes.items())


@pytest.fixture(scope="session")
def network(shapes) -> BiomedParseNetwork:
    return network_from_entries(substitute_entries(shapes.items()), TINY)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of recorded runs."""
    folder = data_folder() / "reference" / "biomedparse_v1"
    if not (folder / "small_config.json").is_file():
        pytest.skip("no recorded runs at hand: set PARSECHAT_DATA to the folder with reference/")
    return folder
