"""What goes into an LLM call, and what comes out: the parts of a conversation, the job, the answer, its events.

The unions of parts and events are open: later revisions of the contract may add kinds, but none that a job did not ask
for. So end a ``match`` over them with ``case _``.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from pipelex.cogt.inference.inference_result import FinishReason, PartialAnswer
from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelex.cogt.inference.media import MediaSource
    from pipelex.reporting.reporting_protocol import InferenceUsage

__all__ = [
    "AnswerDone",
    "AnswerUpdate",
    "AssistantMessage",
    "AssistantPart",
    "Citation",
    "DocumentPart",
    "ImagePart",
    "LLMAnswer",
    "LLMEvent",
    "LLMJob",
    "LLMJobParams",
    "LLMMessage",
    "LLMPrompt",
    "LLMTool",
    "PartDone",
    "PromptCache",
    "ReasoningDelta",
    "ReasoningEffort",
    "ReasoningPart",
    "TextDelta",
    "TextPart",
    "TokenLogprob",
    "ToolCallDelta",
    "ToolCallPart",
    "ToolChoice",
    "ToolChoiceMode",
    "ToolDone",
    "ToolResultPart",
    "UnknownPart",
    "UserMessage",
    "UserPart",
    "VendorPart",
]


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A source that a text rests on.

    Attributes:
        url: The address of the source.
        title: Its title.
        quoted: Its words that support the text.
        document: Which document of the conversation it is, counted from 0.
        start: Where the words that rest on it begin in the text of the part, counted in characters from 0.
        end: Where they end, exclusive: ``part.text[start:end]`` are the words.
    """

    url: str | None = None
    title: str | None = None
    quoted: str | None = None
    document: int | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """A text.

    Attributes:
        text: The text.
        citations: The sources that it rests on.
        opaque: What the backend that made it gets back unchanged (a signature, an id), and no other backend gets.
        kind: Tells the parts apart in JSON.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    opaque: str | None = None
    kind: Literal["text"] = "text"


@dataclass(frozen=True, kw_only=True)
class ImagePart:
    """An image.

    Attributes:
        source: The image.
        opaque: What the backend that made it gets back unchanged, and no other backend gets.
        kind: Tells the parts apart in JSON.
    """

    source: MediaSource
    opaque: str | None = None
    kind: Literal["image"] = "image"

    __get_pydantic_core_schema__ = with_field_types


@dataclass(frozen=True, kw_only=True)
class DocumentPart:
    """A PDF document.

    Attributes:
        source: The document.
        kind: Tells the parts apart in JSON.
    """

    source: MediaSource
    kind: Literal["document"] = "document"

    __get_pydantic_core_schema__ = with_field_types


@dataclass(frozen=True, kw_only=True)
class ReasoningPart:
    """What the model thought before it answered.

    Attributes:
        text: The thought, or a summary of it; empty where the model thought and the vendor does not show it.
        opaque: What the backend that made it gets back unchanged (a signature, ciphertext), and no other backend gets.
        kind: Tells the parts apart in JSON.
    """

    text: str = ""
    opaque: str | None = None
    kind: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, kw_only=True)
class ToolCallPart:
    """A call of a tool, as the model wrote it. Nothing has checked its arguments.

    Attributes:
        id: The id of the call, unique in the answer.
        name: The name of the tool.
        arguments: The arguments as JSON text, by rights that of an object.
        opaque: What the backend that made it gets back unchanged, and no other backend gets.
        kind: Tells the parts apart in JSON.
    """

    id: str
    name: str
    arguments: str
    opaque: str | None = None
    kind: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True, kw_only=True)
class ToolResultPart:
    """What a tool returned.

    Attributes:
        call_id: The id of the call that it answers.
        content: A text, or texts, images and documents.
        is_error: Whether the tool failed; the content is then the reason.
        name: The name of the tool; where it is empty, the worker base fills it in from the call.
        kind: Tells the parts apart in JSON.
    """

    call_id: str
    content: str | tuple[TextPart | ImagePart | DocumentPart | UnknownPart, ...]
    is_error: bool = False
    name: str = ""
    kind: Literal["tool_result"] = "tool_result"


@dataclass(frozen=True, kw_only=True)
class VendorPart:
    """What only its backend understands and wants back: tools that run at the vendor, their results, summaries.

    Attributes:
        vendor_kind: What it is, in the vendor's own word.
        opaque: What the backend that made it gets back unchanged; no other backend gets the part.
        kind: Tells the parts apart in JSON.
    """

    vendor_kind: str
    opaque: str
    kind: Literal["vendor"] = "vendor"


@dataclass(frozen=True, kw_only=True)
class UnknownPart:
    """A part of a kind that this version does not know, as a later one wrote it. It is kept, and never sent.

    Attributes:
        json: The part as JSON text.
        kind: Tells the parts apart in JSON.
    """

    json: str
    kind: Literal["unknown"] = "unknown"


UserPart: TypeAlias = TextPart | ImagePart | DocumentPart | ToolResultPart | UnknownPart
AssistantPart: TypeAlias = TextPart | ImagePart | ReasoningPart | ToolCallPart | VendorPart | UnknownPart


@dataclass(frozen=True, kw_only=True)
class UserMessage:
    """A message of the user: texts and files, and the results of the tools that the model called.

    Attributes:
        parts: What it is made of.
        role: Tells the messages apart in JSON.
    """

    parts: tuple[UserPart, ...]
    role: Literal["user"] = "user"


@dataclass(frozen=True, kw_only=True)
class AssistantMessage:
    """A message of the model.

    Attributes:
        parts: What it is made of.
        backend_name: The backend that made it, which alone gets back what is opaque in it; ``None``: no backend does.
            Backends are told apart by name: set ``None`` in what a backend of the same name made for another account.
        role: Tells the messages apart in JSON.
    """

    parts: tuple[AssistantPart, ...]
    backend_name: str | None = None
    role: Literal["assistant"] = "assistant"


LLMMessage: TypeAlias = UserMessage | AssistantMessage


@dataclass(frozen=True, kw_only=True)
class LLMTool:
    """A tool that the model may call.

    Attributes:
        name: Its name: letters, digits, ``_`` and ``-``, at most 64 of them.
        json_schema: The JSON schema of its arguments, an object.
        description: What it does and when to call it, for the model.
    """

    name: str
    json_schema: Mapping[str, object]
    description: str = ""

    __get_pydantic_core_schema__ = with_field_types


class ToolChoiceMode(StrEnum):
    """Whether the model calls a tool."""

    AUTO = "auto"
    """It decides."""
    NONE = "none"
    """It calls none."""
    REQUIRED = "required"
    """It calls one at least."""


@dataclass(frozen=True, kw_only=True)
class ToolChoice:
    """Whether the model calls a tool, and which.

    Attributes:
        mode: Whether it calls one.
        name: With ``REQUIRED``: the one tool that it calls.
    """

    mode: ToolChoiceMode = ToolChoiceMode.AUTO
    name: str | None = None


class ReasoningEffort(StrEnum):
    """How long a reasoning model may think."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, kw_only=True)
