"""Serve the page with the fake conversation: ``python -m tests.agent.chat_server PORT``."""

from __future__ import annotations

import sys

import uvicorn

from agent.chat import root, server
from tests.agent.chat_fake import FakeConversation


def main() -> None:
    """Serve until stopped."""
    app = server.build_app(root.prepare(), FakeConversation)  # type: ignore[arg-type]
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
