"""How a structured answer is asked for, and where it is found: the ways of servers that copied chat completions.

``json_schema``: https://platform.openai.com/docs/guides/structured-outputs
``json_object``: the same page, "JSON mode": the prompt has to ask for JSON, and holds the schema here.
``tool``: https://platform.openai.com/docs/guides/function-calling, with ``tool_choice`` for the one function.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError, InferenceServerError
from pipelex.cogt.inference.answer_parts import field_of, items_of, word_of
from pipelex.cogt.llm.function_tools import function_tools
from pipelex.cogt.llm.llm_job import LLMTool, ToolChoice, ToolChoiceMode

if TYPE_CHECKING:
    from openai.types.shared_params.response_format_json_schema import JSONSchema

    from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams
    from pipelex.providers.openai.strict_schema import AnswerSchema

WAYS = ("json_schema", "json_object", "tool")
_NAME = "answer"
_SETTINGS = (
    ("response_format|json_schema", 'structured_by = "json_object" or "tool"'),
    ("stream_options|include_usage", "stream_usage = false"),
    ("tool_choice|tools?", 'structured_by = "json_object"'),
)


def ask_for(answer: AnswerSchema, *, way: str, params: LLMJobParams) -> dict[str, object]:
    """Return the parameters that ask for an answer.

    Args:
        answer: The schema of the answer.
        way: One of ``WAYS``.
        params: The parameters of the job: its own tools are sent beside the answer's.

    Raises:
        InferenceRequestError: A tool of the job has the name of the answer's.
    """
    if way == "json_object":
        return {"response_format": {"type": "json_object"}}
    if way == "tool":
        if any(tool.name == _NAME for tool in params.tools):
            raise InferenceRequestError(f"The model answers by calling a tool {_NAME!r}: give yours another name")
        given_by = LLMTool(name=_NAME, description="Give the answer.", json_schema=answer.schema)
        choice = params.tool_choice
        if not params.tools or (choice is not None and choice.mode is ToolChoiceMode.NONE):
            choice = ToolChoice(mode=ToolChoiceMode.REQUIRED, name=_NAME)
        elif choice is None or choice.name is None:
            choice = ToolChoice(mode=ToolChoiceMode.REQUIRED)
        return function_tools(replace(params, tools=(*params.tools, given_by), tool_choice=choice))
    schema: JSONSchema = {"name": _NAME, "schema": answer.schema, "strict": answer.is_strict}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def with_schema(job: LLMJob, answer: AnswerSchema) -> LLMJob:
    """Return a job whose text names the schema of the answer, for servers that take none."""
    schema = json.dumps(answer.schema, ensure_ascii=False)
    wish = f"Answer with JSON that fits this JSON schema, and nothing else:\n{schema}"
    user_text = f"{job.prompt.user_text}\n\n{wish}" if job.prompt.user_text else wish
    return replace(job, prompt=replace(job.prompt, user_text=user_text))


def given_to_tool(message: object) -> str | None:
    """Return what the model called the answer's function with; ``None`` where it did not."""
    functions = [field_of(call, "function") for call in items_of(field_of(message, "tool_calls"))]
    given = next(
        (field_of(found, "arguments") for found in functions if field_of(found, "name") in (_NAME, None)), None
    )
    return json.dumps(given) if isinstance(given, dict) else word_of(given)


def naming_setting(error: InferenceError | None) -> InferenceError | None:
    """Return an error that names the setting for a server that does not take what was sent, where it is one."""
    if isinstance(error, InferenceRequestError | InferenceServerError) and error.status_code is not None:
        for words, setting in _SETTINGS:
            if re.search(rf"\b({words})\b", error.message):
                hint = f"Where the server does not take it, set {setting} in the table of the model or of its backend"
                error.message = f"{error.message.rstrip('. ')}. {hint}"
                break
    return error
