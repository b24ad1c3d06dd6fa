"""A small folder to train on, and a network that learns it in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from parser_model.compact.weights import load_weights
from parser_model.errors import RequestError
from parser_model.training.data import read_folder
from parser_model.training.machine import Machine
from parser_model.training.plans import read_config
from parser_model.training.tasks import task_of

TINY_TOML = """
model = "compact"

[plan]
encoder = "random"
images = 4
validation_images = 2
report_every = 1
validate_every = 0.5

[network]
image_size = 64
widths = [8, 8, 8, 8, 16, 16, 16, 16]
depths = [1, 1, 1, 1, 1, 1, 1]
context_width = 16
decoder_widths = [16, 16, 16, 8]
text_width = 16
"""


def write_split(root: Path, split: str, count: int, seed: int) -> None:
    """Chest X-rays of dark lungs on a light body, in BiomedParse's naming."""
    rng = np.random.default_rng(seed)
    for name in (split, f"{split}_mask"):
        (root / name).mkdir()
    for number in range(count):
        image = np.full((64, 64), 200, np.uint8)
        mask = np.zeros((64, 64), np.uint8)
        top, left = rng.integers(5, 20, 2)
        mask[top : top + 30, left : left + 14] = 255
        image[mask > 0] = 60
        stem = f"a-{number}_X-Ray_chest"
        Image.fromarray(image).save(root / split / f"{stem}.png")
        Image.fromarray(mask).save(root / f"{split}_mask" / f"{stem}_left+lung.png")


@pytest.fixture(autouse=True)
def one_thread():
    """Results that do not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path):
    """Eight images to train on, two to validate."""
    root = tmp_path / "data"
    root.mkdir()
    write_split(root, "train", 8, seed=0)
    write_split(root, "val", 2, seed=1)
    return root


@pytest.fixture
def tiny(tmp_path):
    """The configuration file of a tiny network."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_TOML)
    return path


@pytest.fixture
def taught(folder, tiny, tmp_path):
    """Call with a configuration: the losses it learns from, and the numbers that change by it."""

    def run(config):
        samples, machine = read_folder(folder, "train"), Machine()
        files = [tmp_path / f"{name}.safetensors" for name in ("before", "after")]
        task, _ = task_of(read_config(str(tiny)), machine, samples, [])
        task.write(files[0], {})
        with pytest.raises(RequestError, match="name them with --start"):
            task_of(config, machine, samples, [])
        task, _ = task_of(config, machine, samples, [], start=files[0])
        for _ in range(3):
            loss, parts = task.step(0.5)
            loss.backward()
            task.optimiser.step()
            task.averaged.load_state_dict(task.network.state_dict())
        task.write(files[1], {})
        before, after = (load_weights(path).network.state_dict() for path in files)
        return list(parts), {name for name in before if not torch.equal(before[name], after[name])}

    return run
