"""Is the object in the image at all? A calibrated probability, tied to the weights.

A parser computes raw evidence for each (image, phrase); a calibration turns it into a
probability by logistic regression and decides at a threshold chosen to keep most present objects
and to refuse what is absent from images of its own kind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from parser_model.errors import SetupError
from parser_model.types import ParserInfo

# Evidence that can only speak against an object, or for it, whatever chance says in the data at
# hand: that an image looks like one that could hold the object is no reason to doubt it.
_AGAINST, _FOR = frozenset({"sibling_overlap"}), frozenset({"place_support"})
# Weights of all absent objects in images of their own kind, and of those in squares cut beside
# them; the others have what is left of one half.
_NEAR, _BESIDE = 0.1, 0.02
EVIDENCE = ("network_logit", "place_support", "mask_confidence", "mask_log_area", "mask_peak")


@runtime_checkable
class GivesEvidence(Protocol):
    """A parser whose presence can be calibrated.

    Its evidence is that of `EVIDENCE`, unless it names its own as ``evidence_names``.
    """

    @property
    def info(self) -> ParserInfo:
        """Who is answering."""
        ...

    def evidence(
        self, image: NDArray[np.uint8], target: str, *, modality: str | None = None
    ) -> NDArray[np.float64]:
        """Raw evidence (E,) that a target is in an image (H, W, 3)."""
        ...


def evidence_names(parser: GivesEvidence) -> tuple[str, ...]:
    """What the numbers a parser gives as evidence are called, in their order."""
    return tuple(getattr(parser, "evidence_names", EVIDENCE))


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
        One for each kind of evidence.
    intercept : float
    threshold : float
        Present when the probability reaches it.
    fitted_on : str
        Images it was fitted on, with their number.
    evidence : tuple of str
        Kinds of evidence, in order.
    """

    name: str
    weights_sha256: str
    coefficients: tuple[float, ...]
    intercept: float
    threshold: float
    fitted_on: str
    evidence: tuple[str, ...] = EVIDENCE

    def __post_init__(self) -> None:
        if len(self.coefficients) != len(self.evidence):
            raise ValueError("one coefficient for each kind of evidence")

    def probability(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Presence in [0, 1] for evidence of shape (..., E)."""
        return np.asarray(expit(evidence @ np.array(self.coefficients) + self.intercept))


def fit_calibration(
    evidence: NDArray[np.float64],
    present: NDArray[np.bool_],
    *,
    name: str,
    weights_sha256: str,
    fitted_on: str,
    names: Sequence[str] = EVIDENCE,
    alike: NDArray[np.bool_] | None = None,
    beside: NDArray[np.bool_] | None = None,
    keep: float = 0.96,
    refuse: float = 0.98,
    penalty: float = 1e-3,
) -> Calibration:
    """Logistic regression of presence on evidence, and the threshold of the decision.

    Present and absent objects weigh the same together; of the absent ones those in images of their
    own kind weigh a fifth, however few they are: with more weight, a handful of present objects in
    images that were taken for something else lets foreign ones through. Those in squares cut beside
    them weigh a fifth of that: cut images are not what people mostly ask about.

    The threshold is one half, or higher if it takes that to refuse most absent objects in images
    of their own kind, but never so high that more than a few present ones are lost. A threshold
    above one half is brought back to one half by presuming that objects are there less often, so
    that a presence above one half always means "there".

    Parameters
    ----------
    evidence : (N, E) ndarray
    present : (N,) ndarray of bool
    names : sequence of str
        Of the E kinds of evidence.
    alike : (N,) ndarray of bool, optional
        Absent, though the image is of the object's own modality and site.
    beside : (N,) ndarray of bool, optional
        Absent from a square that was cut beside them.
    keep : float
        Share of the present objects that the threshold keeps at least.
    refuse : float
        Share of the absent ones (alike where there are any) beyond which it rises no further.
    penalty : float
        Weight of the squared coefficients.
    """
    sign = np.where(present, 1.0, -1.0)
    weight = balanced(present, alike, beside)
    spread = evidence.std(axis=0)
    # What is the same for all objects tells nothing, and must not stand in for the intercept.
    scale = np.where(spread > 1e-9, spread, np.inf)

    def loss(parameters: NDArray[np.float64]) -> float:
        margin = sign * (evidence / scale @ parameters[:-1] + parameters[-1])
        penalised = penalty * float(parameters[:-1] @ parameters[:-1])
        return float(weight @ np.logaddexp(0, -margin)) + penalised

    bounds = [(0.0 if n in _FOR else None, 0.0 if n in _AGAINST else None) for n in names]
    start = np.zeros(evidence.shape[1] + 1)
    found = minimize(loss, start, method="L-BFGS-B", bounds=[*bounds, (None, None)]).x
    coefficients = found[:-1] / scale
    score = evidence @ coefficients + found[-1]
    alike, beside = (np.zeros_like(present) if r is None else r for r in (alike, beside))
    hard = alike | beside if (alike | beside).any() else ~present
    wanted = max(0.0, float(np.quantile(score[hard], refuse)))
    cut = min(wanted, float(np.quantile(score[present], 1 - keep)))
    presumed = max(cut, 0.0)
    return Calibration(
        name=name,
        weights_sha256=weights_sha256,
        coefficients=tuple(round(float(c), 6) for c in coefficients),
        intercept=round(float(found[-1]) - presumed, 6),
        threshold=round(float(expit(cut - presumed)), 4),
        fitted_on=fitted_on,
        evidence=tuple(names),
    )


def balanced(
    present: NDArray[np.bool_],
    alike: NDArray[np.bool_] | None = None,
    beside: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Weights (N,) that sum to one: half for present objects, half for absent ones.

    Of the absent half, absent objects in images of their own kind have a fifth, those in squares
    cut beside them a fifth of that, and all others the rest; shares of sorts that are not there
    go to the others.
    """
    near, cut = (
        np.zeros_like(present) if rows is None else rows & ~present for rows in (alike, beside)
    )
    far = ~present & ~near & ~cut
    shares = [(rows, part) for rows, part in ((near, _NEAR), (cut, _BESIDE)) if rows.any()]
    if far.any():
        shares.append((far, 0.5 - sum(part for _, part in shares)))
    whole = sum(part for _, part in shares)
    weight = np.zeros(len(present))
    weight[present] = 0.5 / max(1, int(present.sum()))
    for rows, part in shares:
        weight[rows] = 0.5 * part / whole / int(rows.sum())
    return weight


def read_calibration(
    path: Path, weights_sha256: str, names: Sequence[str] = EVIDENCE
) -> Calibration | None:
    """The calibration in a file, or None when there is none for exactly these weights.

    Parameters
    ----------
    path : Path
    weights_sha256 : str
    names : sequence of str
        Evidence that the parser gives; a calibration on other evidence does not count.

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
        data["evidence"] = tuple(data.get("evidence", EVIDENCE))
        calibration = Calibration(**data)
    except (ValueError, TypeError, KeyError) as error:
        raise SetupError(f"The calibration file {path.name} is damaged; fit it again.") from error
    fits = calibration.weights_sha256 == weights_sha256 and calibration.evidence == tuple(names)
    return calibration if fits else None


def fitted_calibration(
    name: str, weights_sha256: str, names: Sequence[str] = EVIDENCE
) -> Calibration | None:
    """What the user fitted for these weights of a parser, or None; see `read_calibration`."""
    # Imported here because reading settings is slow to import.
    from parser_model.weights_store.places import calibration_files

    files = calibration_files(name, weights_sha256)
    found = (read_calibration(file, weights_sha256, names) for file in files)
    return next((one for one in found if one is not None), None)


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON; it appears only when it is complete."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(asdict(calibration), indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)
