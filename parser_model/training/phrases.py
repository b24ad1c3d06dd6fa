"""Many ways to say a target, so that the text encoder learns words and not a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from parser_model.ontology import Ontology, Place

T = TypeVar("T")


def one_of(options: Sequence[T], rng: np.random.Generator) -> T:
    """One of some options, all alike; several times as fast as `rng.choice`."""
    return options[int(rng.random() * len(options))]


def canonical_phrase(target: str, place: Place | None) -> str:
    """BiomedParse's form: "TARGET in SITE MODALITY", or the bare target."""
    return target if place is None else f"{target} in {place.site} {place.modality}"


def say(target: str, place: Place, ontology: Ontology, rng: np.random.Generator) -> str:
    """A random wording of a target in an image of a place.

    Half of the time the canonical name, otherwise a synonym; with or without article, site and
    modality, each in one of its spellings.
    """
    names = ontology.synonyms(target, place.modality)
    name = target if not names or rng.random() < 0.5 else one_of(names, rng)
    modality = one_of(ontology.modality_names(place.modality), rng)
    site = one_of(ontology.site_names(place.site), rng)
    form = rng.random()
    if form < 0.40:
        return canonical_phrase(name, place)
    if form < 0.60:
        return name
    if form < 0.70:
        return f"the {name}"
    if form < 0.80:
        return f"{name} in {site} {modality}"
    if form < 0.88:
        return f"{name} in the {site}"
    if form < 0.94:
        return f"{site} {name}"
    return f"{name} on {modality}"