class PromptCache:
    """A wish that the vendor keeps the beginning of the prompt for the next call.

    Attributes:
        key: Jobs with the same key are led to the same cache.
        ttl: How long it is kept.
    """

    key: str | None = None
    ttl: Literal["5m", "1h"] | None = None


@dataclass(frozen=True, kw_only=True)
class LLMPrompt:
    """The input of the model.

    Attributes:
        user_text: The user's text.
        system_text: An instruction beside it.
        images: Images to look at.
        documents: PDF documents to read.
        history: The conversation before that. With an empty ``user_text``, and no images and documents, the last
            message of it is the user's.
    """

    user_text: str = ""
    system_text: str | None = None
    images: tuple[MediaSource, ...] = ()
    documents: tuple[MediaSource, ...] = ()
    history: tuple[LLMMessage, ...] = ()

    __get_pydantic_core_schema__ = with_field_types

    def messages(self) -> tuple[LLMMessage, ...]:
        """Return the whole conversation as messages: the history, then the other fields; no system text."""
        last: list[UserPart] = [ImagePart(source=image) for image in self.images]
        last += [DocumentPart(source=document) for document in self.documents]
        if self.user_text:
            last.append(TextPart(text=self.user_text))
        return (*self.history, UserMessage(parts=tuple(last))) if last else self.history


