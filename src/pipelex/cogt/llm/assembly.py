"""How the events of a driver become the parts of an answer: once, for all drivers.

Vendors and servers that copied their formats differ in how they send a tool call in pieces: without an index, all with
the index 0, with an empty id or name in every piece but the first, without ids, with the same id twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipelex.cogt.llm.llm_job import (
    PartDone,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent

ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 9
"""One vendor takes ids of exactly nine letters and digits; every other one takes those, too."""
_NO_IDS = {"", "null"}


@dataclass(slots=True)
class _Call:
    """A tool call as far as it came.

    Attributes:
        place: Which call of the answer it is, from 0.
        slot: The vendor's number of it.
    """

    place: int
    slot: int | None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Assembler:
    """Puts the parts of one answer together, and completes the events on their way to the caller.

    Attributes:
        parts: The parts that are whole.
        pieces: The pieces of the text, or of the thought, that is not.
        is_in_text: Whether the pieces are those of a text.
    """

    def __init__(self) -> None:
        self.parts: list[AssistantPart] = []
        self.pieces: list[str] = []
        self.is_in_text = False
        self._calls: list[_Call] = []
        self._call_count = 0

    def add(self, event: TextDelta | ReasoningDelta | ToolCallDelta | PartDone) -> Iterable[LLMEvent]:
        """Take an event of the driver, and yield those that the caller gets.

        Args:
            event: A piece, or a whole part.
        """
        if isinstance(event, TextDelta | ReasoningDelta):
            if event.text:
                is_text = isinstance(event, TextDelta)
                if not self.pieces or is_text is not self.is_in_text:
                    yield from self.close()
                    self.is_in_text = is_text
                self.pieces.append(event.text)
                yield event
        elif isinstance(event, ToolCallDelta):
            yield from self._close_text()
            call = self._call_of(event)
            yield ToolCallDelta(arguments=event.arguments, slot=call.place, id=call.id or None, name=call.name or None)
        elif isinstance(event.part, TextPart | ReasoningPart):
            yield from self._finish_text(event.part)
        else:
            yield from self._finish(event.part)

    def close(self) -> Iterable[LLMEvent]:
        """Yield the parts that are open: nothing is added to them any more."""
        yield from self._close_text()
        calls, self._calls = self._calls, []
        for call in calls:
            part = ToolCallPart(id=call.id, name=call.name, arguments="".join(call.arguments))
            yield from self._keep(self._completed(part))

    def so_far(self) -> tuple[AssistantPart, ...]:
        """Return the parts of an answer that broke off: no half call, and of an open thought nothing."""
        open_text = (TextPart(text="".join(self.pieces)),) if self.pieces and self.is_in_text else ()
        return (*self.parts, *open_text)

    def _close_text(self) -> Iterable[LLMEvent]:
        if self.pieces:
            text = "".join(self.pieces)
            self.pieces = []
            yield from self._keep(TextPart(text=text) if self.is_in_text else ReasoningPart(text=text))

    def _finish_text(self, part: TextPart | ReasoningPart) -> Iterable[LLMEvent]:
        """Take a text or a thought whose pieces came before it, or some of them, or none."""
        is_text = isinstance(part, TextPart)
        streamed = "".join(self.pieces) if is_text is self.is_in_text else ""
        if not part.text.startswith(streamed) and part.text:
            streamed = ""
        if not streamed:
            yield from self.close()
        rest = part.text[len(streamed) :]
        if rest:
            yield TextDelta(text=rest) if is_text else ReasoningDelta(text=rest)
        self.pieces = []
        yield from self._keep(part if part.text else replace(part, text=streamed))

    def _finish(self, part: AssistantPart) -> Iterable[LLMEvent]:
        """Take a part that is no text; a call takes the place of its pieces."""
        if isinstance(part, ToolCallPart):
            yield from self._close_text()
            self._calls = [call for call in self._calls if not _is_whole_of(part, call)]
            part = self._completed(part)
        yield from self.close()
        yield from self._keep(part)

    def _keep(self, part: AssistantPart) -> Iterable[LLMEvent]:
        self.parts.append(part)
        yield PartDone(part=part)

    def _call_of(self, delta: ToolCallDelta) -> _Call:
        """Find the call that a piece belongs to.

        By its id, else by its slot, where the youngest call counts; a piece without either belongs to the youngest. A
        new id begins a new call whatever its slot.
        """
        given = "" if delta.id in _NO_IDS or delta.id is None else delta.id
        in_slot = next((c for c in reversed(self._calls) if delta.slot is not None and c.slot == delta.slot), None)
        call = next((c for c in reversed(self._calls) if given and c.id == given), None)
        if call is not None and delta.name and _begins_another(call, delta):
            call = None  # one id for two calls
        elif call is None and not given:
            call = in_slot or (self._calls[-1] if self._calls and not delta.name else None)
        elif call is None and in_slot is not None and not in_slot.id:
            call = in_slot  # its id came late
        if call is None:
            call = _Call(place=self._call_count, slot=delta.slot)
            self._call_count += 1
            self._calls.append(call)
        call.id = call.id or given
        call.name = call.name or delta.name or ""
        call.arguments.append(delta.arguments)
        return call

    def _completed(self, part: ToolCallPart) -> ToolCallPart:
        """Give a call arguments and an id of its own, where it has none."""
        taken = {kept.id for kept in self.parts if isinstance(kept, ToolCallPart)}
        is_free = part.id not in _NO_IDS and part.id not in taken
        arguments = part.arguments.strip() or "{}"
        if is_free and arguments == part.arguments:
            return part
        return replace(part, id=part.id if is_free else new_call_id(), arguments=arguments)


def is_id(text: str) -> bool:
    """Return whether a text is an id of a call: some servers send words in place of one."""
    return text not in _NO_IDS


def new_call_id() -> str:
    """Return an id for a tool call that the vendor gave none."""
    import secrets

    return "".join(secrets.choice(ID_CHARACTERS) for _ in range(ID_LENGTH))


def _is_whole_of(part: ToolCallPart, call: _Call) -> bool:
    """Return whether a whole call is the one whose pieces came before it; without ids, by what it calls."""
    if part.id not in _NO_IDS or call.id:
        return part.id == call.id
    return (part.name, part.arguments) == (call.name, "".join(call.arguments))


def _begins_another(call: _Call, delta: ToolCallDelta) -> bool:
    """Return whether a piece with a name and the id of a call begins another call all the same."""
    if delta.slot is not None and call.slot is not None:
        return delta.slot != call.slot
    return bool(delta.arguments) and _is_object("".join(call.arguments))


def _is_object(text: str) -> bool:
    import json

    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
