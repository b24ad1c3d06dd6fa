"""Where a source outlines some of many objects, the others are not taught as background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from parser_model.compact.text import build_vocabulary
from parser_model.ontology import ontology
from parser_model.training.batches import Batch, Batches, known_where
from parser_model.training.data import read_folder
from parser_model.training.full_task import mask_loss
from parser_model.training.loop import TrainingPlan, masks_loss


def test_a_mask_is_known_on_and_next_to_what_it_outlines():
    """A square of 20 pixels in 200: a hundredth of the side, so 2 pixels, is next to it."""
    masks = torch.zeros(2, 200, 200)
    masks[:, 50:70, 80:100] = 1
    partly, whole = known_where(masks, torch.tensor([True, False]))
    near = torch.zeros(200, 200)
    near[48:72, 78:102] = 1
    assert torch.equal(partly, near)
    assert whole.all()


@pytest.fixture
def tissue(tmp_path):
    """Two images of nuclei, of which half are outlined."""
    for name in ("train", "train_mask"):
        (tmp_path / name).mkdir()
    for number in range(2):
        mask = np.zeros((64, 64), np.uint8)
        mask[8:16, 8:16] = 255
        image = np.maximum(mask, mask[::-1])
        stem = f"p{number}_pathology_colon"
        Image.fromarray(image).save(tmp_path / "train" / f"{stem}.png")
        Image.fromarray(mask).save(tmp_path / "train_mask" / f"{stem}_nuclei.png")
    return read_folder(tmp_path, "train")


def drawn(samples, source: str) -> Batch:
    plan = replace(TrainingPlan(), images=8, prompts=4.0, negative_share=1.0, strength=0.0)
    samples = [replace(sample, source=source) for sample in samples]
    return Batches(samples, ontology(), build_vocabulary(ontology()), plan, 64).next(64)


def test_only_what_lizard_outlines_is_believed(tissue):
    some, other = drawn(tissue, "Lizard"), drawn(tissue, "TNBC")
    assert other.known.all()
    outlined = some.present
    assert outlined.any()
    assert some.known[some.masks > 0].all()
    assert (some.known[outlined].mean((1, 2)) < 0.1).all()
    assert some.known[~outlined].all()  # a polyp is in no part of the image


def test_what_is_not_known_changes_no_loss():
    torch.manual_seed(0)
    known = torch.zeros(1, 16, 16)
    known[:, :8] = 1
    masks = torch.zeros(1, 16, 16)
    masks[:, 2:6, 2:10] = 1
    one, yes = torch.zeros(1, dtype=torch.long), torch.tensor([True])
    batch = Batch(torch.zeros(1, 3, 16, 16), one[None], one, yes, masks, one, yes, known)
    logits = torch.randn(1, 16, 16)
    elsewhere, here = logits.clone(), logits.clone()
    elsewhere[:, 8:] += 5
    here[:, :8] += 5

    def compact(x):
        return masks_loss(x, batch)[0]

    def full(x):
        return mask_loss(x.flatten(1), masks.flatten(), known.flatten())

    for loss in (compact, full):
        assert torch.equal(loss(elsewhere), loss(logits))
        assert not torch.allclose(loss(here), loss(logits))
