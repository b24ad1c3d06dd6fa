"""``python -m tests.acceptance``: ask about 45 validation images, five of each modality.

For each modality's common target the images at the 10th, 25th, 50th, 75th and 90th percentile of
mask size are asked about through the command line, and the masks it writes are compared with the
truth and with the mean mask of the training set.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUESTIONS = {
    ("CT", "liver"): "How large is the liver?",
    ("MRI", "left heart ventricle"): "How large is the left ventricle?",
    ("X-Ray", "lung"): "How large are the lungs?",
    ("pathology", "nuclei"): "How large are the nuclei?",
    ("ultrasound", "fetal head"): "How large is the fetal head?",
    ("fundus", "optic disc"): "How large is the optic disc?",
    ("endoscope", "polyp"): "How large is the polyp?",
    ("dermoscopy", "lesion"): "How large is the lesion?",
    ("OCT", "retina"): "How large is the retina?",
}
PERCENTILES = (10, 25, 50, 75, 90)


@dataclass(frozen=True)
class Outcome:
    """What came of one image."""

    modality: str
    target: str
    exit_code: int
    dice: float
    dice_of_mean: float
    values_agree: bool


def rows_of(data: Path) -> list[dict[str, str]]:
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def chosen(rows: list[dict[str, str]], modality: str, target: str) -> list[dict[str, str]]:
    """The validation masks at the percentiles of size; ties by name."""
    own = [r for r in rows if (r["split"], r["modality"], r["target"]) == ("val", modality, target)]
    own.sort(key=lambda r: (int(r["mask_px"]), r["mask"]))
    return [own[round(p / 100 * (len(own) - 1))] for p in PERCENTILES]


def read(path: Path) -> NDArray[np.bool_]:
    return np.asarray(Image.open(path).convert("L")) > 127


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    total = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def mean_mask(
    data: Path, rows: list[dict[str, str]], modality: str, target: str
) -> NDArray[np.bool_]:
    """The training masks' mean, cut where it agrees best with them."""
    masks = np.stack(
        [
            read(data / r["mask"])
            for r in rows
            if (r["split"], r["modality"], r["target"]) == ("train", modality, target)
        ]
    )
    mean = masks.mean(0)
    cuts = [c for c in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6) if (mean > c).any()]
    best = max(cuts, key=lambda c: np.mean([dice(mean > c, m) for m in masks[::3]]))
    return mean > best


def agree(document: dict, mask: NDArray[np.bool_]) -> bool:
    """Area, share and unit as printed are those of the mask file, within 1 %."""
    scan, turn = document["scans"][0], document["turns"][0]
    values = {m["name"]: m for m in turn["measurements"] if m["part"] is None}
    spacing = scan["spacing_mm"]
    area = mask.sum() * (spacing[0] * spacing[1] if spacing else 1)
    wanted = {"area": area, "fraction_of_image": 100 * mask.mean()}
    shown = {e["measurement"] for e in turn["evidence"]}
    unit = "mm2" if spacing else "px2"
    return values["area"]["unit"] == unit and all(
        abs(values[name]["value"] - truth) <= 0.01 * truth and values[name]["id"] in shown
        for name, truth in wanted.items()
    )


def ask(image: Path, question: str) -> tuple[int, dict]:
    program = [sys.executable, "-m", "agent.cli", "ask", str(image), question, "--json"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else {}


def run(data: Path) -> Iterator[Outcome]:
    rows = rows_of(data)
    for (modality, target), question in QUESTIONS.items():
        mean = mean_mask(data, rows, modality, target)
        for row in chosen(rows, modality, target):
            truth = read(data / row["mask"])
            code, document = ask(data / row["image"], question)
            found, same = np.zeros_like(truth), code == 0
            file = document["turns"][0]["objects"][0]["mask_file"] if document else None
            if file:
                found = read(Path(file))
                same = agree(document, found)
            yield Outcome(modality, target, code, dice(found, truth), dice(mean, truth), same)


def main() -> None:
    data = Path(os.environ.get("PARSECHAT_DATA", "../shared")) / "data"
    outcomes = []
    for one in run(data):
        outcomes.append(one)
        print(
            f"{one.modality:11} {one.target:21} exit {one.exit_code}  dice {one.dice:.3f}  "
            f"mean mask {one.dice_of_mean:.3f}  values {'agree' if one.values_agree else 'DIFFER'}",
            flush=True,
        )
    for modality, target in QUESTIONS:
        own = [o.dice for o in outcomes if o.modality == modality]
        print(f"{modality:11} {target:21} mean dice {np.mean(own):.3f}")
    found, mean = np.mean([o.dice for o in outcomes]), np.mean([o.dice_of_mean for o in outcomes])
    print(
        f"{len(outcomes)} images: mean Dice {found:.3f}, mean mask {mean:.3f}, {found - mean:+.3f}"
    )


if __name__ == "__main__":
    main()
