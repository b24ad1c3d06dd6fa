"""Checks around the network: token ids, the reference's score, post-processing and readers.

Each reads files of recorded results from a folder and gives lines for the table; none where its
files are not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parser_model.biomedparse.postprocess import (
    Distributions,
    combine_masks,
    mask_statistics,
    read_distributions,
    reference_p_value,
    suppress_overlaps,
)
from parser_model.biomedparse.preparation import (
    ct_window,
    prepare_intensities,
    prepare_picture,
)
from parser_model.biomedparse.recorded import locate, tokenizer
from parser_model.biomedparse.tolerances import Compared
from parser_model.errors import RequestError, SetupError

_EXACT = 1e-9
_TABLES = ("target_dist.json", "target_dist_newer_hf.json")
# Arrays in readers.npz and how the public reader of each was called: array, CT window.
_READERS = {
    "ct_abdomen": ("ct", "abdomen"),
    "ct_lung": ("ct", "lung"),
    "mr": ("mr", None),
    "sq_liver": ("sq", "liver"),
}
_PICTURE = "rgb_"  # before the name of a picture that was read


def side_checks(folder: Path) -> list[Compared]:
    """All lines of all checks whose files are in the folder."""
    checks: tuple[tuple[str, Callable[[Path], Iterator[Compared]]], ...] = (
        ("tokenizer.json", _tokens),
        ("pvalues.json", _p_values),
        ("postprocessing.json", _postprocessing),
        ("readers.json", _readers),
    )
    lines: list[Compared] = []
    for name, check in checks:
        if (folder / name).is_file():
            try:
                lines += check(folder / name)
            except (KeyError, ValueError, OSError, SetupError, RequestError) as error:
                note = f"could not be checked: {error}"
                lines.append(Compared(Path(name).stem, "", "", float("inf"), 0.0, "", note))
    return lines


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _tokens(path: Path) -> Iterator[Compared]:
    tokenise = tokenizer(path.parent)
    if tokenise is None:
        raise SetupError("no tokenizer file is at hand")
    cases = _read(path)
    ids, lengths = tokenise([case["text"] for case in cases])
    wrong = [
        case["text"]
        for case, row, length in zip(cases, ids, lengths, strict=True)
        if row[:length].tolist() != case["ids"] or length != case["n"]
    ]
    note = f"{len(cases)} texts" + (f"; wrong: {wrong[:5]}" if wrong else "")
    yield Compared("tokenizer", "", "ids", float(len(wrong)), 0.0, "texts that differ", note)


def _distributions(folder: Path) -> list[Distributions]:
    paths = [path for path in (locate(name, folder) for name in _TABLES) if path is not None]
    if not paths:
        raise SetupError("no target_dist.json is at hand")
    return [read_distributions(path) for path in paths]


def _score(
    statistics: list[float], modality: str, target: str, tables: list[Distributions]
) -> float:
    table = next((t for t in tables if target in t.get(modality, {})), tables[0])
    return reference_p_value(statistics, modality, target, table)


def _p_values(path: Path) -> Iterator[Compared]:
    recorded = _read(path)
    tables = _distributions(path.parent)
    column = {name: i for i, name in enumerate(recorded["columns"])}
    differences = [
        abs(
            _score(
                row[column["mask_stats"]], row[column["modality"]], row[column["target"]], tables
            )
            - row[column["adj_p_value"]]
        )
        for row in recorded["rows"]
    ]
    note = f"{len(differences)} masks"
    yield Compared(
        "pvalues", "", "adj_p_value", max(differences), _EXACT, "largest difference", note
    )


def _postprocessing(path: Path) -> Iterator[Compared]:
    recorded = _read(path)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        arrays = dict(file)
    tables = _distributions(path.parent)
    for i, case in enumerate(recorded["pvalue_cases"]):
        statistics = mask_statistics(arrays[f"p{i}"], arrays["img"])
        worst = max(abs(a - b) for a, b in zip(statistics, case["mask_stats"], strict=True))
        score = _score(list(statistics), case["modality"], case["target"], tables)
        worst = max(worst, abs(score - case["p_value"]))
        yield Compared(
            "postprocessing", "", f"p{i}", worst, _EXACT, "largest difference", case["target"]
        )
    maps = {name: arrays[f"cm_{name}"] for name in recorded["combine_order_in"]}
    kept = suppress_overlaps(maps, recorded["combine_p_values"])
    yield _same_names("nms", list(kept), recorded["nms_keys"])
    for prefix, keys, combined in (
        ("combined", "combined_keys", combine_masks(maps)),
        ("nmscombined", "nms_combined_keys", combine_masks(kept)),
    ):
        yield _same_names(prefix, list(combined), recorded[keys])
        for name in recorded[keys]:
            ours = combined.get(name, np.zeros(0))
            theirs = arrays[f"{prefix}_{name}"]
            same = ours.shape == theirs.shape
            wrong = float((ours != theirs).sum()) if same else float("inf")
            yield Compared(
                "postprocessing", "", f"{prefix}_{name}", wrong, 0.0, "pixels that differ"
            )


def _same_names(key: str, ours: list[str], theirs: list[str]) -> Compared:
    wrong = 0.0 if ours == theirs else 1.0
    return Compared("postprocessing", "", key, wrong, 0.0, "lists that differ", ", ".join(ours))


def _readers(path: Path) -> Iterator[Compared]:
    recorded = {entry["name"]: entry for entry in _read(path)}
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        arrays = dict(file)
    left = []
    for name, entry in recorded.items():
        pixels = _as_read(name, arrays, path.parent)
        if pixels is None:
            left.append(name)
            continue
        ours = pixels[::8, ::8].astype(np.int64)
        difference = float(np.abs(ours - arrays[f"{name}_sub"].astype(np.int64)).max())
        same = hashlib.sha256(pixels.tobytes()).hexdigest() == entry["sha256"]
        note = "every pixel, by hash" if same else "hash differs elsewhere"
        # Another version of the resampling library may round a pixel to the other side.
        limit = 0.0 if same else 1.0
        yield Compared("readers", "", name, difference, limit, "grey values", note)
    if left:
        note = f"their files are not among the fixtures: {', '.join(left)}"
        yield Compared("readers", "", "", 0.0, None, "not checked", note)


def _as_read(
    name: str, arrays: Mapping[str, NDArray[np.floating]], folder: Path
) -> NDArray[np.uint8] | None:
    """A recorded input as our reader prepares it; None where the input is not at hand."""
    array, site = _READERS.get(name, ("", None))
    if array in arrays:
        return prepare_intensities(arrays[array], ct_window(site) if site else None).pixels
    picture = locate(name.removeprefix(_PICTURE), folder) if name.startswith(_PICTURE) else None
    if picture is None:
        return None
    with Image.open(picture) as file:
        pixels = np.asarray(file)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return prepare_picture(pixels[..., :3]).pixels  # opacity is dropped
