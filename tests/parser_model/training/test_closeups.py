"""Close-ups: what lies beside an object shows nothing of it, and is taught as its absence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from parser_model.compact.text import build_vocabulary
from parser_model.errors import RequestError
from parser_model.ontology import Place, ontology
from parser_model.training.augment import warp
from parser_model.training.batches import Batches
from parser_model.training.closeups import LARGEST, SMALLEST, affine, square
from parser_model.training.data import Sample, read_folder
from parser_model.training.loop import TrainingPlan
from parser_model.training.plans import read_config
from parser_model.training.score import presence_table, squares_beside
from tests.shapes_parser import BrightParser

BOX = st.tuples(st.integers(0, 90), st.integers(0, 110), st.integers(1, 50), st.integers(1, 60))


@given(BOX, st.integers(0, 10**6), st.booleans())
def test_a_square_beside_an_object_shows_none_of_it_and_one_with_it_some(box, seed, beside):
    top, left, height, width = box
    mask = np.zeros((100, 120), bool)
    mask[top : top + height, left : left + width] = True
    part = square(mask, np.random.default_rng(seed), beside=beside)
    if part is None:
        assert beside  # an object in the middle of it all leaves no room
        return
    assert SMALLEST <= part.side <= LARGEST
    assert 0 <= part.top <= 1 - part.side
    assert 0 <= part.left <= 1 - part.side
    seen = part.cut(np.repeat(mask[..., None].astype(np.uint8), 3, 2))
    assert seen.shape[0] == pytest.approx(100 * part.side, abs=1)
    assert seen.shape[1] == pytest.approx(120 * part.side, abs=1)
    assert bool(seen.any()) is not beside


def test_no_square_is_found_beside_what_fills_the_image():
    rng = np.random.default_rng(0)
    assert square(np.ones((40, 40), bool), rng, beside=True) is None


def test_the_map_shows_what_is_cut():
    """Side 1/2 from (1/4, 1/8) of 64 pixels, shown with 32: pixel for pixel."""
    image = torch.rand(1, 1, 64, 64)
    part = square(np.ones((64, 64), bool), np.random.default_rng(0), beside=False)
    assert part is not None
    part = part._replace(top=0.25, left=0.125, side=0.5)
    grid = torch.nn.functional.affine_grid(affine(part)[None], [1, 1, 32, 32], align_corners=False)
    assert torch.allclose(warp(image, grid), image[..., 16:48, 8:40], atol=1e-6)


@pytest.fixture
def polyps(tmp_path):
    """Eight dark images with a bright polyp in a corner."""
    for name in ("train", "train_mask"):
        (tmp_path / name).mkdir()
    for number in range(8):
        mask = np.zeros((64, 64), np.uint8)
        mask[2:18, 2:18] = 255
        stem = f"p{number}_endoscope_colon"
        Image.fromarray(mask).save(tmp_path / "train" / f"{stem}.png")
        Image.fromarray(mask).save(tmp_path / "train_mask" / f"{stem}_polyp.png")
    return read_folder(tmp_path, "train")


def asked(samples, **numbers):
    """Twenty batches whose images are bright just where the object is."""
    plan = replace(TrainingPlan(), images=4, prompts=1.0, strength=0.0, recolouring=0.0, **numbers)
    batches = Batches(samples, ontology(), build_vocabulary(ontology()), plan, 64)
    return [batches.next(64) for _ in range(20)]


def test_an_object_is_absent_where_a_close_up_leaves_it_out_and_only_there(polyps):
    judged = []
    for batch in asked(polyps, closeups=1.0):
        bright = (batch.images > 0).flatten(1).any(1)[batch.owners]
        assert (bright == (batch.masks > 0.5).flatten(1).any(1)).all()
        # A sliver at the edge of a close-up counts neither way.
        clear = (batch.masks.sum((1, 2)) < 1) | (batch.masks.sum((1, 2)) > 8)
        assert (batch.present == bright)[clear].all()
        judged += batch.present.tolist()
    assert 0.3 < np.mean(judged) < 0.7
    assert all(batch.present.all() for batch in asked(polyps))


def test_what_is_gone_at_the_working_size_is_no_close_up(polyps):
    speck = Image.new("L", (512, 512))
    speck.putpixel((3, 3), 255)
    speck.save(polyps[0].masks["polyp"])
    assert len(asked(polyps[:1], closeups=1.0)) == 20


def test_nothing_is_absent_beside_what_was_not_all_outlined(polyps):
    partly = [replace(sample, source="DeepLesion") for sample in polyps]
    batches = asked(partly, closeups=1.0)
    assert all(batch.present.all() for batch in batches)
    # Nor is an image spent on it: the object is in view in each.
    assert all((batch.masks.sum((1, 2)) > 0).all() for batch in batches)


def test_presence_alone_can_be_taught(taught):
    """The masks of the weights it starts from stay as they are, to the bit."""
    config = read_config("compact").with_numbers(
        images=4, prompts=2.0, closeups=0.5, taught="presence", learning_rate=0.05
    )
    losses, changed = taught(config)
    assert losses == ["presence"]
    assert changed
    assert all(name.startswith("presence.") for name in changed)
    with pytest.raises(RequestError, match="taught cannot be 'masks'; use all, presence"):
        TrainingPlan(taught="masks")


def test_lesions_are_asked_of_squares_beside_them(polyps):
    parser = BrightParser(modality="endoscope")
    table = presence_table(parser_with_evidence(parser), polyps, ontology())
    assert table.beside is not None
    assert 0 < table.beside.sum() <= len(polyps)  # some draw too large a square
    assert not table.present[table.beside].any()
    assert (table.evidence[table.beside, 0] == 0).all()  # nothing bright is in them
    assert (table.evidence[table.present, 0] == 1).all()
    assert (table.alike == (table.same_site | table.beside)).all()


def test_no_square_is_cut_beside_organs_or_half_labelled_lesions():
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), bool)
    mask[:9, :9] = True
    sample = Sample(Path("x"), Place("CT", "abdomen"), source="KiTS19")
    found = squares_beside(sample, {"kidney": mask, "tumor": mask}, ontology(), rng)
    assert list(found) == ["tumor"]
    partly = replace(sample, source="DeepLesion")
    assert squares_beside(partly, {"lesion": mask}, ontology(), rng) == {}


def parser_with_evidence(parser):
    """A parser whose only evidence is whether something bright is in view."""

    class WithEvidence:
        info = parser.info
        evidence_names = ("bright",)

        def evidence(self, image, target, *, modality=None):
            return np.array([float(image.max() > 128)])

    return WithEvidence()
