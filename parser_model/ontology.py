"""Which things have names, and where they can be found.

The words live in ``ontology.json``: modalities, sites, targets with their synonyms, the Chinese
names of all of them, and the catalogue of targets a modality and site are labelled with in the
training data. ``lexicon.toml`` has what people say beside: more names, and words that describe.
Networks are taught the names of the former alone, so that words may be added to the latter freely.
A synonym marked with a modality ("disc" in fundus) resolves only there.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

from parser_model.describing import Describer
from parser_model.errors import RequestError
from parser_model.wording import (
    ARTICLES,
    JOINERS,
    PlaceReader,
    Stated,
    content_of,
    key_of,
    words_of,
)

__all__ = ["Ontology", "Place", "covers", "ontology", "words_of"]

# A site may be said for its neighbours: a tumour in the chest is one of the lung.
_TRUNK = ("abdomen", "chest", "kidney", "lung", "spine", "body")
_NEAR = {
    "abdomen": ("abdomen", "kidney", "colon", "prostate", "body"),
    "body": _TRUNK,
    "chest": ("chest", "lung", "heart", "body"),
    "heart": ("heart", "chest"),
    "kidney": ("kidney", "abdomen", "body"),
    "lung": ("lung", "chest", "body"),
    "neck": ("neck", "spine"),
    "spine": ("spine", "abdomen", "chest"),
    "tissue": ("tissue", "breast", "colon"),
}


@dataclass(frozen=True)
class Place:
    """A modality and a site of the catalogue, e.g. ("CT", "abdomen")."""

    modality: str
    site: str


class Named(NamedTuple):
    """What a name means; None for a name whose words of place make it another thing."""

    target: str | None


def covers(stated: str | None, modality: str) -> bool:
    """True when an image stated to be of one modality may be of the other.

    A file that says MRI may hold any sequence, so MRI covers MRI-FLAIR and MRI-T1-Gd; None
    covers everything.
    """
    return stated is None or modality == stated or modality.startswith(f"{stated}-")


class Ontology:
    """Names, synonyms and the catalogue, looked up by plain words.

    Parameters
    ----------
    data : dict
        The content of ``ontology.json``.
    lexicon : dict, optional
        The content of ``lexicon.toml``: names that no network was taught, and what objects are and
        do (see `Describer`).

    Attributes
    ----------
    wholes : dict of str to tuple of tuple of str
        Groups of targets that together make another: "lung" is left and right lung.
    """

    def __init__(
        self, data: dict[str, Any], lexicon: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.targets: tuple[str, ...] = tuple(data["targets"])
        self.modalities: tuple[str, ...] = tuple(data["modalities"])
        self.sites: tuple[str, ...] = tuple(data["sites"])
        self.places: tuple[Place, ...] = tuple(
            Place(modality, site) for modality, sites in data["catalogue"].items() for site in sites
        )
        self._catalogue: dict[Place, tuple[str, ...]] = {
            place: tuple(data["catalogue"][place.modality][place.site]) for place in self.places
        }
        self._synonyms: dict[str, tuple[str, ...]] = {
            name: tuple(entry["names"]) for name, entry in data["targets"].items()
        }
        self._lesions = frozenset(n for n, e in data["targets"].items() if e.get("lesion"))
        self._anywhere = frozenset(n for n, e in data["targets"].items() if e.get("anywhere"))
        self._many = frozenset(n for n, e in data["targets"].items() if e.get("many"))
        self.wholes: dict[str, tuple[tuple[str, ...], ...]] = {
            whole: tuple(map(tuple, groups)) for whole, groups in data.get("wholes", {}).items()
        }
        self._kind_of = {
            kind: whole
            for whole, groups in self.wholes.items()
            if data["targets"][whole].get("has_kinds")
            for group in groups
            for kind in group
        }
        chinese: dict[str, dict[str, list[str]]] = data.get("chinese", {})
        self._chinese = {n: tuple(texts) for n, texts in chinese.get("targets", {}).items()}
        self._by_key: dict[str, str] = {}
        self._scoped: dict[tuple[str, str], str] = {}
        also = lexicon or {}
        for name, entry in data["targets"].items():
            told = also.get(name, {})
            for spelling in (name, *entry["names"], *self._chinese.get(name, ())):
                self._by_key.setdefault(key_of(spelling), name)
            for spelling in told.get("also", ()):
                self._by_key.setdefault(key_of(spelling), name)
            for scoped in (entry.get("scoped", {}), told.get("also_in", {})):
                for modality, spellings in scoped.items():
                    self._scoped.update({(key_of(s), modality): name for s in spellings})
        self._by_content = self._contents()
        self._described = Describer(also)
        self._scoped_names = {
            name: entry.get("scoped", {}) for name, entry in data["targets"].items()
        }
        self._modality_words = _spellings(data["modalities"])
        self._site_words = _spellings(data["sites"])
        self._modality_keys = {
            key_of(text): name
            for name in reversed(self.modalities)
            for text in (*self._modality_words[name], *chinese.get("modalities", {}).get(name, ()))
        }
        self._places_read = PlaceReader(
            _joined(self._modality_words, chinese.get("modalities", {})),
            _joined(self._site_words, chinese.get("sites", {})),
        )

    def synonyms(self, target: str, modality: str | None = None) -> tuple[str, ...]:
        """Other words for a target; with a modality, also those that hold only there."""
        scoped = self._scoped_names[target].get(modality, []) if modality else []
        return (*self._synonyms[target], *scoped)

    def chinese_names(self, target: str) -> tuple[str, ...]:
        """Chinese names of a target, the usual one first."""
        return self._chinese.get(target, ())

    def modality_names(self, modality: str) -> tuple[str, ...]:
        """Spellings of a modality, e.g. "x ray", "radiograph"."""
        return self._modality_words[modality]

    def site_names(self, site: str) -> tuple[str, ...]:
        """Spellings of a site, e.g. "chest", "thorax"."""
        return self._site_words[site]

    def is_lesion(self, target: str) -> bool:
        """True for findings (tumour, polyp, bleeding), False for normal anatomy."""
        return target in self._lesions

    def is_many(self, target: str | None) -> bool:
        """True for many small alike things (nuclei), which are counted one by one where they touch.

        False for organs and lesions: two that touch are read as one, and so are unknown ones.
        """
        return target in self._many

    def kind_of(self, target: str | None) -> str | None:
        """The lesion that a target is one kind of ("tumor" of "glioma"); of others None.

        A part is no kind: the left lung is none of "lung".
        """
        return self._kind_of.get(target) if target else None

    def targets_in(self, modality: str | None = None, site: str | None = None) -> tuple[str, ...]:
        """Targets of the catalogue in a modality and site; None means any."""
        found: dict[str, None] = {}
        for place, names in self._catalogue.items():
            if modality in (None, place.modality) and site in (None, place.site):
                found.update(dict.fromkeys(names))
        return tuple(found)

    def may_hold(self, target: str, modality: str, site: str) -> bool:
        """Whether images of a modality and site may well show a target, labelled there or not.

        So where it is labelled in that modality or about that site, and where it is a lesion that
        may be anywhere (bleeding, and what is labelled at three sites or more: tumors), or the site
        itself. Not a polyp in a fundus.
        """
        holding = [place for place, names in self._catalogue.items() if target in names]
        near = _NEAR.get(site, (site,))
        common = self.is_lesion(target) and len({place.site for place in holding}) > 2
        return (
            common
            or target in (*self._anywhere, site)
            or any(p.modality == modality or p.site in near for p in holding)
        )

    def modality(self, text: str) -> str:
        """The modality meant by a spelling such as "x-ray" or "Colonoscopy".

        Raises
        ------
        RequestError
            For a spelling that is not known.
        """
        name = self._modality_keys.get(key_of(text))
        if name is not None:
            return name
        raise RequestError(
            f"I do not know the modality '{text}'; use one of {', '.join(self.modalities)}."
        )

    def resolve(self, phrase: str, modality: str | None = None) -> str | None:
        """The target that a phrase names or describes, or None. Never the nearest guess.

        Articles, plurals, British spelling, Chinese, and words of place around a name ("liver in
        abdomen CT", "the tumour on this breast ultrasound") are understood. A site that makes it
        something else is not taken off: pulmonary edema is not the edema around a brain tumour.
        What describes an object has to be all known to do so (see `parser_model.describing`).

        Examples
        --------
        >>> ontology().resolve("the left ventricle")
        'left heart ventricle'
        >>> ontology().resolve("腹部CT中的肝脏")
        'liver'
        >>> ontology().resolve("the organ that holds urine")
        'bladder'
        >>> ontology().resolve("spaceship") is None
        True
        """
        named = self.named(phrase, modality)
        return self.described(phrase, modality) if named is None else named.target

    def named(self, phrase: str, modality: str | None = None) -> Named | None:
        """What a phrase names; None when it names nothing, and may still describe something."""
        for name, stated in self._places_read.names_within(_told(phrase)):
            key = " ".join(name)
            target = self._scoped.get((key, modality)) if modality else None
            target = target or self._by_key.get(key) or self._by_content.get(content_of(name))
            if target is not None:
                return Named(target if self._can_be(target, stated) else None)
        return None

    def described(self, phrase: str, modality: str | None = None) -> str | None:
        """The one target that a description fits, of those the modality is known to show."""
        shown = {
            target
            for place, names in self._catalogue.items()
            if covers(modality, place.modality)
            for target in names
        }
        for name, stated in self._places_read.trimmed(_told(phrase)):
            if JOINERS & {name[0], name[-1]}:
                continue  # what it is a part of is no name of it
            fitting = shown & self._described.targets_of(name)
            if fitting:
                target = fitting.pop()
                return target if not fitting and self._can_be(target, stated) else None
        return None

    def _contents(self) -> dict[frozenset[str] | None, str]:
        """Targets by what their names say; what several targets' names say means none of them."""
        found: dict[frozenset[str] | None, str | None] = {}
        for key, target in self._by_key.items():
            content = content_of(key.split())
            if content is not None:
                found[content] = target if found.get(content, target) == target else None
        return {content: target for content, target in found.items() if target is not None}

    def _can_be(self, target: str, stated: Stated) -> bool:
        """Whether a target with words of place around its name is still that target."""
        if not stated.sites or stated.of_image:
            return True
        near = {place for site in stated.sites for place in _NEAR.get(site, (site,))}
        return any(target in self.targets_in(None, site) for site in near)


def _told(phrase: str) -> list[str]:
    return [word for word in words_of(phrase) if word not in ARTICLES]


def _spellings(table: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(dict.fromkeys(key_of(text) for text in (name, *texts)))
        for name, texts in table.items()
    }


def _joined(
    english: dict[str, tuple[str, ...]], chinese: dict[str, list[str]]
) -> dict[str, tuple[str, ...]]:
    return {name: (*texts, *chinese.get(name, ())) for name, texts in english.items()}


@lru_cache(maxsize=1)
def ontology() -> Ontology:
    """The shipped ontology, read once."""
    folder = resources.files("parser_model")
    names = folder.joinpath("ontology.json").read_text(encoding="utf-8")
    lexicon = folder.joinpath("lexicon.toml").read_text(encoding="utf-8")
    return Ontology(json.loads(names), tomllib.loads(lexicon))
