"""Synthetic tumors lie where their masks say, look unlike their organ, and teach masks alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from parser_model.compact.text import build_vocabulary
from parser_model.compact.weights import load_weights
from parser_model.errors import FileError, RequestError
from parser_model.ontology import ontology
from parser_model.training.batches import Batches
from parser_model.training.data import read_folder, read_image, read_mask
from parser_model.training.loop import TrainingPlan
from parser_model.training.machine import Machine
from parser_model.training.plans import read_config
from parser_model.training.score import dice
from parser_model.training.synthetic import HOSTS, LARGEST, Host, lump, lungs
from parser_model.training.tasks import task_of

SIZE = 128
ROWS, COLUMNS = np.indices((SIZE, SIZE))


def disc(row, column, radius):
    return np.hypot(ROWS - row, COLUMNS - column) <= radius


def slice_of(organ, inside, outside=0.5):
    """A body of one grey with an organ of another, a little grain on both."""
    rng = np.random.default_rng(0)
    image = np.where(disc(64, 64, 55), outside, 0.0)
    image = np.where(organ, inside, image) + rng.normal(0, 0.01, image.shape) * (image > 0)
    return image.clip(0, 1).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 30), st.sampled_from(sorted(HOSTS)))
def test_a_lump_is_in_its_organ_and_of_the_sizes_promised(seed, radius, kind):
    host, organ = HOSTS[kind], disc(60, 50, radius)
    image = slice_of(organ, 0.0 if host.aerated else 0.6)
    made = lump(image, organ, host, np.random.default_rng(seed))
    if made is None:
        return
    for part in made:
        assert part.shape == image.shape
        assert 0 <= part.min() <= part.max() <= 1
    seen = made.alpha >= 0.5
    # Twice the radius at most, by stretching and bumps; the ellipse of that is wider than any.
    assert 0 < seen.sum() <= np.pi * (2.9 * LARGEST * SIZE) ** 2
    assert (seen & organ).any()
    if host.outgrows == 0:
        assert not (seen & ~organ).any()


@pytest.mark.parametrize("seed", range(12))
def test_a_lump_in_a_lung_is_as_solid_as_the_body_and_others_are_unlike_their_organ(seed):
    organ = disc(64, 64, 30)
    for host, inside, low, high in (
        (Host(aerated=True), 0.0, 0.3, 0.7),  # the body is 0.5
        (Host(brighter=0.0), 0.6, 0.1, 0.57),
        (Host(brighter=1.0), 0.6, 0.63, 1.0),
    ):
        image = slice_of(organ, inside)
        made = lump(image, organ, host, np.random.default_rng(seed))
        assert made is not None
        core = made.alpha > 0.9
        if core.any():
            assert low < np.median(made.grey[core]) < high


def test_there_is_no_lump_where_there_is_no_organ_or_nothing_in_the_image():
    rng, nothing = np.random.default_rng(0), np.zeros((SIZE, SIZE), bool)
    assert lump(slice_of(nothing, 0), nothing, Host(), rng) is None
    assert lump(np.zeros((SIZE, SIZE), np.float32), disc(64, 64, 20), Host(), rng) is None


def test_lungs_are_found_without_an_outline_and_nothing_else_that_is_dark():
    """Two discs of air in a body, which has a thin dark coat as of fat, over a table."""
    left, right = disc(60, 40, 16), disc(60, 88, 16)
    image = slice_of(left | right, 0.0)
    image[disc(64, 64, 52) & ~disc(64, 64, 50)] = 0.0
    image[124:126] = 0.8
    found = lungs(image)
    assert dice(found, left | right) > 0.9
    assert not found[~disc(64, 64, 48)].any()
    assert not lungs(slice_of(np.zeros((SIZE, SIZE), bool), 0)).any()


def test_in_real_slices_nothing_but_lung_is_taken_for_it(data_root):
    """What is near a border or a vessel may be left out."""
    known = [s for s in read_folder(data_root / "data", "train") if s.source == "Lung-CT"]
    right, found_of_all = [], []
    for sample in known:
        image = (read_image(sample.image, 256)[..., 0] / 255).astype(np.float32)
        found, lung = lungs(image), read_mask(sample.masks["lung"], 256)
        right.append((found & lung).sum() / found.sum())
        found_of_all.append((found & lung).sum() / lung.sum())
    assert np.median(right) > 0.97
    assert np.median(found_of_all) > 0.6


@pytest.fixture
def kidneys(tmp_path):
    """Four slices of one grey with a kidney outlined."""
    for name in ("train", "train_mask"):
        (tmp_path / name).mkdir()
    organ = disc(60, 50, 25)
    for number in range(4):
        stem = f"k{number}_CT_abdomen"
        grey = (slice_of(organ, 0.6) * 255).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / "train" / f"{stem}.png")
        mask = organ.astype(np.uint8) * 255
        Image.fromarray(mask).save(tmp_path / "train_mask" / f"{stem}_kidney.png")
    return read_folder(tmp_path, "train")


def batches_of(samples, **numbers):
    plan = replace(TrainingPlan(), images=4, strength=0.0, recolouring=0.0, **numbers)
    return Batches(samples, ontology(), build_vocabulary(ontology()), plan, SIZE)


def test_images_change_just_where_the_mask_of_their_tumor_is(kidneys):
    plain = torch.from_numpy(slice_of(disc(60, 50, 25), 0.6)) * 2 - 1
    for batch in (batches_of(kidneys, synthetic=1.0).next(SIZE) for _ in range(5)):
        assert batch.present.all()
        assert not batch.teaches.any()
        assert (batch.masks.flatten(1).sum(1) > 0).all()
        for mask, owner in zip(batch.masks, batch.owners, strict=True):
            changed = (batch.images[owner, 0] - plain).abs() > 0.03
            # A soft edge is lit a little outside of the mask.
            assert not (changed & (near(mask, 17) < 0.5)).any()
            assert (changed[mask > 0.5]).float().mean() > 0.6


def near(mask, width):
    """Where a mask is, or something of it within half of that width."""
    return torch.nn.functional.max_pool2d(mask[None, None], width, 1, width // 2)[0, 0]


def test_a_tumor_is_asked_for_in_the_organ_where_tumors_of_it_are_known(kidneys):
    drawn = batches_of(kidneys, synthetic=1.0)
    lumps = drawn._lumps([(0, "kidney")] * 4)
    assert {made.place.site for made in lumps.values()} == {"kidney"}
    asked = drawn._questions([(made.sample, "tumor") for made in lumps.values()], lumps)
    assert {(target, there) for _, target, there in asked} == {("tumor", True)}


def test_real_images_teach_presence_as_before(kidneys):
    assert batches_of(kidneys).next(SIZE).teaches.all()


def test_without_an_organ_there_are_no_synthetic_tumors(kidneys):
    others = [replace(s, masks={"colon": s.masks["kidney"]}) for s in kidneys]
    with pytest.raises(FileError, match="No image has an outlined organ"):
        batches_of(others, synthetic=0.5)


def test_the_decoder_alone_can_be_taught(taught):
    """What sees the image, reads the words and judges presence stays as it is, to the bit."""
    losses, changed = taught(read_config("compact").with_numbers(images=4, taught="decoder"))
    assert losses == ["dice", "mask"]
    assert {name.split(".")[0][:2] for name in changed} == {"at", "to"}


def test_a_share_of_the_start_stays_in_what_is_written(folder, tiny, tmp_path):
    """Half of it: each number lies midway between the start and what was learnt."""
    samples, start, end = read_folder(folder, "train"), tmp_path / "s.safetensors", tmp_path / "e"
    task, _ = task_of(read_config(str(tiny)), Machine(), samples, [])
    task.write(start, {})
    config = read_config("compact").with_numbers(images=4, taught="decoder", start_share=0.5)
    task, _ = task_of(config, Machine(), samples, [], start=start)
    with torch.no_grad():
        for number in task.averaged.parameters():
            number.add_(0.5)
    task.write(end, {})
    before, after = (load_weights(path).network.state_dict() for path in (start, end))
    for name, number in before.items():
        assert torch.allclose(after[name], number + 0.25, atol=2e-3), name
    with pytest.raises(RequestError, match="name them"):
        task_of(read_config("compact").with_numbers(start_share=0.5), Machine(), samples, [])
    with pytest.raises(RequestError, match="less than 1"):
        TrainingPlan(start_share=1.0)


def test_the_plan_that_teaches_tumors_is_one():
    """It is documented as the last part of how the shipped weights are made."""
    plan = read_config("tumors").plan
    assert isinstance(plan, TrainingPlan)
    assert plan.taught == "decoder"
    assert plan.synthetic > 0
