"""Is the object in the image at all? A calibrated probability, tied to the weights.

A parser computes raw evidence for each (image, phrase); a calibration turns it into a
probability by logistic regression and decides at a threshold chosen to keep most present objects.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from parser_model.errors import SetupError

EVIDENCE = ("network_logit", "place_support", "mask_confidence", "mask_log_area")


@dataclass(frozen=True)
class Calibration:
    """A fitted presence score.

    Attributes
    ----------
    name : str
        Identifier shown to users.
    weights_sha256 : str
        The only weights it holds for.
    coefficients : tuple of float
        One for each entry of `EVIDENCE`.
    intercept : float
    threshold : float
        Present when the probability reaches it.
    fitted_on : str
        Images it was fitted on, with their number.
    """

    name: str
    weights_sha256: str
    coefficients: tuple[float, ...]
    intercept: float
    threshold: float
    fitted_on: str

    def __post_init__(self) -> None:
        if len(self.coefficients) != len(EVIDENCE):
            raise ValueError("one coefficient for each kind of evidence")

    def probability(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Presence in [0, 1] for evidence of shape (..., 4)."""
        return np.asarray(expit(evidence @ np.array(self.coefficients) + self.intercept))


def fit_calibration(
    evidence: NDArray[np.float64],
    present: NDArray[np.bool_],
    *,
    name: str,
    weights_sha256: str,
    fitted_on: str,
    keep: float = 0.98,
    penalty: float = 1e-2,
) -> Calibration:
    """Logistic regression of presence on evidence, both classes weighted equally.

    Parameters
    ----------
    evidence : (N, 4) ndarray
    present : (N,) ndarray of bool
    keep : float
        The threshold keeps this share of the present objects, and is at most one half.
    penalty : float
        Weight of the squared coefficients.
    """
    sign = np.where(present, 1.0, -1.0)
    weight = np.where(present, 0.5 / present.sum(), 0.5 / (~present).sum())
    scale = evidence.std(axis=0) + 1e-9

    def loss(parameters: NDArray[np.float64]) -> float:
        margin = sign * (evidence / scale @ parameters[:-1] + parameters[-1])
        penalised = penalty * float(parameters[:-1] @ parameters[:-1])
        return float(weight @ np.logaddexp(0, -margin)) + penalised

    found = minimize(loss, np.zeros(evidence.shape[1] + 1), method="L-BFGS-B").x
    coefficients = found[:-1] / scale
    probability = expit(evidence @ coefficients + found[-1])
    threshold = min(0.5, float(np.quantile(probability[present], 1 - keep)))
    return Calibration(
        name=name,
        weights_sha256=weights_sha256,
        coefficients=tuple(round(float(c), 6) for c in coefficients),
        intercept=round(float(found[-1]), 6),
        threshold=round(threshold, 4),
        fitted_on=fitted_on,
    )


def read_calibration(path: Path, weights_sha256: str) -> Calibration | None:
    """The calibration beside some weights, or None when there is none for exactly these weights.

    Raises
    ------
    SetupError
        If the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        data["coefficients"] = tuple(data["coefficients"])
        calibration = Calibration(**data)
    except (ValueError, TypeError, KeyError) as error:
        raise SetupError(f"The calibration file {path.name} is damaged; fit it again.") from error
    return calibration if calibration.weights_sha256 == weights_sha256 else None


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON."""
    path.write_text(json.dumps(asdict(calibration), indent=1) + "\n", encoding="utf-8")
