"""A hub on loopback with a small BiomedParse, and a home of the test's own."""

from __future__ import annotations

import pytest

from parser_model.weights_store import sources
from tests.parser_model.weights_store.hub_server import FakeHub, serving
from tests.parser_model.weights_store.substitutes import CHECKPOINT, hub_files, small_source


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where weights go; also keeps out the settings of whoever runs the tests."""
    folder = tmp_path / "home"
    monkeypatch.setenv("PARSECHAT_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def hub(home, monkeypatch):
    with serving(FakeHub(files=dict(hub_files()), large={CHECKPOINT})) as served:
        monkeypatch.setenv("PARSECHAT_HUB", served.address)
        yield served


@pytest.fixture
def source(monkeypatch):
    """The small BiomedParse in the place of the real one."""
    small = small_source()
    monkeypatch.setitem(sources.SOURCES, "biomedparse", small)
    return small
