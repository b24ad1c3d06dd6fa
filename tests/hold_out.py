"""``python -m tests.hold_out``: the same data with more patients of chosen data sets in val.

Val holds few images of some sources, too few to say what leaving these out of training costs
(`tests.leave_out`). Here each of them is dealt anew, by patient, until val has half of its masks;
a source with enough masks in val stays as it is. What comes out is a data folder like any other.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from parser_model.errors import FileError, ParsechatError, RequestError
from parser_model.training.data import PARAPHRASES, manifest_rows
from parser_model.training.leaving_out import check_sources
from tests.leave_out import LEAST_MASKS, SOURCES

Row = dict[str, str]


def held_out(rows: Sequence[Row], source: str, seed: int = 0) -> set[str]:
    """The patients of a data set that belong in val.

    Those with the most masks come first, and by lot where they have as many: so the fewest
    patients leave train.

    Parameters
    ----------
    rows : sequence of dict
        Of ``manifest.csv``, one a mask.
    source : str
    seed : int

    Returns
    -------
    set of str
        Those of val where they have at least `LEAST_MASKS` masks; else of the whole source so many
        that they have half of its masks, at least `LEAST_MASKS` where there are as many.

    Raises
    ------
    RequestError
        If no patient would be left to train on.
    """
    mine = [row for row in rows if row["source"] == source and row["mask"]]
    in_val = [row for row in mine if _split(row) == "val"]
    if len(in_val) >= LEAST_MASKS:
        return {row["patient"] for row in in_val}
    masks = Counter(row["patient"] for row in mine)
    by_lot = [str(name) for name in np.random.default_rng(seed).permutation(sorted(masks))]
    wanted = max(LEAST_MASKS, len(mine) / 2)
    held: set[str] = set()
    for patient in sorted(by_lot, key=lambda name: -masks[name]):
        if sum(masks[name] for name in held) >= wanted:
            break
        held.add(patient)
    if len(held) == len(masks):
        raise RequestError(f"{source} has too few patients: none would be left to train on.")
    return held


def dealt_anew(
    rows: Sequence[Row], names: Sequence[str], seed: int = 0
) -> tuple[list[Row], dict[str, str]]:
    """The rows of the new ``manifest.csv``, and where each file of the data goes.

    Files are named by their path in the data folder.
    """
    held = {name: held_out(rows, name, seed) for name in names}
    moved: list[Row] = []
    files: dict[str, str] = {}
    for row in rows:
        split = _split(row)
        if row["source"] in held:
            split = "val" if row["patient"] in held[row["source"]] else "train"
        there = {"image": f"{split}/{Path(row['image']).name}"}
        if row["mask"]:  # none where nothing is outlined
            there["mask"] = f"{split}_mask/{Path(row['mask']).name}"
        files |= {row[kind]: path for kind, path in there.items()}
        moved.append(row | there | ({"split": split} if "split" in row else {}))
    return moved, files


def write_again(data: Path, out: Path, names: Sequence[str], seed: int = 0) -> list[Row]:
    """Copy a data folder with these data sets dealt anew; the rows of its ``manifest.csv``.

    Raises
    ------
    FileError, RequestError
        If there is no manifest with the data sets, a file is missing, or `out` is there already.
    """
    check_sources(data, names)
    if out.exists():
        raise RequestError(f"The folder {out.name} is there already; name a new one.")
    rows, files = dealt_anew(manifest_rows(data), names, seed)
    if len(set(files.values())) < len(files):
        raise FileError("Files of train and val have the same name, so they cannot change places.")
    missing = sorted(path for path in files if not (data / path).is_file())
    if missing:
        raise FileError(f"{missing[0]} of manifest.csv is not in the data folder.")
    for split in ("train", "train_mask", "val", "val_mask"):
        (out / split).mkdir(parents=True)
    for given, path in files.items():
        shutil.copyfile(data / given, out / path)
    if (data / PARAPHRASES).is_file():
        shutil.copyfile(data / PARAPHRASES, out / PARAPHRASES)
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
        table = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return rows


def told(rows: Sequence[Row], names: Sequence[str]) -> str:
    """How many patients and masks of each data set are where."""
    lines = []
    for name in names:
        sides: Mapping[str, list[str]] = {"train": [], "val": []}
        for row in rows:
            if row["source"] == name and row["mask"]:
                sides[_split(row)].append(row["patient"])
        lines.append(
            f"{name}: "
            + ", ".join(
                f"{split} {len(set(patients))} patients with {len(patients)} masks"
                for split, patients in sides.items()
            )
        )
    return "\n".join(lines)


def _split(row: Row) -> str:
    return "val" if row["image"].startswith("val/") else "train"


def main() -> int:
    """Read the arguments; 2 for a request that cannot be met."""
    words = argparse.ArgumentParser(prog="python -m tests.hold_out", description=__doc__)
    words.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    words.add_argument("--out", type=Path, required=True, help="a new folder")
    words.add_argument("--sources", default=",".join(SOURCES), metavar="A,B")
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    names = [name.strip() for name in given.sources.split(",") if name.strip()]
    try:
        rows = write_again(given.data, given.out, names, given.seed)
    except (ParsechatError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(told(rows, names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
