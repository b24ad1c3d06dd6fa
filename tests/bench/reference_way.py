"""The public code's way of computing, written with our layers: what all gains are measured against.

Same weights, same result, and every step that the public code takes for text prompts: maps copied
between layouts, attention that keeps its weights, text to all 77 positions, every head at full
size for all queries, masks of all of them made ten times, and nothing remembered between calls.
`COST.md` beside the recorded runs counts 1.23 T multiply-adds for a prompt, most of them common
to both ways. What it computes and never returns besides (similarities with its 17 classes) is
left out: it costs nothing that can be measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from parser_model.biomedparse.backbone import (
    Backbone,
    ConvolvedEmbedding,
    FocalBlock,
    FocalModulation,
    Stage,
)
from parser_model.biomedparse.decoder import Decoded, ImageMemory, Predictor
from parser_model.biomedparse.layers import sine_position
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.text import TextEncoding
from parser_model.biomedparse.tokenizer import Tokenizer

MULTIPLY_ADDS = 1.23e12


@torch.inference_mode()
def prompt(
    network: BiomedParseNetwork, tokenizer: Tokenizer, pixels: Tensor, phrase: str
) -> Tensor:
    """Probabilities of one phrase in one image, everything computed for it alone.

    Parameters
    ----------
    network : BiomedParseNetwork
        In float32, its weights in PyTorch's default layout.
    tokenizer : Tokenizer
    pixels : (1, 3, H, W) Tensor
    phrase : str

    Returns
    -------
    (1, 1, H, W) Tensor
    """
    with sdpa_kernel(SDPBackend.MATH):  # attention weights are made and kept
        maps = _backbone(network.backbone, network.normalise(pixels).contiguous())
        features, scales = network.sem_seg_head.pixel_decoder(maps)
        text = _text(network, tokenizer, phrase)
        decoded, _all_masks = _decode(network.predictor, features.contiguous(), scales, text)
    size = (pixels.shape[2], pixels.shape[3])
    return F.interpolate(decoded.mask_logits, size=size, mode="bilinear").sigmoid()


def _backbone(backbone: Backbone, pixels: Tensor) -> tuple[Tensor, ...]:
    x = _embed(backbone.patch_embed, pixels)
    maps = []
    for i, stage in enumerate(cast(Iterable[Stage], backbone.layers)):
        for block in cast(Iterable[FocalBlock], stage.blocks):
            kind = block.gamma_1
            x = x + kind * block.norm1(_modulate(block.modulation, x))
            x = x + block.gamma_2 * block.norm2(block.mlp(x))
        maps.append(backbone.get_submodule(f"norm{i}")(x).permute(0, 3, 1, 2).contiguous())
        if stage.downsample is not None:
            x = _embed(stage.downsample, x.permute(0, 3, 1, 2).contiguous())
    return tuple(maps)


def _embed(layer: ConvolvedEmbedding, x: Tensor) -> Tensor:
    return layer.norm(layer.proj(x).permute(0, 2, 3, 1).contiguous())


def _modulate(layer: FocalModulation, x: Tensor) -> Tensor:
    """One product for query, context and gates; then all in (N, C, H, W)."""
    mixed = layer.f(x).permute(0, 3, 1, 2).contiguous()
    query, context, gates = mixed.split([layer.width, layer.width, layer.levels + 1], dim=1)
    total: Tensor | int = 0
    for level, convolution in enumerate(layer.focal_layers):
        context = F.gelu(convolution(context))
        total = total + context * gates[:, level : level + 1]
    whole = F.gelu(context.mean(2, keepdim=True).mean(3, keepdim=True))
    total = (total + whole * gates[:, layer.levels :]) / (layer.levels + 1)
    modulated = query * layer.h(total)
    return layer.proj(modulated.permute(0, 2, 3, 1).contiguous())


def _text(network: BiomedParseNetwork, tokenizer: Tokenizer, phrase: str) -> TextEncoding:
    ids, lengths = tokenizer([phrase])
    everywhere = torch.full((1,), ids.shape[1])
    encoded = network.encode_text(torch.from_numpy(ids), everywhere)
    return TextEncoding(encoded.tokens[:, : lengths[0]], torch.from_numpy(lengths), encoded.phrases)


def _decode(
    predictor: Predictor, features: Tensor, scales: tuple[Tensor, ...], text: TextEncoding
) -> tuple[Decoded, list[Tensor]]:
    """Decode, and every set of masks that was made on the way: none is let go before the end."""
    masks: list[Tensor] = []

    def blocked(objects: Tensor, _memory: ImageMemory, layer: int) -> Tensor:
        height, width = scales[layer % len(scales)].shape[-2:]
        small = F.interpolate(all_masks(objects), size=(height, width), mode="bilinear")
        hidden = (small.sigmoid() < 0.5).flatten(2)
        heads = predictor._cross_attentions()[layer].heads
        return hidden[:, None].repeat(1, heads, 1, 1)[:, 0]  # a copy for each head is made

    def all_masks(objects: Tensor) -> Tensor:
        codes = predictor.mask_embed(predictor.decoder_norm(objects)).flatten(1, 2)
        masks.append(torch.einsum("nqc,nchw->nqhw", codes, features))
        return masks[-1]

    def final(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        queries = predictor.query_feat.num_embeddings
        all_masks(output[:, None, :queries])

    memory = _keys_and_values(predictor, features, scales)
    last = predictor.transformer_ffn_layers[-1]
    handle = last.register_forward_hook(final)
    try:
        with mock.patch.object(predictor, "blocked", blocked):
            return predictor.decode(memory, text, together=True), masks
    finally:
        handle.remove()


def _keys_and_values(
    predictor: Predictor, features: Tensor, scales: tuple[Tensor, ...]
) -> ImageMemory:
    pairs = []
    for i, attention in enumerate(predictor._cross_attentions()):
        level = i % len(scales)
        _, channels, height, width = scales[level].shape
        source = scales[level].flatten(2).transpose(1, 2) + predictor.level_embed.weight[level]
        position = sine_position(height, width, channels, source.device)
        pairs.append(attention.keys_values(source + position, source))
    return ImageMemory(features, (), tuple(k for k, _ in pairs), tuple(v for _, v in pairs))
