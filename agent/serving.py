"""``serve``: the settings of the GPU host, and its start."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from agent.settings import Settings
from parser_model.errors import RequestError
from parser_model.host.limits import Limits
from parser_model.host.serve import run


def serve(parser: str, precision: str | None, host: str, port: int) -> None:
    """Serve a parser until interrupted.

    Raises
    ------
    RequestError, SetupError
        See `parser_model.host.serve.run`.
    """
    chosen: dict[str, Any] = {} if precision is None else {"precision": precision}
    try:
        settings = Settings(**chosen)
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0]) if problem["loc"] else "setting"
        raise RequestError(f"The setting '{name}' is wrong: {problem['msg']}.") from error
    keys = settings.serve_keys
    run(
        parser,
        precision=settings.precision,
        host=host,
        port=port,
        keys=keys.get_secret_value() if keys else None,
        limits=Limits(
            body_bytes=settings.serve_max_megabytes * 2**20,
            pixels=settings.serve_max_megapixels * 1_000_000,
            waiting=settings.serve_waiting,
            seconds=settings.serve_timeout,
        ),
    )
