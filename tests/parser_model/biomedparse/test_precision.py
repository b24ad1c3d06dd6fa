"""Short numbers: where they are, and how little they change on recorded inputs."""

from __future__ import annotations

import copy

import pytest
import torch

from parser_model.biomedparse.precision import lower_precision
from parser_model.biomedparse.recorded import (
    find_recorded,
    input_ids,
    input_pixels,
    substitute_network,
)


def test_norms_steps_text_and_decoder_stay_long(network):
    low = lower_precision(copy.deepcopy(network))
    short = {n for n, p in low.named_parameters() if p.dtype == torch.bfloat16}
    assert "backbone.layers.0.blocks.0.mlp.fc1.weight" in short
    assert "sem_seg_head.pixel_decoder.layer_1.weight" in short
    assert not any("norm" in name or "gamma" in name for name in short)
    assert not any("predictor" in name or "downsample" in name for name in short)
    assert {n for n, p in network.named_parameters() if p.dtype != torch.float32} == set()


@pytest.mark.parametrize("name", ["small_A", "small_B"])
@torch.inference_mode()
def test_short_numbers_agree_on_recorded_inputs(reference, name):
    run = next(run for run in find_recorded(reference) if run.name == name)
    network = substitute_network(reference, False)
    low = lower_precision(copy.deepcopy(network))
    pixels = torch.from_numpy(input_pixels(run, 0)[0]).permute(2, 0, 1)[None]
    ids, lengths = input_ids(run)
    recorded = run.forced_masks(network.config.decoder.layers) or []
    masks = [torch.from_numpy(mask)[None] for mask in recorded]
    long, short = (
        net.decode(
            net.encode_image(pixels), net.encode_text(ids, lengths), together=True, blocked=masks
        )
        for net in (network, low)
    )
    assert torch.equal(long.matched, short.matched)
    change = (long.query_vectors - short.query_vectors).norm() / long.query_vectors.norm()
    assert change < 5e-2
    same = (long.mask_logits > 0) == (short.mask_logits > 0)
    sure = long.mask_logits.abs() > long.mask_logits.std()
    assert same.float().mean() >= 0.96
    assert same[sure].float().mean() >= 0.995
