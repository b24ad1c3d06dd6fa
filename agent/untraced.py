"""Nothing of a conversation goes to a tracing service that other programs were set up for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from langsmith import tracing_context

Step = TypeVar("Step")


async def untraced(steps: AsyncIterator[Step]) -> AsyncGenerator[Step]:
    """The steps of an agent, none of which is reported to LangSmith.

    LangChain sends questions and answers there wherever LANGSMITH_TRACING or LANGCHAIN_TRACING_V2
    is set, as on many developers' machines. Each step is taken by itself with tracing off, since
    who asks for the next one may do so from another task, which knows nothing of this context.
    """
    try:
        while True:
            with tracing_context(enabled=False):
                try:
                    step = await anext(steps)
                except StopAsyncIteration:
                    return
            yield step
    finally:
        if isinstance(steps, AsyncGenerator):
            await steps.aclose()
