"""What drawn pages of scores have in common: colours, letters, and how they are written."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageFont

from parser_model.errors import FileError

PAPER, INK, FAINT = "#FFFFFF", "#1A1A1A", "#6A6A6A"


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own letters in a size in pixels."""
    return ImageFont.load_default(size)


def write_page(path: Path, page: Image.Image, what: str) -> None:
    """Write a page as PNG, with its folder.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        page.save(path, format="PNG")
    except OSError:
        raise FileError(f"The {what} {path.name} cannot be written there.") from None
