"""Refuse a request, on the record."""

from __future__ import annotations

from typing import Literal

from tools.actions.result import ActionResult, Bench

Reason = Literal["diagnosis", "treatment", "unsupported"]

_WHY = {
    "diagnosis": "parsechat measures what can be seen and does not diagnose",
    "treatment": "parsechat does not advise on treatment or dose",
    "unsupported": "no tool here can do this",
}


def decline(bench: Bench, reason: Reason) -> ActionResult:
    """Record that the request is refused and why.

    Parameters
    ----------
    reason : {"diagnosis", "treatment", "unsupported"}
    """
    return ActionResult(
        content={"declined": reason, "because": _WHY[reason]},
        summary=f"declined: {_WHY[reason]}",
        refused=True,
    )
