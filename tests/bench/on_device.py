"""BiomedParse on one device, with substitute weights: how long things take, and where."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

RUNS = 3
SLICES = 8
TARGETS = 13  # as many as are asked for in a CT of the abdomen
QUICK_SIDE = 256
PLACE = {"modality": "CT", "site": "abdomen"}
SHOWN = 14
Lines = Iterator[str]


@dataclass(frozen=True)
class Bench:
    """A device, and networks that have the same weights wherever they are.

    Attributes
    ----------
    device : str
    reference : Path
        The folder of recorded runs.
    quick : bool
        The reduced network and small images, for figures that mean nothing.
    """

    device: str
    reference: Path
    quick: bool

    @cached_property
    def _weights(self) -> tuple[dict[str, Tensor], Any]:
        from parser_model.biomedparse.recorded import substitute_weights

        entries, config = substitute_weights(self.reference, not self.quick)
        return entries, replace(config, image_size=QUICK_SIDE) if self.quick else config

    @property
    def ways(self) -> tuple[str, ...]:
        """Kinds of arithmetic worth trying: "fp32", "tf32" (short products on GPUs), "bf16"."""
        from parser_model.speed_test import bfloat16_gain

        if self.device == "cuda":
            return "fp32", "tf32", "bf16"
        return ("fp32", "bf16") if bfloat16_gain(self.device) > 0.25 else ("fp32",)

    @property
    def side(self) -> int:
        return self._weights[1].image_size

    def network(self, way: str = "fp32", device: str | None = None) -> Any:
        from parser_model.biomedparse.checkpoint import network_from_entries
        from parser_model.biomedparse.precision import lower_precision

        entries, config = self._weights
        network = network_from_entries(entries, config, device=device or self.device)
        return lower_precision(network) if way == "bf16" else network

    def pixels(self, count: int) -> Tensor:
        """Images (N, 3, H, W) on the CPU, neither smooth nor mere noise."""
        draw = torch.Generator().manual_seed(7)
        coarse = torch.rand((count, 3, 16, 16), generator=draw)
        wide = torch.nn.functional.interpolate(coarse, size=(self.side, self.side), mode="bicubic")
        noise = torch.rand(wide.shape, generator=draw)
        return (255 * (0.8 * wide + 0.2 * noise)).clamp(0, 255).to(torch.uint8)

    def words(self, count: int, device: str | None = None) -> tuple[Tensor, Tensor]:
        """Ids and lengths of phrases of four made-up words."""
        ids = torch.full((count, 77), 49407)
        ids[:, 0] = 49406
        ids[:, 1:5] = torch.arange(4 * count).view(count, 4) * 37 + 320
        return ids.to(device or self.device), torch.full((count,), 6, device=device or self.device)

    def wait(self) -> None:
        """Until the device has done all that it was told."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def milliseconds(self, action: Callable[[], object]) -> float:
        """Median of three, one warm-up left out."""
        times = []
        for _ in range(RUNS + 1):
            self.wait()
            started = time.perf_counter()
            action()
            self.wait()
            times.append(1000 * (time.perf_counter() - started))
        return statistics.median(times[1:])

    def peak_gib(self, action: Callable[[], object]) -> float:
        """Highest memory of the device in an action, with all that it holds; none on a CPU."""
        if self.device != "cuda":
            return float("nan")
        torch.cuda.reset_peak_memory_stats()
        action()
        return torch.cuda.max_memory_allocated() / 2**30


@contextmanager
def arithmetic(way: str) -> Iterator[None]:
    """Short float32 products for as long as "tf32" is tried; else what the product does."""
    from parser_model.biomedparse.precision import whole_float32

    try:
        if way == "tf32":
            torch.backends.cudnn.allow_tf32 = True
            torch.set_float32_matmul_precision("high")
        yield
    finally:
        whole_float32()


def timings(bench: Bench) -> Lines:
    """Milliseconds and memory, of the network alone and of the parser as users have it."""
    columns: dict[str, dict[str, float]] = {}
    for way in bench.ways:
        network = bench.network(way)
        with arithmetic(way):
            columns[way] = dict(_of_the_network(bench, network))
            columns[way] |= _of_the_parser(bench, network)
    yield f"{'':36}" + "".join(f"{way:>10}" for way in columns)
    for name in columns["fp32"]:
        yield f"{name:36}" + "".join(f"{column[name]:10.2f}" for column in columns.values())


