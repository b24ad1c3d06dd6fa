"""The case: what a conversation holds, in memory and on disk.

Scans are ``scan-1``, masks ``mask-3``, measurements ``m-5``; a number is never given twice. All
of it is written below one private directory, which holds no name, date or path of a patient.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from parser_model.errors import ToolError
from parser_model.types import ParsedObject, Recognised
from tools.found import FoundObject, Measurement
from tools.measuring.parts import Parts, find_parts
from tools.measuring.slices import key_slice
from tools.measuring.value import Value
from tools.overlay import PALETTE, draw_overlay, write_mask_png, write_png
from tools.scan import Scan
from tools.volumes import VolumeObject
from tools.writing import write_mask_nifti

__all__ = ["Case", "FoundObject", "Measurement"]


class Case:
    """Scans, masks and measurements of one conversation.

    Parameters
    ----------
    directory : Path
        Private to this case; created when missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.scans: dict[str, Scan] = {}
        self.objects: dict[str, FoundObject] = {}
        self.measurements: dict[str, Measurement] = {}
        self.recognised: dict[str, Recognised] = {}
        self.current: tuple[str, ...] = ()
        self._batch_open = True

    def add_scan(self, scan: Scan) -> str:
        """File a scan; the same pixels and geometry keep their id.

        Scans added together, before the next question, are `current` together: a question that
        names no scan is about all of them.
        """
        known = (n for n, s in self.scans.items() if _same(s, scan))
        name = next(known, f"scan-{len(self.scans) + 1}")
        if name not in self.scans:
            self.scans[name] = scan
            np.save(self.directory / f"{name}.npy", scan.pixels)
            self._write_index()
        batch = self.current if self._batch_open else ()
        self.current = (*(n for n in batch if n != name), name)
        self._batch_open = True
        return name

    def close_batch(self) -> None:
        """A question was asked: the next scan that is added begins a new batch."""
        self._batch_open = False

    def scan(self, name: str | None = None) -> tuple[str, Scan]:
        """A scan by id; the newest of the current ones when none is named.

        Raises
        ------
        ToolError
            When there is no scan, or none of that id.
        """
        if not self.scans:
            raise ToolError("There is no scan yet; add an image first.")
        if name is None:
            name = self.current[-1]
        if name not in self.scans:
            raise ToolError(f"There is no {name}; the scans are {', '.join(self.scans)}.")
        return name, self.scans[name]

    def modality(self, name: str) -> str | None:
        """Modality of a scan: what the file or the user says, else what the pixels show."""
        stated = self.scans[name].modality
        if stated is not None:
            return stated
        seen = self.recognised.get(name)
        return seen.modality if seen else None

    def object(self, name: str) -> FoundObject:
        """An object by id.

        Raises
        ------
        ToolError
            When there is none of that id.
        """
        if name not in self.objects:
            known = ", ".join(self.objects) or "none so far"
            raise ToolError(f"There is no {name}; the objects are: {known}. Segment it first.")
        return self.objects[name]

    def present_object(self, name: str) -> FoundObject:
        """An object that is there and can be measured.

        Raises
        ------
        ToolError
            When it was looked for and not found.
        """
        found = self.object(name)
        if not found.present:
            raise ToolError(f"{name} ({found.name}) was not found in {found.scan}.")
        return found

    def known_object(
        self, scan: str, target: str | None, phrase: str, slice: int | None = None
    ) -> FoundObject | None:
        """The object of a target in a scan, when it was looked for before.

        `slice` is the one that is looked at alone; None for pictures and whole volumes.
        """
        for found in self.objects.values():
            same = found.target == target if target else found.phrase == phrase
            if found.scan == scan and found.looked_at == slice and same:
                return found
        return None

    def add_object(
        self, scan: str, parsed: ParsedObject | VolumeObject, *, slice: int | None = None
    ) -> FoundObject:
        """File what a parser found: number it, clean its mask, write mask and overlay.

        Parameters
        ----------
        scan : str
        parsed : ParsedObject or VolumeObject
            In a picture, a slice of a stack, or a volume.
        slice : int, optional
            Which slice was looked at, where one of a stack was.
        """
        name = f"mask-{len(self.objects) + 1}"
        parts = find_parts(parsed.mask)
        colour = PALETTE[len(self.objects) % len(PALETTE)]
        mask_file = overlay_file = None
        notes: tuple[str, ...] = ()
        if isinstance(parsed, VolumeObject):
            slice = key_slice(parts.mask) if parsed.present else None
            notes = parsed.notes
        if parsed.present:
            mask_file = self._write_mask(name, scan, parts, slice)
            overlay_file = self.directory / f"{name}-overlay.png"
            section = parts.mask if parts.mask.ndim == 2 else parts.mask[:, :, slice]
            picture = self.scans[scan].display(slice)
            write_png(overlay_file, draw_overlay(picture, [section], colours=[colour]))
        found = FoundObject(
            id=name,
            scan=scan,
            slice=slice,
            phrase=parsed.phrase,
            target=parsed.target,
            presence=parsed.presence,
            present=parsed.present,
            mask=parts.mask,
            probability=parsed.probability,
            parts=len(parts),
            ignored_parts=parts.ignored,
            mask_file=mask_file,
            overlay_file=overlay_file,
            colour=colour,
            notes=notes,
        )
        self.objects[name] = found
        self._write_index()
        return found

    def _write_mask(self, name: str, scan: str, parts: Parts, slice: int | None) -> Path:
        """The pixels measured, in the frame of the file: NIfTI of volumes, else PNG."""
        whole = self.scans[scan]
        if not whole.is_volume:
            path = self.directory / f"{name}.png"
            write_mask_png(path, parts.mask)
            return path
        mask = parts.mask
        if mask.ndim == 2:  # one slice of a volume, in its place
            mask = np.zeros(whole.shape, np.bool_)
            mask[:, :, slice] = parts.mask
        path = self.directory / f"{name}.nii.gz"
        write_mask_nifti(path, mask, whole)
        return path

    def add_measurements(
        self,
        values: Iterable[Value],
        *,
        object: str | None,
        derived_from: tuple[str, ...] = (),
    ) -> list[Measurement]:
        """File values; one measured before (same object, name, part, unit) keeps its id."""
        filed = []
        for value in values:
            known = self._known(value, object, derived_from)
            if known is None:
                known = Measurement(f"m-{len(self.measurements) + 1}", object, value, derived_from)
                self.measurements[known.id] = known
            filed.append(known)
        self._write_index()
        return filed

    def _known(
        self, value: Value, object: str | None, derived_from: tuple[str, ...]
    ) -> Measurement | None:
        for known in self.measurements.values():
            if (known.object, known.derived_from) == (object, derived_from) and replace(
                known.measured, convention=""
            ) == replace(value, convention=""):
                return known
        return None

    def set_scale(self, name: str, mm_per_pixel: float, height_mm: float | None = None) -> Scan:
        """Give a scan the scale that the user stated; masks stay, lengths are measured anew."""
        name, scan = self.scan(name)
        self.scans[name] = scan.with_scale(mm_per_pixel, height_mm)
        self._write_index()
        return self.scans[name]

    def delete(self) -> None:
        """Remove the case from memory and disk."""
        for table in (self.scans, self.objects, self.measurements, self.recognised):
            table.clear()
        self.current = ()
        shutil.rmtree(self.directory, ignore_errors=True)

    def scans_as_dicts(self) -> list[dict[str, Any]]:
        """The scans as `ask --json` gives them."""
        return [
            {
                "id": name,
                "modality": self.modality(name),
                "shape": list(scan.shape),
                "spacing_mm": list(scan.geometry.spacing_mm) if scan.geometry.spacing_mm else None,
                "spacing_source": scan.geometry.spacing_source,
            }
            for name, scan in self.scans.items()
        ]

    def _write_index(self) -> None:
        """``case.json``: everything but pixels, replaced as a whole, so never half written."""
        content = {
            "scans": self.scans_as_dicts(),
            "objects": [found.as_dict() for found in self.objects.values()],
            "measurements": [m.as_dict() for m in self.measurements.values()],
        }
        draft = self.directory / "case.json.part"
        draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
        draft.replace(self.directory / "case.json")


def _same(a: Scan, b: Scan) -> bool:
    return a.sha256 == b.sha256 and a.geometry == b.geometry
