"""What masks of a file are called, in words that cannot name a person.

Names of segments are typed by people, so they may hold anything: only known words pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from parser_model.ontology import ontology
from tools.reading.dicom_words import BODY_PARTS

_MORE_WORDS: Final = """
    left right upper middle lower anterior posterior superior inferior central peripheral lobe
    vertebra vertebral lesion nodule mass cyst tumor tumour metastasis edema necrosis hemorrhage
    bleeding fracture effusion calcification stone bone tissue muscle fat skin vessel artery vein
    nerve lymph node gland organ body cavity wall whole core enhancing non background implant
    cortex medulla white gray grey matter cerebrospinal fluid ventricle atrium inferior vena cava
    portal and splenic esophagus trachea duodenum femur hip sacrum humerus scapula clavicle rib
    gluteus maximus medius minimus autochthon iliopsoas pulmonary airway thrombus embolism plaque
    infection opacity consolidation ground glass ulcer of the in with first second third segment
"""


def mask_name(texts: Iterable[str], number: int) -> str:
    """The first text made of known words only, in lower case; else "segment N".

    Parameters
    ----------
    texts : iterable of str
        Label and coded names of a segment.
    number : int
        Of the segment.
    """
    for text in texts:
        words = re.findall(r"[^\W_]+", text.lower())
        if words and all(word in _known() or _is_small(word) for word in words):
            return " ".join(words)
    return f"segment {number}"


def _is_small(word: str) -> bool:
    """Such as the level of a vertebra or the number of a rib."""
    return re.fullmatch(r"[a-z]?\d{1,2}", word) is not None


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    names = ontology()
    phrases = [*BODY_PARTS.values(), _MORE_WORDS, *names.targets_in()]
    for target in names.targets_in():
        phrases += names.synonyms(target)
    return frozenset(word for phrase in phrases for word in re.findall(r"[^\W_]+", phrase.lower()))
