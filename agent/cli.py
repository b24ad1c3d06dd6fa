"""The command line. Heavy imports stay inside the verbs: ``--help`` must be instant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.cli_training import data, train

app = typer.Typer(
    name="parsechat",
    help="Ask a medical image a question; every number is measured on a mask you can see. "
    "Research use only, not for diagnosis.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
models = typer.Typer(help="Parsers and their weights.", no_args_is_help=False)
app.add_typer(models, name="models")
app.add_typer(data, name="data")
app.command()(train)

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for masks and overlays.")]
ParserName = Annotated[str | None, typer.Option("--parser", help="compact, or another parser.")]
Precision = Annotated[str | None, typer.Option("--precision", help="auto, fp32 or bf16.")]
Modality = Annotated[str | None, typer.Option("--modality", help="What kind of image it is.")]
Scale = Annotated[
    float | None, typer.Option("--scale", metavar="MM_PER_PIXEL", help="Size of a pixel in mm.")
]
Series = Annotated[
    int | None, typer.Option("--series", help="Of a folder or archive; 1 is the largest.")
]
Frame = Annotated[
    int | None, typer.Option("--frame", help="Of a file with volumes over time, from 1.")
]
_INTERRUPTED = 130


@app.command()
def ask(
    inputs: Annotated[list[str], typer.Argument(metavar="FILE... QUESTION")],
    then: Annotated[list[str] | None, typer.Option("--then", help="A follow-up question.")] = None,
    scale: Scale = None,
    modality: Modality = None,
    parser: ParserName = None,
    llm: Annotated[str | None, typer.Option("--llm", help="offline or openai.")] = None,
    precision: Precision = None,
    series: Series = None,
    frame: Frame = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Ask one or more images a question in plain words."""
    _warm_up()
    from agent import commands

    if len(inputs) < 2:
        _refuse('Give at least one file and a question: parsechat ask FILE "How large ...?"')
    options = commands.Options(parser, llm, precision, modality, scale, out, series, frame)
    commands.ask([Path(p) for p in inputs[:-1]], [inputs[-1], *(then or [])], options, as_json=json)


@app.command()
def parse(
    file: Path,
    phrase: Annotated[list[str], typer.Option("-p", "--phrase", help="An object, e.g. liver.")],
    slice: Annotated[
        int | None,
        typer.Option("--slice", metavar="N", help="Only this slice of a stack, counted from 0."),
    ] = None,
    all_slices: Annotated[
        bool, typer.Option("--all-slices", help="All slices of a volume; so without --slice.")
    ] = False,
    modality: Modality = None,
    parser: ParserName = None,
    precision: Precision = None,
    series: Series = None,
    frame: Frame = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Outline named objects: masks as PNG, or NIfTI for volumes, and whether each is there."""
    _warm_up()
    from agent import commands

    options = commands.Options(parser, None, precision, modality, None, out, series, frame)
    commands.parse(file, phrase, options, slice=slice, all_slices=all_slices, as_json=json)


@app.command()
def find(
    file: Path,
    modality: Modality = None,
    parser: ParserName = None,
    precision: Precision = None,
    series: Series = None,
    frame: Frame = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Outline everything that is recognised, without overlaps."""
    _warm_up()
    from agent import commands

    options = commands.Options(parser, None, precision, modality, None, out, series, frame)
    commands.find(file, options, as_json=json)


@app.command()
def measure(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...")],
    phrase: Annotated[list[str], typer.Option("-p", "--phrase", help="An object, e.g. liver.")],
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Table to write; begun before, it is continued."),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Contact sheet of outlines to write (PNG).")
    ] = None,
    scale: Scale = None,
    modality: Modality = None,
    parser: ParserName = None,
    precision: Precision = None,
    json: Json = False,
) -> None:
    """Measure named objects in files and folders, without conversation.

    A folder is searched through: pictures and volumes one by one, DICOM slices of one series as
    one scan. The table has one row for each object ("total") and one for each of its parts
    ("part"), and a row of kind "failure" with the reason for a file that cannot be read. Units are
    in the names of columns: those in mm are empty where the size of a pixel is unknown, those in
    px where it is known. "parts" are connected; "count" tells touching nuclei apart. The total's
    diameters are those of its largest part; "slice" counts from 0; "number" tells the scans apart,
    also on the contact sheet. File names are in the table only, never in logs.
    """
    _warm_up()
    from agent import commands, measure_command

    options = commands.Options(parser, None, precision, modality, scale, None)
    measure_command.measure(paths, phrase, options, csv=csv, sheet=sheet, as_json=json)


@app.command()
def chat(
    host: Annotated[str | None, typer.Option(help="Loopback unless you say otherwise.")] = None,
    port: Annotated[int | None, typer.Option()] = None,
) -> None:
    """Open the web chat at http://127.0.0.1:8000."""
    from agent.chat.server import run
    from agent.settings import Settings

    settings = Settings()
    run(host or settings.host, port or settings.port)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Other than loopback needs keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8100,
    parser: Annotated[str, typer.Option("--parser", help="Which parser to serve.")] = "compact",
    precision: Precision = None,
) -> None:
    """Serve a parser over HTTP, for PARSECHAT_PARSER=http://... elsewhere."""
    from agent import serving

    serving.serve(parser, precision, host, port)


