"""Draw several objects on one picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import ToolError
from tools.actions.result import ActionResult, Bench
from tools.found import FoundObject
from tools.overlay import draw_overlay, write_png


def show(bench: Bench, objects: list[str], opacity: float = 0.45) -> ActionResult:
    """Write one overlay with the chosen objects of one scan.

    Parameters
    ----------
    objects : list of str
        Ids of present objects of the same scan.
    opacity : float
        0 (outline only) to 1.

    Raises
    ------
    ToolError
        No object, absent ones, or objects of different scans.
    """
    found = [bench.case.present_object(name) for name in dict.fromkeys(objects)]
    if not found:
        raise ToolError("Name at least one object to show.")
    if len({(one.scan, one.looked_at) for one in found}) > 1:
        raise ToolError("These objects belong to different scans; show them one scan at a time.")
    if not 0 <= opacity <= 1:
        raise ToolError("Opacity lies between 0 and 1.")
    # Objects of a volume are shown where the first one is largest.
    at = found[0].slice
    picture = bench.case.scans[found[0].scan].display(at)
    drawn = draw_overlay(
        picture,
        [_on_slice(one, at) for one in found],
        colours=[one.colour for one in found],
        opacity=opacity,
    )
    name = "overlay-" + "-".join(one.id for one in found)
    write_png(bench.case.directory / f"{name}.png", drawn)
    names = [one.name for one in found]
    return ActionResult(
        content={"shown": [one.id for one in found]},
        summary=f"shown together: {', '.join(names)}",
        objects=tuple(one.id for one in found),
    )


def _on_slice(found: FoundObject, at: int | None) -> NDArray[np.bool_]:
    return found.mask[:, :, at] if found.in_volume else found.mask
