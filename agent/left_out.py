"""Files of outlined images that cannot be used: told one by one, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parser_model.training.survey import Problem

_LISTED = 50


@dataclass
class LeftOut:
    """What is left out of a folder, told as it is found.

    Attributes
    ----------
    say : callable
        Shows a sentence to the user.
    problems : list of Problem
    """

    say: Callable[[str], None]
    problems: list[Problem] = field(default_factory=list)

    def __call__(self, problem: Problem) -> None:
        """Take one in."""
        self.problems.append(problem)
        if len(self.problems) <= _LISTED:
            self.say(problem.sentence)
        elif len(self.problems) == _LISTED + 1:
            self.say("... and more: --json lists all.")

    def document(self) -> dict[str, Any]:
        """For JSON, as `train` tells it."""
        return {
            "skipped": len(self.problems),
            "counts": dict(Counter(problem.kind for problem in self.problems).most_common()),
            "files": [asdict(problem) for problem in self.problems],
        }

    @staticmethod
    def lines(document: dict[str, Any]) -> list[str]:
        """How many, for people; nothing where none was."""
        if not document["skipped"]:
            return []
        kinds = ", ".join(f"{kind} {n}" for kind, n in document["counts"].items())
        return [f"{document['skipped']} files are left out ({kinds}); they are listed above."]
