"""The compact network and the bundled parser behind the seam."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from parser_model import ParsedImage, Parser, Recogniser, RequestError, SetupError, load_parser
from parser_model.compact.network import CompactConfig, CompactNetwork
from parser_model.compact.parser import CompactParser
from parser_model.compact.text import MAX_WORDS, PAD, UNKNOWN, Vocabulary, build_vocabulary
from parser_model.compact.weights import load_weights, save_weights
from parser_model.loading import WEIGHTS
from parser_model.ontology import ontology
from parser_model.presence import GivesEvidence, evidence_names
from parser_model.raw_words import without_ontology

FILE = WEIGHTS / "compact.safetensors"


@pytest.fixture(scope="module")
def retina():
    path = Path(skimage.__file__).parent / "data" / "retina.jpg"
    return np.asarray(Image.open(path).convert("RGB").resize((700, 500)))


@pytest.fixture(scope="module")
def parser():
    return load_parser()


@pytest.fixture
def tiny():
    words = build_vocabulary(ontology())
    config = CompactConfig(
        vocabulary_size=len(words),
        places=len(ontology().places),
        image_size=64,
        widths=(8, 8, 8, 8, 16, 16, 16, 16),
        depths=(1,) * 7,
        context_width=16,
        decoder_widths=(16, 16, 16, 8),
        text_width=16,
    )
    torch.manual_seed(0)
    return CompactNetwork(config).eval(), words


def test_it_is_a_parser_and_says_who_it_is(parser):
    assert isinstance(parser, Parser)
    assert isinstance(parser, Recogniser)
    assert parser.info.name == "compact"
    assert len(parser.info.weights_sha256 or "") == 64
    assert parser.info.calibration
    assert set(parser.info.vocabulary) <= set(ontology().targets)


def test_the_file_is_small_and_holds_half_precision():
    assert FILE.stat().st_size <= 12_000_000
    assert (FILE.parent / "LICENSE-WEIGHTS").is_file()


def test_results_are_in_the_frame_of_the_image(parser, retina):
    found = parser.parse([retina], ["optic disc"])[0][0]
    assert found.mask.shape == found.probability.shape == (500, 700)
    assert found.present
    assert found.presence > 0.5
    disc = np.nonzero(found.mask)
    assert 0.1 < disc[1].mean() / 700 < 0.5  # the disc lies left of the middle of this picture


def test_evidence_has_a_number_for_each_of_its_names_and_peaks_where_something_is(parser, retina):
    disc, polyp = (
        dict(zip(evidence_names(parser), parser.evidence(retina, target), strict=True))
        for target in ("optic disc", "polyp")
    )
    assert disc["mask_peak"] > 2  # a logit: the surest pixels of a disc are sure
    assert polyp["mask_peak"] < disc["mask_peak"]
    assert polyp["network_logit"] < 0 < disc["network_logit"]


def test_phrases_do_not_influence_each_other(parser, retina):
    alone = parser.parse([retina], ["optic disc"])[0][0]
    beside = parser.parse([retina], ["polyp", "optic disc", "vessel"])[0][1]
    assert np.array_equal(alone.probability, beside.probability)
    assert alone.presence == beside.presence


def test_an_image_is_encoded_once(parser, retina):
    changed = retina.copy()
    changed[0, 0] = 1, 2, 3
    first = parser.parse([changed], ["optic disc", "vessel"])[0]
    later = parser.parse([changed], ["optic cup"])[0]
    assert [o.encoded for o in (*first, *later)] == [True, False, False]


def slices(count):
    """Different grey pictures, none of which another test shows."""
    noise = np.random.default_rng(7).integers(0, 60, (count, 90, 70, 1), dtype=np.uint8)
    noise[:, 20:60, 15:50] += 120
    return list(noise.repeat(3, axis=3))


def test_an_image_has_the_same_answer_beside_others(parser, retina):
    pictures = [*slices(9), retina]
    together = load_fresh().parse(pictures, ["liver", "dragon", "optic disc"])
    assert all(row[1].target is None for row in together)
    for picture, row in zip(pictures, together, strict=True):
        alone = load_fresh().parse([picture], ["liver", "dragon", "optic disc"])[0]
        for one, beside in zip(alone, row, strict=True):
            assert (one.target, one.present, one.encoded) == (
                beside.target, beside.present, beside.encoded,
            )  # fmt: skip
            assert one.presence == pytest.approx(beside.presence, abs=1e-4)
            np.testing.assert_allclose(
                one.probability.astype(float), beside.probability.astype(float), atol=2e-3
            )  # half precision is kept


def load_fresh(memory_bytes: int = 256 * 2**20) -> CompactParser:
    """A parser that has seen nothing yet."""
    bundled = load_parser()
    assert isinstance(bundled, CompactParser)
    return CompactParser(
        bundled._weights, ontology(), bundled._calibration, memory_bytes=memory_bytes
    )


def test_equal_images_of_one_call_are_encoded_once():
    first, second = slices(2)
    rows = load_fresh().parse([first, second, first], ["liver"])
    assert [row[0].encoded for row in rows] == [True, True, False]


def test_a_stack_is_remembered_only_where_it_fits():
    few = load_fresh(memory_bytes=24 * 2**20)  # room for three images of about 7.4 MB
    pictures = slices(3)
    for stack_size, remembered in ((3, True), (4, False)):
        few._memory.clear()
        stack = [ParsedImage(picture, stack_size=stack_size) for picture in pictures]
        few.parse(stack, ["liver"])
        assert few.parse(stack, ["spleen"])[0][0].encoded is not remembered
        assert few._memory.held_bytes <= 24 * 2**20


def test_a_fundus_and_its_mirror_image_have_the_same_mask(parser, retina):
    """It is looked at both ways round, so that neither answer depends on which way it hung."""
    one, other = (
        parser.parse([picture], ["vessel"])[0][0].probability.astype(float)
        for picture in (retina, np.ascontiguousarray(retina[:, ::-1]))
    )
    np.testing.assert_allclose(other, one[:, ::-1], atol=2e-3)
    assert one.max() > 0.9


def test_modality_is_recognised(parser, retina):
    seen = parser.recognise(retina)
    assert (seen.modality, seen.site) == ("fundus", "retinal")


@pytest.mark.parametrize("phrase", ["spaceship", "🫀", "", "x" * 10_000, "the"])
def test_unknown_phrases_are_no_error(parser, retina, phrase):
    found = parser.parse([retina], [phrase])[0][0]
    assert (found.target, found.presence, found.present) == (None, None, False)
    assert not found.mask.any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (2000, 30), (255, 257)])
def test_any_shape_of_image_is_taken(parser, shape):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    assert parser.parse([image], ["liver"])[0][0].mask.shape == shape


def test_absent_objects_have_empty_masks(parser, retina):
    found = parser.parse([retina], ["polyp"])[0][0]
    assert not found.present
    assert not found.mask.any()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.full((5, 5, 3), np.nan),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_images_of_another_kind_are_refused(parser, image):
    with pytest.raises(RequestError):
        parser.parse([image], ["liver"])


def test_words_that_mean_something_in_one_kind_of_image_wait_until_it_is_seen(parser, retina):
    """Nobody said that this is a fundus image, where "disc" and "cup" have a meaning."""
    disc, cup, nothing = parser.parse([retina], ["disc", "cup", "spaceship"])[0]
    assert (disc.target, cup.target, nothing.target) == ("optic disc", "optic cup", None)
    assert disc.present


def test_empty_requests_and_unknown_names_are_refused(parser, retina):
    for images, prompts in (([], ["liver"]), ([retina], []), ([retina], "liver")):
        with pytest.raises(RequestError):
            parser.parse(images, prompts)
    with pytest.raises(RequestError, match="modality"):
        parser.parse([retina], ["liver"], modality="telepathy")
    with pytest.raises(RequestError, match="Unknown parser"):
        load_parser("magic")
    with pytest.raises(RequestError, match="precision"):
        load_parser("compact", precision="fp8")


def test_bfloat16_finds_the_same(parser, retina):
    half = load_parser("compact", precision="bf16").parse([retina], ["optic disc"])[0][0]
    full = parser.parse([retina], ["optic disc"])[0][0]
    overlap = 2 * (half.mask & full.mask).sum() / (half.mask.sum() + full.mask.sum())
    assert overlap > 0.97


def test_a_batch_gives_what_single_images_give(tiny):
    network, words = tiny
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    phrases = torch.from_numpy(words.encode(["liver", "spleen in abdomen CT", "tumor"]))
    with torch.inference_mode():
        masks, presence, _ = network(images, phrases, torch.tensor([0, 1, 1]))
        alone, one, _ = network(images[1:], phrases[2:], torch.tensor([0]))
    assert torch.allclose(masks[2:], alone, atol=1e-5)
    assert torch.allclose(presence[2:], one, atol=1e-5)


def test_weights_survive_the_file(tiny, tmp_path):
    network, words = tiny
    save_weights(tmp_path / "w.safetensors", network, words, ontology().places, {"seed": 0})
    again = load_weights(tmp_path / "w.safetensors")
    assert again.vocabulary.words == words.words
    assert again.places == ontology().places
    for name, tensor in network.state_dict().items():
        assert torch.allclose(again.network.state_dict()[name], tensor, atol=1e-2), name


def test_without_calibration_presence_is_null(tiny, tmp_path):
    network, words = tiny
    save_weights(tmp_path / "w.safetensors", network, words, ontology().places, {})
    blind = CompactParser(load_weights(tmp_path / "w.safetensors"), ontology(), None)
    assert blind.info.calibration is None
    assert blind.parse([np.zeros((40, 50, 3), np.uint8)], ["liver"])[0][0].presence is None


def test_damaged_and_missing_weights_are_said_to_be(tmp_path):
    with pytest.raises(SetupError, match="missing"):
        load_weights(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(FILE.read_bytes()[:5000])
    with pytest.raises(SetupError, match="damaged"):
        load_weights(tmp_path / "cut.safetensors")


@pytest.mark.parametrize("name", ["config", "vocabulary", "places", "record"])
@pytest.mark.parametrize("text", [None, "no JSON", "3", "[1]"])
def test_weights_without_what_belongs_to_them_are_damaged(tiny, tmp_path, name, text):
    network, words = tiny
    save_weights(tmp_path / "whole.safetensors", network, words, ontology().places, {"seed": 0})
    with safe_open(tmp_path / "whole.safetensors", framework="pt") as whole:
        told = whole.metadata() | {name: text}
    told = {key: value for key, value in told.items() if value is not None}
    tensors = load_file(tmp_path / "whole.safetensors")
    save_file(tensors, tmp_path / "part.safetensors", metadata=told)
    with pytest.raises(SetupError, match=r"part\.safetensors is damaged"):
        load_weights(tmp_path / "part.safetensors")


def test_words_become_indices():
    words = Vocabulary(["kidney", "left"])
    row = words.encode(["the left kidneys"])[0]
    assert list(row[:4]) == [UNKNOWN, 3, 2, PAD]
    assert words.encode(["a " * 50]).shape == (1, MAX_WORDS)


def test_images_are_valid_once_made():
    with pytest.raises(RequestError):
        ParsedImage(np.zeros((4, 4, 4), np.uint8))


def test_the_network_can_be_asked_in_raw_words(parser, retina):
    raw = without_ontology(parser)
    assert raw.info.weights_sha256 == parser.info.weights_sha256
    assert (raw.info.calibration, raw.info.notes) == (
        None,
        ("the network reads words as they are typed",),
    )
    typed, nonsense = raw.parse([retina], ["optic disc", "xyzzy"], modality="fundus")[0]
    named = parser.parse([retina], ["optic disc"], modality="fundus")[0][0]
    # It reads other words than the parser gives it, so the maps are near but not the same.
    both = (typed.mask & named.mask).sum()
    assert 2 * both / (typed.mask.sum() + named.mask.sum()) > 0.8
    assert (typed.target, typed.presence) == (None, None)
    assert nonsense.probability.any()  # nothing is refused as unknown
    assert isinstance(raw, GivesEvidence)
    assert raw.evidence(retina, "optic disc").shape == (4,)
    with pytest.raises(RequestError, match="list of phrases"):
        raw.parse([retina], "optic disc")


@pytest.mark.parametrize("number", [1, 2])
def test_weights_of_the_network_before_are_told_from_other_files(tmp_path, number):
    path = tmp_path / "old.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata={"format": f"parsechat-compact-{number}"})
    with pytest.raises(SetupError, match="as it was before; train them again"):
        load_weights(path)
