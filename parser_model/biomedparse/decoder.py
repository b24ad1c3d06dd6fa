"""The query decoder: what is kept of an image, and how phrases are answered from it.

Everything a phrase cannot change is computed once per image: keys and values of every
cross-attention, and the mask features at each size at which masks are looked at between layers
(resizing and the product with a query are both linear, so the features can be resized instead
of the masks).

Phrases share the computation in *groups*. Alone, each phrase is a group of its own with its own
queries; together, as the public code has it, all phrases form one group and influence each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parser_model.biomedparse.config import BiomedParseConfig, DecoderConfig
from parser_model.biomedparse.layers import MLP, Attention, sine_position
from parser_model.biomedparse.text import LanguageEncoder, TextEncoding

LEVELS = 3
_BYTES_AT_ONCE = 256 * 2**20
_BYTES_A_PLACE = 6  # a mask logit in float32, and whether it is blocked and allowed


@dataclass(frozen=True, eq=False)
class ImageMemory:
    """What depends on the images alone; N images that share a size.

    Attributes
    ----------
    mask_features : (N, C, H / 4, W / 4) Tensor
    level_features : tuple of (N, C, h * w) Tensor
        The mask features resized to each of the three sizes, coarsest first.
    keys, values : tuple of (N, heads, h * w, C / heads) Tensor
        Of each decoder layer's cross-attention; layer i looks at size i modulo 3.
    """

    mask_features: Tensor
    level_features: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.mask_features)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that is kept."""
        return (self.mask_features, *self.level_features, *self.keys, *self.values)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors)

    def image(self, index: int) -> ImageMemory:
        """The memory of one image, as a copy that does not keep the others alive."""
        return self._each(lambda x: x[index : index + 1].clone())

    def to(self, device: torch.device | str) -> ImageMemory:
        """The same on another device."""
        return self._each(lambda x: x.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> ImageMemory:
        return ImageMemory(
            change(self.mask_features),
            tuple(change(x) for x in self.level_features),
            tuple(change(x) for x in self.keys),
            tuple(change(x) for x in self.values),
        )


@dataclass(frozen=True, eq=False)
class Decoded:
    """Answers to P phrases about N images.

    Attributes
    ----------
    mask_logits : (N, P, H / 4, W / 4) Tensor
        Of the matched query of each phrase.
    similarity : (N, P, Q) Tensor
        Of each phrase with each query.
    matched : (N, P) Tensor of int64
        Index of the most similar query.
    query_vectors : (N, G, Q, C) Tensor
        The queries in the space of the phrases; G is P, or 1 when decoded together.
    """

    mask_logits: Tensor
    similarity: Tensor
    matched: Tensor
    query_vectors: Tensor


class CrossAttentionLayer(nn.Module):
    """Queries look at one size of the image, inside what their mask covers."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.multihead_attn = Attention(config.width, config.heads)
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self, x: Tensor, position: Tensor, keys: Tensor, values: Tensor, allowed: Tensor
    ) -> Tensor:
        """Update queries.

        Parameters
        ----------
        x : (N, G, Q, C) Tensor
        position : (Q, C) Tensor
        keys, values : (N, heads, L, C / heads) Tensor
        allowed : (N, G * Q, L) Tensor of bool
        """
        # All groups look at the same keys, so they are stacked as queries: nothing is repeated.
        queries = (x + position).flatten(1, 2)
        seen = self.multihead_attn.attend(queries, keys, values, allowed=allowed[:, None])
        return self.norm(x + seen.view_as(x))


class SelfAttentionLayer(nn.Module):
    """The queries and tokens of a group look at each other."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.width, config.heads)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, position: Tensor, allowed: Tensor | None) -> Tensor:
        """Update (N * G, Q + T, C); ``allowed`` broadcasts to (N * G, heads, Q + T, Q + T)."""
        return self.norm(x + self.self_attn(x + position, x, allowed=allowed))


class FeedForwardLayer(nn.Module):
    """Two linear layers with ReLU between them, normalised after."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.linear1 = nn.Linear(config.width, config.feed_forward)
        self.linear2 = nn.Linear(config.feed_forward, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.linear2(F.relu(self.linear1(x))))


class Predictor(nn.Module):
    """Queries, decoder layers and heads, with the language encoder that the checkpoint keeps here.

    Parameters
    ----------
    config : BiomedParseConfig
    """

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        sizes = config.decoder
        width = sizes.width
        self.lang_encoder = LanguageEncoder(config)
        self.query_feat = nn.Embedding(sizes.queries, width)
        self.query_embed = nn.Embedding(sizes.queries, width)
        self.level_embed = nn.Embedding(LEVELS, width)
        layers = range(sizes.layers)
        self.transformer_cross_attention_layers = nn.ModuleList(
            CrossAttentionLayer(sizes) for _ in layers
        )
        self.transformer_self_attention_layers = nn.ModuleList(
            SelfAttentionLayer(sizes) for _ in layers
        )
        self.transformer_ffn_layers = nn.ModuleList(FeedForwardLayer(sizes) for _ in layers)
        self.decoder_norm = nn.LayerNorm(width)
        self.class_embed = nn.Parameter(torch.empty(width, config.embedding_width))
        self.mask_embed = MLP(width, width, width, config.pixel_decoder.mask_width)

    def _cross_attentions(self) -> list[Attention]:
        layers = cast(Iterable[CrossAttentionLayer], self.transformer_cross_attention_layers)
        return [layer.multihead_attn for layer in layers]

    def remember(self, mask_features: Tensor, multi_scale: Sequence[Tensor]) -> ImageMemory:
        """Compute all that phrases will need of the images.

        Parameters
        ----------
        mask_features : (N, C, H / 4, W / 4) Tensor
        multi_scale : three (N, C, h, w) Tensor
            Coarsest first.
        """
        sources: list[tuple[Tensor, Tensor]] = []
        level_features: list[Tensor] = []
        for level, features in enumerate(multi_scale):
            _, channels, height, width = features.shape
            source = features.flatten(2).transpose(1, 2) + self.level_embed.weight[level]
            position = sine_position(height, width, channels, source.device).to(source.dtype)
            sources.append((source + position, source))
            resized = F.interpolate(
                mask_features, size=(height, width), mode="bilinear", align_corners=False
            )
            level_features.append(resized.flatten(2).contiguous())
        pairs = [
            attention.keys_values(*sources[i % LEVELS])
            for i, attention in enumerate(self._cross_attentions())
        ]
        return ImageMemory(
            mask_features,
            tuple(level_features),
            tuple(keys for keys, _ in pairs),
            tuple(values for _, values in pairs),
        )

    def decode(
        self,
        memory: ImageMemory,
        text: TextEncoding,
        *,
        together: bool = False,
        blocked: Sequence[Tensor] | None = None,
    ) -> Decoded:
        """Answer every phrase about every image.

        Parameters
        ----------
        memory : ImageMemory
            Of N images.
        text : TextEncoding
            Of P phrases.
        together : bool
            One group of all phrases, as the public code decodes them, instead of one each.
        blocked : sequence of (N, G * Q, L) Tensor of bool, optional
            For each layer, where queries may not look, in place of what their masks say: to
            compare with recorded runs, because one flipped bit moves all that follows.
        """
        p = len(text.phrases)
        step = p if together or blocked is not None else self._phrases_at_once(memory)
        if step >= p:
            return self._decode(memory, text, together, blocked)
        places = torch.arange(p, device=text.phrases.device)
        parts = [self._decode(memory, text.take(some), False, None) for some in places.split(step)]
        return Decoded(
            torch.cat([part.mask_logits for part in parts], dim=1),
            torch.cat([part.similarity for part in parts], dim=1),
            torch.cat([part.matched for part in parts], dim=1),
            torch.cat([part.query_vectors for part in parts], dim=1),
        )

    def _phrases_at_once(self, memory: ImageMemory) -> int:
        """As many phrases as keep the largest map between layers within the budget."""
        places = max(features.shape[-1] for features in memory.level_features)
        of_one = len(memory) * self.query_feat.num_embeddings * places * _BYTES_A_PLACE
        return max(1, _BYTES_AT_ONCE // of_one)

    def _decode(
        self,
        memory: ImageMemory,
        text: TextEncoding,
        together: bool,
        blocked: Sequence[Tensor] | None,
    ) -> Decoded:
        tokens, real = _grouped(text, together)
        n, groups, q = len(memory), len(tokens), self.query_feat.num_embeddings
        width = tokens.shape[-1]
        objects = self.query_feat.weight.expand(n, groups, q, width)
        # Positions of queries are learned; those of tokens are the tokens as they came in.
        position = torch.cat([self.query_embed.weight.expand(groups, q, width), tokens], dim=1)
        position = position.repeat(n, 1, 1)
        allowed_self = _visible(real, q, n)
        words = tokens.expand(n, *tokens.shape)
        for i in range(len(self.transformer_cross_attention_layers)):
            hidden = blocked[i] if blocked is not None else self.blocked(objects, memory, i)
            objects = self.transformer_cross_attention_layers[i](
                objects,
                self.query_embed.weight,
                memory.keys[i],
                memory.values[i],
                # A query that may look nowhere looks everywhere.
                ~hidden | hidden.all(dim=-1, keepdim=True),
            )
            x = torch.cat([objects, words], dim=2).flatten(0, 1)
            x = self.transformer_self_attention_layers[i](x, position, allowed_self)
            x = self.transformer_ffn_layers[i](x)
            objects, words = x.unflatten(0, (n, groups)).split([q, tokens.shape[1]], dim=2)
        return self._answer(objects, memory, text)

    def blocked(self, objects: Tensor, memory: ImageMemory, layer: int) -> Tensor:
        """Where queries (N, G, Q, C) may not look in a layer: where their present masks are off.

        Returns
        -------
        (N, G * Q, h * w) Tensor of bool
            At the size the layer looks at.
        """
        codes = self.mask_embed(self.decoder_norm(objects)).flatten(1, 2)
        return codes @ memory.level_features[layer % LEVELS] < 0

    def _answer(self, objects: Tensor, memory: ImageMemory, text: TextEncoding) -> Decoded:
        """Match each phrase to a query, then make the masks of the matched ones only."""
        normed = self.decoder_norm(objects)
        vectors = normed @ self.class_embed
        n, groups, q, width = normed.shape
        p = len(text.phrases)
        # Alone: (N, P, 1, Q), each phrase with its own queries. Together: (N, 1, P, Q).
        phrases = text.phrases.view(groups, p // groups, -1)
        similarity = self.lang_encoder.similarity(vectors, phrases).reshape(n, p, q)
        matched = similarity.argmax(dim=-1)
        chosen = normed.gather(2, matched.view(n, groups, p // groups, 1).expand(-1, -1, -1, width))
        codes = self.mask_embed(chosen).reshape(n, p, -1)
        logits = codes @ memory.mask_features.flatten(2)
        return Decoded(
            logits.unflatten(2, memory.mask_features.shape[-2:]), similarity, matched, vectors
        )


def _grouped(text: TextEncoding, together: bool) -> tuple[Tensor, Tensor]:
    """Tokens (G, T, C) of each group, and which of them are no padding (G, T)."""
    if not together:
        return text.tokens, text.real
    tokens = text.tokens[text.real][None]
    return tokens, tokens.new_ones(tokens.shape[:2], dtype=torch.bool)


def _visible(real: Tensor, queries: int, images: int) -> Tensor | None:
    """Mask that hides padding in self-attention, or None where there is no padding."""
    if bool(real.all()):
        return None
    visible = torch.cat([real.new_ones(len(real), queries), real], dim=1)
    return visible.repeat(images, 1)[:, None, None]
