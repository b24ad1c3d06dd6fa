"""How the bundled weights are made: data, wording, negatives, augmentation, scoring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from parser_model import FileError, RequestError
from parser_model.compact.text import build_vocabulary
from parser_model.ontology import Place, ontology
from parser_model.presence import EVIDENCE
from parser_model.training import loop
from parser_model.training.augment import (
    Draws,
    appearance,
    flips_for,
    geometry,
    grids,
    retextured,
    warp,
)
from parser_model.training.batches import Batch, Batches
from parser_model.training.data import (
    COMPLETE_SOURCES,
    Sample,
    absent_targets,
    read_folder,
    read_image,
    read_mask,
    same_site_absent,
)
from parser_model.training.machine import Machine, training_gain
from parser_model.training.phrases import canonical_phrase, say
from parser_model.training.pixels import Pixels
from parser_model.training.ranking import auroc
from parser_model.training.score import (
    PresenceTable,
    counted_targets,
    cross_fitted,
    dice,
)


@pytest.fixture
def folder(tmp_path):
    """Twelve chest X-rays of dark lungs on a light body, in BiomedParse's naming."""
    rng = np.random.default_rng(0)
    for name in ("train", "train_mask"):
        (tmp_path / name).mkdir()
    for number in range(12):
        image = np.full((64, 64), 200, np.uint8)
        mask = np.zeros((64, 64), np.uint8)
        top, left = rng.integers(5, 20, 2)
        mask[top : top + 30, left : left + 14] = 255
        image[mask > 0] = 60
        Image.fromarray(image).save(tmp_path / "train" / f"a-{number}_X-Ray_chest.png")
        Image.fromarray(mask).save(
            tmp_path / "train_mask" / f"a-{number}_X-Ray_chest_left+lung.png"
        )
    return tmp_path


def test_names_are_read_and_bad_ones_refused(folder):
    samples = read_folder(folder, "train")
    assert len(samples) == 12
    assert samples[0].place == Place("X-Ray", "chest")
    assert list(samples[0].masks) == ["left lung"]
    (folder / "train" / "unnamed.png").write_bytes((samples[0].image).read_bytes())
    with pytest.raises(FileError, match=r"unnamed\.png"):
        read_folder(folder, "train")
    with pytest.raises(FileError, match="missing"):
        read_folder(folder, "val")


def test_every_wording_means_its_target():
    rng = np.random.default_rng(0)
    names = ontology()
    for place in names.places:
        for target in names.targets_in(place.modality, place.site):
            assert names.resolve(canonical_phrase(target, place), place.modality) == target
            for _ in range(5):
                phrase = say(target, place, names, rng)
                assert names.resolve(phrase, place.modality) is not None, phrase


def test_every_word_of_every_name_is_in_the_vocabulary():
    words = build_vocabulary(ontology())
    for target in ontology().targets:
        for phrase in (target, *ontology().synonyms(target)):
            assert 1 not in words.encode([phrase]), phrase


def test_negatives_are_surely_absent(tmp_path):
    chest = Sample(tmp_path / "x", Place("X-Ray", "chest"), {"lung": tmp_path})
    absent = absent_targets(chest, ontology())
    assert "polyp" in absent
    assert "optic disc" in absent
    assert not {"lung", "liver", "vertebrae", "aorta", "spleen"} & set(absent)
    kidney = Sample(tmp_path / "x", Place("CT", "kidney"), {"kidney": tmp_path}, "KiTS19", "p")
    assert "tumor" in absent_targets(kidney, ontology())  # KiTS19 labels every kidney tumour
    unknown = Sample(tmp_path / "x", Place("CT", "kidney"), {"kidney": tmp_path}, "other", "p")
    assert "tumor" not in absent_targets(unknown, ontology())
    # ACDC leaves the right heart at the base without a mask: not a proof of absence.
    heart = Sample(tmp_path / "x", Place("MRI", "heart"), {"myocardium": tmp_path}, "ACDC", "p")
    assert same_site_absent(heart) == ["left heart ventricle"]


def test_what_a_source_labels_completely_has_places_of_its_own():
    for source, targets in COMPLETE_SOURCES.items():
        assert any(
            targets <= set(ontology().targets_in(p.modality, p.site)) for p in ontology().places
        ), source


def test_masks_of_kinds_fill_the_mask_of_the_whole(data_root):
    """A kind without a mask is absent: else the whole would hold more than its kinds."""
    left: dict[str, list[int]] = {"BHSD": [], "BUSI": [], "BUS-BRA": [], "BRISC2025": []}
    whole = {"BHSD": "hemorrhage"}
    for sample in read_folder(data_root / "data", "val") + read_folder(data_root / "data", "train"):
        if sample.source in left:
            every = read_mask(sample.masks[whole.get(sample.source, "tumor")])
            for target in COMPLETE_SOURCES[sample.source] & set(sample.masks):
                every = every & ~read_mask(sample.masks[target])
            left[sample.source].append(int(every.sum()))
    assert {source: len(numbers) for source, numbers in left.items()} == {
        "BHSD": 30,
        "BUSI": 96,
        "BUS-BRA": 16,
        "BRISC2025": 19,
    }
    assert all(max(numbers) <= 1 for numbers in left.values())


