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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak": peak, "multiply_adds": reference_way.MULTIPLY_ADDS}), flush=True)


if __name__ == "__main__":
    main()
