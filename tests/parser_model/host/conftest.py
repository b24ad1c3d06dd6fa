"""Clients that tests made are closed, so that an open socket elsewhere is a failure."""

from __future__ import annotations

import pytest

from tests.parser_model.host.host_server import clients


@pytest.fixture(autouse=True)
def closed_clients():
    yield
    while clients:
        clients.pop().close()
