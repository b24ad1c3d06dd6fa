"""The verbs that make training data and weights, for `agent.cli`; light to import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]
Precision = Annotated[str | None, typer.Option("--precision", help="auto, fp32 or bf16.")]


def train(
    data: Annotated[Path, typer.Option("--data", help="Folder with train/ and train_mask/.")],
    config: Annotated[
        str, typer.Option("--config", metavar="NAME|FILE", help="compact, biomedparse, or TOML.")
    ] = "compact",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the weights.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="How long.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="How many steps, instead.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of all random draws.")] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="all, or permissive: rows with nc=no alone.")
    ] = "all",
    start: Annotated[
        Path | None, typer.Option("--start", help="A weights file to train further.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", help="merges.txt; biomedparse, not installed.")
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option("--freeze", help="Of biomedparse: backbone,pixel_decoder,text,decoder."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Even if more than a tenth of the files is bad.")
    ] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    precision: Precision = None,
    json: Json = False,
) -> None:
    """Train the bundled network, or fine-tune BiomedParse, on outlined images."""
    from agent import training_commands

    wanted = training_commands.Wanted(
        data,
        config,
        out,
        minutes,
        steps,
        seed,
        licence,
        start,
        tokenizer,
        freeze,
        resume,
        skip_bad,
        device,
        precision or "auto",
    )
    training_commands.run(wanted, as_json=json)
