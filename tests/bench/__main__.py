"""``make bench``: how long the main path takes, as medians over runs in one go.

Machines are noisy: compare figures of one run with each other, not with those of another day.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

RUNS = 5
RETINA = Path(skimage.__file__).parent / "data" / "retina.jpg"
QUESTION = "how large is the optic disc?"


def median_seconds(action: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall-clock seconds of an action, one warm-up left out."""
    action()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def program(*arguments: str) -> Callable[[], object]:
    command = [sys.executable, "-m", "agent.cli", *arguments]
    return lambda: subprocess.run(command, capture_output=True, check=True)


def network_rows(pixels: np.ndarray) -> list[tuple[str, float, str]]:
    from parser_model import load_parser

    parser = load_parser()
    small = pixels[:256, :256].copy()

    def fresh() -> np.ndarray:
        small[0, 0, 0] += 1  # another image, so that nothing is remembered
        return small

    encode_and_decode = median_seconds(lambda: parser.parse([fresh()], ["optic disc"]), 15)
    decode = median_seconds(lambda: parser.parse([small], ["optic disc"]), 15)
    return [
        ("network: image and phrase, 256 x 256", encode_and_decode, "0.06"),
        ("network: another phrase, image remembered", decode, ""),
    ]


def main() -> None:
    import torch

    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    rows: list[tuple[str, float, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "retina-1024.png"
        Image.open(RETINA).resize((1024, 1024)).save(picture)
        rows.append(("parsechat --help", median_seconds(program("--help")), "0.5"))
        rows.append(
            (
                "parsechat ask, cold, 1024 x 1024",
                median_seconds(program("ask", str(picture), QUESTION)),
                "8",
            )
        )
        from agent import Conversation

        conversation = Conversation()
        conversation.add_file(picture)
        pixels = np.asarray(Image.open(picture)).copy()

        def new_image() -> None:
            pixels[0, 0] += 1
            Image.fromarray(pixels).save(Path(folder) / "other.png", compress_level=1)
            started = time.perf_counter()
            conversation.add_file(Path(folder) / "other.png")
            conversation.ask(QUESTION)
            warm.append(time.perf_counter() - started)

        warm: list[float] = []
        for _ in range(RUNS + 1):
            new_image()
        rows.append(("ask, warm, new image 1024 x 1024", statistics.median(warm[1:]), "0.6"))
        rows.append(
            (
                "ask, warm, follow-up",
                median_seconds(lambda: conversation.ask("how wide is it?")),
                "0.6",
            )
        )
        rows += network_rows(pixels)
        conversation.close()
    print(f"{'':46} {'median s':>9} {'bound':>6}")
    for name, seconds, bound in rows:
        print(f"{name:46} {seconds:9.3f} {bound:>6}")


if __name__ == "__main__":
    main()
