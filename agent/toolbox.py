"""The actions as LangChain tools: a typed function is the tool, its guidance a file in prompts."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any, get_type_hints

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import create_model

from parser_model.errors import InputError, ToolError
from tools.actions import ACTIONS, ActionResult, Bench


@dataclass(frozen=True)
class Outcome:
    """What a tool call left behind for the conversation; never shown to the model.

    Attributes
    ----------
    result : ActionResult or None
        None when the action failed.
    error : str or None
    seconds : float
    """

    result: ActionResult | None
    error: str | None
    seconds: float

    def as_artifact(self) -> dict[str, Any]:
        """Plain values: the agent's memory stores nothing else."""
        return asdict(self)

    @staticmethod
    def of(message: ToolMessage) -> Outcome:
        """The outcome that a tool's message carries; a failure when the arguments did not fit."""
        stored = message.artifact
        if not isinstance(stored, dict):
            return Outcome(None, message.text, 0.0)
        result = stored["result"]
        if result is not None:
            fields: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in result.items()
            }
            result = ActionResult(**fields)
        return Outcome(result, stored["error"], stored["seconds"])


def prompt_text(name: str) -> str:
    """A text for the model from the prompts room, e.g. "system.md"."""
    return resources.files("prompts").joinpath(name).read_text(encoding="utf-8").strip()


def build_tools(bench: Bench) -> list[BaseTool]:
    """Every action as a tool that works on this bench."""
    return [_as_tool(name, action, bench) for name, action in ACTIONS.items()]


def _as_tool(name: str, action: Callable[..., ActionResult], bench: Bench) -> BaseTool:
    def run(**arguments: Any) -> tuple[str, dict[str, Any]]:
        started = time.perf_counter()
        try:
            result = action(bench, **arguments)
        except (ToolError, InputError) as error:
            outcome = Outcome(None, str(error), time.perf_counter() - started)
            return json.dumps({"error": str(error)}), outcome.as_artifact()
        seconds = time.perf_counter() - started
        return json.dumps(result.content), Outcome(result, None, seconds).as_artifact()

    return StructuredTool.from_function(
        func=run,
        name=name,
        description=prompt_text(f"tools/{name}.md"),
        args_schema=_arguments(name, action),
        infer_schema=False,
        response_format="content_and_artifact",
    )


def _arguments(name: str, action: Callable[..., ActionResult]) -> type[Any]:
    """A pydantic model of an action's parameters, the bench left out."""
    hints = get_type_hints(action)
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(action).parameters.values())[1:]:
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    return create_model(f"{name}_arguments", **fields)
