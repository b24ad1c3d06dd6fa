"""Contact sheets: small overlays side by side, to look over hundreds of outlines at once.

A page is a fixed grid, so that a run which goes on later fills the page it began.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from parser_model.errors import FileError, RequestError
from tools.measuring.checks import Mask
from tools.overlay import Colour, Picture, draw_overlay

COLUMNS: Final = 5
ROWS: Final = 6
TILES: Final = COLUMNS * ROWS
"""On one page."""

_WIDE, _HIGH = 272, 208  # of a picture
_GAP = 12
_LINE = 17
_LINES = 4  # of a caption
_HEAD = 40
_CELL_WIDE, _CELL_HIGH = _WIDE + _GAP, _HIGH + _LINES * _LINE + _GAP
_PAGE = (COLUMNS * _CELL_WIDE + _GAP, _HEAD + ROWS * _CELL_HIGH + _GAP)
_PAPER, _INK, _FAINT, _FAILED = "#FFFFFF", "#1A1A1A", "#6A6A6A", "#F2E6E0"
_LETTERS = 38  # of a line of a caption
_OURS: Final = "parsechat contact sheet"
# The font that comes with Pillow lacks these.
_LACKING: Final = str.maketrans({"²": "2", "³": "3", "–": "-", "…": "."})
_NOTICE: Final = "parsechat: research use only, not for diagnosis"
_NOT_OURS: Final = (
    "There is another picture where the contact sheet would go; give another name after --sheet."
)


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture of a contact sheet.

    Attributes
    ----------
    number : int
        As in the table.
    picture : (H, W, 3) ndarray of uint8, or None
        None for a file that could not be read.
    outlines : sequence of (mask, colour)
        Masks of the picture's shape.
    lines : sequence of (text, colour or None)
        The caption; at most three are shown.
    reason : str
        Of a failure, shown in place of the picture.
    place : str
        Which slice is shown, e.g. "slice 9 of 20".
    """

    number: int
    picture: Picture | None = field(repr=False)
    outlines: Sequence[tuple[Mask, Colour]] = field(default=(), repr=False)
    lines: Sequence[tuple[str, Colour | None]] = ()
    reason: str = ""
    place: str = ""


class ContactSheet:
    """Pages of tiles, written as they fill.

    Parameters
    ----------
    path : Path
        Of the first page, a PNG; the others are named like it with -2, -3 and so on.

    Attributes
    ----------
    start : int
        The number of the last tile of an earlier run, whose pages are continued; 0 begins anew.

    Raises
    ------
    RequestError
        If another picture has that name, or the name does not end in .png.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() != ".png":
            raise RequestError("A contact sheet is a PNG picture; let its name end in .png.")
        self.path = path
        self._page: Image.Image | None = None
        self._number = -1
        self._rows = 0
        self.start = 0
        if path.exists() and not _is_ours(path):
            raise RequestError(_NOT_OURS)

    def add(self, tile: Tile) -> None:
        """Draw a tile in its place."""
        number, place = divmod(tile.number - 1, TILES)
        if number != self._number:
            self.save()
            self._page, self._number = self._open(number), number
        assert self._page is not None
        _draw_tile(self._page, place, tile)
        self._rows = place // COLUMNS + 1

    def save(self) -> None:
        """Write the page that is under way.

        Raises
        ------
        FileError
            If it cannot be written.
        """
        if self._page is None:
            return
        marks = PngImagePlugin.PngInfo()
        marks.add_text("Software", _OURS)
        path = page_file(self.path, self._number)
        draft = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            bottom = _HEAD + self._rows * _CELL_HIGH + _GAP
            written = self._page.crop((0, 0, _PAGE[0], bottom))
            written.save(draft, format="PNG", pnginfo=marks, compress_level=3)
            draft.replace(path)
        except OSError:
            raise FileError(
                "The contact sheet cannot be written; check --sheet and its folder."
            ) from None

    def _open(self, number: int) -> Image.Image:
        """The page of that number: what an earlier run drew of it, or an empty one."""
        path = page_file(self.path, number)
        earlier = min(TILES, self.start - number * TILES)
        if path.exists() and not _is_ours(path):
            raise RequestError(_NOT_OURS)
        page = Image.new("RGB", _PAGE, _PAPER)
        pen = ImageDraw.Draw(page)
        pen.text((_GAP, _HEAD / 2), f"Page {number + 1}", fill=_INK, font=_font(18), anchor="lm")
        right = (_PAGE[0] - _GAP, _HEAD / 2)
        pen.text(right, _NOTICE, fill=_FAINT, font=_font(14), anchor="rm")
        if earlier > 0 and path.exists():
            with Image.open(path) as kept:
                page.paste(kept.convert("RGB"))
            return page
        for place in range(earlier):
            before = Tile(number * TILES + place + 1, None, reason="Measured before, not drawn.")
            _draw_tile(page, place, before)
        return page


def page_file(path: Path, number: int) -> Path:
    """Where the page of that number (from 0) is written."""
    return path if number == 0 else path.with_name(f"{path.stem}-{number + 1}{path.suffix}")


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return picture.info.get("Software") == _OURS and picture.width == _PAGE[0]
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def _draw_tile(page: Image.Image, place: int, tile: Tile) -> None:
    row, column = divmod(place, COLUMNS)
    left, top = _GAP + column * _CELL_WIDE, _HEAD + row * _CELL_HIGH
    pen = ImageDraw.Draw(page)
    pen.rectangle((left, top, left + _CELL_WIDE - 1, top + _CELL_HIGH - 1), fill=_PAPER)
    if tile.picture is None:
        pen.rectangle((left, top, left + _WIDE - 1, top + _HIGH - 1), fill=_FAILED)
        words = textwrap.wrap(tile.reason, _LETTERS - 2)[: _HIGH // _LINE - 1]
        for number, line in enumerate(words):
            place_of = (left + _GAP, top + _GAP + number * _LINE)
            pen.text(place_of, line.translate(_LACKING), fill=_INK, font=_font(13))
    else:
        drawn = _thumbnail(tile.picture, tile.outlines)
        page.paste(Image.fromarray(drawn), (left, top))
    title = f"#{tile.number}" + (f", {tile.place}" if tile.place else "")
    caption: list[tuple[str, Colour | None]] = [(title, None), *tile.lines]
    if len(caption) > _LINES:
        more = len(caption) - _LINES + 1
        caption = [*caption[: _LINES - 1], (f"and {more} more", None)]
    for number, (text, colour) in enumerate(caption):
        y = top + _HIGH + 2 + number * _LINE
        x = left
        if colour is not None:
            pen.rectangle((x, y + 3, x + 10, y + 13), fill=colour)
            x += 15
        shown = text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"
        ink = _INK if colour or number == 0 else _FAINT
        pen.text((x, y), shown.translate(_LACKING), fill=ink, font=_font(13))


def _thumbnail(picture: Picture, outlines: Sequence[tuple[Mask, Colour]]) -> NDArray[np.uint8]:
    """The picture fitted to its place, with outlines one pixel wide at that size."""
    height, width = picture.shape[:2]
    scale = min(_WIDE / width, _HIGH / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    small = np.asarray(Image.fromarray(picture).resize(size, how))
    masks = [_shrunk(mask, size) for mask, _ in outlines]
    return draw_overlay(small, masks, colours=[c for _, c in outlines], opacity=0.2)


def _shrunk(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask at another (width, height): where half a pixel is covered; never lost altogether."""
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    share = np.asarray(grey.resize(size, Image.Resampling.BOX))
    kept: Mask = share >= 128
    return kept if kept.any() or not mask.any() else share == share.max()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
