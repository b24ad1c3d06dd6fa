"""What stands around the network: tokenizer, post-processing and preparation of images."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest

from parser_model.biomedparse.everything import (
    REFERENCE_TARGETS,
    kind_in_table,
    label_everything,
    reference_targets,
)
from parser_model.biomedparse.postprocess import (
    combine_masks,
    mask_statistics,
    read_distributions,
    reference_p_value,
    suppress_overlaps,
)
from parser_model.biomedparse.preparation import (
    SIZE,
    Frame,
    ct_window,
    prepare_intensities,
    prepare_picture,
)
from parser_model.biomedparse.recorded import data_folder
from parser_model.biomedparse.tokenizer import Tokenizer, clean
from parser_model.errors import RequestError, SetupError
from parser_model.intensities import scale_intensities


@pytest.fixture(scope="module")
def tokenizer():
    folder = data_folder() / "reference" / "clip_bpe"
    if not folder.is_dir():
        pytest.skip("no tokenizer file at hand: set PARSECHAT_DATA to the folder with reference/")
    return Tokenizer.from_file(folder)


def test_known_ids(tokenizer):
    ids, lengths = tokenizer(["a photo of a cat"])
    assert ids[0, :8].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407, 49407]
    assert (ids.shape, lengths.tolist()) == ((1, 77), [7])


@pytest.mark.parametrize(
    ("phrase", "length"),
    [("", 2), ("🫁" * 3000, 77), ("x" * 10_000, 77), ("\ud800 liver", None), ("\x00", None)],
)
def test_odd_phrases_do_no_harm(tokenizer, phrase, length):
    ids, lengths = tokenizer([phrase])
    assert ids[0, lengths[0] - 1] == tokenizer.end
    assert length is None or lengths[0] == length


def test_no_phrases_and_no_text_are_refused(tokenizer):
    for phrases in ([], "liver", [3]):
        with pytest.raises(RequestError):
            tokenizer(phrases)


def test_merges_of_the_hub_are_read_too(tokenizer, tmp_path):
    merges = [" ".join(pair) for pair in tokenizer._rank]
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", "utf-8")
    assert Tokenizer.from_file(tmp_path).encode("left kidney") == tokenizer.encode("left kidney")


def test_wrong_tokenizer_files_are_explained(tmp_path):
    with pytest.raises(SetupError, match="no tokenizer file"):
        Tokenizer.from_file(tmp_path)
    (tmp_path / "merges.txt").write_text("#version\na b\n")
    with pytest.raises(SetupError, match="48894"):
        Tokenizer.from_file(tmp_path)
    (tmp_path / "merges.txt").write_text("#version\na b c\n")
    with pytest.raises(SetupError, match="byte-pair"):
        Tokenizer.from_file(tmp_path)
    path = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    path.write_bytes(gzip.compress(b"x")[:10])
    with pytest.raises(SetupError, match="damaged"):
        Tokenizer.from_file(path)


def test_text_is_repaired():
    assert clean(" The\u00a0LIVER\n &amp; ﬁbrosis’s ") == "the liver & fibrosis's"


TABLE = {"CT-Abdomen": {"liver": [[8.0, 2.0], [3.0, 3.0], [3.0, 3.0], [3.0, 3.0]]}}


def test_score_of_the_reference():
    # Beta(3, 3) is symmetric, so one half is its most typical value: each tail is 1.
    typical = reference_p_value((0.8204, 0.5, 0.5, 0.5), "CT-Abdomen", "liver", TABLE)
    assert typical == pytest.approx(1.0, abs=1e-3)
    assert reference_p_value((0.0, 0.0, 0.0, 0.0), "CT-Abdomen", "liver", TABLE) == 0.0
    for modality, target in (("CT", "liver"), ("CT-Abdomen", "moon")):
        with pytest.raises(RequestError, match="does not know"):
            reference_p_value((0.5,) * 4, modality, target, TABLE)


def test_tables_are_checked(tmp_path):
    path = tmp_path / "target_dist.json"
    with pytest.raises(SetupError, match="no target_dist"):
        read_distributions(path)
    path.write_text("version https://git-lfs")
    with pytest.raises(SetupError, match="damaged"):
        read_distributions(path)


def test_statistics_of_masks():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2] = (128, 64, 32)
    probability = np.zeros((4, 4))
    assert mask_statistics(probability, image) == (0, 0, 0, 0)
    assert mask_statistics(probability + 127.5 / 255, image) == (0, 0, 0, 0)
    probability[:2] = 1
    assert mask_statistics(probability, image) == (255 / 256, 0.5, 0.25, 0.125)


def combine_slowly(maps):
    """Pixel by pixel, as the description says it."""
    names = list(maps)
    stack = np.stack([maps[n] for n in names])
    won = np.zeros(len(names))
    for pixel in stack.reshape(len(names), -1).T:
        best = int(np.argmax(pixel))
        won[best] += pixel[best] > 0.1
    faint = stack > 0.1
    area = faint.sum((1, 2))
    mean = [
        float(s[f].astype(float).mean()) if f.any() else 0
        for s, f in zip(stack, faint, strict=True)
    ]
    keep = [i for i in range(len(names)) if won[i] >= 0.5 * area[i] or i == int(np.argmax(mean))]
    final = {names[i]: np.zeros(stack.shape[1:], np.uint8) for i in keep}
    for at in np.ndindex(stack.shape[1:]):
        values = [stack[i][at] if stack[i][at] > 0.5 else -1 for i in keep]
        if max(values) > 0:
            final[names[keep[int(np.argmax(values))]]][at] = 1
    return final


@pytest.mark.parametrize("seed", range(6))
def test_combining_agrees_with_its_description(seed):
    generator = np.random.default_rng(seed)
    levels = generator.choice([0.0, 0.08, 0.3, 0.6, 0.6, 0.95], size=(5, 12, 9))
    maps = {f"t{i}": (level * (i != 3)).astype(np.float32) for i, level in enumerate(levels)}
    ours, theirs = combine_masks(maps), combine_slowly(maps)
    assert list(ours) == list(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert np.sum(list(ours.values()), axis=0).max() <= 1


def test_nothing_to_combine():
    assert combine_masks({}) == {}
    assert suppress_overlaps({"liver": np.zeros((3, 3))}, {"liver": 1.0}) == {}


def test_a_mask_inside_a_better_one_is_dropped():
    big, small = np.zeros((8, 8)), np.zeros((8, 8))
    big[:6], small[4:7] = 0.9, 0.9
    kept = suppress_overlaps({"small": small, "big": big}, {"small": 0.2, "big": 0.7})
    assert list(kept) == ["big"]
    kept = suppress_overlaps({"small": small, "big": big}, {"small": 0.7, "big": 0.2})
    assert list(kept) == ["small", "big"]


def test_windows():
    assert ct_window("Abdomen") == (-150, 250)
    with pytest.raises(RequestError, match="lung"):
        ct_window(None)


def test_one_bright_pixel_changes_the_reference_and_not_the_corrected_scale():
    values = np.full((4, 4), 40.0)
    values[0, 0] = -2000
    bright = values.copy()
    bright[3, 3] = 3000
    window = ct_window("lung")
    assert scale_intensities(values, window)[1, 1] == 255
    assert scale_intensities(bright, window)[1, 1] == pytest.approx(132.6)
    fixed = [scale_intensities(v, window, by_window=True)[1, 1] for v in (values, bright)]
    assert fixed == pytest.approx([132.6, 132.6])


@pytest.mark.parametrize(
    "values",
    [np.zeros((3, 5)), np.full((2, 2), -7.0), np.full((2, 2), np.nan), np.full((1, 1), 5.0)],
)
def test_images_without_contrast_are_black(values):
    assert not scale_intensities(values).any()
    assert not prepare_intensities(values).pixels.any()


@pytest.mark.parametrize(("height", "width"), [(90, 120), (130, 101), (7, 7), (1, 30)])
def test_frames_bring_back(height, width):
    frame = Frame.of(height, width)
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    padded = frame.pad(image)
    assert padded.shape[:2] == frame.padded
    assert abs(padded.shape[0] - padded.shape[1]) <= 1
    assert np.array_equal(frame.crop(padded), image)


def test_pictures_are_prepared():
    prepared = prepare_picture(np.full((10, 20, 3), 200, np.uint8))
    assert prepared.pixels.shape == (SIZE, SIZE, 3)
    assert abs(prepared.pixels[SIZE // 2, SIZE // 2].astype(int) - 200).max() <= 1
    assert prepared.pixels[:200].max() <= 10  # splines ring a little
    with pytest.raises(RequestError):
        prepare_picture(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(RequestError):
        prepare_intensities(np.zeros((2, 2, 2)))


def test_everything_is_scored_and_shared_out():
    image = np.full((6, 8, 3), 128, np.uint8)
    left, right, none = np.zeros((6, 8)), np.zeros((6, 8)), np.zeros((6, 8))
    left[:, :5], right[:, 4:] = 0.8, 0.9
    table = {"X": {name: [[8, 2], [3, 3], [3, 3], [3, 3]] for name in ("left", "right", "none")}}
    maps = {"left": left, "right": right, "none": none}
    masks, scores = label_everything(maps, image, "X", table)
    assert set(masks) == {"left", "right"}
    assert (masks["left"] + masks["right"] == 1).all()
    assert scores["none"] == 0
    assert label_everything(maps, image, "X", table, threshold=1.0)[0] == {}


def test_targets_of_a_kind_of_image():
    assert len(reference_targets("CT-Abdomen")) == 13
    assert len(REFERENCE_TARGETS) == 14
    with pytest.raises(RequestError, match="CT-Chest"):
        reference_targets("CT")


@pytest.mark.parametrize(
    ("modality", "site", "kind"),
    [
        ("CT", "abdomen", "CT-Abdomen"),
        ("CT", "brain", None),
        ("MRI", "heart", "MRI-Cardiac"),
        ("fundus", "retinal", "Fundus"),
        ("fundus", None, "Fundus"),
        (None, None, None),
    ],
)
def test_kinds_of_images_in_the_table(modality, site, kind):
    table: dict[str, dict[str, Any]] = {name: {} for name in REFERENCE_TARGETS}
    assert kind_in_table(modality, site, table) == kind
    assert kind_in_table(modality, site, {}) is None
