"""Words to numbers for the compact network: a small vocabulary of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from parser_model.ontology import Ontology, words_of

PAD, UNKNOWN = 0, 1
MAX_WORDS = 12


class Vocabulary:
    """A fixed list of words; index 0 is padding, 1 any word that is not listed.

    Parameters
    ----------
    words : sequence of str
        In the order of their indices, starting at 2.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._index = {word: number + 2 for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words) + 2

    def encode(self, phrases: Iterable[str]) -> NDArray[np.int64]:
        """Indices of the words of each phrase.

        Returns
        -------
        (P, 12) ndarray of int64
            Padded with 0; words after the twelfth are dropped.
        """
        rows = []
        for phrase in phrases:
            indices = [self._index.get(word, UNKNOWN) for word in words_of(phrase)][:MAX_WORDS]
            indices = indices or [UNKNOWN]
            rows.append(indices + [PAD] * (MAX_WORDS - len(indices)))
        return np.array(rows, dtype=np.int64)


def build_vocabulary(ontology: Ontology, more: Iterable[str] = ()) -> Vocabulary:
    """Every word of the ontology's names and synonyms, the joining words, and those of phrases."""
    words = {"the", "in", "of", "on", "a"}
    for text in more:
        words.update(words_of(text))
    for target in ontology.targets:
        for text in (target, *ontology.synonyms(target)):
            words.update(words_of(text))
        for modality in ontology.modalities:
            for text in ontology.synonyms(target, modality):
                words.update(words_of(text))
    for modality in ontology.modalities:
        for text in (modality, *ontology.modality_names(modality)):
            words.update(words_of(text))
    for site in ontology.sites:
        for text in (site, *ontology.site_names(site)):
            words.update(words_of(text))
    return Vocabulary(sorted(words))
