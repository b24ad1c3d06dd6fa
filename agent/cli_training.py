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
        str,
        typer.Option(
            "--config", metavar="NAME|FILE", help="compact, biomedparse, presence, tumors, or TOML."
        ),
    ] = "compact",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the weights.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="How long.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="How many steps, instead.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of all random draws.")] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="all, or permissive: rows with nc=no alone.")
    ] = "all",
    leave_out: Annotated[
        str | None,
        typer.Option("--leave-out", metavar="A,B", help="Not these data sets of manifest.csv."),
    ] = None,
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
    from agent.eval_commands import listed

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
        listed(leave_out),
    )
    training_commands.run(wanted, as_json=json)


data = typer.Typer(help="Training data.", no_args_is_help=True)


@data.command("build")
def data_build(
    folder: Annotated[Path, typer.Argument(help="Images with masks.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder.")] = Path("training-data"),
    modality: Annotated[
        str | None, typer.Option("--modality", help="Where the files do not say it.")
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="Instead of judging by targets.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="1=liver,2=...", help="Of label volumes.")
    ] = None,
    slices: Annotated[int, typer.Option("--slices", help="At most so many of a volume.")] = 20,
    phrases: Annotated[int, typer.Option("--phrases", help="Wordings of a mask.")] = 4,
    source: Annotated[str | None, typer.Option("--source", help="Name of the data set.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Of the data set.")] = None,
    nc: Annotated[
        str | None, typer.Option("--nc", help="Non-commercial use only: yes, no or unclear.")
    ] = None,
    keep_unknown: Annotated[
        bool, typer.Option("--keep-unknown", help="Keep masks whose names are not known.")
    ] = False,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="All objects of the named kinds are outlined everywhere."),
    ] = False,
    val: Annotated[float, typer.Option("--val", help="Share of patients set aside.")] = 0.15,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    llm: Annotated[
        str | None, typer.Option("--llm", help="offline or openai: more wordings of names.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a training table (images, masks, phrases) from folders, volumes or DICOM."""
    from agent import data_commands
    from tools.building import Wishes

    wishes = Wishes(slices, phrases, site, source, licence, nc, keep_unknown, complete, val, seed)
    data_commands.build(
        folder, out, wishes, modality=modality, labels=labels, llm=llm, as_json=json
    )
