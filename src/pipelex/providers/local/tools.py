"""Tools by grammar: llama.cpp ignores ``tools`` and ``tool_choice``, and holds an answer to a JSON schema.

The schema of the answer is one object per tool, ``{"tool": ..., "arguments": ...}``, or ``{"answer": ...}``. The model
reads the tools in the instruction, earlier calls as its own answers, and their results as what the user says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.llm.answer_schemas import map_schema
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    DocumentPart,
    ImagePart,
    TextPart,
    ToolCallPart,
    ToolChoiceMode,
    ToolResultPart,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMJobParams, LLMMessage, LLMTool, UserPart

_Json = dict[str, object]


def calls_tools(params: LLMJobParams) -> bool:
    """Return whether the model may call a tool."""
    choice = params.tool_choice
    return bool(params.tools) and (choice is None or choice.mode is not ToolChoiceMode.NONE)


def instruction(params: LLMJobParams) -> str:
    """Return what the model is told of its tools."""
    lines = (
        f"- {tool.name}: {tool.description} Arguments: {json.dumps(tool.json_schema, ensure_ascii=False)}"
        for tool in _callable(params)
    )
    listed = "\n".join(lines)
    answer = "" if _is_forced(params) else ' To answer, write {"answer": ...}.'
    return f'You have these tools:\n{listed}\nTo call one, write {{"tool": its name, "arguments": {{...}}}}.{answer}'


def answer_schema(params: LLMJobParams) -> _Json:
    """Return the schema of an answer that calls a tool, or is none of the calls.

    Args:
        params: The parameters of the job: its tools, the choice of one, the schema of the answer.
    """
    ways: list[_Json] = []
    shared: _Json = {}
    for place, tool in enumerate(_callable(params)):
        arguments = _hoisted(dict(tool.json_schema), f"tool{place}_", shared)
        ways.append(_object(tool={"const": tool.name}, arguments=arguments))
    if not _is_forced(params):
        wanted = params.structured_output
        ways.append(_object(answer={"type": "string"} if wanted is None else _hoisted(dict(wanted), "answer_", shared)))
    return {"anyOf": ways, **({"$defs": shared} if shared else {})}


def part_of(text: str) -> AssistantPart:
    """Read an answer that was held to :func:`answer_schema`; one that was cut off is a text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return TextPart(text=text)
    if isinstance(found, dict) and "tool" in found:
        arguments = json.dumps(found.get("arguments"), ensure_ascii=False)
        return ToolCallPart(id="", name=str(found["tool"]), arguments=arguments)
    answer = found.get("answer") if isinstance(found, dict) else found
    return TextPart(text=answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False))


def messages_of(messages: tuple[LLMMessage, ...]) -> Iterator[_Json]:
    """Write a conversation in the roles that every chat template knows.

    Raises:
        InferenceRequestError: It holds an image or a document, which the engine does not read.
    """
    for message in messages:
        written = _said if isinstance(message, AssistantMessage) else _given
        content = "\n\n".join(text for part in message.parts if (text := written(part)))
        yield {"role": message.role, "content": content}


def _said(part: AssistantPart | UserPart) -> str:
    if isinstance(part, ToolCallPart):
        return json.dumps({"tool": part.name, "arguments": json.loads(part.arguments)}, ensure_ascii=False)
    return part.text if isinstance(part, TextPart) else ""


def _given(part: AssistantPart | UserPart) -> str:
    if isinstance(part, ImagePart | DocumentPart):
        raise InferenceRequestError(f"The local engine reads no {part.kind}s. Take them from 'capabilities'")
    if isinstance(part, ToolResultPart):
        content = part.content if isinstance(part.content, str) else "\n".join(map(_given, part.content))
        return f"{'Error' if part.is_error else 'Result'} of the tool {part.name}: {content}"
    return part.text if isinstance(part, TextPart) else ""


def _callable(params: LLMJobParams) -> tuple[LLMTool, ...]:
    """Return the tools that may be called: all of them, or the one that is named."""
    name = params.tool_choice.name if params.tool_choice is not None else None
    return tuple(tool for tool in params.tools if name in (None, tool.name))


def _is_forced(params: LLMJobParams) -> bool:
    return params.tool_choice is not None and params.tool_choice.mode is ToolChoiceMode.REQUIRED


def _object(**properties: object) -> _Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _hoisted(schema: _Json, prefix: str, shared: _Json) -> _Json:
    """Return a schema whose definitions stand in those of the whole, under names of their own."""
    definitions = schema.pop("$defs", None)

    def renamed(inner: _Json) -> _Json:
        reference = inner.get("$ref")
        if isinstance(reference, str):
            inner["$ref"] = reference.replace("#/$defs/", f"#/$defs/{prefix}", 1)
        return inner

    for name, definition in (definitions if isinstance(definitions, dict) else {}).items():
        shared[f"{prefix}{name}"] = map_schema(definition, renamed)
    return map_schema(schema, renamed)