@dataclass(frozen=True, kw_only=True)
class LLMJobParams:
    """How the model is to answer. What is not set is left to the model; what is set and undeclared is refused.

    Attributes:
        temperature: Randomness, from 0 (none) upwards, on the vendor's scale.
        max_tokens: The longest answer, in tokens.
        seed: The seed of the randomness: the same seed, the same answer, where the model honours it.
        stop: Texts at which the answer ends.
        reasoning_effort: How long a reasoning model may think.
        top_p: Only the likeliest tokens that together have this probability are drawn from, from 0 to 1.
        top_k: Only this many of the likeliest tokens are drawn from.
        presence_penalty: How much less likely a token becomes that was there, on the vendor's scale.
        frequency_penalty: How much less likely a token becomes each time that it was there, on the vendor's scale.
        show_reasoning: Whether the answer is to hold what the model thought.
        top_logprobs: For how many of the likeliest tokens the answer is to hold the logarithm of the probability.
        tools: Tools that the model may call.
        tool_choice: Whether it calls one, and which.
        single_tool_call: Whether it calls at most one in an answer.
        structured_output: The JSON schema of the answer; ``gen_object`` sets it.
        prompt_cache: How the vendor keeps the beginning of the prompt for the next call.
        vendor_params: Parameters of the vendor's own request, by their names in it; they override those of the driver.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: ReasoningEffort | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    show_reasoning: bool = False
    top_logprobs: int | None = None
    tools: tuple[LLMTool, ...] = ()
    tool_choice: ToolChoice | None = None
    single_tool_call: bool = False
    structured_output: Mapping[str, object] | None = None
    prompt_cache: PromptCache | None = None
    vendor_params: Mapping[str, object] | None = None

    __get_pydantic_core_schema__ = with_field_types


@dataclass(frozen=True, kw_only=True)
class LLMJob:
    """One LLM call.

    Attributes:
        prompt: The input of the model.
        params: How it is to answer.
    """

    prompt: LLMPrompt = LLMPrompt()
    params: LLMJobParams = LLMJobParams()

    @classmethod
    def of(cls, source: LLMJob | Sequence[LLMMessage] | str) -> LLMJob:
        """Make a job of a text or of messages; a job is returned as it is."""
        if isinstance(source, LLMJob):
            return source
        prompt = LLMPrompt(user_text=source) if isinstance(source, str) else LLMPrompt(history=tuple(source))
        return cls(prompt=prompt)

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the job: equal jobs have equal ones, in every process and version.

        Fields with their defaults do not count. A file counts by its content, an address by itself.

        Raises:
            InferenceRequestError: The job holds a value that has no stable form.
        """
        from pipelex.cogt.inference.fingerprint import fingerprint_of

        return fingerprint_of(self)

    def then(self, *turns: PartialAnswer | UserMessage | AssistantMessage | UserPart | str) -> LLMJob:
        """Return the job that continues the conversation; this one stays as it is.

        Args:
            turns: The next messages: answers and messages as they are, texts and parts as the user's.
        """
        history = (*self.prompt.messages(), *map(_message_of, turns))
        return replace(self, prompt=LLMPrompt(system_text=self.prompt.system_text, history=history))


