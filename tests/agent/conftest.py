"""A conversation about a plain picture, of which a scripted parser finds exact shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from agent.conversation import Conversation
from agent.settings import Settings
from tests.parser_model.training.conftest import TINY_TOML, write_split
from tests.shapes_parser import ShapesParser

SHAPES = {
    "liver": [(10, 10, 50, 40)],  # 40 x 30 = 1200 px
    "left lung": [(60, 60, 80, 90)],  # 20 x 30 = 600 px
    "right lung": [(60, 10, 90, 50)],  # 30 x 40 = 1200 px
    "lung": [(60, 60, 80, 90), (60, 10, 90, 50)],
    "tumor": [(20, 20, 30, 30)],
}


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.full((100, 100), 90, np.uint8)).save(path)
    return path


@pytest.fixture
def parser():
    return ShapesParser(dict(SHAPES))


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no .env of whoever runs the tests
    return Settings()


@pytest.fixture
def conversation(picture, parser, settings, tmp_path):
    made = Conversation(settings, parser=parser, directory=tmp_path / "case")
    made.add_file(picture)
    yield made
    made.close()


@pytest.fixture
def data(tmp_path):
    """A folder to train on, beside the configuration of a tiny network."""
    root = tmp_path / "data"
    root.mkdir()
    write_split(root, "train", 12, seed=0)
    write_split(root, "val", 2, seed=1)
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    return root


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
