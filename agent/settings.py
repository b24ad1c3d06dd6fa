"""Settings of the program: environment variables ``PARSECHAT_*`` or a ``.env`` file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be chosen from outside.

    Attributes
    ----------
    parser : str
        "compact", the address of a host, or what `parser_model.load_parser` takes.
    host_key : SecretStr or None
        Bearer key for that host.
    precision : {"auto", "fp32", "bf16"}
    llm : {"offline", "openai"}
        "offline" plans without any LLM; "openai" talks to an OpenAI-compatible endpoint.
    llm_base_url : str or None
        Address of that endpoint, e.g. of Ollama or vLLM; None means OpenAI's own.
    llm_model : str
    llm_api_key : SecretStr or None
    llm_timeout : float
        Seconds to wait for the endpoint.
    serve_keys : SecretStr or None
        Bearer keys, separated by commas, that ``parsechat serve`` accepts.
    serve_waiting : int
        Requests that wait or are at work there; more are told to come back.
    serve_timeout : float
        Seconds that an answer may take there.
    serve_max_megabytes, serve_max_megapixels : int
        Size of a request and of an image there.
    """

    model_config = SettingsConfigDict(env_prefix="PARSECHAT_", env_file=".env", extra="ignore")

    parser: str = "compact"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    llm: Literal["offline", "openai"] = "offline"
    llm_base_url: str | None = None
    llm_model: str = "gpt-4o-mini"
    llm_api_key: SecretStr | None = None
    llm_timeout: float = Field(default=60.0, gt=0)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    host_key: SecretStr | None = None
    serve_keys: SecretStr | None = None
    serve_waiting: int = Field(default=16, ge=1)
    serve_timeout: float = Field(default=120.0, gt=0)
    serve_max_megabytes: int = Field(default=64, ge=2)
    serve_max_megapixels: int = Field(default=36, ge=1, le=80)
