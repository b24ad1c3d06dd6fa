"""Where the chat serves, and what it leaves behind."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.chat import root, samples, server
from parser_model.errors import RequestError, SetupError
from parser_model.listening import is_loopback


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("CHAINLIT_APP_ROOT", "CHAINLIT_AUTH_SECRET"):
        monkeypatch.setenv(name, "")  # so that the test's values are taken back
        monkeypatch.delenv(name)
    return tmp_path


def test_it_refuses_to_serve_others_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(server.ALLOW_REMOTE, raising=False)
    with pytest.raises(RequestError, match="no login"):
        server.run("0.0.0.0")


def test_a_taken_port_is_one_sentence() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(SetupError, match="cannot be used"),
    ):
        server.run("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_chainlit_lives_in_a_private_folder(temporary: Path) -> None:
    folder = root.prepare()
    assert folder.parent == temporary
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert os.environ["CHAINLIT_APP_ROOT"] == str(folder)
    assert len(os.environ["CHAINLIT_AUTH_SECRET"]) >= 32
    assert (folder / "public" / "elements" / "ScanOverlay.jsx").is_file()
    words = (folder / ".chainlit" / "translations" / "en-US.json").read_text(encoding="utf-8")
    assert "not for diagnosis" in words
    root.remove(folder)
    assert not folder.exists()


def test_the_page_is_found_where_pip_put_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "share" / "chainlit.md"
    page.parent.mkdir()
    page.touch()
    installed = SimpleNamespace(name="chainlit.md", locate=lambda: page)
    monkeypatch.setattr(root, "_CHECKOUT", tmp_path)  # has no public/
    monkeypatch.setattr("importlib.metadata.files", lambda name: [installed])
    assert root.front_end() == page.parent
    monkeypatch.setattr("importlib.metadata.files", lambda name: None)
    with pytest.raises(SetupError, match="install parsechat again"):
        root.front_end()


def test_what_a_killed_run_left_is_deleted_and_a_living_run_is_not(temporary: Path) -> None:
    dead, alive = (temporary / f"{root.PREFIX}{pid}-x" for pid in (2**22 + 1, os.getpid()))
    dead.mkdir()
    alive.mkdir()
    root.sweep()
    assert not dead.exists()
    assert alive.exists()


def test_every_sample_is_credited_and_here() -> None:
    assert [sample.key for sample in samples.available()] == [
        sample.key for sample in samples.SAMPLES
    ]
    assert all("from " in sample.credit for sample in samples.SAMPLES)
