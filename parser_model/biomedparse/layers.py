"""Small layers shared by the pixel decoder, the text encoder and the query decoder."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention with packed projections, split into steps that can be kept.

    Keys and values of an image do not depend on the phrase: `keys_values` makes them once and
    `attend` uses them as often as wanted.

    Parameters
    ----------
    width, heads : int
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def _project(self, x: Tensor, first: int, last: int) -> Tensor:
        """Apply the parts ``first`` to ``last`` of the packed projection (0 q, 1 k, 2 v)."""
        rows = slice(first * self.width, last * self.width)
        return F.linear(x, self.in_proj_weight[rows], self.in_proj_bias[rows])

    def _by_head(self, x: Tensor) -> Tensor:
        """(N, L, C) to (N, heads, L, C / heads)."""
        n, length, width = x.shape
        return x.view(n, length, self.heads, width // self.heads).transpose(1, 2)

    def keys_values(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Project what is attended to.

        Parameters
        ----------
        keys, values : (N, L, C) Tensor

        Returns
        -------
        tuple of (N, heads, L, C / heads) Tensor
        """
        return self._by_head(self._project(keys, 1, 2)), self._by_head(self._project(values, 2, 3))

    def attend(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        *,
        allowed: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attend from queries to projected keys and values.

        Parameters
        ----------
        queries : (N, Q, C) Tensor
        keys, values : (N, heads, L, C / heads) Tensor
        allowed : Tensor of bool, optional
            True where a query may look; broadcast to (N, heads, Q, L).
        causal : bool
            Each position sees itself and earlier ones only.

        Returns
        -------
        (N, Q, C) Tensor
        """
        by_head = self._by_head(self._project(queries, 0, 1))
        seen = F.scaled_dot_product_attention(
            by_head, keys, values, attn_mask=allowed, is_causal=causal
        )
        return self.out_proj(seen.transpose(1, 2).flatten(2))

    def forward(
        self,
        x: Tensor,
        values: Tensor,
        *,
        allowed: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Self-attention with ``x`` (N, L, C) as queries and keys, and values of the same shape."""
        if x is values:
            q, k, v = (self._by_head(part) for part in self._project(x, 0, 3).chunk(3, dim=-1))
        else:
            q, k = (self._by_head(part) for part in self._project(x, 0, 2).chunk(2, dim=-1))
            v = self._by_head(self._project(values, 2, 3))
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, is_causal=causal)
        return self.out_proj(seen.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Linear layers with ReLU between them.

    Parameters
    ----------
    widths : int
        Of the input, of each hidden layer and of the output.
    """

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def sine_position(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Position encoding of a map, rows in the first half of the channels, columns in the second.

    Returns
    -------
    (height * width, channels) Tensor of float32
        Row by row.
    """
    half = channels // 2
    k = torch.arange(half, device=device)
    divisor = 10000.0 ** (2 * (k // 2) / half)

    def axis(size: int) -> Tensor:
        steps = torch.arange(1, size + 1, device=device, dtype=torch.float32)
        angle = (steps / (size + 1e-6) * (2 * math.pi))[:, None] / divisor
        return torch.where(k % 2 == 0, angle.sin(), angle.cos())

    rows = axis(height)[:, None].expand(height, width, half)
    columns = axis(width)[None].expand(height, width, half)
    return torch.cat([rows, columns], dim=-1).flatten(0, 1)
