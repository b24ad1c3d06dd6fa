"""Fitting ranges on reference outlines, and testing them on patients they were not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from parser_model.range_calibration import (
    EVERY_MODALITY,
    LOG_SPREADS,
    RANGE_EVIDENCE,
    Groups,
    Kind,
    Numbers,
    RangeModel,
    bounded,
    to_scatter,
)

COVERAGE: Final = 0.9  # nine of ten, which is what people are told
_MOST_AIMED = 0.94
_FOLDS = 10
_LARGEST_RATIO = 16.0  # an outline that misses nearly all tells no more than this
_LEAST_COVERED = 0.80  # of all objects, missed ones too
_FEWEST = 20  # objects of a modality; with fewer its reach is that of all
_ROUNDED = 0.02
# Stopped half-way, the last bits of a map decide what comes out.
_TO_THE_END: Final = {"maxiter": 5000, "maxfun": 100_000, "ftol": 1e-12, "gtol": 1e-7}
# Weights of the squared coefficients against the sum over all objects.
_MIDDLE_PENALTY, _GROUP_PENALTY, _SLOPE_PENALTY = 10.0, 0.5, 1.0
_REACHES = (
    *(k / 5 for k in range(15)),
    *(k / 2 for k in range(6, 16)),
    8.0,
    10.0,
    14.0,
    20.0,
    30.0,
)
Rows = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RangeTable:
    """Sizes measured on a parser's answers beside the true ones.

    Attributes
    ----------
    evidence : (N, E) ndarray of float64
        See `RANGE_EVIDENCE`; of no meaning where the object was missed.
    ratio : (N,) ndarray of float64
        True over measured size; nan where a present object was missed or refused.
    pixel : (N,) ndarray of float64
        The pixel limit as a share of the measured size.
    kinds : tuple of (modality, target)
    patients : tuple of str
    """

    evidence: Numbers
    ratio: Numbers
    pixel: Numbers
    kinds: tuple[Kind, ...]
    patients: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.ratio)
        lengths = {n, len(self.pixel), len(self.kinds), len(self.patients)}
        if len(lengths) != 1 or self.evidence.shape != (n, len(RANGE_EVIDENCE)):
            raise ValueError("one entry of every kind for each object")

    @property
    def answered(self) -> Rows:
        """Objects that were found, and so measured."""
        return np.isfinite(self.ratio)

    @property
    def modalities(self) -> NDArray[np.str_]:
        """Of each object, (N,)."""
        return np.array([modality for modality, _ in self.kinds], np.str_)

    def part(self, rows: Rows) -> RangeTable:
        """Some of the objects."""
        chosen = np.flatnonzero(rows)
        return RangeTable(
            self.evidence[rows],
            self.ratio[rows],
            self.pixel[rows],
            tuple(self.kinds[i] for i in chosen),
            tuple(self.patients[i] for i in chosen),
        )


def fit_ranges(
    table: RangeTable, coverage: float = COVERAGE, *, spread: RangeModel | None = None
) -> RangeModel:
    """A model whose ranges hold the true size for a share of all objects, missed ones counted.

    The reach is chosen on objects whose patients the spread was not fitted on: the shortest that
    covers enough.

    Parameters
    ----------
    table : RangeTable
        Of patients that the parser's weights have not seen.
    coverage : float
        Share to cover.
    spread : RangeModel, optional
        From `fit_spread`, of other patients: those the weights were trained on will do. They are
        many and tell which objects are harder than others; how far off the parser is they tell
        too well, but that is what the reach makes up for. Fitted on `table` when left out.
    """
    answered = table.part(table.answered)
    if spread is None:
        expected = _expected_of_others(answered)
        spread = fit_spread(answered)
    else:
        expected = spread.expected(answered.evidence, answered.kinds)
    return _with_reach(spread, table, *expected, coverage)


def cross_fitted_ends(
    table: RangeTable,
    coverage: float = COVERAGE,
    *,
    folds: int = _FOLDS,
    spread: RangeModel | None = None,
) -> tuple[Numbers, Numbers]:
    """Low and high ratio (N,) of every object from a model that never saw its patient.

    nan where the object was missed. See `fit_ranges` for `spread`.
    """
    low, high = np.full((2, len(table.ratio)), np.nan)
    for held in patient_folds(table, folds):
        model = fit_ranges(table.part(~held), coverage, spread=spread)
        rows = held & table.answered
        some = table.part(rows)
        low[rows], high[rows] = model.ends(some.evidence, some.kinds, some.pixel)
    return low, high


def _expected_of_others(table: RangeTable) -> tuple[Numbers, Numbers]:
    """Middle and spread of every object, each patient's fitted on the others."""
    middle, spread = np.zeros(len(table.ratio)), np.zeros(len(table.ratio))
    for held in patient_folds(table):
        model = fit_spread(table.part(~held))
        middle[held], spread[held] = model.expected(table.evidence[held], table.part(held).kinds)
    return middle, spread