def test_sides_are_never_mirrored():
    for place in ontology().places:
        sided = any(
            set(t.split()) & {"left", "right"}
            for t in ontology().targets_in(place.modality, place.site)
        )
        if sided:
            assert not flips_for(place.modality, place.site).horizontal, place
    generator = torch.Generator().manual_seed(0)
    none = [flips_for("X-Ray", "chest")] * 64
    assert (torch.linalg.det(geometry(none, generator)[:, :, :2]) > 0).all()


def test_masks_follow_the_geometry_and_grey_stays_grey():
    generator = torch.Generator().manual_seed(1)
    image = torch.zeros(4, 3, 64, 64)
    image[:, :, 20:40, 10:30] = 1
    matrix = geometry([flips_for("pathology", "colon")] * 4, generator)
    grid = grids(matrix, 64, generator, strength=1.0)
    moved, mask = warp(image, grid), warp(image[:, :1], grid)
    assert torch.allclose(moved[:, :1], mask)
    for _ in range(20):  # often enough that each change is made
        changed = appearance(moved, torch.zeros(4, dtype=torch.bool), generator)
        assert changed.min() >= 0
        assert changed.max() <= 1


def test_another_texture_keeps_brightness_contrast_and_the_kind_of_image():
    generator = torch.Generator().manual_seed(0)
    x = 0.4 + 0.2 * torch.rand(6, 3, 32, 32, generator=generator)
    x[:, :, 8:24, 8:24] += 0.15
    x[:3] = x[:3].mean(1, keepdim=True)
    grey = torch.tensor([True] * 3 + [False] * 3).view(-1, 1, 1, 1)
    y = retextured(x, grey, Draws(6, generator))
    assert torch.allclose(y.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=0.02)
    assert torch.allclose(y.std((1, 2, 3)), x.std((1, 2, 3)), atol=0.02)
    assert torch.allclose(y[:3], y[:3, :1].expand(-1, 3, -1, -1), atol=1e-6)
    assert (y - x).abs().mean((1, 2, 3)).max() > 0.02  # and yet some look different


def test_bends_move_masks_and_images_alike_and_can_be_left_out():
    generator = torch.Generator().manual_seed(0)
    still = torch.eye(2, 3).expand(30, 2, 3)
    straight = grids(still, 32, generator, strength=0.0)
    assert torch.allclose(straight, grids(still, 32, generator, strength=0.0))
    moved = (grids(still, 32, generator, strength=1.0) - straight).abs().amax((1, 2, 3))
    assert 0 < int((moved > 1e-4).sum()) < 30  # some are bent, some are not
    assert moved.max() < 0.2  # of a half width


def test_pixels_are_those_of_the_files_held_or_read(folder, monkeypatch):
    samples = read_folder(folder, "train")
    held = Pixels(samples, 30)
    monkeypatch.setattr("parser_model.training.pixels._HELD_BYTES", 0)
    read = Pixels(samples, 30)
    assert held.held
    assert not read.held
    asked = [(3, "left lung"), (3, "heart"), (7, "left lung")]
    for pixels in (held, read):
        images, masks = pixels.images([3, 7]), pixels.masks(asked)
        for row, index in enumerate((3, 7)):
            wanted = torch.from_numpy(read_image(samples[index].image, 30) / np.float32(255))
            assert torch.allclose(images[row], wanted.permute(2, 0, 1))
        truth = [read_mask(samples[i].masks["left lung"], 30) for i in (3, 7)]
        for row, mask in enumerate((truth[0], np.zeros((30, 30), bool), truth[1])):
            assert np.array_equal(masks[row, 0].numpy() > 0.5, mask)


def test_every_image_is_asked_about_and_as_much_in_every_step(folder):
    plan = replace(loop.TrainingPlan(), images=4, prompts=2.5)
    samples = read_folder(folder, "train")
    batch = Batches(samples, ontology(), build_vocabulary(ontology()), plan, 64).next(32)
    assert batch.images.shape == (4, 3, 32, 32)
    assert batch.masks.shape == (10, 32, 32)
    assert batch.words.shape[0] == batch.present.shape[0] == 10
    owners = batch.owners.tolist()
    assert owners == sorted(owners)
    assert set(owners) == {0, 1, 2, 3}
    # Each of these images has one target: what is asked beyond it is absent.
    assert batch.present.tolist() == [o not in owners[:i] for i, o in enumerate(owners)]
    assert (batch.masks[~batch.present] == 0).all()
    assert 0 < batch.masks.max() <= 1


