"""What every answer of the planner is put together from: references, names and their grammar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.planner.words import DISEASE

_MOST_PLACES: Final = 6


@dataclass(frozen=True)
class Result:
    """What a tool returned in this turn: its name, its arguments, its content."""

    tool: str
    arguments: dict[str, Any]
    content: dict[str, Any]


class References:
    """Looks up measurement references in the tool results of a turn."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._ids: dict[tuple[str | None, str], str] = {}
        for result in results:
            for entry in result.content.get("measurements", []):
                name = " of ".join(filter(None, (entry["name"], entry.get("of"))))
                self._ids[(entry.get("object"), name)] = entry["id"]

    def get(self, object_id: str | None, name: str, unit: str | None = None) -> str | None:
        """``[[m-3]]`` or ``[[m-3 in cm]]``, None when it was not measured."""
        found = self._ids.get((object_id, name))
        if found is None:
            return None
        return f"[[{found} in {unit}]]" if unit else f"[[{found}]]"


def objects_by_scan(results: Sequence[Result]) -> dict[str, list[dict[str, Any]]]:
    """The objects that were looked for, by the ids of their scans, in the order of looking."""
    found: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        for one in result.content["objects"] if result.tool == "segment" else ():
            found.setdefault(one["scan"], []).append(one)
    return found


def named(found: dict[str, Any]) -> str:
    """What to call an object inside a sentence: never a disease, where it is known by another name.

    Asked for "cancer" we see a tumor; whether it is one, an outline does not tell.
    """
    name, target = str(found["phrase"]), found["target"]
    if target and DISEASE.search(name) and not DISEASE.search(target):
        name = str(target)
    return name if name[:1].isupper() and name[1:2].isupper() else name[:1].lower() + name[1:]


def plural(name: str) -> bool:
    """True for "lungs" and "nuclei", False for "pancreas" and "optic disc"."""
    last = name.lower().split()[-1] if name else ""
    if last in ("nuclei", "vertebrae", "glands", "layers"):
        return True
    return last.endswith("s") and not last.endswith(("ss", "us", "is", "pancreas"))


def many(found: dict[str, Any]) -> str:
    """What to call several of an object: "nuclei" where it was asked for as "nucleus"."""
    name, target = named(found), str(found["target"])
    return name if plural(name) else target if plural(target) else f"{name}s"


def verb(name: str, word: str) -> str:
    """A verb that fits a name: "covers", or "cover" for several."""
    return word if plural(name) else f"{word}s"


def be(name: str) -> str:
    """The verb "to be" that fits a name: "is", or "are" for several."""
    return "are" if plural(name) else "is"


def article(name: str) -> str:
    """Say "an" of an endoscope and an MRI, "a" of a CT."""
    by_letter = name[:1].isupper() and not name[1:2].islower()
    return "an" if name[:1] in ("AEFHILMNORSX" if by_letter else "aeiouAEIOU") else "a"


def placed_by_part(found: dict[str, Any]) -> bool:
    """Whether each part has its own place: the middle between two tumors is a place of neither.

    Not where there are many, nor in a volume, of which the slice is told.
    """
    return 1 < found["parts"] <= _MOST_PLACES and not found.get("in_volume")


def absent(found: dict[str, Any]) -> str:
    """That an object was not seen, or that its name is not known."""
    name = named(found)
    if not found["known"]:
        return f'I do not know what "{found["phrase"]}" {be(name)} in a picture like this.'
    presence = f" (presence [[{found['presence']}]])" if found.get("presence") else ""
    one = "any" if plural(name) else article(name)
    kind = "volume" if found.get("in_volume") else "image"
    said = f"I don't see {one} {name} in this {kind}{presence}."
    if found.get("unsure"):
        verdict = "they may be there" if plural(name) else "it may be there"
        said = f"I am not sure that there {be(name)} {one} {name} in this {kind}{presence}:"
        said += f" {verdict}, but not so surely that I outline {'them' if plural(name) else 'it'}."
    if like := found.get("not_learnt_in"):
        it, they = ("them", "they") if plural(name) else ("it", "it")
        said += f" I did not learn to find {it} in images of this kind ({like}), so"
        said += f" {they} may be there all the same."
    return said


def in_general(found: dict[str, Any]) -> str:
    """Whether the lesion is seen of which one kind was asked for, and not seen."""
    name = named(found)
    presence = f" (presence [[{found['presence']}]])" if found.get("presence") else ""
    if found.get("unsure"):
        return f"Nor am I sure that there is {article(name)} {name} of any kind{presence}."
    if not found["present"]:
        return f"Nor do I see {article(name)} {name} of another kind{presence}."
    return (
        f"But I do see {article(name)} {name}{presence}; which kind it is, an outline cannot tell."
    )


def offer(content: dict[str, Any]) -> str:
    """What can be looked for instead."""
    names = content.get("can_look_for") or []
    if not names:
        return ""
    kind = f" {content['modality']}" if content.get("modality") else ""
    return f"In this{kind} image I can look for: {', '.join(names)}."
