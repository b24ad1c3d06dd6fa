"""The compact weights file: half-precision tensors, with sizes, words and places beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from parser_model.blank import blank
from parser_model.compact.network import CompactConfig, CompactNetwork
from parser_model.compact.text import Vocabulary
from parser_model.errors import SetupError
from parser_model.ontology import Place

_FORMAT = "parsechat-compact-3"
_BEFORE = ("parsechat-compact-1", "parsechat-compact-2")  # of other networks


@dataclass(frozen=True, eq=False)
class CompactWeights:
    """A network ready to use with the vocabulary and places it was trained with."""

    network: CompactNetwork
    vocabulary: Vocabulary
    places: tuple[Place, ...]
    record: dict[str, Any]
    sha256: str


def save_weights(
    path: Path,
    network: CompactNetwork,
    vocabulary: Vocabulary,
    places: Sequence[Place],
    record: dict[str, Any],
) -> None:
    """Write a network as float16 safetensors.

    Parameters
    ----------
    record : dict
        How it was trained: command, minutes, seed, number of images, licence.
    """
    tensors = {n: t.cpu().to(torch.float16).contiguous() for n, t in network.state_dict().items()}
    config = network.config.as_dict()
    metadata = {
        "format": _FORMAT,
        "config": json.dumps(config),
        "vocabulary": json.dumps(vocabulary.words),
        "places": json.dumps([[p.modality, p.site] for p in places]),
        "record": json.dumps(record),
    }
    save_file(tensors, path, metadata=metadata)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_weights(path: Path) -> CompactWeights:
    """Read a compact weights file strictly: every tensor must be there with its shape.

    Raises
    ------
    SetupError
        If the file is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise SetupError(f"The weights file {path.name} is missing; install parsechat again.")
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("format") in _BEFORE:
                raise SetupError(
                    f"{path.name} holds weights of the compact parser as it was before; train them "
                    "again with this version."
                )
            if metadata.get("format") != _FORMAT:
                raise SetupError(f"{path.name} does not hold weights of the compact parser.")
            tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        sizes: dict[str, Any] = dict(json.loads(metadata["config"]))
        config = CompactConfig(
            **{name: tuple(v) if isinstance(v, list) else v for name, v in sizes.items()}  # type: ignore[arg-type]
        )
        with blank():
            network = CompactNetwork(config)
        network.load_state_dict(tensors, strict=True, assign=True)
        weights = CompactWeights(
            network=network.eval().to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            vocabulary=Vocabulary(json.loads(metadata["vocabulary"])),
            places=tuple(Place(m, s) for m, s in json.loads(metadata["places"])),
            record=dict(json.loads(metadata["record"])),
            sha256=file_sha256(path),
        )
        if (len(weights.vocabulary), len(weights.places)) != (
            config.vocabulary_size,
            config.places,
        ):
            raise ValueError("it has not the words and places of its network")
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise SetupError(f"The weights file {path.name} is damaged: {error}") from error
    return weights
