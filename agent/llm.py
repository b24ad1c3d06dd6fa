"""Which language model writes the answers: the offline planner, or an endpoint the user set."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core.language_models import BaseChatModel

from agent.settings import Settings
from parser_model.errors import ServiceError, SetupError


def chat_model(settings: Settings) -> BaseChatModel:
    """The chat model of the agent.

    Raises
    ------
    SetupError
        An endpoint is wanted but neither an address nor a key is set.
    """
    if settings.llm == "offline":
        from agent.planner import OfflinePlanner

        return OfflinePlanner()
    if settings.llm_base_url is None and settings.llm_api_key is None:
        raise SetupError(
            "PARSECHAT_LLM is 'openai', but neither PARSECHAT_LLM_BASE_URL nor "
            "PARSECHAT_LLM_API_KEY is set; set one of them, or use PARSECHAT_LLM=offline."
        )
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=settings.llm_model,
        base_url=settings.llm_base_url,
        # Local servers want no key, but the client insists on one.
        api_key=settings.llm_api_key or "none",  # type: ignore[arg-type]
        timeout=settings.llm_timeout,
        max_retries=1,
        temperature=0,
        use_responses_api=False,
        stream_usage=False,
    )


def planner_name(settings: Settings) -> str:
    """For `run.planner` and the banner: "offline", or the model's name."""
    return "offline" if settings.llm == "offline" else settings.llm_model


@contextmanager
def endpoint_errors() -> Iterator[None]:
    """Turn an endpoint's failures into one sentence; nothing of its reply is repeated."""
    import httpx

    failures: tuple[type[Exception], ...] = (httpx.HTTPError,)
    client = sys.modules.get("openai")  # loading it takes a second, and offline nobody asks it
    if client is not None:
        failures = (client.OpenAIError, httpx.HTTPError)
    try:
        yield
    except failures as error:
        kind = type(error).__name__
        raise ServiceError(
            f"The language model you configured did not answer ({kind}); check "
            "PARSECHAT_LLM_BASE_URL, the model name and the key, or use PARSECHAT_LLM=offline."
        ) from error