@torch.inference_mode()
def _of_the_network(bench: Bench, network: Any) -> Iterator[tuple[str, float]]:
    one, several = (bench.pixels(n).to(bench.device) for n in (1, SLICES))
    yield "encode 1 image, ms", bench.milliseconds(lambda: network.encode_image(one))
    together = bench.milliseconds(lambda: network.encode_image(several))
    yield f"encode {SLICES} images, ms an image", together / SLICES
    memory = network.encode_image(one)
    for count in (1, TARGETS):
        words = bench.words(count)
        encode = partial(network.encode_text, *words)
        yield f"encode {count} phrases, ms", bench.milliseconds(encode)
        decode = partial(network.decode, memory, encode())
        yield f"decode {count} phrases, ms", bench.milliseconds(decode)


def _of_the_parser(bench: Bench, network: Any) -> dict[str, float]:
    """With preparing images, hashing them, bringing back masks; two images are remembered."""
    from parser_model.biomedparse.parser import BiomedParseParser
    from parser_model.biomedparse.tokenizer import Tokenizer
    from parser_model.ontology import ontology
    from parser_model.types import ParsedImage

    # Pairs of letters, as many as CLIP's files have.
    letters = list(Tokenizer([("a", "b")] * 48894)._characters.values())
    tokenizer = Tokenizer([(a, b) for a in letters for b in letters][:48894])
    parser = BiomedParseParser(network, tokenizer, ontology())
    base = bench.pixels(SLICES).permute(0, 2, 3, 1).contiguous().numpy()
    # New images for every call, each made before it is timed.
    stacks = iter([base ^ np.uint8(i) for i in range(1, 2 * (RUNS + 2) + 1)])
    phrases = cycle(["liver", "spleen", "pancreas", "aorta", "stomach"])

    def first() -> None:
        parser.parse([next(stacks)[0]], ["liver"], **PLACE)

    def another() -> None:
        parser.parse([base[0]], [next(phrases)], **PLACE)

    def volume() -> None:
        slices = [ParsedImage(pixels, stack_size=SLICES) for pixels in next(stacks)]
        parser.parse(slices, ["liver"], **PLACE)

    found = {"parser: first prompt, ms": bench.milliseconds(first)}
    found["parser: another phrase, ms"] = bench.milliseconds(another)
    found[f"parser: {SLICES} slices, ms a slice"] = bench.milliseconds(volume) / SLICES
    found["peak of a first prompt, GiB"] = bench.peak_gib(first)
    found[f"peak of {SLICES} slices, GiB"] = bench.peak_gib(volume)
    return found


@torch.inference_mode()
def compiled(bench: Bench) -> Lines:
    """What torch.compile gains for the image encoder; blocks of a stage share what it makes."""
    from parser_model.biomedparse.backbone import FocalBlock

    for way in (way for way in bench.ways if way != "tf32"):
        network, pixels = bench.network(way), bench.pixels(1).to(bench.device)
        encode = partial(network.encode_image, pixels)
        before, plain = bench.milliseconds(encode), encode().mask_features
        torch._dynamo.reset()
        for module in network.modules():
            if isinstance(module, FocalBlock):
                module.compile(dynamic=False)
        started = time.perf_counter()
        change = ((encode().mask_features - plain).abs().max() / plain.std()).item()
        ready = time.perf_counter() - started
        after = bench.milliseconds(encode)
        yield (
            f"{way}: {before:.1f} ms to {after:.1f} ms ({before / after:.2f}x), compiled in "
            f"{ready:.0f} s, features change by {change:.1e} standard deviations"
        )


@torch.inference_mode()
def profiled(bench: Bench) -> Lines:
    """Where an image's time goes, and what a search for the fastest convolutions gains."""
    from torch.profiler import profile

    kind = "device" if bench.device == "cuda" else "cpu"
    for way in (way for way in bench.ways if way != "tf32"):
        network, pixels = bench.network(way), bench.pixels(1).to(bench.device)
        encode = partial(network.encode_image, pixels)
        before = bench.milliseconds(encode)
        with profile(record_shapes=True) as seen:
            encode()
            bench.wait()
        taken = sorted(
            (
                (getattr(event, f"self_{kind}_time_total") / 1000, event)
                for event in seen.key_averages(group_by_input_shape=True)
                if event.key.startswith("aten::")  # kernels are listed under what started them
            ),
            key=lambda pair: -pair[0],
        )
        yield f"{way}: operations of an image, {sum(t for t, _ in taken):.1f} ms on the {kind}"
        for spent, event in taken[:SHOWN]:
            shapes = " ".join(str(shape) for shape in event.input_shapes[:2])
            yield f"  {spent:8.2f} ms {event.count:4} x {event.key.removeprefix('aten::')} {shapes}"
        torch.backends.cudnn.benchmark = True
        try:
            after = bench.milliseconds(encode)
        finally:
            torch.backends.cudnn.benchmark = False
        yield f"{way}: {before:.1f} ms, with cudnn.benchmark {after:.1f} ms"
