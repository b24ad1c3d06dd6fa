"""Calls of `parsechat train` for tests: in this process, or as one that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.cli import main
from tests.conftest import REPO


def call(arguments, capsys) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def tiny_run(data, out, *more):
    config = data.parent / "tiny.toml"
    return ["train", "--data", data, "--config", config, "--out", out, *more]


@contextmanager
def process(arguments) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-m", "agent.cli", *(str(a) for a in arguments)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as started:
        yield started
        started.kill()
