"""Recorded runs of the public code: finding them, and what they need to be repeated."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from parser_model.biomedparse.checkpoint import network_from_entries
from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.substitute import substitute_entries
from parser_model.biomedparse.tokenizer import CONTEXT, Tokenizer
from parser_model.errors import SetupError

Arrays = dict[str, NDArray]  # type: ignore[type-arg]

_NAME = re.compile(r"(?P<stem>(?:small|full)_[^_]+)(?P<rest>.*)\.npz")
_CROSSMASKS = "_crossmasks"
_DATA_FOLDERS = (
    ".",
    "reference/biomedparse_v1",
    "reference/clip_bpe",
    "data/samples",
    "data/train",
    "data/val",
)
_WITHOUT_SUBSTITUTE = ("dilation_kernel", "biomed_encoder")


@dataclass(frozen=True, eq=False)
class Recorded:
    """One recorded run.

    Attributes
    ----------
    name : str
        Such as "small_A".
    folder : Path
        Where it was found; what it names is looked for here first.
    arrays : dict of str to ndarray
        Inputs and outputs by key.
    masks_given : bool
        A separate file holds masks to force on the cross-attentions.
    """

    name: str
    folder: Path
    arrays: Arrays
    masks_given: bool

    @property
    def full(self) -> bool:
        """Of the full network, not of the reduced one."""
        return self.name.startswith("full")

    def forced_masks(self, layers: int) -> list[NDArray[np.bool_]] | None:
        """Recorded cross-attention masks (Q, L) of each layer, True where not attended to."""
        masks = []
        for i in range(layers):
            key = f"dec{i}_crossmask"
            if key in self.arrays:
                masks.append(self.arrays[key].astype(bool))
            elif f"{key}_packed" in self.arrays:
                masks.append(np.unpackbits(self.arrays[f"{key}_packed"], axis=1).astype(bool))
            else:
                return None
        return masks


def data_folder() -> Path:
    """The folder with reference material, from PARSECHAT_DATA."""
    return Path(os.environ.get("PARSECHAT_DATA", "../shared"))


def locate(name: str, folder: Path) -> Path | None:
    """A file by name: in the folder given, else in the data folder; None if in neither."""
    places = [folder, *(data_folder() / place for place in _DATA_FOLDERS)]
    return next((place / name for place in places if (place / name).is_file()), None)


def _needed(name: str, folder: Path) -> Path:
    path = locate(name, folder)
    if path is None:
        raise SetupError(
            f"{name} is neither in {folder} nor in the data folder (set PARSECHAT_DATA to it)."
        )
    return path


def find_recorded(folder: Path) -> list[Recorded]:
    """All recorded runs in a folder.

    Files that share a stem, such as ``small_A``, are parts of one run. Only where two of them
    contradict each other are they taken for runs of their own.

    Raises
    ------
    SetupError
        If a file is damaged.
    """
    by_stem: dict[str, list[tuple[str, Arrays]]] = defaultdict(list)
    for path in sorted(folder.glob("*.npz")):
        match = _NAME.fullmatch(path.name)
        if match:
            by_stem[match["stem"]].append((path.stem, _load(path)))
    found: list[Recorded] = []
    for stem, parts in by_stem.items():
        if _contradict([arrays for _, arrays in parts]):
            names = sorted({name.removesuffix(_CROSSMASKS) for name, _ in parts})
            groups = {
                name: [part for part in parts if part[0].removesuffix(_CROSSMASKS) == name]
                for name in names
            }
        else:
            groups = {stem: parts}
        for name, members in groups.items():
            arrays = {key: value for _, part in members for key, value in part.items()}
            given = any(member.endswith(_CROSSMASKS) for member, _ in members)
            found.append(Recorded(name, folder, arrays, given))
    return found


def _load(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SetupError(f"{path.name} is damaged or no recorded run: {error}.") from error


def _contradict(parts: list[Arrays]) -> bool:
    merged: Arrays = {}
    for arrays in parts:
        for key, value in arrays.items():
            if key in merged and not np.array_equal(merged[key], value):
                return True
            merged[key] = value
    return False


def substitute_network(folder: Path, full: bool, device: str = "cpu") -> BiomedParseNetwork:
    """The network a run was recorded with, filled with substitute weights.

    Parameters
    ----------
    folder : Path
        Where to look first for the sizes and the list of entries.
    full : bool
    device : str
        On the CPU, networks share their weights: do not change them in place.

    Raises
    ------
    SetupError
        As `substitute_weights`.
    """
    entries, config = substitute_weights(folder, full)
    return network_from_entries(entries, config, device=device)


@lru_cache(maxsize=1)
def substitute_weights(
    folder: Path, full: bool
) -> tuple[dict[str, torch.Tensor], BiomedParseConfig]:
    """The weights a run was recorded with, and the sizes of its network.

    Parameters
    ----------
    folder : Path
        Where to look first for the sizes and the list of entries.
    full : bool

    Raises
    ------
    SetupError
        If the lists are not to be found, or do not describe the network.
    """
    if full:
        config = BiomedParseConfig()
        listed = _needed("state_dict.tsv", folder)
    else:
        path = _needed("small_config.json", folder)
        config = BiomedParseConfig.from_reference(json.loads(path.read_text(encoding="utf-8")))
        listed = _needed("state_dict_small.tsv", folder)
    with listed.open(encoding="utf-8", newline="") as file:
        shapes = [
            (row["name"], tuple(int(n) for n in re.findall(r"\d+", row["shape"])))
            for row in csv.DictReader(file, delimiter="\t")
            if row.get("used_for_text_prompt", "yes") != "no"
            and not any(part in row["name"] for part in _WITHOUT_SUBSTITUTE)
        ]
    return substitute_entries(shapes), config


def tokenizer(folder: Path) -> Tokenizer | None:
    """CLIP's tokenizer from the folder or the data folder; None where its file is in neither."""
    for name in ("merges.txt", "bpe_simple_vocab_16e6.txt.gz"):
        path = locate(name, folder)
        if path is not None:
            return Tokenizer.from_file(path)
    return None


