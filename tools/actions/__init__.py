"""One file per thing the agent can do. A new action is one file and one line in `ACTIONS`."""

from __future__ import annotations

from collections.abc import Callable

from tools.actions.compare import compare
from tools.actions.decline import decline
from tools.actions.describe import describe_scan
from tools.actions.find import find_everything
from tools.actions.measure import measure_object
from tools.actions.result import ActionResult, Bench, Watch
from tools.actions.scale import set_scale
from tools.actions.segment import segment
from tools.actions.show import show

ACTIONS: dict[str, Callable[..., ActionResult]] = {
    "segment": segment,
    "find_everything": find_everything,
    "measure": measure_object,
    "compare": compare,
    "set_scale": set_scale,
    "describe_scan": describe_scan,
    "show": show,
    "decline": decline,
}

__all__ = ["ACTIONS", "ActionResult", "Bench", "Watch"]
