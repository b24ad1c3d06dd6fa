"""A new process that loads BiomedParse and answers once: `python -m tests.bench.fresh DIR WAY`."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from tests.bench import biomedparse, reference_way


def main() -> None:
    """Say "ready" when a question could be asked, and the peak of memory after one."""
    folder, way = Path(sys.argv[1]), sys.argv[2]
    parser = biomedparse.load(folder, "bf16" if way == "bf16" else "fp32")
    print("ready", flush=True)
    picture = biomedparse._picture(0)
    if way == "reference":
        biomedparse._reference(parser)()
    else:
        parser.parse([picture], ["liver"], **biomedparse.PLACE)
    said = {"peak": peak_memory(), "multiply_adds": reference_way.MULTIPLY_ADDS}
    print(json.dumps(said), flush=True)


def peak_memory() -> int:
    """The most memory this process has held, in bytes.

    On Linux from the process's own record: what `getrusage` says there survives the start of a
    program, so that a small child of a large parent would report its parent's peak.
    """
    record = Path("/proc/self/status")
    if record.exists():
        lines = record.read_text(encoding="ascii", errors="replace").splitlines()
        held = next(line for line in lines if line.startswith("VmHWM:"))
        return int(held.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
