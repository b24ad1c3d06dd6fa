"""Names and shapes of every entry of a checkpoint: the ones the network uses, and the rest.

The public file holds 1,131 entries and `criterion.empty_weight`. A text prompt needs 925 of
them. The others are listed here by name and shape, so that loading can be strict about a file
it reads only in part.
"""

from __future__ import annotations

from collections.abc import Iterator

from parser_model.biomedparse.config import BiomedParseConfig

Shapes = dict[str, tuple[int, ...]]

_PREDICTOR = "sem_seg_head.predictor"
_BERT = f"{_PREDICTOR}.lang_encoder.biomed_encoder"
_BERT_WIDTH, _BERT_HIDDEN, _BERT_LAYERS = 768, 3072, 12
_BERT_WORDS, _BERT_PLACES = 30522, 512


def unused_groups(config: BiomedParseConfig) -> dict[str, Shapes]:
    """Entries that text prompts do not need, grouped: a file holds all of a group or none.

    Parameters
    ----------
    config : BiomedParseConfig

    Returns
    -------
    dict of str to dict of str to tuple of int
        Group to entry name to shape.
    """
    return {
        "training loss": {"criterion.empty_weight": (17,)},
        "drawn prompts": _drawn_prompts(config),
        "second text encoder": dict(_bert()),
    }


def _drawn_prompts(config: BiomedParseConfig) -> Shapes:
    width, rows = config.decoder.width, config.spatial_memories
    mask_width = config.pixel_decoder.width
    return {
        "dilation_kernel": (1, 1, 3, 3),
        f"{_PREDICTOR}.pn_indicator.weight": (2, width),
        f"{_PREDICTOR}.spatial_embed.weight": (rows, width),
        f"{_PREDICTOR}.spatial_featured.weight": (rows, width),
        # The misspelling is the checkpoint's.
        **{f"{_PREDICTOR}.mask_sptial_embed.{i}": (mask_width, width) for i in range(3)},
    }


def _bert() -> Iterator[tuple[str, tuple[int, ...]]]:
    width = _BERT_WIDTH
    yield f"{_BERT}.embeddings.word_embeddings.weight", (_BERT_WORDS, width)
    yield f"{_BERT}.embeddings.position_embeddings.weight", (_BERT_PLACES, width)
    yield f"{_BERT}.embeddings.token_type_embeddings.weight", (2, width)
    yield from _both(f"{_BERT}.embeddings.LayerNorm", (width,))
    for i in range(_BERT_LAYERS):
        layer = f"{_BERT}.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            yield from _both(f"{layer}.attention.self.{part}", (width, width))
        yield from _both(f"{layer}.attention.output.dense", (width, width))
        yield from _both(f"{layer}.attention.output.LayerNorm", (width,))
        yield from _both(f"{layer}.intermediate.dense", (_BERT_HIDDEN, width))
        yield from _both(f"{layer}.output.dense", (width, _BERT_HIDDEN))
        yield from _both(f"{layer}.output.LayerNorm", (width,))
    yield from _both(f"{_BERT}.pooler.dense", (width, width))


def _both(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]
