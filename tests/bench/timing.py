"""Timing: medians of several runs in one go, taken in turns so that a noisy minute hits all."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

RUNS = 5
Action = Callable[[], object]


def seconds(action: Action) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def median_seconds(action: Action, runs: int = RUNS) -> float:
    """Median wall-clock seconds of an action, one warm-up left out."""
    action()
    return statistics.median(seconds(action) for _ in range(runs))


def medians_in_turns(
    actions: Mapping[str, Action],
    runs: int,
    between: Action = lambda: None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Median seconds of each action, run after run in turns; one warm-up each left out.

    `between` is done before each round and not timed; `say` is told of each time as it comes.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    for run in range(runs + 1):
        between()
        for name, action in actions.items():
            taken = seconds(action)
            say(f"{name}: {taken:.2f} s" + ("" if run else " (warm-up)"))
            if run:
                times[name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items()}


def program(*arguments: str) -> Action:
    """A call of parsechat as a process of its own."""
    command = [sys.executable, "-m", "agent.cli", *arguments]
    return lambda: subprocess.run(command, capture_output=True, check=True)
