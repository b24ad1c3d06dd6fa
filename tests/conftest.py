"""What every test stands on: no network, no telemetry, nothing of the user's, repeatable draws."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

REPO = Path(__file__).resolve().parents[1]


def _prepare_environment() -> None:
    """Set what libraries read once, when they are imported; subprocesses inherit it."""
    mine = ("PARSECHAT_", "OPENAI_", "AZURE_", "CHAINLIT_", "LANGSMITH_", "LANGCHAIN_", "HF_")
    for name in list(os.environ):
        if name.startswith(mine) and name != "PARSECHAT_DATA":
            del os.environ[name]  # settings and keys of whoever runs the tests
    chainlit_root = tempfile.mkdtemp(prefix="parsechat-tests-")
    atexit.register(shutil.rmtree, chainlit_root, ignore_errors=True)
    os.environ.update(
        CHAINLIT_APP_ROOT=chainlit_root,  # importing chainlit writes files there
        DO_NOT_TRACK="1",
        HF_HUB_OFFLINE="1",
        LANGSMITH_TRACING="false",
        TRACELOOP_TELEMETRY="false",
        # torch's threads, without importing torch for tests that need none
        OMP_NUM_THREADS="1" if "PYTEST_XDIST_WORKER" in os.environ else "2",
    )


# At import, because test modules import the libraries before any fixture runs.
_prepare_environment()

# derandomize: a failure on one machine is a failure on all; deadlines would measure the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Fail a test that reaches for another host.

    `pytest.fail` raises no `Exception`, so that code which expects networks to fail cannot hide it.
    """

    def allowed(host: object) -> bool:
        if isinstance(host, bytes):
            host = host.decode()
        return host in (None, "", "localhost", "::1") or str(host).startswith("127.")

    def guard(original, host_of):
        def guarded(*args, **kwargs):
            host = host_of(*args)
            if not allowed(host):
                pytest.fail(f"reached for the network: {host}")
            return original(*args, **kwargs)

        return guarded

    def peer(sock: socket.socket, address: object) -> object:
        inet = sock.family in (socket.AF_INET, socket.AF_INET6)
        return address[0] if inet and isinstance(address, tuple) else None

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guard(getattr(socket.socket, name), peer))
        lookup = guard(socket.getaddrinfo, lambda host, *_: host)
        patch.setattr(socket, "getaddrinfo", lookup)
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Return the folder with data/ and reference/.

    PARSECHAT_DATA names it, from the top of the checkout; the default is ../shared.
    """
    root = (REPO / os.environ.get("PARSECHAT_DATA", "../shared")).resolve()
    if not (root / "data").is_dir():
        pytest.skip(f"no data/ in {root}; PARSECHAT_DATA names the folder above it")
    return root
