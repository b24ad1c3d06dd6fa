"""A small BiomedParse: a checkpoint of substitute weights, a tokenizer, and a source for both."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import lru_cache

import torch

from parser_model.biomedparse.entries import unused_groups
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.substitute import substitute_entries
from parser_model.biomedparse.tokenizer import Tokenizer
from parser_model.weights_store.sources import SOURCES, Source
from tests.parser_model.biomedparse.conftest import TINY

# With all of CLIP's words, because phrases are really read.
CONFIG = replace(TINY, text=replace(TINY.text, vocabulary=49408))
CHECKPOINT = "microsoft/BiomedParse/biomedparse_v1.pt"
DISTRIBUTIONS = "microsoft/BiomedParse/target_dist.json"
MERGES = "openai/clip-vit-base-patch32/merges.txt"
VOCABULARY = "openai/clip-vit-base-patch32/vocab.json"


def small_source() -> Source:
    """As the real one, but of the small network, and for any merges."""
    return replace(SOURCES["biomedparse"], config=CONFIG, merges_sha256=None)


@lru_cache(maxsize=1)
def small_checkpoint() -> bytes:
    """All entries of the public file, small; the unused ones have no storage of their own."""
    with torch.device("meta"):
        shapes = {n: tuple(v.shape) for n, v in BiomedParseNetwork(CONFIG).state_dict().items()}
    entries = substitute_entries(shapes.items())
    for group in unused_groups(CONFIG).values():
        entries |= {name: torch.zeros(1).expand(shape) for name, shape in group.items()}
    stream = io.BytesIO()
    torch.save(entries, stream)
    return stream.getvalue()


@lru_cache(maxsize=1)
def hub_files() -> dict[str, bytes]:
    """What the hub holds."""
    letters = list(Tokenizer([("a", "b")] * 48894)._characters.values())
    pairs = [(a, b) for a in letters for b in letters][:48894]
    merges = "#version: 0.2\n" + "\n".join(f"{a} {b}" for a, b in pairs) + "\n"
    ids = Tokenizer(pairs)._ids
    table = {"CT-Abdomen": {"liver": [[800.0, 15.0], [5.0, 3.0], [5.0, 3.0], [5.0, 3.0]]}}
    return {
        CHECKPOINT: small_checkpoint(),
        DISTRIBUTIONS: json.dumps(table).encode(),
        MERGES: merges.encode(),
        VOCABULARY: json.dumps(ids).encode(),
    }
