"""The private folder Chainlit lives in while the chat runs.

Chainlit reads its settings from an application root and writes there too: uploads, translations,
a default configuration. Pointing it at the checkout or at the folder someone happened to start
from would leave uploaded scans and generated files behind. So every run gets a fresh folder that
only its owner can read, holding copies of our few front-end files; it is deleted at the end, and
what a killed run left is deleted by the next one.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from parser_model.errors import SetupError

_CHECKOUT = Path(__file__).resolve().parents[2]
PREFIX = "parsechat-chat-"

# Chainlit's own words where they would be wrong or vague here.
WORDS: dict[str, Any] = {
    "chat": {
        "input": {
            "placeholder": "Ask about your scan…",
            "actions": {"attachFiles": "Add scans (PNG, JPEG, TIFF, DICOM …)", "stop": "Stop"},
        },
        "fileUpload": {"dragDrop": "Drop your scans here"},
        "messages": {"status": {"using": "", "used": ""}},
        "watermark": "Research use only — not for diagnosis.",
    },
    "navigation": {"header": {"readme": "About"}},
}


def front_end() -> Path:
    """The folder that holds ``public/`` and ``chainlit.md``: the checkout, or where pip put them.

    Raises
    ------
    SetupError
        If they are in neither.
    """
    if (_CHECKOUT / "public").is_dir():
        return _CHECKOUT
    for file in metadata.files("parsechat") or ():
        if file.name == "chainlit.md" and (found := Path(str(file.locate()))).is_file():
            return found.parent
    raise SetupError("The files of the chat's page are missing; install parsechat again.")


_STORES = ("DATABASE_URL", "LITERAL_API_KEY")
"""By these Chainlit would keep conversations in a database or send them to a service, though they
may have been set for another program."""


def prepare() -> Path:
    """Make the folder, point Chainlit and its dependencies at it, and return it.

    Must run before anything imports Chainlit, which fixes its root while it is imported.
    """
    sweep()
    files = front_end()
    root = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    shutil.copytree(files / "public", root / "public")
    (root / ".chainlit" / "translations").mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("chainlit.toml"), root / ".chainlit" / "config.toml")
    for name in ("chainlit.md", "chainlit_en-US.md"):  # the second name spares a warning per visit
        shutil.copyfile(files / "chainlit.md", root / name)
    _write_words(root / ".chainlit" / "translations" / "en-US.json")

    os.environ["CHAINLIT_APP_ROOT"] = str(root)
    # Nobody logs in, so nothing is signed with it; still never leave it empty or guessable.
    os.environ.setdefault("CHAINLIT_AUTH_SECRET", secrets.token_urlsafe(48))
    os.environ.setdefault("TRACELOOP_TELEMETRY", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    for name in _STORES:
        os.environ.pop(name, None)
    return root


def remove(root: Path) -> None:
    """Delete the folder and all that Chainlit put there."""
    shutil.rmtree(root, ignore_errors=True)


def sweep() -> None:
    """Delete folders of runs that ended without cleaning up, e.g. by a power cut."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and folder.is_dir() and not folder.is_symlink() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process: not ours to judge
        return True
    return True


def _write_words(path: Path) -> None:
    """Write Chainlit's English texts with ours in their place."""
    spec = find_spec("chainlit")  # finds the package without importing it
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("chainlit is not installed")
    stock = Path(spec.origin).parent / "translations" / "en-US.json"
    words = json.loads(stock.read_text(encoding="utf-8"))
    path.write_text(json.dumps(_merged(words, WORDS), ensure_ascii=False), encoding="utf-8")


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        known = result.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            result[key] = _merged(known, value)
        else:
            result[key] = value
    return result
