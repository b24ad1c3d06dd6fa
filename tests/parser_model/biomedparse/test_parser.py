"""The parser: the seam's promises, with substitute weights."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from parser_model.biomedparse.evidence import BIOMEDPARSE_EVIDENCE, sibling_overlap
from parser_model.biomedparse.fitting import Placement
from parser_model.biomedparse.parser import BiomedParseParser
from parser_model.biomedparse.recorded import data_folder
from parser_model.errors import RequestError
from parser_model.ontology import ontology
from parser_model.overlaps import share_pixels
from parser_model.presence import Calibration
from parser_model.types import ParsedImage, Parser, Recognised
from tests.parser_model.biomedparse.conftest import TINY


class WordsToIds:
    """Stands in for the tokenizer, whose file may not be at hand."""

    def __call__(self, phrases):
        ids = np.full((len(phrases), 77), 99)
        lengths = []
        for row, phrase in zip(ids, phrases, strict=True):
            words = [zlib.crc32(word.encode()) % 97 for word in phrase.split()]
            row[: len(words) + 1] = [98, *words]
            lengths.append(len(words) + 2)
        return ids, np.array(lengths)


@pytest.fixture
def parser(network):
    return make(network)


def make(network, **options) -> BiomedParseParser:
    tokenizer: Any = WordsToIds()
    return BiomedParseParser(network, tokenizer, ontology(), **options)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


def test_it_fills_the_seam(parser, image):
    assert isinstance(parser, Parser)
    rows = parser.parse([image, image[:20]], ["liver", "a spaceship"])
    assert [len(row) for row in rows] == [2, 2]
    for row, shape in zip(rows, [(50, 70), (20, 70)], strict=True):
        assert [item.target for item in row] == ["liver", None]
        for item in row:
            assert item.probability.shape == item.mask.shape == shape
            assert item.presence is None
    assert not rows[0][1].mask.any()
    assert not rows[0][1].present


def test_neighbours_change_nothing_at_all(parser, image):
    beside = parser.parse([image], ["spleen", "liver", "moon", "left kidney"])[0][1]
    alone = parser.parse([image], ["liver"])[0][0]
    assert np.array_equal(beside.probability, alone.probability)


def test_synonyms_share_an_answer(parser, image):
    a, b = parser.parse([image], ["liver", "the Liver"])[0]
    assert (a.phrase, b.phrase) == ("liver", "the Liver")
    assert np.array_equal(a.mask, b.mask)


def test_images_are_remembered_within_the_budget(network, image):
    parser = make(network)
    assert [parser.parse([image], ["liver"])[0][0].encoded for _ in range(2)] == [True, False]
    assert not parser.parse([image.copy()], ["spleen"])[0][0].encoded
    assert [item.encoded for item in parser.parse([image[::-1]], ["liver", "spleen"])[0]] == [
        True,
        False,
    ]
    forgetful = make(network, memory_bytes=0)
    assert all(forgetful.parse([image], ["liver"])[0][0].encoded for _ in range(2))


def test_a_stack_that_does_not_fit_drives_nothing_out(network, image):
    one_bytes = make(network)._engine.encode([image])[0][0].nbytes
    parser = make(network, memory_bytes=3 * one_bytes)
    parser.parse([image], ["liver"])
    stack = [image[::-1].copy(), image[:, ::-1].copy(), image[::-1, ::-1].copy()]
    for size, remembered in ((4, False), (3, True)):
        slices = [ParsedImage(pixels, stack_size=size) for pixels in stack]
        parser.parse(slices, ["liver"])
        assert parser.parse([image], ["spleen"])[0][0].encoded is remembered
        assert parser.parse(stack[1:2], ["spleen"])[0][0].encoded is not remembered


def test_the_place_is_told_to_the_network(parser, image):
    bare = parser.parse([image], ["liver"])[0][0]
    placed = parser.parse([image], ["liver"], modality="CT", site="abdomen")[0][0]
    assert not np.array_equal(bare.probability, placed.probability)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (20_000, 300), (300, 20_000), (64, 64)])
@pytest.mark.parametrize("fit", ["pad", "squeeze"])
def test_images_of_any_shape(network, shape, fit):
    image = np.full((*shape, 3), 90, np.uint8)
    found = make(network, fit=fit).parse([image], ["liver"])[0][0]
    assert found.mask.shape == shape
    assert np.isfinite(found.probability).all()


@pytest.mark.parametrize(
    ("images", "prompts"),
    [
        ([], ["liver"]),
        ([np.zeros((4, 4, 3), np.uint8)], []),
        ([np.zeros((4, 4, 3), np.uint8)], "liver"),
        ([np.zeros((4, 4, 3))], ["liver"]),
        ([np.zeros((4, 4), np.uint8)], ["liver"]),
        ([np.zeros((0, 4, 3), np.uint8)], ["liver"]),
        ([np.full((4, 4, 3), np.nan)], ["liver"]),
        ([np.zeros((4, 4, 4), np.uint8)], ["liver"]),
        ([np.zeros((4, 4, 3), np.int16)], ["liver"]),
    ],
)
def test_bad_requests_are_refused(parser, images, prompts):
    with pytest.raises(RequestError):
        parser.parse(images, prompts)


def test_many_and_odd_phrases(parser, image):
    phrases = ["liver", "🫁", "", "x" * 10_000] * 125
    found = parser.parse([image], phrases)[0]
    assert [item.target for item in found] == ["liver", None, None, None] * 125


def test_images_encoded_together_answer_as_alone(network, image, monkeypatch):
    others = [image, image[::-1].copy(), image[:20], image]
    alone = [make(network).parse([one], ["liver", "moon"])[0] for one in others]
    monkeypatch.setattr("parser_model.biomedparse.engine.Engine.images_at_once", lambda _: 3)
    together = make(network).parse(others, ["liver", "moon"])
    for a, b in zip(alone, together, strict=True):
        assert np.allclose(a[0].probability, b[0].probability, atol=2e-3)
    assert [row[0].encoded for row in together] == [True, True, True, False]


def counting(parser, monkeypatch) -> list[int]:
    """How many wordings each pass of the decoder answers."""
    passes: list[int] = []
    decode = type(parser._engine._network).decode

    def count(self, memory, text, **options):
        passes.append(len(text.phrases))
        return decode(self, memory, text, **options)

    monkeypatch.setattr(type(parser._engine._network), "decode", count)
    return passes


CALIBRATION = Calibration("c", "ab" * 32, (0, 0, 0, 0, 0, -9.0), 1.0, 0.5, "", BIOMEDPARSE_EVIDENCE)


def test_a_phrase_is_decoded_once_and_siblings_once_an_image(network, image, monkeypatch):
    parser = make(network, calibration=CALIBRATION)
    passes = counting(parser, monkeypatch)
    for phrases in (["liver"], ["spleen", "aorta"]):
        parser.parse([image], phrases, modality="CT", site="abdomen")
    siblings = len(ontology().targets_in("CT", "abdomen"))
    assert passes == [1, siblings, 1, 1]
    passes.clear()
    make(network).parse([image], ["liver"], modality="CT", site="abdomen")
    assert passes == [1]  # nothing is asked of siblings where presence is not judged


def test_overlap_with_a_sibling_lowers_presence():
    mine = np.full((4, 4), 0.6)
    assert sibling_overlap(mine, []) == 0
    assert sibling_overlap(mine * 0.1, [mine]) == 0
    half = np.where(np.arange(4) < 2, 0.9, 0.1) * np.ones((4, 1))
    assert sibling_overlap(mine, [half, mine]) == 0.5
    assert CALIBRATION.probability(np.array([0, 0, 0, 0, 0, 0.5])) < 0.05
    assert CALIBRATION.probability(np.zeros(6)) > 0.7


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ("left lung", "right lung", False),
        ("lung", "left lung", True),
        ("liver", "tumor", True),
        ("liver", "spleen", False),
        ("optic cup", "optic disc", True),
    ],
)
def test_who_may_share_pixels(one, other, may):
    assert share_pixels(one, other) is share_pixels(other, one) is may


@pytest.mark.parametrize("shape", [(50, 70), (64, 64), (1, 1), (900, 30)])
def test_everything_is_found_in_one_pass_without_overlaps(network, shape, monkeypatch):
    parser = make(network)
    passes = counting(parser, monkeypatch)
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = parser.find(pixels, modality="CT", site="abdomen")
    targets = ontology().targets_in("CT", "abdomen")
    assert passes == [len(targets)]
    assert {one.target for one in found} <= set(targets)
    if found:
        assert np.sum([one.mask for one in found], axis=0).max() <= 1


def test_everything_by_the_public_score(network, image):
    anything = [[1.0, 1.0]] * 4  # a flat distribution: every mask is typical
    table = {"CT-Abdomen": {"liver": anything, "spleen": anything}}
    found = make(network, distributions=table).find(image, modality="CT", site="abdomen")
    assert {one.target for one in found} <= {"liver", "spleen"}
    never = {"CT-Abdomen": {"liver": [[1.0, 1e6]] * 4}}
    assert make(network, distributions=never).find(image, modality="CT", site="abdomen") == []


def test_what_is_not_said_is_recognised(network, image):
    asked: list[int] = []

    def recognise(pixels):
        asked.append(1)
        return Recognised("CT", "abdomen", 0.9)

    parser = make(network, recognise=recognise)
    seen = parser.parse([image], ["liver"])[0][0]
    told = make(network).parse([image], ["liver"], modality="CT", site="abdomen")[0][0]
    assert np.array_equal(seen.probability, told.probability)
    parser.find(image)
    parser.find(image, modality="CT")
    assert asked == [1]  # one look at an image is enough
    assert parser.recognise(image).site == "abdomen"
    # What the user says is not overruled.
    assert parser._place(image, "MRI", None).site is None


def test_everything_needs_to_know_the_kind_of_image(parser, image):
    assert parser.recognise(image).modality is None
    with pytest.raises(RequestError, match="cannot be told"):
        parser.find(image)


def test_squares_come_back_as_the_public_code_resamples_them():
    logits = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))
    for shape in ((40, 40), (13, 57), (16, 16)):
        ours = Placement.of(*shape, 64, "squeeze").bring_back(logits, shape)
        theirs = F.interpolate(logits[None], size=shape, mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_padding_is_cut_off_again():
    placement = Placement.of(30, 60, 64, "pad")
    assert (placement.top, placement.left, placement.height, placement.width) == (16, 0, 32, 64)
    square = placement.fit(np.full((30, 60, 3), 200, np.uint8))
    assert not square[:16].any()
    assert (square[16:48] == 200).all()
    logits = torch.full((1, 64, 64), -1.0)
    logits[:, 16:48] = 1.0
    assert (placement.bring_back(logits, (30, 60)) > 0).all()


def test_loading_from_files(entries, reference, tmp_path, image):
    big = torch.zeros(49408, TINY.text.width)
    entries["sem_seg_head.predictor.lang_encoder.lang_encoder.token_embedding.weight"] = big
    save_file(entries, tmp_path / "w.safetensors")
    config = replace(TINY, text=replace(TINY.text, vocabulary=49408))
    parser = BiomedParseParser.load(
        tmp_path / "w.safetensors", data_folder() / "reference" / "clip_bpe", config=config
    )
    assert len(parser.info.weights_sha256 or "") == 64
    assert parser.parse([image], ["liver"])[0][0].target == "liver"
