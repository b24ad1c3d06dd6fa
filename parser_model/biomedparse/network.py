"""The whole network: images once, phrases once, answers as often as asked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parser_model.biomedparse.backbone import Backbone
from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.biomedparse.decoder import Decoded, ImageMemory, Predictor
from parser_model.biomedparse.pixel_decoder import PixelDecoder
from parser_model.biomedparse.text import TextEncoding

_MULTIPLE = 32


class SegmentationHead(nn.Module):
    """Holds the two halves under the checkpoint's name ``sem_seg_head``."""

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        self.pixel_decoder = PixelDecoder(config)
        self.predictor = Predictor(config)


class BiomedParseNetwork(nn.Module):
    """BiomedParse v1 for text prompts; its entries are named as in the public checkpoint.

    Parameters
    ----------
    config : BiomedParseConfig, optional
        By default that of the public checkpoint.
    """

    def __init__(self, config: BiomedParseConfig | None = None) -> None:
        super().__init__()
        self.config = config or BiomedParseConfig()
        self.backbone = Backbone(self.config.backbone)
        self.sem_seg_head = SegmentationHead(self.config)

    @property
    def predictor(self) -> Predictor:
        """The query decoder."""
        return self.sem_seg_head.predictor

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixels on the scale 0 to 255 to network input.

        Parameters
        ----------
        pixels : (N, 3, H, W) Tensor
            RGB, of any type.

        Returns
        -------
        (N, 3, H', W') Tensor
            In the weights' type; H' and W' are the next multiples of 32, filled with zeros.
        """
        weight = self.backbone.patch_embed.proj.weight
        mean, std = (
            torch.tensor(values, device=weight.device)[:, None, None]
            for values in (self.config.pixel_mean, self.config.pixel_std)
        )
        # In float32 whatever the precision of the weights: 8 bits of image deserve it. They
        # travel to the device first, as a quarter of the bytes.
        x = (pixels.to(weight.device).float() - mean) / std
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE))
        return x.to(weight.dtype).contiguous(memory_format=torch.channels_last)

    def encode_image(self, pixels: Tensor) -> ImageMemory:
        """All that depends on the images alone.

        Parameters
        ----------
        pixels : (N, 3, H, W) Tensor
            RGB on the scale 0 to 255, of any type, not normalised.
        """
        maps = self.backbone(self.normalise(pixels))
        mask_features, multi_scale = self.sem_seg_head.pixel_decoder(maps)
        return self.predictor.remember(mask_features, multi_scale)

    def encode_text(self, ids: Tensor, lengths: Tensor | None = None) -> TextEncoding:
        """Encode phrases; see `Tokenizer` for the ids.

        Parameters
        ----------
        ids : (P, 77) Tensor of int64
        lengths : (P,) Tensor of int64, optional
            Tokens of each phrase with both marks; by default up to the first end mark.
        """
        return self.predictor.lang_encoder(ids, lengths)

    def decode(
        self,
        memory: ImageMemory,
        text: TextEncoding,
        *,
        together: bool = False,
        blocked: Sequence[Tensor] | None = None,
    ) -> Decoded:
        """Answer every phrase about every image; see `Predictor.decode`."""
        return self.predictor.decode(memory, text, together=together, blocked=blocked)

    def forward(
        self,
        pixels: Tensor,
        ids: Tensor,
        lengths: Tensor | None = None,
        *,
        together: bool = False,
    ) -> Decoded:
        """From pixels and token ids to answers, keeping nothing."""
        return self.decode(
            self.encode_image(pixels), self.encode_text(ids, lengths), together=together
        )