def _with_reach(
    model: RangeModel, table: RangeTable, middle: Numbers, spread: Numbers, coverage: float
) -> RangeModel:
    """The model with the reach that covers enough, by modality where there are enough objects.

    Parameters
    ----------
    middle, spread : (N,) ndarray
        Of the objects that were answered, from a model that has not seen their patients.
    """
    answered = table.part(table.answered)
    modalities = answered.modalities
    reach = {}
    for modality in (*sorted(set(modalities)), EVERY_MODALITY):
        own = modalities == modality if modality else np.ones(len(modalities), bool)
        n = int(own.sum())
        if modality and n < _FEWEST:
            continue  # the reach of all objects holds for these
        asked = np.count_nonzero(table.modalities == modality) if modality else len(table.ratio)
        # A limit drawn through a sample wants one case more than the share, and the objects of a
        # patient are wrong together: the cases are the patients.
        patients = len({p for p, is_own in zip(answered.patients, own, strict=True) if is_own})
        more, found = 1 + 1 / patients, n / asked
        level = min(coverage * more, _MOST_AIMED) / found
        # The single worst one widens all ranges: it is held only where four of five need it.
        but_one = (n - 1) / n
        level = min(level, max(but_one, _LEAST_COVERED * more / found), 1.0)
        down, up = _reach(answered.part(own), middle[own], spread[own], level)
        if level > but_one:  # all are held already: what one case more asks for lies further out
            down, up = down * more, up * more
        reach[str(modality)] = round(down, 3), round(up, 3)
    return replace(model, reach=reach)


def patient_folds(table: RangeTable, folds: int = _FOLDS) -> list[Rows]:
    """Objects to hold out in turn, (N,) each: all of a patient together, modalities evenly."""
    modality_of = dict(zip(table.patients, table.modalities, strict=True))
    names = sorted(modality_of)
    shuffled = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    ordered = sorted(shuffled, key=lambda patient: str(modality_of[patient]))
    fold_of = {patient: number % folds for number, patient in enumerate(ordered)}
    fold = np.array([fold_of[patient] for patient in table.patients])
    return [fold == k for k in range(folds) if (fold == k).any()]


def _reach(
    table: RangeTable, middle: Numbers, spread: Numbers, level: float
) -> tuple[float, float]:
    """The shortest reach down and up that holds the share `level` of the true sizes."""
    best, shortest = (_REACHES[-1], _REACHES[-1]), np.inf
    ratio = table.ratio
    needed = (to_scatter(ratio) - middle) / spread
    needed[ratio <= 1 + table.pixel] = 0.0  # inside whatever the reach
    for down in _REACHES:
        low, _ = bounded(middle, spread, down, 0.0, table.pixel)
        up = _quantile(np.where(ratio >= low, needed, np.inf), level)
        if not np.isfinite(up):
            continue
        low, high = bounded(middle, spread, down, max(up, 0.0), table.pixel)
        width = high - low
        # The typical width counts, and the wide ones too, without the few that tell nothing.
        cost = _quantile(width, 0.5) + float(np.minimum(width, 4.0).mean())
        if cost < shortest:
            best, shortest = (down, max(up, 0.0)), cost
    return best


def _quantile(values: Numbers, level: float) -> float:
    """The least value at or below which lies the share `level` of all."""
    place = int(np.ceil(level * len(values) - 1e-9)) - 1
    return float(np.sort(values)[min(max(place, 0), len(values) - 1)])


def fit_spread(table: RangeTable) -> RangeModel:
    """Middle and spread of the scatter, with penalties that keep small groups near the whole.

    By maximum likelihood of a Laplace distribution, of the objects that were found. The model's
    reach is one spread and means nothing yet.
    """
    table = table.part(table.answered)
    scatter = to_scatter(np.minimum(table.ratio, _LARGEST_RATIO))
    names = sorted({m for m, _ in table.kinds} | {f"{m} {t}" for m, t in table.kinds})
    member = np.array([[n in (m, f"{m} {t}") for n in names] for m, t in table.kinds], float)
    ones = np.ones((len(scatter), 1))
    centre, scale = table.evidence.mean(axis=0), table.evidence.std(axis=0) + 1e-9
    of_middle = np.hstack([ones, member])
    of_spread = np.hstack([ones, member, (table.evidence - centre) / scale])
    groups = len(names)
    penalty = np.concatenate(
        [
            [0.0],
            np.full(groups, _MIDDLE_PENALTY),
            [0.0],
            np.full(groups, _GROUP_PENALTY),
            np.full(len(scale), _SLOPE_PENALTY),
        ]
    )

    def loss(parameters: Numbers) -> tuple[float, Numbers]:
        log_spread = np.clip(of_spread @ parameters[groups + 1 :], *LOG_SPREADS)
        error = scatter - of_middle @ parameters[: groups + 1]
        size = np.sqrt(error**2 + _ROUNDED**2)  # as |error|, but smooth at 0
        scaled = size * np.exp(-log_spread)
        value = float((scaled + log_spread).sum() + penalty @ parameters**2)
        slope = np.concatenate(
            [-of_middle.T @ (error / size * np.exp(-log_spread)), of_spread.T @ (1 - scaled)]
        )
        return value, slope + 2 * penalty * parameters

    start = np.zeros(len(penalty))
    start[groups + 1] = np.log(0.2)
    # Many tiny steps: on a busy machine threads would mostly wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=_TO_THE_END).x
    slopes = found[2 * groups + 2 :] / scale
    return RangeModel(
        middle=_groups(found[0], names, found[1 : groups + 1]),
        log_spread=_groups(
            found[groups + 1] - float(centre @ slopes), names, found[groups + 2 : 2 * groups + 2]
        ),
        slopes=tuple(round(float(s), 5) for s in slopes),
        reach={EVERY_MODALITY: (1.0, 1.0)},
    )


def _groups(start: float, names: Sequence[str], added: Numbers) -> Groups:
    pairs = zip(names, added, strict=True)
    return Groups(round(float(start), 5), {name: round(float(a), 5) for name, a in pairs})
