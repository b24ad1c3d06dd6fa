"""How well a score tells present objects from absent ones, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
_AT_ONCE = 50  # draws, so that their weights need little memory


def auroc(score: NDArray[np.float64], present: NDArray[np.bool_]) -> float:
    """Chance that a present object scores above an absent one (ties count half)."""
    from scipy.stats import rankdata

    rank = rankdata(score)
    n, m = int(present.sum()), int((~present).sum())
    return float((rank[present].sum() - n * (n + 1) / 2) / (n * m))


def auroc_interval(
    score: NDArray[np.float64], present: NDArray[np.bool_], patients: Sequence[str]
) -> tuple[float, float] | None:
    """The ends between which 95 % of the AUROCs lie when the patients are drawn anew.

    Returns
    -------
    (low, high) or None
        None of a single patient, or where draws keep lacking present or absent objects.
    """
    names, whose = np.unique(np.asarray(patients, np.str_), return_inverse=True)
    if len(names) < 2:
        return None
    order = np.argsort(score, kind="stable")
    there, whose = present[order], whose[order]
    first = np.flatnonzero(np.diff(score[order], prepend=-np.inf))  # of each group of ties
    generator, even = np.random.default_rng(0), np.full(len(names), 1 / len(names))
    drawn = []
    for _ in range(DRAWS // _AT_ONCE):
        weight = generator.multinomial(len(names), even, size=_AT_ONCE)[:, whose]
        above = np.add.reduceat(weight * there, first, axis=1)
        below = np.add.reduceat(weight * ~there, first, axis=1)
        lower = below.cumsum(axis=1) - below / 2  # absent objects below, half of those that tie
        pairs = above.sum(axis=1) * below.sum(axis=1)
        drawn.append((above * lower).sum(axis=1)[pairs > 0] / pairs[pairs > 0])
    found = np.concatenate(drawn)
    if len(found) < 0.95 * DRAWS:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return round(float(low), 4), round(float(high), 4)
