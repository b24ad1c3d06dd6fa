"""Sizes of the BiomedParse v1 network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parser_model.errors import SetupError


@dataclass(frozen=True)
class BackboneConfig:
    """Sizes of the focal-modulation backbone.

    Attributes
    ----------
    width : int
        Channels of the first stage; each later stage doubles them.
    depths : tuple of int
        Blocks in each of the four stages.
    focal_levels : tuple of int
        Depthwise convolutions in a block, per stage.
    focal_windows : tuple of int
        Kernel of the first of them, per stage; each later one is two larger.
    mlp_ratio : float
        Hidden width of a block's MLP over its width.
    """

    width: int = 192
    depths: tuple[int, ...] = (2, 2, 18, 2)
    focal_levels: tuple[int, ...] = (4, 4, 4, 4)
    focal_windows: tuple[int, ...] = (3, 3, 3, 3)
    mlp_ratio: float = 4.0

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage's output, strides 4, 8, 16 and 32."""
        return tuple(self.width * 2**i for i in range(len(self.depths)))


@dataclass(frozen=True)
class PixelDecoderConfig:
    """Sizes of the transformer encoder and feature pyramid after the backbone."""

    width: int = 512
    mask_width: int = 512
    layers: int = 6
    heads: int = 8
    feed_forward: int = 2048


@dataclass(frozen=True)
class TextConfig:
    """Sizes of the causal text encoder; its MLP is four times as wide as it."""

    width: int = 512
    heads: int = 8
    layers: int = 12
    context: int = 77
    vocabulary: int = 49408


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of the query decoder; ``layers`` is one less than the public DEC_LAYERS."""

    width: int = 512
    heads: int = 8
    feed_forward: int = 2048
    layers: int = 9
    queries: int = 101


@dataclass(frozen=True)
class BiomedParseConfig:
    """All sizes of the network; the defaults are the public checkpoint's.

    Attributes
    ----------
    embedding_width : int
        Width in which queries and phrases are compared.
    spatial_memories : int
        Rows of two embeddings for drawn prompts; only their names and shapes matter here.
    pixel_mean, pixel_std : tuple of float
        Of the RGB channels on the scale 0 to 255.
    image_size : int
        Every image is resampled to ``image_size`` x ``image_size``.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    pixel_decoder: PixelDecoderConfig = field(default_factory=PixelDecoderConfig)
    text: TextConfig = field(default_factory=TextConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    embedding_width: int = 512
    spatial_memories: int = 32
    pixel_mean: tuple[float, float, float] = (123.675, 116.280, 103.530)
    pixel_std: tuple[float, float, float] = (58.395, 57.120, 57.375)
    image_size: int = 1024

    @classmethod
    def from_reference(cls, tree: Mapping[str, Any]) -> BiomedParseConfig:
        """Read the sizes from a configuration in the public project's layout.

        Parameters
        ----------
        tree : mapping
            With the sections MODEL, ATTENTION_ARCH (optional) and INPUT (optional).

        Raises
        ------
        SetupError
            If a needed entry is absent.
        """
        try:
            model = tree["MODEL"]
            focal, text = model["BACKBONE"]["FOCAL"], model["TEXT"]
            encoder, decoder = model["ENCODER"], model["DECODER"]
            given = tree.get("INPUT", {})
            default = cls()
            return cls(
                backbone=BackboneConfig(
                    width=focal["EMBED_DIM"],
                    depths=tuple(focal["DEPTHS"]),
                    focal_levels=tuple(focal["FOCAL_LEVELS"]),
                    focal_windows=tuple(focal["FOCAL_WINDOWS"]),
                    mlp_ratio=focal["MLP_RATIO"],
                ),
                # The pixel decoder has no head count and feed-forward width of its own.
                pixel_decoder=PixelDecoderConfig(
                    width=encoder["CONVS_DIM"],
                    mask_width=encoder["MASK_DIM"],
                    layers=encoder["TRANSFORMER_ENC_LAYERS"],
                    heads=decoder["NHEADS"],
                    feed_forward=decoder["DIM_FEEDFORWARD"],
                ),
                text=TextConfig(
                    width=text["WIDTH"],
                    heads=text["HEADS"],
                    layers=text["LAYERS"],
                    context=text["CONTEXT_LENGTH"],
                ),
                decoder=DecoderConfig(
                    width=decoder["HIDDEN_DIM"],
                    heads=decoder["NHEADS"],
                    feed_forward=decoder["DIM_FEEDFORWARD"],
                    layers=decoder["DEC_LAYERS"] - 1,
                    queries=decoder["NUM_OBJECT_QUERIES"],
                ),
                embedding_width=model["DIM_PROJ"],
                spatial_memories=tree.get("ATTENTION_ARCH", {}).get("SPATIAL_MEMORIES", 32),
                pixel_mean=tuple(given.get("PIXEL_MEAN", default.pixel_mean)),
                pixel_std=tuple(given.get("PIXEL_STD", default.pixel_std)),
            )
        except KeyError as error:
            raise SetupError(f"The network configuration has no entry {error}.") from error