@app.command("eval")
def evaluate(
    data: Annotated[Path, typer.Option("--data", help="Folder with val/ and val_mask/.")],
    what: Annotated[
        str, typer.Option("--what", help="dice, presence, ranges or modality.")
    ] = "dice",
    parser: Annotated[
        list[str] | None,
        typer.Option(
            "--parser",
            help="One or several; compact if none is named. sam:NAME_OR_FOLDER is a model that is "
            "given the true box around a target, sam-parts: around each of its parts.",
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        typer.Option("--masks", metavar="NAME=DIR", help="Masks that another tool made."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="val, or several: val,train; else val or test.")
    ] = None,
    sources: Annotated[
        str | None, typer.Option("--sources", help="Only these data sets of manifest.csv: A,B.")
    ] = None,
    images: Annotated[int | None, typer.Option("--images", help="Use at most so many.")] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Do not tell the modality.")] = False,
    no_ontology: Annotated[
        bool, typer.Option("--no-ontology", help="The network reads words as they are typed.")
    ] = False,
    phrases: Annotated[
        Path | None,
        typer.Option("--phrases", help="Ask in these words: target, modality, phrase; by tabs."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            help="Draw best, median and worst of each modality, or how far presence is to be "
            "believed: OUT.png.",
        ),
    ] = None,
    precision: Precision = None,
    json: Json = False,
) -> None:
    """Score parsers, and masks of other tools, on images with reference outlines."""
    from agent import eval_commands

    wanted = eval_commands.Wanted(
        what,
        data,
        tuple(parser or ([] if masks else ["compact"])),
        tuple(masks or ()),
        images,
        blind,
        precision or "auto",
        eval_commands.listed(split),
        eval_commands.listed(sources),
        not no_ontology,
        phrases,
        sheet,
    )
    eval_commands.run(wanted, as_json=json)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what is installed, which parser, precision and LLM are used, and what is missing."""
    from agent import diagnostics

    diagnostics.doctor(as_json=json)


@models.callback(invoke_without_command=True)
def models_default(context: typer.Context) -> None:
    """List the parsers when no verb is given."""
    if context.invoked_subcommand is None:
        models_list()


@models.command("list")
def models_list(json: Json = False) -> None:
    """List the parsers of this version."""
    from agent import diagnostics

    diagnostics.list_models(as_json=json)


@models.command("info")
def models_info(name: Annotated[str, typer.Argument()] = "compact", json: Json = False) -> None:
    """Describe a parser: weights, licence, calibration, what it was trained on."""
    from agent import diagnostics

    diagnostics.model_info(name, as_json=json)


@models.command("download")
def models_download(
    name: str,
    checkpoint: Annotated[
        Path | None, typer.Option("--from", help="A checkpoint you have, or a folder with it.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer-from", help="merges.txt, or a folder with it.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Even if it is here.")] = False,
    json: Json = False,
) -> None:
    """Get a parser's weights from the hub or from files, once; then it works offline."""
    from agent import models_commands

    models_commands.download(name, checkpoint, tokenizer, again=again, as_json=json)


@models.command("verify")
def models_verify(name: str, json: Json = False) -> None:
    """Check installed weights: names, shapes, sizes, hashes."""
    from agent import models_commands

    models_commands.verify(name, as_json=json)


@models.command("calibrate")
def models_calibrate(
    name: str,
    data: Annotated[Path, typer.Option("--data", help="Folder with val/ and val_mask/.")],
    images: Annotated[int | None, typer.Option("--images", help="Use at most so many.")] = None,
    only: Annotated[str | None, typer.Option("--only", help="presence or ranges.")] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Of presence: val, or several: val,train.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the files.")] = None,
    json: Json = False,
) -> None:
    """Fit "is it there?" and the ranges of sizes on outlined images, for these weights."""
    from agent import models_commands
    from agent.eval_commands import listed

    models_commands.calibrate(
        name, data, images=images, only=only, splits=listed(split), out=out, as_json=json
    )


def _warm_up() -> None:
    """Start the process that decodes files while this one still imports the agent."""
    from tools.reading import start_worker

    start_worker()


def _refuse(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    raise typer.Exit(2)


def main(arguments: list[str] | None = None) -> None:
    """Run the program; the exit code tells who is at fault.

    0 done (refusals included), 2 the input, the request or the set-up, 1 a bug.
    """
    from typer.exceptions import TyperException

    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(given or ["--help"], standalone_mode=False)
        if code == _INTERRUPTED:  # typer's way of telling
            print("Stopped.", file=sys.stderr)
        sys.exit(code or 0)
    except TyperException as error:  # an unknown option, a missing argument
        sentence = _one_line(error.format_message()).rstrip(".")
        print(f"{sentence}; see 'parsechat --help'.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except Exception as error:  # the last line of defence
        sys.exit(_failure(error))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _failure(error: Exception) -> int:
    """Say what went wrong, a bug without its data; return the exit code."""
    from agent.bugs import log_bug
    from parser_model.errors import ParsechatError  # brings NumPy: `--help` need not wait for it

    if isinstance(error, ParsechatError):
        print(_one_line(str(error)), file=sys.stderr)
        return 2
    number = log_bug(error)
    print(f"Something broke inside parsechat (id {number}); nothing was changed.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
