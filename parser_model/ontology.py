"""Which things have names, and where they can be found.

The words live in ``ontology.json``: modalities, sites, targets with their synonyms, and the
catalogue of targets a modality and site are labelled with in the training data.
A synonym marked with a modality ("disc" in fundus) resolves only there.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from parser_model.errors import RequestError

_ARTICLES = frozenset({"the", "a", "an", "any", "some", "this", "that", "all"})
_JOINERS = frozenset({"in", "on", "of", "from", "within", "inside", "at"})
_BRITISH = {
    "tumour": "tumor",
    "haemorrhage": "hemorrhage",
    "oedema": "edema",
    "foetal": "fetal",
    "foetus": "fetus",
    "haematoma": "hematoma",
}
_IRREGULAR = {
    "nucleus": "nuclei",
    "vertebra": "vertebrae",
    "vertebrae": "vertebrae",
    "nuclei": "nuclei",
}
_GENERIC = frozenset({"image", "scan", "picture", "photo", "slice", "patient", "here", "radiology"})


@dataclass(frozen=True)
class Place:
    """A modality and a site of the catalogue, e.g. ("CT", "abdomen")."""

    modality: str
    site: str


def covers(stated: str | None, modality: str) -> bool:
    """True when an image stated to be of one modality may be of the other.

    A file that says MRI may hold any sequence, so MRI covers MRI-FLAIR and MRI-T1-Gd; None
    covers everything.
    """
    return stated is None or modality == stated or modality.startswith(f"{stated}-")


def words_of(text: str) -> list[str]:
    """Lower-case words in one spelling: British to American, plurals to singular.

    Examples
    --------
    >>> words_of("The Tumours")
    ['the', 'tumor']
    """
    plain = unicodedata.normalize("NFKC", text).lower().replace("&", " and ")
    return [_singular(word) for word in re.findall(r"[^\W_]+", plain)]


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        if word.endswith("ies"):
            word = word[:-3] + "y"
        else:
            word = word[:-2] if word.endswith(("sses", "xes", "shes", "ches")) else word[:-1]
    return _BRITISH.get(word, word)


def _key(text: str) -> str:
    return " ".join(word for word in words_of(text) if word not in _ARTICLES)


class Ontology:
    """Names, synonyms and the catalogue, looked up by plain words.

    Parameters
    ----------
    data : dict
        The content of ``ontology.json``.
    """

    def __init__(self, data: dict[str, Any]) -> None:
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
        self._many = frozenset(n for n, e in data["targets"].items() if e.get("many"))
        self._by_key: dict[str, str] = {}
        self._scoped: dict[tuple[str, str], str] = {}
        for name, entry in data["targets"].items():
            for spelling in (name, *entry["names"]):
                self._by_key.setdefault(_key(spelling), name)
            for modality, spellings in entry.get("scoped", {}).items():
                for spelling in spellings:
                    self._scoped[(_key(spelling), modality)] = name
        self._scoped_names = {
            name: entry.get("scoped", {}) for name, entry in data["targets"].items()
        }
        self._modality_words = _spellings(data["modalities"])
        self._site_words = _spellings(data["sites"])

    def synonyms(self, target: str, modality: str | None = None) -> tuple[str, ...]:
        """Other words for a target; with a modality, also those that hold only there."""
        scoped = self._scoped_names[target].get(modality, []) if modality else []
        return (*self._synonyms[target], *scoped)

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

    def targets_in(self, modality: str | None = None, site: str | None = None) -> tuple[str, ...]:
        """Targets of the catalogue in a modality and site; None means any."""
        found: dict[str, None] = {}
        for place, names in self._catalogue.items():
            if modality in (None, place.modality) and site in (None, place.site):
                found.update(dict.fromkeys(names))
        return tuple(found)

    def modality(self, text: str) -> str:
        """The modality meant by a spelling such as "x-ray" or "Colonoscopy".

        Raises
        ------
        RequestError
            For a spelling that is not known.
        """
        key = _key(text)
        for name, spellings in self._modality_words.items():
            if key in spellings:
                return name
        raise RequestError(
            f"I do not know the modality '{text}'; use one of {', '.join(self.modalities)}."
        )

    def resolve(self, phrase: str, modality: str | None = None) -> str | None:
        """The target that a phrase names, or None. Never the nearest guess.

        Articles, plurals, British spelling and a trailing place ("liver in abdomen CT",
        "the tumour on this breast ultrasound") are understood.

        Examples
        --------
        >>> ontology().resolve("the left ventricle")
        'left heart ventricle'
        >>> ontology().resolve("spaceship") is None
        True
        """
        words = [word for word in words_of(phrase) if word not in _ARTICLES]
        for candidate in self._without_place(words):
            key = " ".join(candidate)
            if modality and (key, modality) in self._scoped:
                return self._scoped[(key, modality)]
            if key in self._by_key:
                return self._by_key[key]
        return None

    def _without_place(self, words: list[str]) -> list[list[str]]:
        """The phrase itself, then with leading or trailing words of place taken off."""
        candidates = [words]
        for index, word in enumerate(words):
            if word in _JOINERS and index > 0 and self._is_place(words[index + 1 :]):
                candidates.append(words[:index])
                break
        for start in range(1, len(words)):
            if self._is_place(words[:start]):
                candidates.append(words[start:])
        for end in range(len(words) - 1, 0, -1):
            if self._is_place(words[end:]):
                candidates.append(words[:end])
        return candidates

    def _is_place(self, words: list[str]) -> bool:
        """True when every word belongs to a modality, a site or a joiner, at least one word."""
        return bool(words) and all(
            word in self._place_vocabulary or word in _GENERIC or word in _JOINERS for word in words
        )

    @property
    def _place_vocabulary(self) -> frozenset[str]:
        return _place_words(self)


def _spellings(table: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(dict.fromkeys(_key(text) for text in (name, *texts)))
        for name, texts in table.items()
    }


@lru_cache(maxsize=4)
def _place_words(ontology_: Ontology) -> frozenset[str]:
    tables = (ontology_._modality_words, ontology_._site_words)
    return frozenset(
        word
        for table in tables
        for texts in table.values()
        for text in texts
        for word in text.split()
    )


@lru_cache(maxsize=1)
def ontology() -> Ontology:
    """The shipped ontology, read once."""
    text = resources.files("parser_model").joinpath("ontology.json").read_text(encoding="utf-8")
    return Ontology(json.loads(text))
