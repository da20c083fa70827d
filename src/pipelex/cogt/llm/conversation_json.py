"""Conversations as JSON: to keep them, and to continue them later, also with another version of pipelex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from pipelex.cogt.exceptions import ConversationFormatError
from pipelex.cogt.llm.llm_job import AssistantMessage, AssistantPart, LLMMessage, UnknownPart, UserMessage, UserPart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import TypeAdapter

__all__ = ["conversation_from_json", "conversation_to_json"]

_VERSION = 1
_Json: TypeAlias = dict[str, Any]


def conversation_to_json(messages: Sequence[LLMMessage]) -> str:
    """Return a conversation as JSON text: ``{"version": 1, "messages": [...]}``.

    Bytes are in base64. A part of a kind that this version does not know is written as it was read.

    Args:
        messages: The conversation, as ``job.prompt.messages()`` returns it.
    """
    import json

    plain: list[_Json] = json.loads(_adapter().dump_json(tuple(messages)))
    written = [_with_parts(message, _written) for message in plain]
    return json.dumps({"version": _VERSION, "messages": written}, ensure_ascii=False)


def conversation_from_json(text: str) -> tuple[LLMMessage, ...]:
    """Return the conversation that :func:`conversation_to_json` of this version, or of another one, wrote.

    Args:
        text: The JSON text.

    Raises:
        ConversationFormatError: It is no JSON, or not that of a conversation.
    """
    import json

    from pydantic import ValidationError

    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as exc:
        msg = f"it is no JSON ({exc})"
        raise ConversationFormatError(msg) from exc
    if not isinstance(found, dict) or found.get("version") != _VERSION or not isinstance(found.get("messages"), list):
        version = found.get("version") if isinstance(found, dict) else None
        about = (
            f"its version is {version!r}, and {_VERSION} is known" if version not in (None, _VERSION) else "it is none"
        )
        raise ConversationFormatError(about)
    try:
        messages = [
            _with_parts(message, _read) if isinstance(message, dict) else message for message in found["messages"]
        ]
        return _adapter().validate_json(json.dumps(messages))
    except RecursionError as exc:  # JSON is written less deeply than it is read
        msg = "it is nested too deeply"
        raise ConversationFormatError(msg) from exc
    except ValidationError as exc:
        problem = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in problem["loc"])
        msg = f"messages.{place}: {problem['msg']}"
        raise ConversationFormatError(msg) from exc


def _adapter() -> TypeAdapter[tuple[LLMMessage, ...]]:
    from typing import Annotated

    from pydantic import ConfigDict, Discriminator, TypeAdapter

    config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    turn = Annotated[UserMessage | AssistantMessage, Discriminator("role")]
    return TypeAdapter(tuple[turn, ...], config=config)


def _with_parts(message: _Json, change: Callable[[_Json], _Json]) -> _Json:
    """Return a message with its parts changed, those inside the results of tools included."""

    def changed(parts: object) -> object:
        return (
            [changed_part(part) if isinstance(part, dict) else part for part in parts]
            if isinstance(parts, list)
            else parts
        )

    def changed_part(part: _Json) -> _Json:
        return change({**part, "content": changed(part["content"])} if "content" in part else part)

    return {**message, "parts": changed(message.get("parts"))}


def _written(part: _Json) -> _Json:
    import json

    kept: _Json = json.loads(part["json"]) if part["kind"] == "unknown" else part
    return kept


def _read(part: _Json) -> _Json:
    import json

    kind = part.get("kind")
    is_known = isinstance(kind, str) and kind in _KINDS
    return part if is_known else {"kind": "unknown", "json": json.dumps(part, ensure_ascii=False)}


_KINDS = frozenset(
    part.__dataclass_fields__["kind"].default for part in get_args(UserPart | AssistantPart) if part is not UnknownPart
)
