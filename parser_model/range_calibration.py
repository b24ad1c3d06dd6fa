"""How far a size may be off, learnt on reference outlines and tied to the weights.

The unknown is the ratio of the true size to the measured one. Its square root scatters about a
middle that depends on the target, by a spread that depends on what the probability map looks like
(`RangeModel`). How many spreads a range reaches down and up is fixed for each modality, so that
the true size is inside as often as intended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import SetupError
from parser_model.loading import PARSERS, WEIGHTS

RANGE_EVIDENCE: Final = (
    *("log_band_0.3_0.7", "log_band_0.1_0.9", "log_share_of_image", "log_parts"),
    "presence_logit",
)
"""What is looked at: the probability map (`tools.measuring.range_evidence`), and the presence."""
QUANTITIES: Final = ("area", "longest_diameter", "perpendicular_diameter")
EVERY_MODALITY: Final = ""
_MRI: Final = ("MRI-FLAIR", "MRI-T1-Gd")
LOG_SPREADS: Final = (-6.0, 2.0)
Numbers = NDArray[np.float64]
Kind = tuple[str, str]
"""Modality as `family` gives it, and target."""


def family(modality: str | None) -> str:
    """The modality under which figures are counted: all MRI sequences are one; "" if unknown."""
    return "MRI" if modality in _MRI else modality or EVERY_MODALITY


def to_scatter(ratio: Numbers) -> Numbers:
    """True over measured size as 2 (√ratio − 1): 0 where they agree, even in its scatter."""
    return np.asarray(2 * (np.sqrt(ratio) - 1))


def to_ratio(scatter: Numbers) -> Numbers:
    """The inverse of `to_scatter`; what would be less than nothing is nothing."""
    return np.asarray(np.maximum(scatter / 2 + 1, 0.0) ** 2)


@dataclass(frozen=True)
class Groups:
    """A number for every kind of object: a start, and what modality and target add to it.

    Attributes
    ----------
    start : float
        What holds for all.
    added : dict of str to float
        By modality ("CT") and by target in it ("CT liver"); nothing for others.
    """

    start: float
    added: Mapping[str, float]

    def of(self, kinds: Sequence[Kind]) -> Numbers:
        """The number of each of N kinds, (N,)."""
        added = self.added
        return np.array(
            [self.start + added.get(m, 0.0) + added.get(f"{m} {t}", 0.0) for m, t in kinds],
            np.float64,
        )


@dataclass(frozen=True)
class RangeModel:
    """Ranges of one quantity.

    Attributes
    ----------
    middle : Groups
        Of the scatter (see `to_scatter`).
    log_spread : Groups
        Logarithm of the spread of the scatter, where all evidence is 0.
    slopes : tuple of float
        What each kind of evidence adds to the logarithm of the spread.
    reach : dict of str to (float, float)
        Spreads down and up by modality; under "" for any other.
    """

    middle: Groups
    log_spread: Groups
    slopes: tuple[float, ...]
    reach: Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        if len(self.slopes) != len(RANGE_EVIDENCE):
            raise ValueError("one slope for each kind of evidence")
        if EVERY_MODALITY not in self.reach or min(min(r) for r in self.reach.values()) < 0:
            raise ValueError("a reach is not negative, and there is one for unknown modalities")

    def expected(self, evidence: Numbers, kinds: Sequence[Kind]) -> tuple[Numbers, Numbers]:
        """Middle and spread (N,) of the scatter, for evidence (N, E)."""
        log_spread = self.log_spread.of(kinds) + evidence @ np.array(self.slopes)
        return self.middle.of(kinds), np.exp(np.clip(log_spread, *LOG_SPREADS))

    def ends(
        self, evidence: Numbers, kinds: Sequence[Kind], pixel: Numbers
    ) -> tuple[Numbers, Numbers]:
        """Low and high as ratios to the measured size.

        Parameters
        ----------
        evidence : (N, E) ndarray
        kinds : sequence of N (modality, target)
        pixel : (N,) ndarray
            The pixel limit as a share of the size: no range is narrower on either side.

        Returns
        -------
        low, high : (N,) ndarray
            0 ≤ low ≤ 1 ≤ high.
        """
        middle, spread = self.expected(evidence, kinds)
        reach = np.array([self.reach.get(m, self.reach[EVERY_MODALITY]) for m, _ in kinds])
        reach = reach.reshape(len(kinds), 2)
        return bounded(middle, spread, reach[:, 0], reach[:, 1], pixel)


def bounded(
    middle: Numbers,
    spread: Numbers,
    down: Numbers | float,
    up: Numbers | float,
    pixel: Numbers,
) -> tuple[Numbers, Numbers]:
    """Low and high ratios so many spreads from the middle, never inside the pixel limit."""
    low, high = to_ratio(middle - down * spread), to_ratio(middle + up * spread)
    return np.maximum(np.minimum(low, 1 - pixel), 0.0), np.maximum(high, 1 + pixel)


@dataclass(frozen=True)
class RangeCalibration:
    """Ranges of all quantities, for exactly one set of weights.

    Attributes
    ----------
    name : str
        Identifier shown to users.
    weights_sha256 : str
        The only weights it holds for.
    fitted_on : str
        Objects it was fitted on, with their number.
    models : dict of str to RangeModel
        By quantity, see `QUANTITIES`.
    evidence : tuple of str
        Kinds of evidence the models were fitted on.
    spread_fitted_on : str
        Other objects that the spread was fitted on, with their number; empty where it was fitted
        on the same.
    """

    name: str
    weights_sha256: str
    fitted_on: str
    models: Mapping[str, RangeModel]
    evidence: tuple[str, ...] = field(default=RANGE_EVIDENCE)
    spread_fitted_on: str = ""

    def __post_init__(self) -> None:
        if set(self.models) != set(QUANTITIES):
            raise ValueError(f"ranges are of {', '.join(QUANTITIES)}")

    @property
    def spreads(self) -> Mapping[str, RangeModel] | None:
        """The models as the spread of other patients; None where it was fitted on the same."""
        return self.models if self.spread_fitted_on else None


def read_ranges(path: Path, weights_sha256: str) -> RangeCalibration | None:
    """The ranges in a file, or None when there are none for exactly these weights.

    Raises
    ------
    SetupError
        If the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["weights_sha256"] != weights_sha256 or tuple(data["evidence"]) != RANGE_EVIDENCE:
            return None
        models = {name: _model(entry) for name, entry in data["models"].items()}
        return RangeCalibration(**{**data, "models": models, "evidence": RANGE_EVIDENCE})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SetupError(f"The file of ranges {path.name} is damaged; fit it again.") from error


