"""Ask the parser about a scan: a picture, one slice of a stack, or a whole volume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from parser_model.ontology import covers
from parser_model.types import ParsedObject, Parser, Recognised, Recogniser
from tools.actions.result import Bench
from tools.case import Case
from tools.preparing import picture_for
from tools.scan import Scan
from tools.volumes import VolumeObject, parse_volume

# Slices of a volume that tell what kind of image it is, as shares of the way through: its ends
# may show little.
_TELLING: Final = (0.2, 0.35, 0.5, 0.65, 0.8)


def slice_alone(scan: Scan, slice: int | None = None) -> int | None:
    """The one slice to look at: the one named, of a film the middle frame, else none."""
    if slice is not None or scan.is_volume:
        return slice
    return scan.middle_slice


def look(
    bench: Bench, name: str, phrases: list[str], slice: int | None = None
) -> Sequence[ParsedObject | VolumeObject]:
    """Ask the parser about objects in a scan; note what kind of image it recognises.

    Parameters
    ----------
    bench : Bench
    name : str
        Id of the scan.
    phrases : list of str
    slice : int, optional
        Look at this slice of a stack alone; without it all slices of a volume are looked at.
    """
    scan = bench.case.scans[name]
    if scan.is_volume and slice is None:
        recognise(bench, name)
        watch = bench.watch()
        return parse_volume(
            bench.parser,
            scan,
            phrases,
            modality=kind_of(bench.case, name)[0],
            progress=watch.progress,
            cancelled=watch.cancelled,
        )
    picture = picture_for(bench.parser, scan, slice_alone(scan, slice))
    parsed = bench.parser.parse([picture], phrases, modality=scan.modality)[0]
    recognise(bench, name)
    return parsed


def recognise(bench: Bench, name: str) -> bool:
    """Note what kind of image a scan shows; True when the parser had to look at it for that."""
    if name in bench.case.recognised:
        return False
    seen = recognised_in(bench.parser, bench.case.scans[name])
    if seen is None:
        return False
    bench.case.recognised[name] = seen
    return True


def recognised_in(parser: Parser, scan: Scan) -> Recognised | None:
    """What kind of image a scan shows, of a volume as most of its slices do.

    None for a parser that does not tell.
    """
    if not isinstance(parser, Recogniser):
        return None
    places = [scan.middle_slice]
    if scan.is_volume:
        places = list(dict.fromkeys(int(share * scan.shape[2]) for share in _TELLING))
    seen = [parser.recognise(picture_for(parser, scan, place)) for place in places]
    return seen[0] if len(seen) == 1 else _agreed(seen)


def _agreed(seen: list[Recognised]) -> Recognised:
    """What most slices show, each counting by its confidence."""
    modality = _most((one.modality, one.confidence) for one in seen)
    alike = [one for one in seen if one.modality == modality]
    site = _most((one.site, one.confidence) for one in alike)
    return Recognised(modality, site, sum(one.confidence for one in alike) / len(seen))


def _most(votes: Iterable[tuple[str | None, float]]) -> str | None:
    weights: dict[str | None, float] = {}
    for choice, weight in votes:
        weights[choice] = weights.get(choice, 0.0) + weight
    return max(weights, key=lambda choice: weights[choice])


def kind_of(case: Case, scan: str) -> tuple[str | None, str | None]:
    """Modality and site of a scan; pixels may refine what is stated, but not oppose it."""
    modality, seen = case.modality(scan), case.recognised.get(scan)
    if seen and seen.modality and covers(modality, seen.modality):
        return seen.modality, seen.site
    return modality, None


def looks_foreign(case: Case, scan: str) -> bool:
    """True when the pixels look like another modality than the file or the user states."""
    stated, seen = case.scans[scan].modality, case.recognised.get(scan)
    return bool(stated and seen and seen.modality and not covers(stated, seen.modality))
