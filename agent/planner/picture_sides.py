"""Sides of the picture, which are not those of the patient: the right lung mostly lies left."""

from __future__ import annotations

import re

from agent.planner.naming import find_phrases
from parser_model.ontology import Ontology

_PICTURE = r"(?:picture|image|screen|photo(?:graph)?|scan|film|frame|slice|display|monitor)"
_SIDE_OF_PICTURE = re.compile(
    r"(?:\b(?:on|at|in|to)\s+)?(?:\b(?:the|its)\s+)?"
    r"\b(?P<side>left|right)(?:[- ]hand)?(?:\s+(?:side|half|part|third|edge))?,?\s+"
    rf"(?:(?:of|in|on)\s+(?:the|this|my|our)\s+(?:[\w-]+\s+){{0,2}}?{_PICTURE}\b"
    r"|of\s+(?:the|this|my|our)\s+(?:[\w-]+\s+)?(?:x-?ray|radiograph|ct|mri)\b"
    r"|(?:as|when|if|where|from where)\s+(?:i|you|we|one)(?:['’ ](?:m|re|am|are))?\s+"
    r"(?:look|see|view|fac)\w*(?:\s+at)?(?:\s+(?:it|this))?\b)"
    rf"|\b(?:on|in|at)\s+(?:my|the viewer['’]s|the {_PICTURE}['’]s)\s+(?P<other>left|right)\b",
    re.IGNORECASE,
)


def ask_which_side(text: str, ontology: Ontology, modality: str | None) -> str | None:
    """What to ask back where a side of the picture is said of what the patient has on both sides.

    Parameters
    ----------
    text : str
    ontology : Ontology
    modality : str or None

    Returns
    -------
    str or None
        None where no such side is said; of a polyp the picture's sides mean nothing else.
    """
    said = _SIDE_OF_PICTURE.search(text)
    if said is None:
        return None
    on = (said["side"] or said["other"]).lower()
    of_patient = {"left": "right", "right": "left"}[on]
    others = f"{text[: said.start()]}{text[said.end() :]}"
    for _, phrase in find_phrases(others, ontology, modality):
        target = ontology.resolve(phrase, modality)
        sides = [f"{side} {target}" for side in (of_patient, on)]
        if all(ontology.resolve(side, modality) for side in sides):
            return (
                f"Left and right are the patient's here. Do you mean the {sides[0]} of the "
                f"patient, which mostly lies on the {on} of the picture, or the {sides[1]}?"
            )
    return None
