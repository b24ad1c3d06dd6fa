"""How long a question takes, with the bundled parser."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from tests.bench.timing import RUNS, median_seconds, program, seconds

RETINA = Path(skimage.__file__).parent / "data" / "retina.jpg"
QUESTION = "how large is the optic disc?"


def rows() -> Iterator[tuple[str, float, str]]:
    """Name, median seconds and the bound we set ourselves, for each way of asking."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "retina-1024.png"
        Image.open(RETINA).resize((1024, 1024)).save(picture)
        yield "parsechat --help", median_seconds(program("--help")), "0.5"
        cold = median_seconds(program("ask", str(picture), QUESTION))
        yield "parsechat ask, cold, 1024 x 1024", cold, "8"
        yield from _warm_rows(picture)
        yield from _network_rows(np.asarray(Image.open(picture)))


def _warm_rows(picture: Path) -> Iterator[tuple[str, float, str]]:
    from agent import Conversation

    conversation = Conversation()
    pixels = np.asarray(Image.open(picture)).copy()
    other = picture.with_name("other.png")

    def ask_about_a_new_image() -> None:
        conversation.add_file(other)
        conversation.ask(QUESTION)

    warm = []
    for _ in range(RUNS + 1):
        pixels[0, 0] += 1  # another image, so that nothing is remembered
        Image.fromarray(pixels).save(other, compress_level=1)
        warm.append(seconds(ask_about_a_new_image))
    yield "ask, warm, new image 1024 x 1024", statistics.median(warm[1:]), "0.6"
    follow_up = median_seconds(lambda: conversation.ask("how wide is it?"))
    yield "ask, warm, follow-up", follow_up, "0.6"
    conversation.close()


def _network_rows(pixels: np.ndarray) -> Iterator[tuple[str, float, str]]:
    from parser_model import load_parser

    parser = load_parser()
    small = pixels[:256, :256].copy()

    def fresh() -> np.ndarray:
        small[0, 0, 0] += 1
        return small

    both = median_seconds(lambda: parser.parse([fresh()], ["optic disc"]), 15)
    decode = median_seconds(lambda: parser.parse([small], ["optic disc"]), 15)
    yield "compact: image and phrase, 256 x 256", both, "0.06"
    yield "compact: another phrase, image remembered", decode, ""
