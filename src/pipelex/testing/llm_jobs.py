"""The jobs of the LLM checks: one that needs a capability and nothing else, and those of a conversation with tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    LLMJob,
    LLMJobParams,
    LLMPrompt,
    LLMTool,
    PromptCache,
    ReasoningEffort,
    TextPart,
    ToolChoice,
    ToolChoiceMode,
    UserMessage,
)
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.testing import samples

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK = LLMTool(
    name="look",
    description="Look at a place.",
    json_schema={"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
)
WAIT = LLMTool(name="wait", description="Wait a while.", json_schema={"type": "object", "properties": {}})
COMPANIONS: Mapping[Capability, Capability] = {
    Capability.TOOL_CHOICE: Capability.TOOLS,
    Capability.SINGLE_TOOL_CALL: Capability.TOOLS,
    Capability.STRUCTURED_OUTPUT_WITH_TOOLS: Capability.TOOLS,
}
"""What a job needs beside a capability that means nothing without it."""
_EARLIER = (
    UserMessage(parts=(TextPart(text="What did I say before?"),)),
    AssistantMessage(parts=(TextPart(text="You said nothing."),)),
)


@dataclass
class StructuredAnswer:
    """What a structured call asks for."""

    word: str
    number: int


SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {"word": {"type": "string"}, "number": {"type": "integer"}},
    "required": ["word", "number"],
    "additionalProperties": False,
}
_PARAMS = {
    Capability.TEMPERATURE: LLMJobParams(temperature=0.25),
    Capability.MAX_TOKENS: LLMJobParams(max_tokens=321),
    Capability.SEED: LLMJobParams(seed=4711),
    Capability.STOP: LLMJobParams(stop=("KITSTOP",)),
    Capability.REASONING_EFFORT: LLMJobParams(reasoning_effort=ReasoningEffort.LOW),
    Capability.TOP_P: LLMJobParams(top_p=0.75),
    Capability.TOP_K: LLMJobParams(top_k=7),
    Capability.PRESENCE_PENALTY: LLMJobParams(presence_penalty=0.5),
    Capability.FREQUENCY_PENALTY: LLMJobParams(frequency_penalty=0.5),
    Capability.SHOW_REASONING: LLMJobParams(show_reasoning=True),
    Capability.TOP_LOGPROBS: LLMJobParams(top_logprobs=2),
    Capability.PROMPT_CACHE: LLMJobParams(prompt_cache=PromptCache(key="conformance")),
    Capability.TOOLS: LLMJobParams(tools=(LOOK,)),
    Capability.TOOL_CHOICE: LLMJobParams(tools=(LOOK,), tool_choice=ToolChoice(mode=ToolChoiceMode.REQUIRED)),
    Capability.SINGLE_TOOL_CALL: LLMJobParams(tools=(LOOK,), single_tool_call=True),
    Capability.STRUCTURED_OUTPUT_WITH_TOOLS: LLMJobParams(tools=(LOOK,), structured_output=SCHEMA),
}
CACHE_BY_TIME = LLMJobParams(prompt_cache=PromptCache(ttl="5m"))
"""The other way to wish for a cache: a vendor knows one of both at least."""


def job_for(
    text: str,
    token: str,
    capability: Capability | None,
    *,
    declared: frozenset[Capability],
    vendor_params: Mapping[str, object],
) -> LLMJob:
    """Return a job that needs one capability and nothing else that the model does not declare.

    Args:
        text: The user's text.
        token: What identifies the call, for files.
        capability: The capability; ``None`` for a plain job.
        declared: What the model declares.
        vendor_params: Parameters of the vendor's own, for the capability of that name.
    """
    prompts = {
        Capability.SYSTEM_TEXT: LLMPrompt(user_text=text, system_text="You are a parrot."),
        Capability.IMAGES: LLMPrompt(user_text=text, images=(png(token),)),
        Capability.DOCUMENTS: LLMPrompt(user_text=text, documents=(pdf(token),)),
        Capability.HISTORY: LLMPrompt(user_text=text, history=_EARLIER),
    }
    plain = LLMPrompt(user_text=text)
    if capability is None:
        return LLMJob(prompt=plain)
    params = _PARAMS.get(capability, LLMJobParams())
    if capability is Capability.VENDOR_PARAMS:
        params = LLMJobParams(vendor_params=vendor_params)
    if capability in COMPANIONS and COMPANIONS[capability] not in declared:
        params = LLMJobParams(**{**vars(params), "tools": ()})  # its companion would be refused in its place
    return LLMJob(prompt=prompts.get(capability, plain), params=params)


def png(token: str) -> MediaSource:
    """Return an image that holds a token."""
    return MediaSource(data=samples.png(token), mime_type="image/png")


def pdf(token: str) -> MediaSource:
    """Return a document that holds a token."""
    return MediaSource(data=samples.pdf(token), mime_type="application/pdf")