def _model(entry: dict[str, Any]) -> RangeModel:
    return RangeModel(
        middle=Groups(**entry["middle"]),
        log_spread=Groups(**entry["log_spread"]),
        slopes=tuple(entry["slopes"]),
        reach={name: (float(low), float(high)) for name, (low, high) in entry["reach"].items()},
    )


def write_ranges(path: Path, calibration: RangeCalibration) -> None:
    """Write ranges as JSON; the file appears only when it is complete."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(asdict(calibration), indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def ranges_file(name: str, weights_sha256: str) -> Path:
    """Where ranges are kept when the user fits them: beside the presence of the same weights."""
    return _ranges_files(name, weights_sha256)[0]


def _ranges_files(name: str, weights_sha256: str) -> list[Path]:
    # Imported here because reading settings is slow to import, and measuring needs none.
    from parser_model.weights_store.places import calibration_files

    return [file.with_suffix(".ranges.json") for file in calibration_files(name, weights_sha256)]


@lru_cache(maxsize=16)
def ranges_of(weights_sha256: str | None) -> RangeCalibration | None:
    """The ranges for these weights: what the user fitted, else what is shipped, else None.

    Raises
    ------
    SetupError
        If a file is damaged.
    """
    if weights_sha256 is None:
        return None
    fitted = (file for name in PARSERS for file in _ranges_files(name, weights_sha256))
    for path in (*fitted, WEIGHTS / "compact.ranges.json"):
        if (found := read_ranges(path, weights_sha256)) is not None:
            return found
    return None
