"""Running the network so that every value in between is seen, under the names of recorded runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from parser_model.biomedparse.backbone import FocalBlock, Stage
from parser_model.biomedparse.decoder import Decoded, ImageMemory
from parser_model.biomedparse.layers import sine_position
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.postprocess import probabilities
from parser_model.biomedparse.text import TextEncoding

Keep = Callable[[str, Tensor], None]
_STATISTICS_OF = 64


class Trace:
    """Values by key; large ones only when asked for.

    Parameters
    ----------
    wanted : callable
        Whether the value of a key is to be kept.
    """

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self.values: dict[str, NDArray] = {}  # type: ignore[type-arg]

    def wants(self, key: str) -> bool:
        """Whether a value, its statistics or its packed form would be kept."""
        return any(self._wanted(name) for name in (key, f"stat_{key}", f"{key}_packed"))

    def keep(self, key: str, value: Tensor) -> None:
        """Keep a value, its statistics, its packed form, or nothing of it."""
        if not self.wants(key):
            return  # before it is copied from a GPU
        value = value.detach().cpu()
        if self._wanted(key):
            self.values[key] = value.numpy().copy()
        if self._wanted(f"stat_{key}") and value.is_floating_point():
            self.values[f"stat_{key}"] = statistics(value)
        if self._wanted(f"{key}_packed") and value.dtype == torch.bool:
            self.values[f"{key}_packed"] = np.packbits(value.numpy(), axis=1)


def statistics(value: Tensor) -> NDArray[np.float32]:
    """Mean, standard deviation, extremes and the first 64 numbers, as runs are recorded."""
    value = value.float()
    summary = torch.stack([value.mean(), value.std(), value.min(), value.max()])
    return torch.cat([summary, value.flatten()[:_STATISTICS_OF]]).numpy()


@contextmanager
def _watching(watched: Sequence[tuple[nn.Module, Callable[[Any], None]]]) -> Iterator[None]:
    """Call each function with its module's output while the context lasts."""

    def hook(see: Callable[[Any], None], _module: nn.Module, _inputs: Any, output: Any) -> None:
        see(output)

    handles = [module.register_forward_hook(partial(hook, see)) for module, see in watched]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def trace_image(network: BiomedParseNetwork, pixels: Tensor, trace: Trace) -> ImageMemory:
    """Encode one image (1, 3, H, W) and keep what comes up on the way."""
    keep = trace.keep
    backbone, pixel_decoder = network.backbone, network.sem_seg_head.pixel_decoder

    def see_maps(maps: tuple[Tensor, ...]) -> None:
        for i, features in enumerate(maps):
            keep(f"res{i + 2}", features[0])

    def see_decoded(decoded: tuple[Tensor, tuple[Tensor, ...]]) -> None:
        keep("mask_features", decoded[0][0])
        for i, features in enumerate(decoded[1]):
            keep(f"ms{i}", features[0])

    def see_projected(projected: Tensor) -> None:
        keep("pd_input_proj", projected[0])
        _, channels, height, width = projected.shape
        position = sine_position(height, width, channels, projected.device)
        keep("pd_pos", position.T.unflatten(1, (height, width)))

    def see_stem(x: Tensor) -> None:
        keep("patch_embed", x[0].permute(2, 0, 1))

    def see_block(name: str, x: Tensor) -> None:
        keep(name, x[0].flatten(0, 1))

    def see_first(name: str, x: Tensor) -> None:
        keep(name, x[0])

    watched: list[tuple[nn.Module, Callable[[Any], None]]] = [
        (backbone, see_maps),
        (backbone.patch_embed, see_stem),
        (pixel_decoder, see_decoded),
        (pixel_decoder.input_proj, see_projected),
        (pixel_decoder.transformer, partial(see_first, "pd_transformer")),
    ]
    for i, stage in enumerate(cast(Iterable[Stage], backbone.layers)):
        for j, block in enumerate(cast(Iterable[FocalBlock], stage.blocks)):
            name = f"stage{i}_block{j}"
            watched += [
                (block, partial(see_block, f"{name}_out")),
                (block.modulation, partial(see_first, f"{name}_modulation")),
            ]
    for j, layer in enumerate(pixel_decoder.transformer.encoder.layers):
        watched.append((layer, partial(see_first, f"pd_enc{j}")))
    keep("padded_shape", torch.tensor(network.normalise(pixels).shape))
    with _watching(watched):
        return network.encode_image(pixels)


