"""``make bench``: how long things take, as medians over runs in one go.

Machines are noisy: compare figures of one run with each other, not with those of another day.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.bench.machine import described


def _answers(_runs: int) -> bool:
    from tests.bench import answers

    print(f"\n{'bundled parser':46} {'median s':>9} {'bound':>6}")
    for name, taken, bound in answers.rows():
        print(f"{name:46} {taken:9.3f} {bound:>6}", flush=True)
    return True


def _volume(_runs: int) -> bool:
    from tests.bench import volume

    print(f"\n{'a volume':64} {'':>9} {'bound':>6}")
    for name, value, bound in volume.rows():
        print(f"{name:64} {value:9.2f} {bound:>6}", flush=True)
    return True


def _biomedparse(runs: int) -> bool:
    import torch

    from tests.bench import biomedparse

    with biomedparse.weights_folder() as folder:
        result = biomedparse.run(folder, runs)
        print()
        for line in biomedparse.lines(result):
            print(line, flush=True)
        if torch.cuda.is_available():
            for line in biomedparse.gpu_lines(folder):
                print(line, flush=True)
    if not result.reference_is_fair:
        print(
            "The public way took another time than this machine's matrix rate predicts, so the "
            "ratios cannot be trusted; run again on an idle machine.",
            file=sys.stderr,
        )
    return result.reference_is_fair


PARTS: dict[str, Callable[[int], bool]] = {
    "answers": _answers,
    "volume": _volume,
    "biomedparse": _biomedparse,
}


def main() -> None:
    """Run the parts asked for; exit 1 when the yardstick itself is off."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=tuple(PARTS), help="one part of the benchmark")
    parser.add_argument("--runs", type=int, default=3, help="of each way of BiomedParse")
    given = parser.parse_args()
    print(described())
    chosen = [given.only] if given.only else list(PARTS)
    trusted = [PARTS[name](given.runs) for name in chosen]  # every part, whatever the first says
    if not all(trusted):
        sys.exit(1)


if __name__ == "__main__":
    main()
