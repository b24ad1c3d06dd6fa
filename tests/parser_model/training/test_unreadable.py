"""A file that cannot be read is told by name, whoever reads it, and is never a bug."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from parser_model.calibrating import calibration_samples
from parser_model.errors import FileError
from parser_model.ontology import ontology
from parser_model.training.data import read_image, read_mask
from parser_model.training.survey import survey
from tools.building import build


@pytest.fixture
def bomb(folder, monkeypatch):
    """An image and a mask beyond what Pillow will decode, beside seven good ones."""
    for name in ("train/a-0_X-Ray_chest.png", "train_mask/a-1_X-Ray_chest_left+lung.png"):
        Image.fromarray(np.zeros((200, 200), np.uint8)).save(folder / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100 * 100)
    return folder


def test_a_picture_that_is_too_large_is_one_bad_file(bomb):
    found = survey(bomb, "train", ontology())
    why = "cannot be read as a picture: DecompressionBombError, is skipped."
    assert [problem.sentence for problem in found.problems] == [
        f"train/a-0_X-Ray_chest.png {why}",
        f"train_mask/a-1_X-Ray_chest_left+lung.png {why}",
    ]
    assert found.counts == {"unreadable": 2}
    assert len(found.samples) == 6


def test_it_is_left_out_of_a_table_without_its_name(bomb, tmp_path):
    built = build(bomb, tmp_path / "out", ontology())
    why = "is left out: a picture cannot be read: DecompressionBombError."
    assert built.problems == (f"Case 1 {why}", f"Case 2 {why}")


@pytest.mark.parametrize("read", [lambda path: read_image(path, None), read_mask])
def test_it_ends_an_evaluation_in_a_sentence_with_its_name(folder, read):
    path = calibration_samples(folder)[0].image
    path.write_bytes(path.read_bytes()[:70])
    with pytest.raises(FileError, match=r"^a-0_X-Ray_chest\.png cannot be read as a picture: "):
        read(path)
