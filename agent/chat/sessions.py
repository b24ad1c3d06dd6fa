"""Which conversation belongs to which browser tab, and to which address its pictures have."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.chat.pictures import PictureCache

if TYPE_CHECKING:
    from agent.conversation import Conversation

    Factory = Callable[[], Conversation]


@dataclass
class ChatSession:
    """One browser tab's conversation.

    Attributes
    ----------
    conversation : Conversation
    token : str
        Unguessable part of the addresses of this session's pictures.
    pictures : PictureCache
    lock : asyncio.Lock
        One answer at a time.
    pending : str
        A question that still waits for a scan.
    credits : dict
        Whose a sample scan is, by scan id.
    """

    conversation: Conversation
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    pictures: PictureCache = field(default_factory=PictureCache)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    pending: str = ""
    credits: dict[str, str] = field(default_factory=dict)

    def url(self, item: str) -> str:
        """Address of a picture, e.g. of "scan-1" or "mask-1-outline"."""
        return f"/scans/{self.token}/{item}.png"


class Registry:
    """The open sessions, by tab and by token."""

    def __init__(self) -> None:
        self._factory: Factory | None = None
        self._by_tab: dict[str, ChatSession] = {}
        self._by_token: dict[str, ChatSession] = {}

    def configure(self, factory: Factory) -> None:
        """Say how a conversation is made."""
        self._factory = factory

    async def open(self, tab: str) -> ChatSession:
        """Return the tab's session; the first call makes its conversation."""
        session = self._by_tab.get(tab)
        if session is None:
            if self._factory is None:
                raise RuntimeError("Registry.configure was not called")
            made = ChatSession(await asyncio.to_thread(self._factory))
            session = self._by_tab.setdefault(tab, made)
            if session is not made:  # two messages raced for the first call
                await asyncio.to_thread(made.conversation.close)
            self._by_token[session.token] = session
        return session

    def get(self, tab: str) -> ChatSession | None:
        """Return the tab's session if it has one."""
        return self._by_tab.get(tab)

    def by_token(self, token: str) -> ChatSession | None:
        """Return the session whose pictures have this token."""
        return self._by_token.get(token)

    async def close(self, tab: str) -> None:
        """End a session: its addresses stop working and its case is deleted."""
        session = self._by_tab.pop(tab, None)
        if session is not None:
            self._by_token.pop(session.token, None)
            session.pictures.clear()
            await asyncio.to_thread(session.conversation.close)

    async def close_all(self) -> None:
        """End every session, when the server stops."""
        for tab in list(self._by_tab):
            await self.close(tab)


registry = Registry()
"""The process has one chat: Chainlit keeps its own sessions in module globals too."""
