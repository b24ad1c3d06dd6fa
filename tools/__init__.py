"""What the agent can do: read scans, outline, measure, compare and show, with units that hold."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.case import Case
    from tools.found import FoundObject, Measurement
    from tools.measuring import measure_mask as measure
    from tools.reading import list_series, open_scan
    from tools.reading.masks import open_masks
    from tools.scan import Scan
    from tools.volumes import VolumeObject, parse_volume
    from tools.writing import write_mask_nifti

__all__ = [
    "Case",
    "FoundObject",
    "Measurement",
    "Scan",
    "VolumeObject",
    "list_series",
    "measure",
    "open_masks",
    "open_scan",
    "parse_volume",
    "write_mask_nifti",
]

_HOMES = {
    "Case": ("tools.case", "Case"),
    "FoundObject": ("tools.found", "FoundObject"),
    "Measurement": ("tools.found", "Measurement"),
    "Scan": ("tools.scan", "Scan"),
    "VolumeObject": ("tools.volumes", "VolumeObject"),
    "parse_volume": ("tools.volumes", "parse_volume"),
    "measure": ("tools.measuring", "measure_mask"),
    "list_series": ("tools.reading", "list_series"),
    "open_masks": ("tools.reading.masks", "open_masks"),
    "open_scan": ("tools.reading", "open_scan"),
    "write_mask_nifti": ("tools.writing", "write_mask_nifti"),
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: the process that decodes files needs the readers and nothing else.
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'tools' has no attribute '{name}'")