def trace_text(
    network: BiomedParseNetwork, ids: Tensor, lengths: Tensor, trace: Trace
) -> TextEncoding:
    """Encode phrases and keep hidden states; recorded ones go on through the padding."""
    trace.keep("input_ids", ids)
    places = torch.arange(ids.shape[1], device=ids.device)
    trace.keep("attention_mask", places < lengths[:, None])
    language = network.predictor.lang_encoder
    if trace.wants("text_hidden") or trace.wants("token_emb"):
        hidden = language.lang_encoder(ids)
        trace.keep("text_hidden", hidden)
        trace.keep("token_emb", hidden @ language.lang_proj)
    text = network.encode_text(ids, lengths)
    trace.keep("t_emb", text.phrases)
    trace.keep("grounding_tokens", text.tokens[text.real])
    return text


def trace_decode(
    network: BiomedParseNetwork,
    memory: ImageMemory,
    text: TextEncoding,
    trace: Trace,
    *,
    out_hw: tuple[int, int],
    blocked: Sequence[Tensor] | None = None,
) -> Decoded:
    """Decode all phrases together, as the recorded runs were, and keep what comes up."""
    predictor = network.predictor
    q = predictor.query_feat.num_embeddings
    # The state before each head: at first the learned queries, then what each layer leaves.
    objects: list[Tensor] = [predictor.query_feat.weight[None, None]]

    def see_cross(i: int, x: Tensor) -> None:
        trace.keep(f"dec{i}_cross", x[0, 0])

    def see_self(i: int, x: Tensor) -> None:
        trace.keep(f"dec{i}_self", x[0])

    def see_layer(i: int, x: Tensor) -> None:
        trace.keep(f"dec{i}_ffn", x[0])
        objects.append(x[:, :q][None])

    watched: list[tuple[nn.Module, Callable[[Any], None]]] = []
    for i, (cross, own, ffn) in enumerate(
        zip(
            predictor.transformer_cross_attention_layers,
            predictor.transformer_self_attention_layers,
            predictor.transformer_ffn_layers,
            strict=True,
        )
    ):
        watched += [
            (cross, partial(see_cross, i)),
            (own, partial(see_self, i)),
            (ffn, partial(see_layer, i)),
        ]
    with _watching(watched):
        decoded = network.decode(memory, text, together=True, blocked=blocked)
    _keep_heads(network, memory, objects, trace)
    trace.keep("v_emb", decoded.query_vectors[0, 0])
    trace.keep("sim", decoded.similarity[0].T)
    trace.keep("matched_ids", decoded.matched[0])
    trace.keep("matched_mask_logits", decoded.mask_logits[0])
    trace.keep("out_hw", torch.tensor(out_hw))
    if trace.wants("prob"):
        trace.keep("prob", probabilities(decoded.mask_logits, out_hw)[0])
    return decoded


def _keep_heads(
    network: BiomedParseNetwork, memory: ImageMemory, objects: list[Tensor], trace: Trace
) -> None:
    """What the heads say before and after each layer; the network itself needs less of it."""
    predictor = network.predictor
    last = len(objects) - 1
    fractions = []
    for j, x in enumerate(objects):
        normed = predictor.decoder_norm(x[0, 0])
        code = predictor.mask_embed(normed)
        trace.keep(f"pred{j}_caption", normed @ predictor.class_embed)
        trace.keep(f"pred{j}_maskemb", code)
        if trace.wants(f"pred{j}_masks") or (j == last and trace.wants("all_mask_frac")):
            masks = torch.einsum("qc,chw->qhw", code, memory.mask_features[0])
            trace.keep(f"pred{j}_masks", masks)
            if j == last:
                trace.keep("all_mask_frac", (masks > 0).float().mean(dim=(1, 2)))
        if j < last:
            hidden = predictor.blocked(x, memory, j)[0]
            hidden &= ~hidden.all(dim=1, keepdim=True)
            trace.keep(f"dec{j}_crossmask", hidden)
            fractions.append(hidden.float().mean())
    trace.keep("crossmask_masked_frac", torch.stack(fractions))
