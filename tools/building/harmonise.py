"""Names of other people's labels to targets of the ontology, and wholes from their parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parser_model.ontology import Ontology, words_of

Masks = dict[str, NDArray[np.bool_]]

_LEVEL = re.compile(r"[ctls]\d{1,2}")
_LOBES = {"left": frozenset({"upper", "lower"}), "right": frozenset({"upper", "middle", "lower"})}


def target_of(label: str, ontology: Ontology, modality: str | None) -> str | None:
    """The target that a label names, or None; never a guess.

    Beside what `Ontology.resolve` knows: a side at the end ("kidney_left") and the level of a
    vertebra ("vertebrae_L1").

    Parameters
    ----------
    label : str
        As the source writes it.
    ontology : Ontology
    modality : str or None
    """
    words = words_of(label.replace("_", " "))
    tries = [words]
    if words and words[-1] in ("left", "right"):
        tries.append([words[-1], *words[:-1]])
    if any(_LEVEL.fullmatch(word) for word in words):
        tries.append([word for word in words if not _LEVEL.fullmatch(word)])
    found = (ontology.resolve(" ".join(one), modality) for one in tries)
    return next((target for target in found if target is not None), None)


def lobe_of(label: str) -> tuple[str, str] | None:
    """Side and place of a lobe of a lung ("lung_upper_lobe_left"), or None."""
    words = set(words_of(label.replace("_", " ")))
    sides = words & {"left", "right"}
    places = words & {"upper", "middle", "lower"}
    if not {"lung", "lobe"} <= words or len(sides) != 1 or len(places) != 1 or len(words) != 4:
        return None
    return sides.pop(), places.pop()


@dataclass(frozen=True)
class Labels:
    """What the labels of a source mean.

    Attributes
    ----------
    targets : dict of str to str
        Target of each label that has one.
    unknown : tuple of str
        The other labels.
    wholes : dict of str to tuple of str
        Targets that the source does not label itself, each with all of its parts that it does.
    """

    targets: dict[str, str]
    unknown: tuple[str, ...]
    wholes: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, labels: Iterable[str], ontology: Ontology, modality: str | None) -> Labels:
        """Read all labels of a source together: a whole needs every one of its parts."""
        labels = list(dict.fromkeys(labels))
        targets = {
            label: target
            for label in labels
            if (target := target_of(label, ontology, modality)) is not None
        }
        lobes: dict[str, set[str]] = {"left": set(), "right": set()}
        for label in labels:
            if label not in targets and (lobe := lobe_of(label)):
                lobes[lobe[0]].add(lobe[1])
        for label in labels:
            lobe = None if label in targets else lobe_of(label)
            if lobe and lobes[lobe[0]] == _LOBES[lobe[0]]:
                targets[label] = f"{lobe[0]} lung"
        labelled = set(targets.values())
        wholes = {}
        for whole, groups in ontology.wholes.items():
            group = next((parts for parts in groups if labelled >= set(parts)), None)
            if group is not None and whole not in labelled:
                wholes[whole] = group
        return cls(targets, tuple(x for x in labels if x not in targets), wholes)

    @property
    def all_targets(self) -> frozenset[str]:
        """Targets that the source labels, wholes included."""
        return frozenset(self.targets.values()) | frozenset(self.wholes)

    def masks(self, masks: Mapping[str, NDArray[np.bool_]]) -> Masks:
        """Masks by target: labels of one target joined, wholes from the parts that are there."""
        found: Masks = {}
        for label, mask in masks.items():
            if label in self.targets:
                _join(found, self.targets[label], mask)
        for whole, parts in self.wholes.items():
            for part in parts:
                if part in found:
                    _join(found, whole, found[part])
        return found


def _join(masks: Masks, name: str, mask: NDArray[np.bool_]) -> None:
    masks[name] = masks[name] | mask if name in masks else mask


def site_groups(
    targets: Iterable[str], modality: str, ontology: Ontology, site: str | None = None
) -> list[tuple[str, tuple[str, ...]]]:
    """The sites of a modality that hold targets, the one that holds most of them first.

    Parameters
    ----------
    targets : iterable of str
    modality : str
    ontology : Ontology
    site : str, optional
        The only one that counts, where it is known.

    Returns
    -------
    list of (str, tuple of str)
        Each target in one site; those that none holds are left out.
    """
    left = list(dict.fromkeys(targets))
    sites = [p.site for p in ontology.places if p.modality == modality and site in (None, p.site)]
    groups = []
    while sites and left:
        best = max(sites, key=lambda s: len(set(left) & set(ontology.targets_in(modality, s))))
        held = tuple(t for t in left if t in ontology.targets_in(modality, best))
        if not held:
            break
        groups.append((best, held))
        left = [t for t in left if t not in held]
        sites.remove(best)
    return groups