def test_no_step_asks_for_the_same_mask_twice_while_there_are_others(tmp_path):
    places = Place("X-Ray", "chest")
    masks = {"left lung": tmp_path / "l.png", "right lung": tmp_path / "r.png"}
    for path in (tmp_path / "x.png", *masks.values()):
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(path)
    samples = [Sample(tmp_path / "x.png", places, masks)]
    for share, doubles in ((0.0, 1), (1.0, 0)):
        plan = replace(loop.TrainingPlan(), images=1, prompts=3, negative_share=share)
        batches = Batches(samples, ontology(), build_vocabulary(ontology()), plan, 32)
        asked = batches._questions([(0, "left lung")])
        there = [target for _, target, present in asked if present]
        assert len(asked) == 3
        assert len(there) - len(set(there)) == doubles  # the first again, in other words
        assert sum(not present for *_, present in asked) == 2 * share


def test_what_left_the_image_is_judged_neither_present_nor_absent():
    def batch(area):
        masks = torch.zeros(1, 16, 16)
        masks[0].view(-1)[:area] = 1
        one, yes = torch.zeros(1, dtype=torch.long), torch.tensor([True])
        known = torch.ones_like(masks)
        return Batch(torch.zeros(1, 3, 16, 16), one[None], one, yes, masks, one, yes, known)

    logits, places = torch.zeros(1, 16, 16), torch.zeros(1, 2)
    for area, judged in ((0, False), (3, False), (40, True)):
        _, parts = loop.loss_of(logits, torch.tensor([-3.0]), places, batch(area))
        assert bool(parts["presence"] > 0) is judged
        assert bool(parts["mask"] > 0) is judged


def test_small_images_come_first_and_full_ones_last():
    sizes = [loop.working_size(share, 384, loop.TrainingPlan().sizes) for share in (0.0, 0.5, 0.9)]
    assert sizes == [192, 256, 384]
    rates = [loop.learning_rate(share, 1.0) for share in (0.0, 0.03, 0.5, 1.0)]
    assert rates[0] < rates[1] == pytest.approx(1.0)
    assert rates[3] == pytest.approx(0.0)


def test_scores_have_known_answers():
    a = np.zeros((4, 4), bool)
    a[:2] = True
    assert dice(a, a) == 1
    assert dice(a, ~a) == 0
    assert dice(~a & a, ~a & a) == 1
    assert auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75


def test_cross_fitting_never_judges_a_patient_it_has_seen():
    rng = np.random.default_rng(0)
    present = rng.random(300) < 0.5
    evidence = rng.normal(size=(300, len(EVIDENCE))) + np.where(present, 1.5, -1.5)[:, None]
    table = PresenceTable(evidence, present, ~present, [f"p{i % 40}" for i in range(300)])
    probability, decided = cross_fitted(table)
    assert auroc(probability, present) > 0.95
    assert decided[present].mean() > 0.9


def test_rare_targets_do_not_count(tmp_path):
    for name, grey in (("there.png", 255), ("empty.png", 0)):
        Image.fromarray(np.full((4, 4), grey, np.uint8)).save(tmp_path / name)
    there, empty = tmp_path / "there.png", tmp_path / "empty.png"
    flair, gadolinium = Place("MRI-FLAIR", "brain"), Place("MRI-T1-Gd", "brain")
    samples = [Sample(tmp_path, flair, {"edema": there})] * 10
    samples += [Sample(tmp_path, gadolinium, {"edema": there})] * 5  # MRI all the same
    samples += [Sample(tmp_path, Place("CT", "body"), {"lesion": there})] * 14
    samples += [Sample(tmp_path, Place("CT", "body"), {"lesion": empty})] * 9  # absent there
    assert counted_targets(samples) == {("MRI", "edema")}


def test_bfloat16_is_used_only_where_it_is_faster(monkeypatch):
    for gain, precision in ((0.01, "fp32"), (1.0, "fp32"), (2.5, "bf16")):
        monkeypatch.setattr("parser_model.training.machine.training_gain", lambda _, g=gain: g)
        assert Machine.chosen("cpu").precision == precision
    assert Machine.chosen("cpu", "fp32") == Machine("cpu", "fp32")
    with pytest.raises(RequestError, match="Unknown device 'abacus'"):
        Machine.chosen("abacus")
    with pytest.raises(RequestError, match="Unknown precision 'int1'"):
        Machine.chosen("cpu", "int1")


def test_the_self_test_of_precision_measures_something():
    assert 0 < training_gain("cpu") < 1000


def test_layers_run_in_the_precision_of_the_machine():
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with Machine("cpu", "fp32").mixed():
        assert layer(x).dtype == torch.float32
    with Machine("cpu", "bf16").mixed():
        assert layer(x).dtype == torch.bfloat16
