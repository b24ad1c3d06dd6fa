"""Objects and parsers as headers and parts of messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from parser_model.host.wire import (
    Kind,
    WireError,
    pack_mask,
    pack_probability,
    unpack_mask,
    unpack_probability,
)
from parser_model.types import ParsedObject, ParserInfo


def pack_objects(
    objects: Sequence[ParsedObject], parts: list[bytes], *, present: Kind, absent: Kind
) -> list[dict[str, Any]]:
    """Objects as dictionaries for the header; their maps are added to the parts.

    Parameters
    ----------
    present, absent : {"none", "uint8", "float16"}
        How the probability of present and of other objects is sent.
    """

    def part(data: bytes) -> int:
        parts.append(data)
        return len(parts) - 1

    packed = []
    for one in objects:
        kind = present if one.present else absent
        entry: dict[str, Any] = {
            "phrase": one.phrase,
            "target": one.target,
            "presence": one.presence,
            "present": one.present,
            "encoded": one.encoded,
            "mask": part(pack_mask(one.mask)) if one.mask.any() else None,
            "probability": None,
        }
        if kind != "none" and one.probability.any():
            entry["probability"] = {
                "kind": kind,
                "part": part(pack_probability(one.probability, kind)),
            }
        packed.append(entry)
    return packed


def unpack_objects(
    entries: Any, parts: Sequence[bytes], shape: tuple[int, int], phrases: Sequence[str]
) -> list[ParsedObject]:
    """Objects out of a header and parts; one for each phrase.

    Raises
    ------
    WireError
    """
    if not isinstance(entries, list) or len(entries) != len(phrases):
        raise WireError("the answer does not have one object for each phrase")
    try:
        return [_object(e, parts, shape, p) for e, p in zip(entries, phrases, strict=True)]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise WireError("an object of the answer is malformed") from error


def _object(
    entry: dict[str, Any], parts: Sequence[bytes], shape: tuple[int, int], phrase: str
) -> ParsedObject:
    target, presence = entry["target"], entry["presence"]
    if not isinstance(entry["present"], bool) or not isinstance(entry["encoded"], bool):
        raise WireError("present and encoded are true or false")
    if target is not None and not isinstance(target, str):
        raise WireError("a target is a name")
    mask = np.zeros(shape, np.bool_)
    if entry["mask"] is not None:
        mask = unpack_mask(parts[entry["mask"]], shape)
    probability = np.zeros(shape, np.float16)
    sent = entry["probability"]
    if sent is not None:
        probability = unpack_probability(parts[sent["part"]], shape, sent["kind"])
    return ParsedObject(
        phrase=phrase,
        target=target,
        probability=probability,
        mask=mask,
        presence=None if presence is None else float(presence),
        present=entry["present"],
        encoded=entry["encoded"],
    )


def pack_info(info: ParserInfo) -> dict[str, Any]:
    """Who answers, as JSON has it."""
    return asdict(info)


def unpack_info(value: Any) -> ParserInfo:
    """Who answers.

    Raises
    ------
    WireError
    """
    try:
        rows, columns = (int(n) for n in value["input_size"])
        return ParserInfo(
            name=_text(value["name"]),
            weights_sha256=_text_or_none(value["weights_sha256"]),
            calibration=_text_or_none(value["calibration"]),
            vocabulary=tuple(_text(name) for name in value["vocabulary"]),
            input_size=(rows, columns),
            input_preparation=_text(value["input_preparation"]),
            precision=_text(value["precision"]),
            licence=_text(value["licence"]),
            notes=tuple(_text(note) for note in value["notes"]),
            device=_text(value.get("device", "cpu")),
            places=tuple((_text(m), _text(site)) for m, site in value.get("places", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WireError("the description of the parser is malformed") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WireError("a name is a text")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)
