"""The rules of the house: who may import whom, how large things get, what must not be named."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
ROOMS = ("agent", "parser_model", "prompts", "tools")

# Put together here, so that this file does not name them either.
HOSTS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "deb" + "ian.org",
    "download." + "pytorch.org",
    "conda" + ".org",
)
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(work|opt|root|home|Users|mnt)/\w")


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """List the files of the repository; a checkout without git has none to check."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = (REPO / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("room", ROOMS)
def test_import_names_resolve_to_this_repository(room):
    # The names are common words: another package may bring a "tools" of its own.
    module = importlib.import_module(room)
    assert Path(module.__file__ or "").resolve() == REPO / room / "__init__.py"


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_without_heavy_libraries(room):
    heavy = ("torch", "chainlit", "transformers")
    result = run_python(f"import sys, {room}; print([m for m in {heavy} if m in sys.modules])")
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


def test_rooms_import_only_downwards():
    # The contracts are in pyproject.toml; `make lint` checks the same.
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command], cwd=REPO, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_modules_stay_readable(tracked):
    lines = {p: p.read_text().count("\n") for p in tracked if p.suffix == ".py"}
    assert {str(p.relative_to(REPO)): n for p, n in lines.items() if n > 400} == {}


def test_files_stay_small(tracked):
    large = {p: p.stat().st_size for p in tracked if p.stat().st_size > 12_000_000}
    assert large == {}


def test_no_text_names_a_machine_or_a_registry(tracked):
    found = []
    for path in tracked:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # weights and pictures
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATH.search(line) or any(host in line for host in HOSTS):
                found.append(f"{path.relative_to(REPO)}:{number}")
    assert found == []


def test_licence_is_the_one_declared():
    declared = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["license"]
    assert declared == "Apache-2.0"
    assert "Apache License" in (REPO / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("cd /" + "home/me/scans", True),
        ('"/' + 'opt/wheels"', True),
        ("https://example.com/" + "work/items", False),
        ("../" + "work/x", False),
        ("/usr/bin/chromium", False),
    ],
)
def test_the_path_rule_itself(line, caught):
    assert bool(MACHINE_PATH.search(line)) is caught


def test_a_wheel_carries_the_page_of_the_chat():
    """What lies outside the packages is not in a wheel unless it is named."""
    settings = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
    named = settings["tool"]["setuptools"]["data-files"]
    carried = {
        Path(folder, found.name).relative_to("share/parsechat")
        for folder, patterns in named.items()
        for pattern in patterns
        for found in REPO.glob(pattern)
    }
    files = {path.relative_to(REPO) for path in (REPO / "public").rglob("*") if path.is_file()}
    assert carried == files | {Path("chainlit.md")}
