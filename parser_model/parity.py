"""Repeats recorded runs of the public BiomedParse code and prints how far the results differ.

``python -m parser_model.parity DIR [--device cuda] [--only NAME] [--dump OUT.npz]`` runs every
recorded run in DIR; with NAME those whose names begin so, and no side checks. It exits with 0
where all differences are within their limits, 1 where one is not or a run could not be repeated,
and 2 where there is nothing to run or no such device.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parser_model.biomedparse.decoder import ImageMemory
from parser_model.biomedparse.recorded import (
    Arrays,
    Recorded,
    find_recorded,
    input_ids,
    input_pixels,
    substitute_network,
)
from parser_model.biomedparse.side_checks import side_checks
from parser_model.biomedparse.tolerances import INPUTS, Compared, compare, differing_bits
from parser_model.biomedparse.trace import Trace, trace_decode, trace_image, trace_text
from parser_model.devices import ACCELERATORS, is_here
from parser_model.errors import ParsechatError

_OUTPUTS = (
    "input_ids",
    "attention_mask",
    "t_emb",
    "grounding_tokens",
    "v_emb",
    "sim",
    "matched_ids",
    "matched_mask_logits",
    "all_mask_frac",
    "crossmask_masked_frac",
    "prob",
    "out_hw",
    "padded_shape",
)
_STATISTICS = (
    *("stat_patch_embed", "stat_res2", "stat_res3", "stat_res4", "stat_res5"),
    *("stat_pd_transformer", "stat_ms0", "stat_ms1", "stat_ms2", "stat_mask_features"),
    "stat_text_hidden",
)
_WHY_NOT = {
    "pred_logits": " (similarities with 17 classes, whose texts are not recorded; no answer to a "
    "phrase uses them)"
}


@dataclass
class Repeated:
    """A recorded run, repeated.

    Attributes
    ----------
    lines : list of Compared
    outputs : dict of str to ndarray
        Raw values under the recorded keys; those of the forced run where masks were given.
    unknown : list of str
        Recorded keys that nothing here computes.
    """

    lines: list[Compared] = field(default_factory=list)
    outputs: Arrays = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def _wanted(run: Recorded) -> Callable[[str], bool]:
    """Which values to keep: all of a reduced network, what was recorded of the full one."""
    if not run.full:
        return lambda key: not key.startswith("stat_") and not key.endswith("_packed")
    few = {*run.arrays, *_OUTPUTS, *_STATISTICS}
    return lambda key: key in few or (key.startswith("stat_dec") and key.endswith("_ffn"))


@torch.inference_mode()
def repeat(run: Recorded, device: str = "cpu") -> Repeated:
    """Run the network on a recorded input, freely and with the recorded masks where there are any.

    Parameters
    ----------
    run : Recorded
    device : str
        As PyTorch calls it.

    Returns
    -------
    Repeated

    Raises
    ------
    SetupError
        If something the run needs is not to be found.
    """
    network = substitute_network(run.folder, run.full, device)
    pixels, out_hw = input_pixels(run, network.config.image_size)
    ids, lengths = input_ids(run)
    encoded = Trace(_wanted(run))
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    memory = trace_image(network, batch, encoded)
    text = trace_text(network, ids.to(device), lengths.to(device), encoded)
    masks = run.forced_masks(network.config.decoder.layers)
    result = Repeated()
    known: set[str] = set()
    for forced in (False, True) if masks is not None else (False,):
        blocked = None if not forced or masks is None else _as_blocked(masks, memory)
        trace = Trace(_wanted(run))
        trace_decode(network, memory, text, trace, out_hw=out_hw, blocked=blocked)
        # What comes before the decoder is the same in both runs and listed once.
        values = trace.values if forced else encoded.values | trace.values
        flipped = not forced and _flipped(run, values)
        for key in (key for key in run.arrays if key in values):
            result.lines += compare(
                run.name, key, values[key], run.arrays[key], forced=forced, flipped=flipped
            )
        known |= values.keys()
        if forced == run.masks_given or not forced:
            result.outputs |= values
    if "prob" in run.arrays and "prob" in result.outputs:
        result.outputs["prob"] = _as_recorded(result.outputs["prob"], run.arrays["prob"].shape)
    result.unknown = [key for key in run.arrays if key not in known and key not in INPUTS]
    return result


def _as_blocked(masks: list[NDArray[np.bool_]], memory: ImageMemory) -> list[Tensor]:
    """Recorded masks for the decoder, without the bits that filled their last byte."""
    levels = memory.level_features
    sizes = [features.shape[-1] for features in levels]
    return [
        torch.from_numpy(mask[:, : sizes[i % len(sizes)]])[None].to(levels[0].device)
        for i, mask in enumerate(masks)
    ]


def _flipped(run: Recorded, values: Arrays) -> bool:
    """Whether masks between the layers differ from the recorded ones anywhere."""
    return any(
        run.arrays[key].shape == value.shape and differing_bits(key, value, run.arrays[key]) > 0
        for key, value in values.items()
        if "_crossmask" in key and key.startswith("dec") and key in run.arrays
    )


def _as_recorded(prob: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Every n-th pixel of probability maps, as many as were recorded."""
    if len(shape) != 3 or prob.shape == shape:
        return prob
    rows, columns = (max(1, -(-prob.shape[i] // max(1, shape[i]))) for i in (1, 2))
    return prob[:, ::rows, ::columns]


def _table(lines: Sequence[Compared]) -> str:
    header = ("run", "masks", "value", "difference", "limit", "", "measure")
    rows = [
        (
            line.run,
            line.way,
            line.key,
            f"{line.difference:.2e}",
            "-" if line.limit is None else f"{line.limit:.0e}" if line.limit else "0",
            "ok" if line.holds else "OUTSIDE",
            line.measure + (f" ({line.note})" if line.note else ""),
        )
        for line in lines
    ]
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m parser_model.parity",
        description="Repeat recorded runs of the public BiomedParse code.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="holds the recorded runs")
    parser.add_argument("--device", choices=("cpu", *ACCELERATORS), default="cpu")
    parser.add_argument("--only", metavar="NAME", help="runs whose names begin so, no side checks")
    parser.add_argument("--dump", type=Path, metavar="OUT.npz", help="write the raw outputs here")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    if not is_here(options.device):
        print(f"PyTorch sees no '{options.device}' device here.", file=sys.stderr)
        return 2
    try:
        runs = find_recorded(folder) if folder.is_dir() else []
        lines = side_checks(folder) if folder.is_dir() and not options.only else []
        runs = [run for run in runs if run.name.startswith(options.only or "")]
    except ParsechatError as error:
        print(error, file=sys.stderr)
        return 1
    if not runs and not lines:
        print(f"There is no recorded run in {folder}.", file=sys.stderr)
        return 2
    dump: Arrays = {}
    failed = False
    for run in sorted(runs, key=lambda run: run.full):
        try:
            result = repeat(run, options.device)
        except ParsechatError as error:
            print(f"{run.name} could not be repeated: {error}", file=sys.stderr)
            failed = True
            continue
        lines += result.lines
        # One run keeps the recorded names; several would overwrite each other's.
        prefix = "" if len(runs) == 1 else f"{run.name}/"
        dump |= {prefix + key: value for key, value in result.outputs.items()}
        if result.unknown:
            told = ", ".join(f"{key}{_WHY_NOT.get(key, '')}" for key in result.unknown)
            print(f"{run.name}: not computed here: {told}", file=sys.stderr)
    if options.dump is not None:
        with options.dump.open("wb") as file:
            np.savez(file, allow_pickle=False, **dump)
    print(_table(lines))
    outside = sum(not line.holds for line in lines)
    print(f"{len(lines)} compared, {outside} outside their limits.")
    return 1 if failed or outside else 0


if __name__ == "__main__":
    sys.exit(main())
