"""The process in which files are decoded: `python -m tools.reading.worker MEMORY_BYTES`.

Decoders are large C programs that read bytes from strangers. Here they may hang, crash or eat
memory without harm: this process holds no keys, has bounded memory and is killed when it is late.

It takes requests on standard input, one line of JSON each, and answers each on standard output:
eight bytes with the length of a line of JSON, that line, and the bytes of the pixels if there are
any. Eight zero bytes say that it is ready. It ends when its parent does.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import struct
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from parser_model.errors import InputError
from tools.reading.dispatch import call_reader
from tools.reading.formats import OF_SEVERAL
from tools.reading.limits import Limits
from tools.reading.wire import describe
from tools.scan import Scan

_IDLE_SECONDS: Final = 20.0
# The parent kills a late worker; this alarm is for a worker whose parent is gone.
_ALARM_MARGIN: Final = 2.0


def main() -> None:
    """Answer requests until the parent closes the pipe or is gone."""
    _bound(int(sys.argv[1]))
    _keep_silent()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # C libraries print; standard output belongs to the answers
    os.dup2(nowhere, 2)
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    parent = os.getppid()
    _write(answers, memoryview(bytes(8)))  # ready
    while line := _next_line(requests, parent):
        meta, pixels = _answer(json.loads(line))
        text = json.dumps(meta).encode()
        for part in (struct.pack(">Q", len(text)), text, pixels):
            _write(answers, memoryview(part))


def _bound(memory_bytes: int) -> None:
    """Bound memory, and leave no core file: it would hold the patient's image."""
    try:
        import resource
    except ImportError:
        return  # Windows: the limits of pixels and seconds remain
    with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _keep_silent() -> None:
    """No warning and no log line: those of DICOM libraries quote names and dates."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _next_line(requests: BinaryIO, parent: int) -> bytes:
    """The next request; empty when the parent is gone."""
    line = b""
    while not line.endswith(b"\n"):
        # A sibling may hold our pipe open, so its end alone does not tell of the parent's.
        ready, _, _ = select.select([requests], [], [], _IDLE_SECONDS)
        if not ready:
            if os.getppid() != parent:
                return b""
            continue
        chunk = requests.read(65536)
        if not chunk:
            return b""
        line += chunk
    return line


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """What to send for one request: a description and an array, or an error and none."""
    limits = Limits(**request["limits"])
    signal.setitimer(signal.ITIMER_REAL, request["seconds"] + _ALARM_MARGIN)
    try:
        with _source(request["path"]) as source:
            found = call_reader(request["reader"], source, limits, **request["options"])
        if isinstance(found, Scan):
            return {"scan": describe(found)}, found.pixels.reshape(-1).view("u1")
        text, array = found
        kind = {"dtype": array.dtype.str, "shape": list(array.shape)}
        return {"found": text, "array": kind}, np.ascontiguousarray(array).reshape(-1).view("u1")
    except InputError as error:
        return {"error": str(error), "kind": type(error).__name__}, b""
    except MemoryError:
        return {"error": _too_large(limits), "cause": "MemoryError"}, b""
    except Exception as error:  # decoders meet damage with any exception there is
        # Its text may quote the file, so only its type and our line go back.
        return {"error": _damaged(request["format"]), "cause": _cause(error)}, b""
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _source(path: str) -> contextlib.AbstractContextManager[BinaryIO | Path]:
    """An open file; of a folder its path."""
    return contextlib.nullcontext(Path(path)) if os.path.isdir(path) else open(path, "rb")


def _too_large(limits: Limits) -> str:
    gib = limits.memory_bytes / 1024**3
    return f"This file needs more than {gib:.2g} GiB of memory to decode; give a smaller image."


def _damaged(name: str) -> str:
    if name in OF_SEVERAL:
        kind = "folder" if name == "folder" else "zip archive"
        return f"The image in this {kind} is damaged or cut short, so export or copy it again."
    return (
        f"This file begins as {name} images do but cannot be decoded; it is damaged or cut short, "
        "so export or copy it again."
    )


def _cause(error: Exception) -> str:
    """Type of the error and the line of this package that met it."""
    ours, step = "", error.__traceback__
    while step is not None:
        module = step.tb_frame.f_globals.get("__name__", "")
        if module.startswith("tools."):
            ours = f" in {module}:{step.tb_lineno}"
        step = step.tb_next
    return type(error).__name__ + ours


def _write(answers: BinaryIO, data: memoryview) -> None:
    sent = 0
    while sent < len(data):
        sent += answers.write(data[sent : sent + (1 << 22)]) or 0


if __name__ == "__main__":
    main()
