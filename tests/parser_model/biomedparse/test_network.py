"""The network: independent phrases, memory, sizes, and algebra that must not change results."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from parser_model.biomedparse.checkpoint import network_from_entries
from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.biomedparse.entries import unused_groups
from parser_model.biomedparse.layers import sine_position
from parser_model.biomedparse.network import BiomedParseNetwork
from tests.parser_model.biomedparse.conftest import TINY

END = 99


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


def ids_of(*phrases: tuple[int, ...]) -> torch.Tensor:
    ids = torch.full((len(phrases), 77), END)
    for row, phrase in zip(ids, phrases, strict=True):
        row[: len(phrase) + 1] = torch.tensor([98, *phrase])
    return ids


def picture(height: int = 64, width: int = 64, count: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


LIVER, SPLEEN, LONG = (5, 6), (7,), (8, 9, 10, 11, 12)


def test_public_sizes_are_the_default_and_take_no_memory():
    with torch.device("meta"):
        network = BiomedParseNetwork()
    state = network.state_dict()
    unused = unused_groups(BiomedParseConfig())
    public = len(state) + len(unused["drawn prompts"]) + len(unused["second text encoder"])
    numbers = sum(value.numel() for value in state.values())
    assert (len(state), public, numbers) == (925, 1131, 340_360_953)
    assert all(value.is_meta for value in state.values())


def test_phrases_do_not_depend_on_their_neighbours(network):
    memory = network.encode_image(picture())
    beside = network.decode(memory, network.encode_text(ids_of(LONG, LIVER, SPLEEN)))
    alone = network.decode(memory, network.encode_text(ids_of(LIVER)))
    assert beside.matched[0, 1] == alone.matched[0, 0]
    torch.testing.assert_close(beside.mask_logits[:, 1], alone.mask_logits[:, 0], rtol=0, atol=1e-4)
    torch.testing.assert_close(beside.similarity[:, 1], alone.similarity[:, 0], rtol=0, atol=1e-4)


def test_together_phrases_influence_each_other_but_their_order_does_not_matter(network):
    memory = network.encode_image(picture())
    forward = network.decode(memory, network.encode_text(ids_of(LIVER, SPLEEN)), together=True)
    back = network.decode(memory, network.encode_text(ids_of(SPLEEN, LIVER)), together=True)
    alone = network.decode(memory, network.encode_text(ids_of(LIVER)), together=True)
    torch.testing.assert_close(forward.similarity, back.similarity.flip(1), rtol=0, atol=1e-4)
    assert (forward.similarity[:, 0] - alone.similarity[:, 0]).abs().max() > 1e-3


def test_one_phrase_alone_is_one_phrase_together(network):
    memory = network.encode_image(picture())
    text = network.encode_text(ids_of(LONG))
    alone, together = network.decode(memory, text), network.decode(memory, text, together=True)
    assert torch.equal(alone.mask_logits, together.mask_logits)
    assert torch.equal(alone.matched, together.matched)


def test_images_of_a_batch_do_not_depend_on_each_other(network):
    pictures = picture(count=3)
    text = network.encode_text(ids_of(LIVER, LONG))
    batch = network.encode_image(pictures)
    both = network.decode(batch, text)
    for i in range(3):
        one = network.decode(network.encode_image(pictures[i : i + 1]), text)
        torch.testing.assert_close(both.mask_logits[i], one.mask_logits[0], rtol=0, atol=1e-3)
        kept = network.decode(batch.image(i), text)
        torch.testing.assert_close(kept.mask_logits[0], one.mask_logits[0], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (128, 32)])
def test_images_need_not_be_square(network, height, width):
    decoded = network(picture(height, width), ids_of(LIVER))
    assert decoded.mask_logits.shape == (1, 1, height // 4, width // 4)
    assert decoded.mask_logits.isfinite().all()


def test_odd_sizes_are_filled_with_zeros_after_normalising(network):
    x = network.normalise(picture(33, 50))
    assert x.shape == (1, 3, 64, 64)
    assert x[..., 33:, :].abs().max() == 0
    assert x[..., 50:].abs().max() == 0


def test_padding_of_phrases_changes_nothing(network):
    full = network.predictor.lang_encoder.lang_encoder(ids_of(LIVER))
    cut = network.predictor.lang_encoder.lang_encoder(ids_of(LIVER)[:, :4])
    torch.testing.assert_close(full[:, :4], cut, rtol=0, atol=1e-5)


def test_phrase_vector_is_at_the_first_end_mark(network):
    text = network.encode_text(ids_of(LIVER, LONG))
    assert text.lengths.tolist() == [4, 7]
    assert torch.equal(text.phrases[0], text.tokens[0, 3])
    assert text.real.sum(1).tolist() == [4, 7]
    assert text.take(torch.tensor([0])).tokens.shape[1] == 4


def test_masks_may_be_resized_before_or_after_the_product(network):
    memory = network.encode_image(picture())
    objects = network.predictor.query_feat.weight[None, None]
    code = network.predictor.mask_embed(network.predictor.decoder_norm(objects))[0, 0]
    masks = torch.einsum("qc,chw->qhw", code, memory.mask_features[0])
    for level, size in enumerate([2, 4, 8]):
        resized = F.interpolate(masks[None], size=(size, size), mode="bilinear")[0].flatten(1)
        ours = code @ memory.level_features[level][0]
        torch.testing.assert_close(ours, resized, rtol=0, atol=1e-4)


def test_a_query_that_may_look_nowhere_looks_everywhere(network):
    memory = network.encode_image(picture())
    text = network.encode_text(ids_of(LIVER))
    sizes = [memory.level_features[i % 3].shape[-1] for i in range(TINY.decoder.layers)]
    nowhere = [torch.ones(1, TINY.decoder.queries, size, dtype=torch.bool) for size in sizes]
    everywhere = [~mask for mask in nowhere]
    a = network.decode(memory, text, blocked=nowhere)
    b = network.decode(memory, text, blocked=everywhere)
    assert a.mask_logits.isfinite().all()
    assert torch.equal(a.mask_logits, b.mask_logits)


def test_memory_knows_its_bytes_and_lets_go_of_other_images(network):
    memory = network.encode_image(picture(count=2))
    assert len(memory) == 2
    assert memory.image(0).nbytes * 2 == memory.nbytes
    assert all(x.untyped_storage().nbytes() == x.nbytes for x in memory.image(1).tensors)
    assert memory.to("cpu").nbytes == memory.nbytes


def test_bfloat16_runs_and_agrees_roughly(entries):
    low = network_from_entries(entries, TINY, dtype=torch.bfloat16)
    high = network_from_entries(entries, TINY)
    a, b = low(picture(), ids_of(LIVER)), high(picture(), ids_of(LIVER))
    assert a.mask_logits.dtype == torch.bfloat16
    assert a.similarity.dtype == torch.float32
    assert ((a.mask_logits > 0) == (b.mask_logits > 0)).float().mean() > 0.8


def test_position_encoding_puts_rows_first():
    position = sine_position(2, 3, 8, torch.device("cpu")).view(2, 3, 8)
    assert torch.equal(position[:, :1, :4].expand(2, 3, 4), position[..., :4])
    assert torch.equal(position[:1, :, 4:].expand(2, 3, 4), position[..., 4:])
    whole_turn = position[1, 2]
    torch.testing.assert_close(whole_turn[:2], torch.tensor([0.0, 1.0]), rtol=0, atol=1e-4)


def test_many_phrases_are_decoded_some_at_a_time(network, monkeypatch):
    memory = network.encode_image(picture())
    text = network.encode_text(ids_of(LONG, LIVER, SPLEEN, LIVER, LONG))
    at_once = network.decode(memory, text)
    monkeypatch.setattr("parser_model.biomedparse.decoder._BYTES_AT_ONCE", 7 * 64 * 6 * 2)
    some = network.decode(memory, text)
    assert torch.equal(at_once.matched, some.matched)
    torch.testing.assert_close(at_once.mask_logits, some.mask_logits, rtol=0, atol=1e-4)
    assert at_once.query_vectors.shape == some.query_vectors.shape
    assert at_once.similarity.shape == some.similarity.shape
