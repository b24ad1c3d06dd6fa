"""Many ways to say a target, so that the text encoder learns words and not a list."""

from __future__ import annotations

import numpy as np

from parser_model.ontology import Ontology, Place


def canonical_phrase(target: str, place: Place | None) -> str:
    """BiomedParse's form: "TARGET in SITE MODALITY", or the bare target."""
    return target if place is None else f"{target} in {place.site} {place.modality}"


def say(target: str, place: Place, ontology: Ontology, rng: np.random.Generator) -> str:
    """A random wording of a target in an image of a place.

    Half of the time the canonical name, otherwise a synonym; with or without article, site and
    modality, each in one of its spellings.
    """
    names = ontology.synonyms(target, place.modality)
    name = target if not names or rng.random() < 0.5 else str(rng.choice(names))
    modality = str(rng.choice(ontology.modality_names(place.modality)))
    site = str(rng.choice(ontology.site_names(place.site)))
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
