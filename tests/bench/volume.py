"""How long a volume of 512 x 512 x 200 takes, and how much memory: `parsechat parse` on a file.

Run with a file as argument, this module is the process that is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from tests.bench.fresh import peak_memory
from tests.bench.timing import seconds

SHAPE = (512, 512, 200)
_SPACING = (0.98, 0.98, 2.0)
_REPOSITORY = Path(__file__).resolve().parents[2]
_NOISE = 3  # HU


def rows() -> Iterator[tuple[str, float, str]]:
    """Name, value and the bound we set ourselves: one run, as it takes long enough to be steady."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        source = write_volume(path)
        said: dict[str, float] = {}

        def parse() -> None:
            command = [sys.executable, "-m", "tests.bench.volume", str(path)]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            said.update(json.loads(done.stdout.splitlines()[-1]))

        taken = seconds(parse)
        yield f"parsechat parse -p liver, {' x '.join(map(str, SHAPE))} CT, s", taken, "60"
        # Beside other work the clock says little; this says what an idle core would need.
        yield "  processor time of it, all threads, s", said["processor"], ""
        yield f"  peak of memory, GiB ({source}, {said['mL']:.0f} mL)", said["peak"] / 2**30, "3"


def write_volume(path: Path) -> str:
    """Write the volume as NIfTI and say what it is made of.

    The CT series among the samples of the data folder, to and fro until there are enough slices,
    with noise so that no two are alike; without the folder a body without organs, in which less is
    to be put together.
    """
    root = (_REPOSITORY / os.environ.get("PARSECHAT_DATA", "../shared")).resolve()
    series = root / "data" / "samples" / "ct_series_j2k"
    rng = np.random.default_rng(0)
    volume = np.empty(SHAPE, np.int16)
    stack = _body() if not series.is_dir() else _series(series)
    there_and_back = [*range(stack.shape[2]), *range(stack.shape[2] - 1, -1, -1)]
    for k in range(SHAPE[2]):
        plane = stack[:, :, there_and_back[k % len(there_and_back)]]
        volume[:, :, k] = plane + rng.integers(-_NOISE, _NOISE + 1, SHAPE[:2])
    # NIfTI counts columns first; from the patient's right here, rows towards the back.
    affine = np.diag([-_SPACING[1], -_SPACING[0], _SPACING[2], 1.0])
    image = nibabel.Nifti1Image(volume.swapaxes(0, 1), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return "a body without organs" if not series.is_dir() else "a series to and fro"


def _series(folder: Path) -> NDArray[np.int16]:
    from tools import open_scan

    return open_scan(folder).pixels.astype(np.int16)


def _body() -> NDArray[np.int16]:
    """(512, 512, 2) HU: air, an ellipse of soft tissue, a spine."""
    y, x = np.linspace(-1, 1, SHAPE[0])[:, None], np.linspace(-1, 1, SHAPE[1])[None, :]
    plane = np.full(SHAPE[:2], -1000, np.int16)
    plane[(x / 0.75) ** 2 + (y / 0.55) ** 2 < 1] = 40
    plane[(x / 0.09) ** 2 + ((y - 0.35) / 0.09) ** 2 < 1] = 400
    return np.repeat(plane[:, :, None], 2, axis=2)


def main() -> None:
    """Parse the file as a person would, then say the peak of memory and what was found."""
    from agent.cli import main as parsechat

    printed = StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(printed):
        arguments = ["parse", sys.argv[1], "-p", "liver", "--all-slices"]
        try:
            parsechat([*arguments, "--out", folder, "--json"])
        except SystemExit as stop:
            if stop.code:
                raise
        (found,) = json.loads(printed.getvalue())["objects"]
        peak, voxels = peak_memory(), 0
        if found["mask_file"]:
            mask: Any = nibabel.load(found["mask_file"])
            voxels = int(np.count_nonzero(np.asarray(mask.dataobj)))
    said = {"peak": peak, "processor": time.process_time()}
    print(json.dumps({**said, "mL": voxels * float(np.prod(_SPACING)) / 1000}))


if __name__ == "__main__":
    main()
