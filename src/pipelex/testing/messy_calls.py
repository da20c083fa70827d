"""Good tool calls made messy, as servers that copied a format send them: without ids, with the same one, all at 0."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.llm.llm_job import ToolCallPart
    from pipelex.testing.conversation import ConversationVendor
    from pipelex.testing.loopback import HttpReply

MESSES = (
    *("id = missing", "id = null", "id = empty", "id = the word null", "id = doubled"),
    *("index = missing", "index = null", "index = always 0", "arguments = an object"),
)
_NEIGHBOURS_OF_OTHER_INDEXES = {"delta", "message", "content_block"}  # an index beside them counts no tool calls
_GONE = object()


def made_messy(
    vendor: ConversationVendor, reply: HttpReply, calls: Sequence[ToolCallPart], mess: str
) -> HttpReply | None:
    """Return a reply with its tool calls made messy in one way; ``None`` where its format has no such thing.

    Args:
        vendor: Whose reply it is.
        reply: The good reply.
        calls: The calls in it.
        mess: One of ``MESSES``.
    """
    pieces = reply.pieces if reply.pieces is not None else (reply.body,)
    found = [vendor.read_piece(piece) for piece in pieces]
    changed = [_changed(data, calls, mess) for data in found]
    if changed == found:
        return None
    written = tuple(
        piece if data == before else vendor.write_piece(piece, data)
        for piece, before, data in zip(pieces, found, changed, strict=True)
    )
    return replace(reply, pieces=written) if reply.pieces is not None else replace(reply, body=written[0])


def _changed(data: Any, calls: Sequence[ToolCallPart], mess: str) -> Any:
    if isinstance(data, list):
        return [_changed(item, calls, mess) for item in data]
    if not isinstance(data, dict):
        return data
    new = {key: _value(data, key, calls, mess) for key in data}
    return {key: _changed(value, calls, mess) for key, value in new.items() if value is not _GONE}


def _value(holder: dict[str, Any], key: str, calls: Sequence[ToolCallPart], mess: str) -> object:
    value = holder[key]
    what, _, change = mess.partition(" = ")
    if what == "id" and value in [call.id for call in calls]:
        return {"missing": _GONE, "null": None, "empty": "", "the word null": "null", "doubled": calls[0].id}[change]
    if what == "index" and key == "index" and not _NEIGHBOURS_OF_OTHER_INDEXES & holder.keys():
        return {"missing": _GONE, "null": None, "always 0": 0}[change]
    if what == "arguments" and value in [call.arguments for call in calls]:
        return json.loads(value)
    return value
