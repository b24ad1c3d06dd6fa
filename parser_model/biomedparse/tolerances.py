"""How close a repeated run must come to the recorded one.

Masks between decoder layers are cut at a hard threshold, so rounding flips single bits and all
that follows moves. So a run is judged by what can be expected of it: two small recorded runs
have no bit near the threshold; with the recorded masks forced there is nothing to flip; where
bits did flip, the matched queries and the signs of the masks must still agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STEADY = ("small_A", "small_B")
_EQUAL = ("input_ids", "attention_mask", "matched_ids", "out_hw", "padded_shape")
_LOGITS = re.compile(r"pred\d+_masks|matched_mask_logits")
_AFTER_MASKS = re.compile(
    r"(stat_)?dec(?!0_crossmask)\d+_.*|pred(?!0_)\d+_.*|v_emb|sim|prob|matched_mask_logits"
    r"|all_mask_frac|crossmask_masked_frac"
)
_SHARES = re.compile(r"all_mask_frac|crossmask_masked_frac")
_MASKS = re.compile(r"dec\d+_crossmask(_packed)?")
INPUTS = ("prompts", "input_u8", "image", "image_sha256")


@dataclass(frozen=True)
class Limits:
    """Largest differences that hold, after the first hard threshold.

    Attributes
    ----------
    values : float or None
        Of queries, similarities and probabilities; None where they are shown and not judged.
    logits : float or None
        Of masks before the sigmoid.
    bits : float
        Share of cross-attention mask bits that may differ.
    """

    values: float | None
    logits: float | None
    bits: float


STRICT = Limits(1e-4, 1e-3, 0.0)
FORCED = Limits(1e-3, 1e-2, 1e-2)
LOOSE = Limits(2e-3, 1e-2, 1e-3)
FLIPPED = Limits(None, None, 2e-2)
SIGNS = 1e-2
FEATURES = 1e-4


def limits_for(run: str, *, forced: bool, flipped: bool) -> Limits:
    """The limits of a run.

    Parameters
    ----------
    run : str
        Such as "small_A".
    forced : bool
        The recorded masks were forced.
    flipped : bool
        Known to have masks that differ from the recorded ones in single bits.
    """
    if run in _STEADY:
        return STRICT
    if forced:
        return FORCED
    return FLIPPED if flipped or run.startswith("full") else LOOSE


@dataclass(frozen=True)
class Compared:
    """One line of the table.

    Attributes
    ----------
    run, way, key : str
        The recorded run, "free" or "forced", and what was compared.
    difference : float
        In the measure.
    limit : float or None
        None where the value is shown and not judged.
    measure : str
        What the difference is, e.g. "largest difference".
    note : str
        Why there is no comparison, or what else to say.
    """

    run: str
    way: str
    key: str
    difference: float
    limit: float | None
    measure: str
    note: str = ""

    @property
    def holds(self) -> bool:
        """Within the limit; a difference that is no number never is."""
        return self.limit is None or self.difference <= self.limit


def compare(
    run: str,
    key: str,
    ours: NDArray,  # type: ignore[type-arg]
    recorded: NDArray,  # type: ignore[type-arg]
    *,
    forced: bool,
    flipped: bool,
) -> list[Compared]:
    """Compare one value of a run with the recorded one.

    Parameters
    ----------
    run, key : str
    ours, recorded : ndarray
    forced, flipped : bool
        See `limits_for`.

    Returns
    -------
    list of Compared
        One line, and one more about signs where numbers alone are not judged.
    """
    way = "forced" if forced else "free"
    limits = limits_for(run, forced=forced, flipped=flipped)
    if key == "prob":
        ours = _thinned(ours, recorded)
    if ours.shape != recorded.shape:
        note = f"shape {list(ours.shape)} instead of {list(recorded.shape)}"
        return [Compared(run, way, key, float("inf"), 0.0, "shape", note)]
    if key in _EQUAL:
        differing = float((ours.astype(np.int64) != recorded.astype(np.int64)).sum())
        return [Compared(run, way, key, differing, 0.0, "entries that differ")]
    if _MASKS.fullmatch(key):
        share = differing_bits(key, ours, recorded)
        return [Compared(run, way, key, share, limits.bits, "share of bits that differ")]
    limit = _limit(key, limits)
    rows = [Compared(run, way, key, _largest(ours, recorded), limit, "largest difference")]
    if limit is None and key in ("matched_mask_logits", "prob"):
        cut = 0.5 if key == "prob" else 0.0
        share = float(((ours > cut) != (recorded > cut)).mean())
        rows.append(Compared(run, way, key, share, SIGNS, "share of signs that differ"))
    return rows


def _limit(key: str, limits: Limits) -> float | None:
    if _SHARES.fullmatch(key):
        return None if limits.values is None else max(limits.values, 1e-3)
    before = not _AFTER_MASKS.fullmatch(key)
    if _LOGITS.fullmatch(key):
        return STRICT.logits if before else limits.logits
    return FEATURES if before else limits.values


def differing_bits(key: str, ours: NDArray, recorded: NDArray) -> float:  # type: ignore[type-arg]
    """Share of the bits of two masks that differ; keys in "_packed" hold eight to a byte."""
    if key.endswith("_packed"):
        ours, recorded = np.unpackbits(ours, axis=1), np.unpackbits(recorded, axis=1)
    return float((ours.astype(bool) != recorded.astype(bool)).mean())


def _largest(ours: NDArray, recorded: NDArray) -> float:  # type: ignore[type-arg]
    if not ours.size:
        return 0.0
    return float(np.abs(ours.astype(np.float64) - recorded.astype(np.float64)).max())


def _thinned(ours: NDArray, recorded: NDArray) -> NDArray:  # type: ignore[type-arg]
    """Every n-th pixel of a probability map, where so few were recorded."""
    if ours.ndim != 3 or recorded.ndim != 3 or ours.shape == recorded.shape:
        return ours
    rows, columns = (max(1, -(-ours.shape[i] // recorded.shape[i])) for i in (1, 2))
    return ours[:, ::rows, ::columns]