@dataclass(frozen=True, kw_only=True)
class TokenLogprob:
    """How likely a token of the answer was.

    Attributes:
        token: The token.
        logprob: The natural logarithm of its probability.
        top: The likeliest tokens in its place, each with the logarithm of its probability.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LLMAnswer(PartialAnswer):
    """The answer of an LLM, or what came of one.

    Attributes:
        text: The texts of its parts, joined. Where there are no parts, it is made into one.
        parts: What it is made of.
        request_id: The vendor's id of the answer, to quote to its support.
        logprobs: How likely its tokens were, where the job asks for it.
        backend_name: The backend that made it; the worker base fills it in.
    """

    parts: tuple[AssistantPart, ...] = ()
    request_id: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    backend_name: str | None = None

    def __post_init__(self) -> None:
        if self.parts:
            text = "".join([part.text for part in self.parts if isinstance(part, TextPart)])
            object.__setattr__(self, "text", text)
        elif self.text:
            object.__setattr__(self, "parts", (TextPart(text=self.text),))

    @property
    def reasoning(self) -> str:
        """What the model thought, as far as the vendor shows it."""
        return "".join([part.text for part in self.parts if isinstance(part, ReasoningPart)])

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The calls to carry out: none where the answer ended for another reason, for then the last may be half."""
        if self.finish_reason is not FinishReason.TOOL_CALLS:
            return ()
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources of its texts; their places are counted in the text of their part."""
        return tuple(citation for part in self.parts if isinstance(part, TextPart) for citation in part.citations)

    @property
    def message(self) -> AssistantMessage:
        """The answer as a message of the conversation, without calls that are not to be carried out."""
        calls = self.tool_calls
        parts = tuple(part for part in self.parts if calls or not isinstance(part, ToolCallPart))
        return AssistantMessage(parts=parts, backend_name=self.backend_name)


def _message_of(turn: PartialAnswer | UserMessage | AssistantMessage | UserPart | str) -> LLMMessage:
    if isinstance(turn, UserMessage | AssistantMessage):
        return turn
    if isinstance(turn, LLMAnswer):
        return turn.message
    if isinstance(turn, PartialAnswer):
        return AssistantMessage(parts=(TextPart(text=turn.text),))
    return UserMessage(parts=(TextPart(text=turn) if isinstance(turn, str) else turn,))


@dataclass(frozen=True, kw_only=True)
class TextDelta:
    """A piece of a text.

    Attributes:
        text: What it adds.
        kind: Tells the events apart in JSON.
    """

    text: str
    kind: Literal["text_delta"] = "text_delta"


@dataclass(frozen=True, kw_only=True)
class ReasoningDelta:
    """A piece of what the model thinks.

    Attributes:
        text: What it adds.
        kind: Tells the events apart in JSON.
    """

    text: str
    kind: Literal["reasoning_delta"] = "reasoning_delta"


@dataclass(frozen=True, kw_only=True)
class ToolCallDelta:
    """A piece of a tool call. A driver sets what its vendor sends; the worker base completes id, name and slot.

    Attributes:
        arguments: What it adds to the JSON text of the arguments.
        slot: Which of the calls it belongs to, counted from 0, where the vendor counts them.
        id: The id of the call.
        name: The name of the tool.
        kind: Tells the events apart in JSON.
    """

    arguments: str = ""
    slot: int | None = None
    id: str | None = None
    name: str | None = None
    kind: Literal["tool_call_delta"] = "tool_call_delta"


@dataclass(frozen=True, kw_only=True)
class PartDone:
    """A part is whole. The worker base yields one for every part.

    A driver yields one for a part that came whole, and for one whose pieces do not hold everything (a signature,
    citations); an empty text then means the text of the pieces before it.

    Attributes:
        part: The part.
        kind: Tells the events apart in JSON.
    """

    part: AssistantPart
    kind: Literal["part_done"] = "part_done"


@dataclass(frozen=True, kw_only=True)
class AnswerUpdate:
    """What is known of an answer beside its parts, before it is whole. A driver yields it; no caller gets to see it.

    Attributes:
        usage: What the call has used so far. A later count replaces an earlier one, but 0 replaces none.
        finish_reason: Why the model stopped. Of several, the strongest counts: CONTENT_FILTER, then LENGTH, UNFINISHED,
            OTHER, TOOL_CALLS, STOP.
        finish_detail: The same in the vendor's own words. The pieces of a sentence are joined.
        model_served: The model that answers, as the vendor names it.
        request_id: The vendor's id of the answer.
        logprobs: How likely the tokens were that came since the last update.
        kind: Tells the events apart in JSON.
    """

    usage: InferenceUsage | None = None
    finish_reason: FinishReason | None = None
    finish_detail: str | None = None
    model_served: str | None = None
    request_id: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    kind: Literal["answer_update"] = "answer_update"

    __get_pydantic_core_schema__ = with_field_types


@dataclass(frozen=True, kw_only=True)
class ToolDone:
    """A tool was run. Only ``run_tools`` yields it.

    Attributes:
        result: What it returned.
        kind: Tells the events apart in JSON.
    """

    result: ToolResultPart
    kind: Literal["tool_done"] = "tool_done"


@dataclass(frozen=True, kw_only=True)
class AnswerDone:
    """The last event of an answer.

    Attributes:
        answer: The answer. That of a driver needs no parts: those that were streamed are put in.
        kind: Tells the events apart in JSON.
    """

    answer: LLMAnswer
    kind: Literal["answer_done"] = "answer_done"


LLMEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | PartDone | AnswerUpdate | ToolDone | AnswerDone
