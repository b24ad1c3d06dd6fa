"""Turns questions into tool calls and measurements into answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.conversation import Conversation
    from agent.settings import Settings

__all__ = ["Conversation", "Settings"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: LangChain takes a second to import, and `parsechat --help` must not.
    if name == "Conversation":
        from agent.conversation import Conversation

        return Conversation
    if name == "Settings":
        from agent.settings import Settings

        return Settings
    raise AttributeError(f"module 'agent' has no attribute '{name}'")