def input_pixels(run: Recorded, size: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The image that went in, and the size in which probabilities came out.

    Parameters
    ----------
    run : Recorded
    size : int
        To which images given by name are resampled.

    Returns
    -------
    pixels : (H, W, 3) ndarray of uint8
    out_hw : (int, int)

    Raises
    ------
    SetupError
        If the run names no image, or one that is not to be found or another one.
    """
    arrays = run.arrays
    out_hw: tuple[int, int] | None = None
    if "input_u8" in arrays:
        pixels = arrays["input_u8"]
    elif "image" in arrays:
        path = _needed(str(arrays["image"]), run.folder)
        with Image.open(path) as file:
            image = file.convert("RGB")
        recorded = arrays.get("image_sha256")
        if recorded is not None and _sha256(np.asarray(image)) != str(recorded):
            raise SetupError(f"{path.name} is not the image that {run.name} was recorded with.")
        out_hw = image.height, image.width
        pixels = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
    else:
        raise SetupError(f"{run.name} has neither pixels (input_u8) nor the name of an image.")
    if "out_hw" in arrays:
        out_hw = int(arrays["out_hw"][0]), int(arrays["out_hw"][1])
    return np.array(pixels), out_hw or (pixels.shape[0], pixels.shape[1])


def _sha256(array: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def input_ids(run: Recorded) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and lengths: from the phrases where they can be tokenised, else as recorded.

    Returns
    -------
    ids : (P, 77) Tensor of int64
    lengths : (P,) Tensor of int64

    Raises
    ------
    SetupError
        If the run has neither phrases nor ids, or no tokenizer is at hand for the phrases.
    """
    arrays = run.arrays
    if "prompts" in arrays:
        tokenise = tokenizer(run.folder)
        if tokenise is not None:
            made, counts = tokenise([str(phrase) for phrase in arrays["prompts"]])
            return torch.from_numpy(made), torch.from_numpy(counts)
    if "input_ids" not in arrays:
        raise SetupError(f"{run.name} has no token ids, and there is no tokenizer file for it.")
    ids = torch.from_numpy(arrays["input_ids"].astype(np.int64))[:, :CONTEXT]
    if "attention_mask" in arrays:
        return ids, torch.from_numpy(arrays["attention_mask"].astype(np.int64)).sum(dim=1)
    return ids, ids.argmax(dim=1) + 1
