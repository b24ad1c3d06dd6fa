"""The text encoder: token ids of phrases to vectors in the space of the queries."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from parser_model.biomedparse.config import BiomedParseConfig, TextConfig
from parser_model.biomedparse.layers import Attention

_EPS = 1e-12


class TextEncoding(NamedTuple):
    """What the decoder needs of P phrases.

    Attributes
    ----------
    tokens : (P, L, C) Tensor
        One vector per token, cut after the last token of the longest phrase.
    lengths : (P,) Tensor of int64
        Tokens of each phrase, start and end mark included; what lies beyond is padding.
    phrases : (P, C) Tensor
        The vector at the first end mark, which stands for the phrase.
    """

    tokens: Tensor
    lengths: Tensor
    phrases: Tensor

    def take(self, index: Tensor) -> TextEncoding:
        """The encodings of chosen phrases, cut to the longest of them."""
        lengths = self.lengths.index_select(0, index)
        tokens = self.tokens.index_select(0, index)[:, : int(lengths.max())]
        return TextEncoding(tokens, lengths, self.phrases.index_select(0, index))

    @property
    def real(self) -> Tensor:
        """(P, L) Tensor of bool, True for tokens, False for padding."""
        places = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        return places < self.lengths[:, None]


class TextMLP(nn.Module):
    """Two linear layers with the quick approximation of GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.c_fc(x)
        return self.c_proj(hidden * torch.sigmoid(1.702 * hidden))


class TextBlock(nn.Module):
    """Causal self-attention and MLP, each normalised before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.ln_1 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = TextMLP(width)
        self.ln_2 = nn.LayerNorm(width, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, causal=True)
        return x + self.mlp(self.ln_2(x))


class TextTransformer(nn.Module):
    """Token ids to hidden states."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context, config.width))
        self.resblocks = nn.ModuleList(
            TextBlock(config.width, config.heads) for _ in range(config.layers)
        )
        self.ln_final = nn.LayerNorm(config.width, eps=_EPS)

    def forward(self, ids: Tensor) -> Tensor:
        """(P, L) ids to (P, L, C); L may be shorter than the context."""
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        for block in self.resblocks:
            x = block(x)
        return self.ln_final(x)


class LanguageEncoder(nn.Module):
    """The transformer, its projection, and the temperature of the comparison with queries.

    Parameters
    ----------
    config : BiomedParseConfig
    """

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        self.lang_encoder = TextTransformer(config.text)
        self.lang_proj = nn.Parameter(torch.empty(config.text.width, config.embedding_width))
        self.logit_scale = nn.Parameter(torch.empty(()))

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> TextEncoding:
        """Encode phrases.

        Parameters
        ----------
        ids : (P, L) Tensor of int64
            Start mark, tokens, end mark, padding; the end mark has the highest id.
        lengths : (P,) Tensor of int64, optional
            Tokens of each phrase with both marks; by default up to the first end mark.
        """
        ends = ids.argmax(dim=1)  # the first of equals: padding repeats the end mark
        if lengths is None:
            lengths = ends + 1
        # Attention is causal, so what follows the last token cannot change what counts.
        tokens = self.lang_encoder(ids[:, : int(lengths.max())]) @ self.lang_proj
        phrases = tokens[torch.arange(len(ids), device=ids.device), ends]
        return TextEncoding(tokens, lengths, phrases)

    def similarity(self, queries: Tensor, phrases: Tensor) -> Tensor:
        """Scaled cosine of queries (..., Q, C) and phrases (..., P, C), as (..., P, Q)."""
        scale = self.logit_scale.float().exp().clamp(max=100.0)
        return scale * _unit(phrases) @ _unit(queries).transpose(-1, -2)


def _unit(x: Tensor) -> Tensor:
    x = x.float()
    return x / (x.norm(dim=-1, keepdim=True) + 1e-7)
