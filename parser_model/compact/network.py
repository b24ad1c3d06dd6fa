"""The compact network: an image encoder, a text encoder, and a decoder that joins them.

The encoder never sees the words, so its features are kept and a follow-up question costs only
the decoder. The words steer the decoder by scaling and shifting its channels (FiLM), and query
the image's tokens to judge whether the object is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parser_model.compact.backbone import Backbone
from parser_model.compact.text import PAD

_GROUPS = 8


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of the network; stored beside the weights.

    Attributes
    ----------
    image_size : int
        Working resolution: every image is resampled to image_size x image_size.
    widths, depths : tuple of int
        Channels of the backbone's stem and seven stages, and blocks in each stage.
    context_width : int
        Of the transformer over the coarsest map.
    decoder_widths, decoder_depths : tuple of int
        Channels and blocks at strides 16, 8, 4 and 2 of the decoder.
    text_width : int
        Width of the text encoder and of the phrase vector.
    vocabulary_size : int
        Number of word indices, padding and unknown included.
    places : int
        Number of (modality, site) classes of the recognition head.
    """

    vocabulary_size: int
    places: int
    image_size: int = 384
    widths: tuple[int, int, int, int, int, int, int, int] = (32, 16, 24, 40, 80, 112, 192, 320)
    depths: tuple[int, int, int, int, int, int, int] = (1, 2, 2, 3, 3, 4, 1)
    context_width: int = 192
    decoder_widths: tuple[int, int, int, int] = (128, 96, 64, 24)
    decoder_depths: tuple[int, int, int, int] = (2, 2, 2, 1)
    text_width: int = 160

    def as_dict(self) -> dict[str, object]:
        """Plain values for a JSON file."""
        return asdict(self)


class ImageFeatures(NamedTuple):
    """What depends on the image alone: the part that is remembered between questions.

    Attributes
    ----------
    skips : tuple of (N, C, H / s, W / s) Tensor
        What the decoder adds at strides 2, 4, 8 and 16, already in the decoder's widths.
    tokens : (N, T, C) Tensor
        The coarsest map as tokens, for the presence head.
    place_logits : (N, places) Tensor
        Scores of the (modality, site) classes.
    """

    skips: tuple[Tensor, Tensor, Tensor, Tensor]
    tokens: Tensor
    place_logits: Tensor

    def take(self, index: Tensor) -> ImageFeatures:
        """The features of chosen images, repeated as often as they are named."""
        a, b, c, d = (m.index_select(0, index) for m in self.skips)
        tokens, places = (t.index_select(0, index) for t in (self.tokens, self.place_logits))
        return ImageFeatures((a, b, c, d), tokens, places)

    def image(self, index: int) -> ImageFeatures:
        """The features of one image of a batch, in memory of their own."""
        a, b, c, d = (m[index : index + 1].clone() for m in self.skips)
        tokens, places = (t[index : index + 1].clone() for t in (self.tokens, self.place_logits))
        return ImageFeatures((a, b, c, d), tokens, places)

    @staticmethod
    def joined(features: Sequence[ImageFeatures]) -> ImageFeatures:
        """The features of several images as those of a batch."""
        a, b, c, d = (torch.cat(maps) for maps in zip(*(f.skips for f in features), strict=True))
        tokens = torch.cat([f.tokens for f in features])
        return ImageFeatures((a, b, c, d), tokens, torch.cat([f.place_logits for f in features]))


def _attending(width: int) -> nn.ModuleList:
    """Two transformer layers."""
    return nn.ModuleList(
        nn.TransformerEncoderLayer(
            width,
            4,
            2 * width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        for _ in range(2)
    )


class GlobalContext(nn.Module):
    """Transformer layers over the coarsest map, so that every place knows the whole image."""

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.position = nn.Parameter(torch.zeros(1, grid * grid, width))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.layers = _attending(width)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2) + self._positions(h, w)
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens.transpose(1, 2).reshape(n, c, h, w)

    def _positions(self, h: int, w: int) -> Tensor:
        """The learned grid of positions, resampled for images smaller than in the last phase."""
        if (h, w) == (self.grid, self.grid):
            return self.position
        grid = self.position.transpose(1, 2).reshape(1, -1, self.grid, self.grid)
        grid = F.interpolate(grid, size=(h, w), mode="bilinear", align_corners=False)
        return grid.flatten(2).transpose(1, 2)


