"""A conversation without a parser, of the same shape as the real one, for tests of the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from agent.events import (
    Call,
    Event,
    Evidence,
    TextDelta,
    ToolFinished,
    ToolStarted,
    Turn,
    TurnFinished,
)
from parser_model.errors import FileError


@dataclass
class FakeGeometry:
    """Pixel size and where it came from."""

    spacing_mm: tuple[float, float] | None = None
    spacing_source: str | None = None


@dataclass
class FakeScan:
    """A picture in memory."""

    pixels: NDArray[np.uint8]
    modality: str | None = "fundus"
    geometry: FakeGeometry = field(default_factory=FakeGeometry)
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.pixels.shape[:2]

    def display(self) -> NDArray[np.uint8]:
        """Return the picture."""
        return self.pixels


@dataclass
class FakeObject:
    """A disc in the middle."""

    id: str
    scan: str
    phrase: str
    mask: NDArray[np.bool_]
    target: str | None = None
    presence: float | None = 0.97
    present: bool = True
    mask_file: Path | None = None
    overlay_file: Path | None = None
    colour: str = "#2dd4bf"
    slice: int | None = None
    in_volume: bool = False

    @property
    def name(self) -> str:
        """What to call it."""
        return self.phrase

    @property
    def label(self) -> str:
        """What to write beside its colour."""
        return self.phrase


@dataclass
class FakeMeasurement:
    """A value with its range."""

    id: str
    object: str | None
    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    part: int | None = None
    text: str = ""
    derived_from: tuple[str, ...] = ()


@dataclass
class FakeCase:
    """What a conversation holds."""

    scans: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)
    measurements: dict[str, Any] = field(default_factory=dict)

    def modality(self, scan_id: str) -> str | None:
        """Kind of picture."""
        modality: str | None = self.scans[scan_id].modality
        return modality


class FakeConversation:
    """Finds a disc in the middle of every picture and measures it."""

    banner = "Parser: fake · Planner: fake"

    def __init__(self, pause: float = 0.0) -> None:
        self.case = FakeCase()
        self.closed = False
        self._pause = pause

    def add_file(self, path: Path) -> str:
        """Open a picture."""
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
        except UnidentifiedImageError as error:
            raise FileError("This is not a picture I can read.") from error
        scan_id = f"scan-{len(self.case.scans) + 1}"
        self.case.scans[scan_id] = FakeScan(pixels)
        return scan_id

    def set_scale(self, scan_id: str, mm_per_pixel: float) -> None:
        """Set the pixel size."""
        self.case.scans[scan_id].geometry = FakeGeometry((mm_per_pixel, mm_per_pixel), "user")

    async def stream(self, question: str) -> AsyncIterator[Event]:
        """Answer."""
        if "crash" in question:
            raise ValueError("Patient Zero")
        scan_id = next(reversed(self.case.scans))
        height, width = self.case.scans[scan_id].shape
        rows, columns = np.mgrid[:height, :width]
        radius = min(height, width) / 6
        mask = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < radius**2
        arguments = {"scan": scan_id, "phrases": ["optic disc", "vessel"]}
        yield ToolStarted("c1", "segment", arguments)
        await asyncio.sleep(60 if "slow" in question else self._pause)
        self.case.objects["mask-1"] = FakeObject(
            "mask-1", scan_id, "optic disc", mask, "optic disc"
        )
        other = np.roll(mask, -int(radius), axis=1) & (rows < height / 2.2)
        self.case.objects["mask-2"] = FakeObject(
            "mask-2", scan_id, "vessel", other, "vessel", 0.81, colour="#f59e0b"
        )
        yield ToolFinished(
            "c1", "segment", True, 0.41, "optic disc: present (0.97), 1 part", ("mask-1",), True
        )
        area = float(mask.sum())
        self.case.measurements["m-1"] = FakeMeasurement(
            "m-1",
            "mask-1",
            "area",
            area,
            "px2",
            area * 0.95,
            area * 1.04,
            text=f"{int(area):,} px²",
        )
        self.case.measurements["m-2"] = FakeMeasurement(
            "m-2", "mask-1", "fraction_of_image", 8.7, "percent", text="8.7 % (8.3–9.1)"
        )
        self.case.measurements["m-3"] = FakeMeasurement(
            "m-3", "mask-2", "longest_diameter", 2 * radius, "px", part=1, text="470 px (460–480)"
        )
        answer = (
            f"The optic disc covers {int(area):,} px², 8.7 % of the picture. It usually measures "
            "about 2 (unverified) mm across. The vessel spans 470 px."
        )
        for word in answer.split(" "):
            yield TextDelta(word + " ")
            await asyncio.sleep(self._pause / 20)
        yield TurnFinished(
            Turn(
                question,
                answer,
                warnings=("scan-1 has no pixel spacing: pixels and per cent only.",),
                object_ids=("mask-1", "mask-2"),
                measurement_ids=("m-1", "m-2", "m-3"),
                calls=(Call("segment", arguments, True, 0.41, True),),
                evidence=(
                    Evidence(f"{int(area):,} px²", "m-1"),
                    Evidence("8.7 %", "m-2"),
                    Evidence("470 px", "m-3"),
                ),
                unverified=("2",),
            )
        )

    def close(self) -> None:
        """Forget everything."""
        self.closed = True
