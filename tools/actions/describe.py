"""Say what is known about a scan."""

from __future__ import annotations

from tools.actions.looking import kind_of, recognise
from tools.actions.result import ActionResult, Bench
from tools.actions.segment import offers, scan_warnings


def describe_scan(bench: Bench, scan: str | None = None) -> ActionResult:
    """Kind of image and where that is known from, pixel size, and what can be looked for.

    Raises
    ------
    ToolError
        No scan.
    """
    name, picture = bench.case.scan(scan)
    encoded = recognise(bench, name)
    modality, site = kind_of(bench.case, name)
    source = "file or user" if picture.modality else "pixels" if modality else "unknown"
    content = {
        "scan": name,
        "modality": modality,
        "site": site,
        "modality_known_from": source,
        "pixel_size_known": picture.geometry.spacing_mm is not None,
        "pixel_size_known_from": picture.geometry.spacing_source,
        "can_look_for": offers(bench, name),
    }
    summary = f"{name}: {modality or 'kind of image not recognised'}"
    return ActionResult(content, summary, encoded=encoded, warnings=scan_warnings(bench.case, name))
