"""What a question asks, as the planner understands it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.planner.scales import StatedScale

Kind = Literal[
    "measure",  # quantities of objects
    "where",
    "exists",
    "count",
    "density",  # how many per mm²
    "compare",
    "share",  # of one object inside another
    "distance",
    "centre_distance",
    "symmetry",
    "cup_to_disc",
    "cardiothoracic",
    "ejection",
    "change",  # of one object, from an earlier scan to a later one
    "between_scans",  # of one object, in no order of time
    "sure",  # how likely it is there, and how far its size may be off
    "everything",
    "describe",
    "scale",
    "decline",
    "unclear",
]


@dataclass(frozen=True)
class Request:
    """A question as the planner understands it.

    Attributes
    ----------
    kind : str
    phrases : tuple of str
        The objects named, in the user's words.
    quantities : tuple of str
        Measurement names for "measure".
    unit : str or None
        A unit asked for, e.g. "cm".
    scale : StatedScale or None
        For "scale".
    reason : str or None
        For "decline": "diagnosis", "treatment" or "unsupported". For "everything": "normality"
        where it was asked whether something is abnormal.
    ask_back : str or None
        For "unclear": what to ask, when the words can be meant in several ways.
    follow_up : bool
        True when the objects or the kind were taken from an earlier turn.
    since_first : bool
        For "change" and "ejection": the earlier scan is the first, not the one before.
    each_part : bool
        A list of the parts is wanted.
    rank : str or None
        "smallest", "largest" or "second largest" where one part is wanted.
    scans : tuple of str
        The scans named; all current ones where there are none.
    side_by_side : bool
        A comparison that no tool makes was wanted: each object is measured instead.
    """

    kind: Kind
    phrases: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    unit: str | None = None
    scale: StatedScale | None = None
    reason: str | None = None
    ask_back: str | None = None
    follow_up: bool = False
    since_first: bool = False
    each_part: bool = False
    rank: str | None = None
    scans: tuple[str, ...] = ()
    side_by_side: bool = False
