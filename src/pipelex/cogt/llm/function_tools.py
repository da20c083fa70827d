"""Tools of a job in the shape of chat completions, which several vendors share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_job import LLMJobParams

__all__ = ["function_tools"]


def function_tools(params: LLMJobParams, **words: str) -> dict[str, object]:
    """Return ``tools``, ``tool_choice`` and ``parallel_tool_calls`` of a request, as far as the job sets them.

    Args:
        params: The parameters of the job.
        words: The vendor's words for modes of the choice that differ (``required="any"``).
    """
    options: dict[str, object] = {}
    if params.tools:
        functions = (
            {"name": tool.name, "description": tool.description, "parameters": dict(tool.json_schema)}
            for tool in params.tools
        )
        options["tools"] = [{"type": "function", "function": function} for function in functions]
    choice = params.tool_choice
    if choice is not None:
        named = {"type": "function", "function": {"name": choice.name}}
        options["tool_choice"] = named if choice.name else words.get(choice.mode.value, choice.mode.value)
    if params.single_tool_call:
        options["parallel_tool_calls"] = False
    return options
