"""A file that cannot be read is told by name, whoever reads it, and is never a bug."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from parser_model.calibrating import calibration_samples
from parser_model.errors import FileError
from parser_model.ontology import ontology
from parser_model.training.data import read_folder, read_image, read_mask
from parser_model.training.survey import survey
from tests.shapes_parser import BrightParser
from tools.building import Wishes, build
from tools.evaluating import presence_report


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
    (bomb / "train" / "a-0_X-Ray_chest.png").write_bytes(b"no picture")
    built = build(bomb, tmp_path / "out", ontology())
    first, second = built.problems
    assert first.startswith("Case 1 is left out: a picture cannot be read: This file is text")
    assert second == "Case 2 is left out: a mask cannot be read: DecompressionBombError."


def test_deep_grey_is_not_taken_as_white_but_written_as_it_is_seen(folder, tmp_path):
    """4096 greys from 1000 on: Pillow would clip them at 255."""
    path = folder / "train" / "a-0_X-Ray_chest.png"
    deep = 1000 + np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(deep).save(path)
    why = "it has more than 8 bits a pixel ('parsechat data build' writes it with 8)"
    (problem,) = survey(folder, "train", ontology()).problems
    assert problem.sentence == (
        f"train/a-0_X-Ray_chest.png cannot be read as a picture: {why}, is skipped."
    )
    with pytest.raises(FileError, match="more than 8 bits a pixel"):
        read_image(path, None)
    out = tmp_path / "out"
    build(folder, out, ontology())
    assert survey(out, "train", ontology()).problems == []
    shown = read_image(out / "train" / "c0001_X-Ray_chest.png", None)[..., 0].astype(int)
    assert np.abs(shown - np.linspace(0, 255, 64 * 64).reshape(64, 64)).max() <= 3


@pytest.mark.parametrize("read", [lambda path: read_image(path, None), read_mask])
def test_it_ends_an_evaluation_in_a_sentence_with_its_name(folder, read):
    path = calibration_samples(folder)[0].image
    path.write_bytes(path.read_bytes()[:70])
    with pytest.raises(FileError, match=r"^a-0_X-Ray_chest\.png cannot be read as a picture: "):
        read(path)


def test_a_mask_of_zeros_and_ones_is_never_taken_for_an_empty_one(folder, tmp_path):
    path = folder / "val_mask" / "a-0_X-Ray_chest_left+lung.png"
    Image.fromarray((np.array(Image.open(path)) > 0).astype(np.uint8)).save(path)
    parser = BrightParser(modality="X-Ray")
    with pytest.raises(FileError, match=rf"^{re.escape(path.name)} .* up to 1 and not 0 and 255"):
        presence_report(parser, read_folder(folder, "val"), ontology())
    built = build(folder, tmp_path / "out", ontology(), Wishes(complete=True))
    why = "a mask cannot be read: it holds values up to 1 and not 0 and 255."
    assert built.problems == (f"Case 9 is left out: {why}",)
    assert built.counts.absent.total() == 0


@pytest.mark.parametrize("grey", [0, 255])
def test_a_mask_drawn_in_what_is_transparent_is_neither_empty_nor_everywhere(folder, grey):
    path = folder / "train_mask" / "a-0_X-Ray_chest_left+lung.png"
    shape = Image.open(path).convert("L")
    picture = Image.new("L", shape.size, grey).convert("RGBA")
    picture.putalpha(shape)
    picture.save(path)
    why = "has its shape in what is transparent and not in 0 and 255"
    found = survey(folder, "train", ontology())
    assert [(p.kind, p.sentence) for p in found.problems] == [
        ("no mask values", f"train_mask/{path.name} {why}, is skipped.")
    ]
    assert all(not sample.absent for sample in found.samples)
    with pytest.raises(FileError, match=why):
        read_mask(path)


def test_transparency_of_a_mask_that_is_drawn_in_grey_changes_nothing(folder):
    """White on nothing, as drawing programs save it, and an empty one of the same kind."""
    path = folder / "train_mask" / "a-0_X-Ray_chest_left+lung.png"
    shape = Image.open(path).convert("L")
    clear = shape.convert("RGBA")
    clear.putalpha(shape)
    clear.save(path)
    assert np.array_equal(read_mask(path), np.asarray(shape) > 127)
    empty = path.with_name("a-1_X-Ray_chest_right+lung.png")
    Image.new("RGBA", shape.size).save(empty)
    found = survey(folder, "train", ontology())
    assert found.counts == {"empty mask": 1}
    assert [s.absent for s in found.samples if s.absent] == [("right lung",)]
    assert not read_mask(empty).any()