class ImageEncoder(nn.Module):
    """Image to maps at strides 2, 4, 8 and 16, and scores of what kind of image it is."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        _, a, b, c, _, d, _, e = config.widths
        w16, w8, w4, w2 = config.decoder_widths
        self.backbone = Backbone(config.widths, config.depths)
        self.coarsest = nn.Conv2d(e, config.context_width, 1)
        self.context = GlobalContext(config.context_width, config.image_size // 32)
        self.norm = nn.LayerNorm(config.context_width)
        self.place = nn.Linear(config.context_width, config.places)
        self.spread = nn.Conv2d(config.context_width, w16, 1, bias=False)
        self.skips = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inside, outside, 1), nn.GroupNorm(_GROUPS, outside))
            for inside, outside in zip((a, b, c, d), (w2, w4, w8, w16), strict=True)
        )
        self.token_norm = nn.LayerNorm(w16)

    def forward(self, x: Tensor) -> ImageFeatures:
        """Encode images of shape (N, 3, S, S) with values from -1 to 1."""
        *maps, at32 = self.backbone(x)
        context = self.context(self.coarsest(at32))
        a, b, c, d = (skip(x) for skip, x in zip(self.skips, maps, strict=True))
        d = d + F.interpolate(self.spread(context), scale_factor=2.0, mode="bilinear")
        tokens = self.token_norm(d.flatten(2).transpose(1, 2))
        return ImageFeatures((a, b, c, d), tokens, self.place(self.norm(context.mean((2, 3)))))


class TextEncoder(nn.Module):
    """Word indices (P, 12) to one vector per phrase (P, text_width)."""

    def __init__(self, config: CompactConfig, words: int = 12) -> None:
        super().__init__()
        width = config.text_width
        self.word = nn.Embedding(config.vocabulary_size, width, padding_idx=PAD)
        self.position = nn.Parameter(torch.zeros(1, words, width))
        nn.init.normal_(self.word.weight, std=0.5)
        self.layers = _attending(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor) -> Tensor:
        padding = words == PAD
        x = self.word(words) + self.position
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1).to(x.dtype)
        return self.norm((x * kept).sum(1) / kept.sum(1))


class Steered(nn.Module):
    """Normalised channels that the phrase scales and shifts (FiLM)."""

    def __init__(self, width: int, text: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.film = nn.Linear(text, 2 * width)
        nn.init.normal_(self.film.weight, std=0.05)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        scale, shift = self.film(text)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class SteeredBlock(nn.Module):
    """A residual block that the phrase steers: filter each channel, steer, widen and narrow."""

    def __init__(self, width: int, text: int) -> None:
        super().__init__()
        self.filter = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.steered = Steered(width, text)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        y = self.steered(self.filter(x), text)
        wide = self.widen(y)
        return x + self.narrow(F.relu(wide, inplace=not torch.is_grad_enabled()))


class SteeredBlocks(nn.Module):
    """Several blocks one after the other."""

    def __init__(self, width: int, text: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SteeredBlock(width, text) for _ in range(depth))

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, text)
        return x


class Rise(nn.Module):
    """To the next finer map: convolve first, where it is cheap, then double the size."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.conv(x), scale_factor=2.0, mode="bilinear", align_corners=False)


class PresenceHead(nn.Module):
    """The phrase looks over the image's tokens and says whether its object is there (a logit).

    Half of what it sees is left out in training: without that it learns the training images by
    heart, since "is it there" is one bit an image and phrase.
    """

    def __init__(self, image: int, text: int, width: int = 128) -> None:
        super().__init__()
        self.query = nn.Linear(text, width)
        self.attend = nn.MultiheadAttention(width, 4, kdim=image, vdim=image, batch_first=True)
        self.decide = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1)
        )

    def forward(self, tokens: Tensor, text: Tensor) -> Tensor:
        query = self.query(text)[:, None]
        seen, _ = self.attend(query, tokens, tokens, need_weights=False)
        return self.decide(torch.cat([query, seen], dim=-1))[:, 0, 0]


class CompactNetwork(nn.Module):
    """Encoder, text encoder and the decoder that joins them.

    Parameters
    ----------
    config : CompactConfig
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        e16, e8, e4, e2 = config.decoder_widths
        text = config.text_width
        self.encode_image = ImageEncoder(config)
        self.encode_text = TextEncoder(config)
        self.at16, self.at8, self.at4, self.at2 = (
            SteeredBlocks(width, text, depth)
            for width, depth in zip(config.decoder_widths, config.decoder_depths, strict=True)
        )
        self.to8, self.to4, self.to2 = Rise(e16, e8), Rise(e8, e4), Rise(e4, e2)
        self.to_mask = nn.Conv2d(e2, 4, 3, padding=1)  # two times two pixels each
        self.presence = PresenceHead(e16, text)

    def decode(self, features: ImageFeatures, text: Tensor) -> Tensor:
        """The masks of N phrases in N images, pair by pair.

        Parameters
        ----------
        features : ImageFeatures
            Of N images (see `ImageFeatures.take`).
        text : (N, text_width) Tensor

        Returns
        -------
        (N, S, S) Tensor
            Logits, at the working resolution.
        """
        at2, at4, at8, at16 = features.skips
        x = self.at16(at16, text)
        x = self.at8(self.to8(x) + at8, text)
        x = self.at4(self.to4(x) + at4, text)
        x = self.at2(self.to2(x) + at2, text)
        return F.pixel_shuffle(self.to_mask(x), 2)[:, 0]

    def forward(
        self, images: Tensor, words: Tensor, image_index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mask logits, presence logits and place logits for phrases about a batch of images.

        Presence: whether the object is in the image at all; not calibrated.

        Parameters
        ----------
        images : (N, 3, S, S) Tensor
        words : (P, 12) Tensor of int64
        image_index : (P,) Tensor of int64
            Which image each phrase is about.
        """
        features, text = self.encode_image(images), self.encode_text(words)
        asked = features.take(image_index)
        return self.decode(asked, text), self.presence(asked.tokens, text), features.place_logits
