"""The record of a run: what it was trained on, by which code, on what machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from parser_model.training.data import Sample
from parser_model.training.licences import LicensedPart
from parser_model.training.machine import Machine
from parser_model.training.plans import Config
from parser_model.training.survey import data_sha256, labels_sha256

RESEARCH = "research use only (LICENSE-WEIGHTS)"
_PERMISSIVE = "trained on data whose licences allow commercial use, as their hosts state them"


def run_record(
    data: Path,
    part: LicensedPart,
    config: Config,
    machine: Machine,
    *,
    command: str,
    held_out: Sequence[Sample],
    before: dict[str, Any] | None,
    paraphrases: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """What is known before the first step; plain values for JSON.

    Parameters
    ----------
    data : Path
    part : LicensedPart
        The samples that are trained on.
    config : Config
    machine : Machine
    command : str
        Without paths of this machine.
    held_out : sequence of Sample
        That are validated on.
    before : dict or None
        The record of the weights that the run starts from.
    paraphrases : mapping of str to sequence of str, optional
        Wordings that come with the data.
    """
    samples, wordings = part.samples, dict(paraphrases or {})
    record = {
        "command": command,
        "model": config.model,
        "plan": asdict(config.plan),
        "network": config.sizes,
        "seed": config.plan.seed,
        "data": {
            "sha256": data_sha256(data, samples),
            "labels_sha256": labels_sha256(data, samples),
            "images": len(samples),
            "masks": sum(len(s.masks) for s in samples),
            "sources": sorted({s.source for s in samples if s.source}),
            "left_out_sources": list(part.sources_left_out),
            "modalities": sorted({s.place.modality for s in samples}),
            "validation_images": len(held_out),
            "validation_sha256": data_sha256(data, held_out),
            "paraphrases": sum(map(len, wordings.values())),
            "paraphrases_sha256": hashlib.sha256(json.dumps(wordings).encode()).hexdigest(),
        },
        "licence_filter": part.licence,
        "missing_modalities": _missing(part, before),
        "code": code_version(),
        "machine": machine_class(machine),
        "precision": machine.precision,
        "trained": time.strftime("%Y-%m-%d"),
        "before": before,
    }
    return {**record, "licence": _PERMISSIVE if _permissive(record) else RESEARCH}


def _permissive(record: dict[str, Any]) -> bool:
    """Whether a run had permissive data alone, and so had all runs that it goes on from."""
    before = record.get("before")
    kept = record.get("licence_filter") == "permissive"
    return kept and (before is None or _permissive(before))


def _missing(part: LicensedPart, before: dict[str, Any] | None) -> list[str]:
    """Modalities that were left out here or before, and that no run of these weights has seen."""
    missing, seen = set(part.missing_modalities), {s.place.modality for s in part.samples}
    while before is not None:
        if "data" not in before:
            return []  # what such weights have seen is not known
        missing.update(before["missing_modalities"])
        seen.update(before["data"]["modalities"])
        before = before["before"]
    return sorted(missing - seen)


def fingerprint(record: dict[str, Any], machine: Machine) -> str:
    """What a resumed run must share with the one it goes on: data, numbers, device, precision."""
    kept = {k: record[k] for k in ("model", "plan", "network", "data", "licence_filter", "before")}
    text = json.dumps([kept, machine.device, machine.precision], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def machine_class(machine: Machine) -> str:
    """The kind of machine, without a name that tells whose it is."""
    kind = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    if machine.device == "cuda":
        return f"{kind}, {torch.cuda.get_device_name()}"
    return f"{kind}, no GPU" if machine.device == "cpu" else f"{kind}, {machine.device}"


def code_version() -> str:
    """Version, commit where this is a checkout, and whether files of it were changed since."""
    name = f"parsechat {version('parsechat')}"
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return name
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return name
    return f"{name}, commit {commit}{' with changes' if changed else ''}"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
