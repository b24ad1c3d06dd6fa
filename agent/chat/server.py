"""The web server of the chat: our routes first, Chainlit for everything else."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.chat import root, security
from agent.chat.sessions import registry
from parser_model.errors import RequestError, SetupError
from parser_model.listening import check_port, is_loopback

if TYPE_CHECKING:
    from fastapi import FastAPI

    from agent.chat.sessions import Factory
    from agent.conversation import Conversation

ALLOW_REMOTE = "PARSECHAT_CHAT_ALLOW_REMOTE"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def build_app(
    app_root: Path, make_conversation: Factory | None = None, *, loopback: bool = True
) -> FastAPI:
    """Make the application; `root.prepare` must have run before.

    Parameters
    ----------
    app_root : Path
        Chainlit's private folder, deleted when the application stops.
    make_conversation : callable, optional
        Makes a conversation; the default makes one with the settings of the environment.
    loopback : bool
        Answer only to this machine's own names.
    """
    from chainlit import server as chainlit_server
    from chainlit.utils import mount_chainlit
    from fastapi import FastAPI

    from agent.chat.routes import router

    registry.configure(make_conversation or _in_private_folders(app_root))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Chainlit's own lifespan does not run when mounted; it would end the process by force.
        try:
            yield
        finally:
            await registry.close_all()
            root.remove(app_root)

    original = chainlit_server.get_html_template
    page = security.without_outside_links(original("/"))

    def own_page(_: str) -> str:
        return page

    def any_type(file: Any, spec: Any) -> None:
        """Let any type of file through: the reader answers in a sentence what it cannot read."""

    chainlit_server.get_html_template = own_page
    # An empty `accept` means "any" to Chainlit's page, but "none" to its server.
    chainlit_server.validate_file_mime_type = any_type

    app = FastAPI(
        title="parsechat", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.include_router(router)
    mount_chainlit(app, str(Path(__file__).with_name("app.py")), path="/")
    app.add_middleware(
        security.Guard,
        policy=lambda: security.content_security_policy(page),
        hosts=LOOPBACK_NAMES if loopback else None,
    )
    return app


def run(host: str = "127.0.0.1", port: int = 8000, *, allow_remote: bool | None = None) -> None:
    """Serve the chat until interrupted.

    Parameters
    ----------
    host, port : str, int
    allow_remote : bool, optional
        Serve beyond this machine. There is no login: everybody who reaches the port can use the
        chat. None reads the environment variable PARSECHAT_CHAT_ALLOW_REMOTE.

    Raises
    ------
    RequestError
        The host is not loopback and that was not allowed.
    SetupError
        The port is taken, or the web packages are not installed.
    """
    loopback = is_loopback(host)
    if allow_remote is None:
        allow_remote = os.environ.get(ALLOW_REMOTE, "").lower() in ("1", "true", "yes")
    if not loopback and not allow_remote:
        raise RequestError(
            f"The chat has no login, so it only serves this machine; to serve {host} to everybody "
            f"who can reach it, set {ALLOW_REMOTE}=1."
        )
    check_port(host, port)
    app_root = root.prepare()
    try:
        try:
            import uvicorn

            app = build_app(app_root, loopback=loopback)
        except ModuleNotFoundError as error:
            raise SetupError(
                f"The web chat needs the package {error.name}; install the extra 'app'."
            ) from error
        shown = f"[{host}]" if ":" in host else host
        print(f"parsechat is at http://{shown}:{port} (Ctrl+C stops it)", flush=True)
        # No access log: addresses carry the tokens of people's scans.
        uvicorn.run(
            app,
            host=host,
            port=port,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=3,
        )
    finally:
        root.remove(app_root)


def _in_private_folders(app_root: Path) -> Factory:
    """Keep every case below the application's folder: what a killed run leaves is swept too."""

    def make() -> Conversation:
        from agent.conversation import Conversation
        from agent.settings import Settings

        return Conversation(Settings(), directory=app_root / "cases" / secrets.token_hex(8))

    return make
