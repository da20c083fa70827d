"""A conversation made fit to be sent: what a vendor would refuse, or lose, is repaired or refused before the call."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from pipelex.cogt.exceptions import InferenceCapacityError, InferenceRequestError
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    AssistantPart,
    DocumentPart,
    ImagePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolChoiceMode,
    ToolResultPart,
    UnknownPart,
    UserMessage,
    UserPart,
    VendorPart,
)
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.raised import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipelex.cogt.llm.llm_job import LLMJobParams, LLMMessage, LLMPrompt, LLMTool
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

__all__ = ["repair_messages", "tools_named_in"]

_Part: TypeAlias = UserPart | AssistantPart
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_UNNAMED = "unnamed_tool"  # a call whose model gave no name
_MOST_CHARACTERS_PER_TOKEN = 8  # of a text in a natural language or in code: 4 to 5 in English, less in others
_NO_OUTPUT = "(no output)"
_IMAGE_ALONE = "(an image)"
_INTERRUPTED = "The call was interrupted: it has no result."


def repair_messages(messages: Sequence[LLMMessage]) -> tuple[LLMMessage, ...]:
    """Return a conversation that can be continued, whatever it was cut down to or broken off at.

    A call without a result gets one that says that it was interrupted, results that answer no call are left out, and
    so are thoughts that their backend did not sign.

    Args:
        messages: The conversation.
    """
    repaired: list[LLMMessage] = []
    open_calls: list[ToolCallPart] = []
    for message in messages:
        if isinstance(message, AssistantMessage):
            if open_calls:
                repaired.append(_interrupted(open_calls))
            parts = tuple(part for part in message.parts if not isinstance(part, ReasoningPart) or part.opaque)
            repaired.append(replace(message, parts=parts))
            open_calls = _calls_of(message)
        else:
            kept, answered = _answers(message, open_calls)
            missing = [call for call in open_calls if call.id not in answered]
            results = _interrupted(missing).parts if missing else ()
            repaired.append(UserMessage(parts=(*results, *kept)))
            open_calls = []
    if open_calls:
        repaired.append(_interrupted(open_calls))
    return tuple(message for message in repaired if message.parts)


def _answers(message: UserMessage, calls: list[ToolCallPart]) -> tuple[list[UserPart], set[str]]:
    """Return the parts of a turn without the results that answer none of the calls, and the ids that it answers."""
    known, answered = {call.id for call in calls}, set[str]()
    kept: list[UserPart] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            if part.call_id not in known or part.call_id in answered:
                continue
            answered.add(part.call_id)
        kept.append(part)
    return kept, answered


def _interrupted(calls: Iterable[ToolCallPart]) -> UserMessage:
    results = (ToolResultPart(call_id=call.id, name=call.name, content=_INTERRUPTED, is_error=True) for call in calls)
    return UserMessage(parts=tuple(results))


def refuse_wrong_tools(params: LLMJobParams) -> None:
    """Refuse tools that no vendor takes.

    Raises:
        InferenceRequestError: Naming the tool.
    """
    names = [tool.name for tool in params.tools]
    for name in names:
        if not _TOOL_NAME.fullmatch(name):
            msg = f"The name of a tool has 1 to 64 letters (A to Z), digits, '_' and '-', and {name!r} has not"
            raise InferenceRequestError(f"{msg}. Nothing was sent")
        if names.count(name) > 1:
            raise InferenceRequestError(f"Two tools have the name {name!r}. Nothing was sent")
    choice = params.tool_choice
    if choice is None:
        return
    if not names:
        raise InferenceRequestError("tool_choice is set, and the job has no tools. Nothing was sent")
    if choice.name is not None and (choice.name not in names or choice.mode is not ToolChoiceMode.REQUIRED):
        msg = f"tool_choice names {choice.name!r} with the mode '{choice.mode}'"
        raise InferenceRequestError(
            f"{msg}; expected the mode 'required' and one of {', '.join(names)}. Nothing was sent"
        )


def refuse_too_long(prompt: LLMPrompt, model: InferenceModelSpec) -> None:
    """Refuse a prompt whose texts alone are certain to be longer than the context window; the vendor counts exactly.

    Raises:
        InferenceCapacityError: Naming both lengths.
    """
    window = model.context_window
    characters = len(prompt.user_text) + len(prompt.system_text or "") + _characters(prompt.history)
    if window is None or characters <= window * _MOST_CHARACTERS_PER_TOKEN:
        return
    msg = (
        f"The prompt is too long: its {characters} characters are more than {characters // _MOST_CHARACTERS_PER_TOKEN}"
    )
    raise InferenceCapacityError(
        f"{msg} tokens, and the context window has {window} (context_window of the model). Shorten it, or choose "
        "another model. Nothing was sent",
        provider=model.backend_name,
        model=model.name,
    )


def _characters(messages: Iterable[LLMMessage]) -> int:
    """Count the characters that the model reads of a conversation: not what is opaque, and no files."""
    return sum(len(text) for message in messages for part in message.parts for text in _texts_of(part))


def _texts_of(part: _Part) -> Iterator[str]:
    """Yield the texts that the model reads of a part."""
    if isinstance(part, TextPart):
        yield part.text
    elif isinstance(part, ToolCallPart):
        yield part.arguments
    elif isinstance(part, ToolResultPart):
        if isinstance(part.content, str):
            yield part.content
        else:
            yield from (text for inner in part.content for text in _texts_of(inner))


def capabilities_of(messages: Iterable[LLMMessage]) -> Iterator[Capability]:
    """Yield what a model has to declare because of the parts of a conversation.

    Those of the model's own turns need nothing but tools: what a backend cannot take back is left out.
    """
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCallPart | ToolResultPart):
                yield Capability.TOOLS
            if isinstance(message, UserMessage):
                yield from _capabilities_of_files(part)


def _capabilities_of_files(part: _Part) -> Iterator[Capability]:
    if isinstance(part, ImagePart):
        yield Capability.IMAGES
    elif isinstance(part, DocumentPart):
        yield Capability.DOCUMENTS
    elif isinstance(part, ToolResultPart) and not isinstance(part.content, str):
        for inner in part.content:
            yield from _capabilities_of_files(inner)


def sendable(
    messages: Iterable[LLMMessage], *, backend_name: str, has_tool_result_files: bool
) -> tuple[LLMMessage, ...]:
    """Return a conversation as a driver may send it.

    Turns alternate, beginning and ending with the user's. Each call has exactly one result, in the next turn, before
    everything else of it, in the order of the calls, with the name of the tool. Arguments are JSON objects, names fit
    every vendor, no two calls have one id, no text is blank, and a thought is followed by what it led to. What was made
    by another backend holds nothing opaque and no thoughts, and its calls have ids that every vendor takes.

    Args:
        messages: The conversation.
        backend_name: The backend that it is sent to.
        has_tool_result_files: Whether the model takes files inside of results; else they follow the results.

    Raises:
        InferenceRequestError: A vendor would refuse it; the message and the ids are named.
    """
    turns = _merged(_cleaned(message, backend_name) for message in _checked(messages))
    if not turns or not isinstance(turns[0], UserMessage) or not isinstance(turns[-1], UserMessage):
        came = f"begins with '{turns[0].role}' and ends with '{turns[-1].role}'" if turns else "is empty"
        msg = f"A conversation begins and ends with a turn of the user; this one {came} (blank texts do not count)"
        raise InferenceRequestError(f"{msg}. Nothing was sent")
    calls: list[ToolCallPart] = []
    for number, turn in enumerate(turns):
        if isinstance(turn, UserMessage):
            turns[number] = _answering(turn, calls, number, moves_files=not has_tool_result_files)
        calls = _calls_of(turn)
        _refuse_equal_ids(calls, number)
    return tuple(_with_distinct_ids(turns))


def _checked(messages: Iterable[LLMMessage]) -> Iterator[LLMMessage]:
    for number, message in enumerate(messages):
        if not isinstance(message, UserMessage | AssistantMessage):
            msg = f"Message {number} of the history is a {type(message).__name__}"
            raise InferenceRequestError(f"{msg}; expected a UserMessage or an AssistantMessage. Nothing was sent")
        kinds = UserPart if isinstance(message, UserMessage) else AssistantPart
        for part in message.parts:
            if not isinstance(part, kinds):
                msg = f"Message {number} of the history, a {type(message).__name__}, holds {shown(part)}"
                raise InferenceRequestError(f"{msg}; expected parts of its kind, such as TextPart. Nothing was sent")
            _refuse_wrong_text(part, number)
        yield message


def _refuse_wrong_text(part: _Part, number: int) -> None:
    for text in _texts_of(part):
        if not isinstance(text, str):
            msg = f"Message {number}: the text of a {type(part).__name__} is {shown(text)}"
            raise InferenceRequestError(f"{msg}; expected a str. Nothing was sent")
        if not isinstance(part, ToolCallPart) and not _is_encodable(text):  # arguments are the model's: repaired
            msg = f"A text of message {number} holds half of a surrogate pair, which no encoding can carry"
            raise InferenceRequestError(f"{msg}. Nothing was sent")


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _cleaned(message: LLMMessage, backend_name: str) -> LLMMessage:
    if isinstance(message, UserMessage):
        return replace(message, parts=tuple(part for part in message.parts if not _is_nothing(part)))
    is_own = message.backend_name == backend_name
    kept = (part if is_own else _made_portable(part) for part in message.parts)
    parts = [_fit_call(part) for part in kept if part is not None and not _is_nothing(part)]
    while parts and isinstance(parts[-1], ReasoningPart):
        parts.pop()  # the answer was cut off there: vendors refuse a thought without what it led to
    if parts and not is_own and all(isinstance(part, ImagePart) for part in parts):
        parts.append(TextPart(text=_IMAGE_ALONE))  # most vendors take no images of the model, and no empty turn
    return replace(message, parts=tuple(parts))


def _made_portable(part: AssistantPart) -> AssistantPart | None:
    """Return a part as another backend may get it; ``None`` where it may not."""
    if isinstance(part, ReasoningPart | VendorPart):
        return None
    if isinstance(part, ToolCallPart):
        return replace(part, id=portable_id(part.id), opaque=None)
    return replace(part, opaque=None) if isinstance(part, TextPart | ImagePart) else part


def portable_id(foreign: str) -> str:
    """Return an id that every vendor takes; the same for the same id, so that caches of prompts stay warm."""
    from hashlib import sha256

    from pipelex.cogt.llm.assembly import ID_CHARACTERS, ID_LENGTH

    digest = sha256(foreign.encode("utf-8", "surrogatepass")).digest()
    number, base = int.from_bytes(digest[:8]), len(ID_CHARACTERS)
    return "".join(ID_CHARACTERS[number // base**place % base] for place in range(ID_LENGTH))


def _is_nothing(part: _Part) -> bool:
    """Return whether a part is never sent: an unknown one, a blank text, a thought that cannot go back."""
    if isinstance(part, TextPart):
        return part.opaque is None and not part.text.strip()  # some vendors refuse it
    return isinstance(part, UnknownPart) or (isinstance(part, ReasoningPart) and part.opaque is None)


def _fit_call(part: AssistantPart) -> AssistantPart:
    """Return a call with an id, a name and arguments that every vendor takes back: models make up others."""
    if not isinstance(part, ToolCallPart):
        return part
    from pipelex.cogt.llm.assembly import is_id

    id = part.id if is_id(part.id) and _is_encodable(part.id) else portable_id(part.id)
    name = part.name if _TOOL_NAME.fullmatch(part.name) else _NOT_IN_NAMES.sub("_", part.name)[:64] or _UNNAMED
    return replace(part, id=id, name=name, arguments=_object_json(part.arguments))


def _object_json(arguments: str) -> str:
    """Return arguments as the JSON text of an object, which some vendors parse and others want as one."""
    import json

    if not arguments.strip():
        return "{}"
    try:
        value: object = json.loads(arguments, parse_constant=_refuse_constant)
        # Half of a surrogate pair may be written as an escape, and an infinite number as 1e999.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        if isinstance(value, dict):
            return arguments
    except (ValueError, RecursionError):
        pass
    return json.dumps({"invalid_json": arguments.encode("utf-8", "backslashreplace").decode()}, ensure_ascii=False)


def _refuse_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity, which Python reads and no standard knows


def _merged(messages: Iterable[LLMMessage]) -> list[LLMMessage]:
    """Join turns of one side that follow each other; a turn without parts is none."""
    turns: list[LLMMessage] = []
    for message in messages:
        last = turns[-1] if turns else None
        if isinstance(last, UserMessage) and isinstance(message, UserMessage):
            turns[-1] = replace(last, parts=(*last.parts, *message.parts))
        elif isinstance(last, AssistantMessage):
            if isinstance(message, AssistantMessage):
                turns[-1] = replace(last, parts=(*last.parts, *message.parts))
            elif message.parts:
                turns.append(message)
        elif message.parts:
            turns.append(message)
    return turns


def _calls_of(message: LLMMessage) -> list[ToolCallPart]:
    return [part for part in message.parts if isinstance(part, ToolCallPart)]


def _refuse_equal_ids(calls: list[ToolCallPart], number: int) -> None:
    ids = [call.id for call in calls]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice is not None:
        msg = f"Message {number}: two tool calls have the id {twice!r}, so that a result does not tell which it answers"
        raise InferenceRequestError(f"{msg}. Nothing was sent")


def _with_distinct_ids(turns: Sequence[LLMMessage]) -> Iterator[LLMMessage]:
    """Give a call whose id an earlier turn has another one: some servers count anew in each answer."""
    taken = set[str]()
    new: dict[str, str] = {}
    for number, turn in enumerate(turns):
        if isinstance(turn, AssistantMessage):
            ids = [call.id for call in _calls_of(turn)]
            new = {id: portable_id(f"{id} {number}") for id in ids if id in taken}
            taken.update(ids)
        yield replace(turn, parts=tuple(_renamed(part, new) for part in turn.parts)) if new else turn  # type: ignore[arg-type]  # a part stays of its kind


def _renamed(part: _Part, new: dict[str, str]) -> _Part:
    if isinstance(part, ToolCallPart):
        return replace(part, id=new.get(part.id, part.id))
    return replace(part, call_id=new.get(part.call_id, part.call_id)) if isinstance(part, ToolResultPart) else part


def _answering(turn: UserMessage, calls: list[ToolCallPart], number: int, *, moves_files: bool) -> UserMessage:
    """Return a turn with the results first, in the order of the calls, completed."""
    results: dict[str, ToolResultPart] = {}
    for part in turn.parts:
        if isinstance(part, ToolResultPart):
            call = next((c for c in calls if c.id in (part.call_id, portable_id(part.call_id))), None)
            if call is None or call.id in results:
                problem = "a second time" if call is not None else "no call of the turn before it"
                msg = f"Message {number}: the result of {part.call_id!r} answers {problem}. Nothing was sent"
                raise InferenceRequestError(msg)
            results[call.id] = replace(part, call_id=call.id, name=call.name, content=_content_of(part))
    missing = [call.id for call in calls if call.id not in results]
    if missing:
        msg = f"Message {number}: the tool calls {', '.join(map(repr, missing))} have no result"
        raise InferenceRequestError(f"{msg}; repair_messages() gives them one. Nothing was sent")
    ordered = [results[call.id] for call in calls]
    files: list[UserPart] = []
    if moves_files:
        pairs = [_without_files(result) for result in ordered]
        ordered = [result for result, _ in pairs]
        files = [part for _, moved in pairs for part in moved]
    others = [part for part in turn.parts if not isinstance(part, ToolResultPart)]
    return replace(turn, parts=(*ordered, *files, *others))


def _content_of(result: ToolResultPart) -> str | tuple[TextPart | ImagePart | DocumentPart | UnknownPart, ...]:
    """Return what a tool returned without what is never sent; where nothing is left, a text that says so."""
    content = result.content
    if isinstance(content, str):
        return content if content.strip() else _NO_OUTPUT
    return tuple(part for part in content if not _is_nothing(part)) or _NO_OUTPUT


def _without_files(result: ToolResultPart) -> tuple[ToolResultPart, list[UserPart]]:
    """Take the files out of a result; a line that names the call comes before them."""
    if isinstance(result.content, str):
        return result, []
    files = [part for part in result.content if isinstance(part, ImagePart | DocumentPart)]
    text = "\n".join(part.text for part in result.content if isinstance(part, TextPart))
    if not files:
        return replace(result, content=text or _NO_OUTPUT), []
    title = TextPart(text=f"Files of the result of the call {result.call_id} ({result.name}):")
    return replace(result, content=text or "(its files follow)"), [title, *files]


def tools_named_in(messages: Iterable[LLMMessage], tools: Sequence[LLMTool]) -> tuple[LLMTool, ...]:
    """Return the tools of a job, and one without parameters for each other name that its conversation calls.

    Some vendors refuse a conversation with calls where no tools are declared.

    Args:
        messages: The conversation.
        tools: The tools of the job.
    """
    from pipelex.cogt.llm.llm_job import LLMTool

    called = dict.fromkeys(call.name for message in messages for call in _calls_of(message))
    missing = [name for name in called if name not in {tool.name for tool in tools}]
    return (*tools, *(LLMTool(name=name, json_schema={"type": "object", "properties": {}}) for name in missing))
