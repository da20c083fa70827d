"""Reading an answer that may not have the shape of its documentation: what is null, missing or mistyped costs nothing.

Most SDKs build their records without validating, and servers that copied a format leave fields out or fill them
otherwise. A driver reads the records of its SDK, or plain JSON, by these functions; none of them raises.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import PartialAnswer

__all__ = [
    "arguments_of",
    "bare_json",
    "field_of",
    "is_raised_in",
    "items_of",
    "json_of",
    "reasoning_of",
    "text_of",
    "usage_of",
    "word_of",
]

_REASONING = {"reasoning", "thinking", "redacted_thinking"}
_NO_COUNT = 10**16  # more than any call can use
_NO_OBJECTS = (str, bytes, int, float)


def field_of(record: object, *path: str) -> object:
    """Return a field of a record, or one below it.

    Args:
        record: A record of an SDK, a mapping, or anything else, which has no fields.
        path: The names of the fields, from the outside in.

    Returns:
        The value; ``None`` where a field is missing, or null, or belongs to something that has no fields. A list of
        one record counts as the record.
    """
    for name in path:
        if isinstance(record, list):
            record = record[0] if len(record) == 1 else None
        record = record.get(name) if isinstance(record, dict) else getattr(record, name, None)
        if record is None:
            return None
    return record


def items_of(value: object) -> list[object]:
    """Return the items of a list, those that are null left out.

    Args:
        value: A list. Some servers send an object in place of a list of one, or a list in place of an item: the object
            counts as the one item, and the items of the inner list as items. Anything else has no items.
    """
    if not isinstance(value, list | tuple):
        return [value] if value and not isinstance(value, _NO_OBJECTS) else []
    items: list[object] = []
    for item in value:
        if isinstance(item, list):
            items += [inner for inner in item if inner is not None]
        elif item is not None:
            items.append(item)
    return items


def json_of(body: object) -> object:
    """Return the JSON value in a body; one between the fields of an event stream (``data: {...}``) counts.

    Args:
        body: Its bytes or its text.

    Returns:
        The value; the text where it holds none.
    """
    from json import loads

    if isinstance(body, bytes | bytearray | str):
        try:
            return loads(body)
        except (ValueError, RecursionError):
            pass  # a value that something surrounds
    from pipelex.cogt.error_body import parsed

    return parsed(body)


def word_of(value: object) -> str | None:
    """Return a text that is not empty; ``None`` for anything else."""
    return value if isinstance(value, str) and value else None


def text_of(content: object) -> str:
    """Return the text of a content, as the formats of the vendors have it.

    Args:
        content: A text, a block with a ``text``, or a list of either. Blocks of reasoning, and those that hold
            something else, count for nothing.
    """
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return "".join([text_of(block) for block in content])
    if content is None or field_of(content, "type") in _REASONING:
        return ""
    text = field_of(content, "text")
    text = text if isinstance(text, str | list) else field_of(text, "value")  # some formats nest it
    if isinstance(text, str | list):
        return text_of(text)
    unread = field_of(content, "raw")  # where an SDK keeps a block that it cannot read
    return text_of(unread) if isinstance(unread, dict) else ""


def reasoning_of(content: object) -> str:
    """Return what the blocks of reasoning in a content say; nothing of a content that is a text."""
    blocks = items_of(content)
    return "".join(
        text_of(field_of(block, "thinking") or field_of(block, "reasoning") or field_of(block, "text"))
        for block in blocks
        if field_of(block, "type") in _REASONING
    )


def arguments_of(value: object) -> str:
    """Return the arguments of a tool call as JSON text; some servers send the object in its place."""
    if isinstance(value, dict | list):
        import json

        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else ""


def usage_of(counts: object, **paths: str) -> InferenceUsage | None:
    """Read the counts of an answer.

    Args:
        counts: The vendor's record of what the call used.
        paths: For each field of InferenceUsage, the field of the record, dotted where it stands below another
            (``cached_input_tokens="prompt_tokens_details.cached_tokens"``). Of several with ``|`` between them the
            first that is there counts; several with ``+`` between them are added up, where the first is there.

    Returns:
        The counts that are whole numbers; ``None`` where there is none.
    """
    found: dict[str, int] = {}
    for name, path in paths.items():
        for fields in _alternatives(path):
            total = _sum(counts, fields)
            if total is not None:
                found[name] = total
                break
    return InferenceUsage(**found) if found else None


@cache
def _alternatives(path: str) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Return what a path of :func:`usage_of` means: alternatives of sums of fields."""
    return tuple(tuple(tuple(field.split(".")) for field in one.split("+")) for one in path.split("|"))


def is_raised_in(error: BaseException, module: str, function: str = "") -> bool:
    """Tell whether an exception came out of the code that reads answers, for a driver's ``_classify_error``.

    Args:
        error: What an SDK raised: a TypeError, say, of its own parser.
        module: The module that reads answers, or a package of such modules.
        function: A part of the name of the function that does; any, where it is empty.
    """
    traceback = error.__traceback__
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if f"{name}.".startswith(f"{module}.") and function in traceback.tb_frame.f_code.co_name:
            return True
        traceback = traceback.tb_next
    return False


def bare_json(text: str) -> str:
    """Return the JSON of a text that wraps it: in a byte order mark, a thought, a fence, or sentences around it.

    Args:
        text: What a model answered.

    Returns:
        The JSON inside, not validated; the text as it is where it holds no JSON object or array, or more than one.
    """
    bare = text.removeprefix("\ufeff").strip()
    if not bare.startswith(("{", "[")):
        bare = _THOUGHT.sub("", bare, count=1).strip()
    fenced = _FENCE.findall(bare)
    if len(fenced) == 1:
        bare = fenced[0].strip()
    start = next((at for at, character in enumerate(bare) if character in "{["), None)
    if start is None:
        return bare
    import json

    try:
        _, end = json.JSONDecoder().raw_decode(bare, start)
    except (ValueError, RecursionError):
        return bare
    is_alone = not {"{", "["} & set(bare[end:])  # of more than one, it is not known which is meant
    return bare[start:end] if is_alone else bare


_THOUGHT = re.compile(r"\A.*?</think(?:ing)?>", re.DOTALL)  # some templates write the opening tag into the prompt
_FENCE = re.compile(r"```(?:[\w+-]*[ \t]*\n|json\b)(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


def _sum(counts: object, fields: tuple[tuple[str, ...], ...]) -> int | None:
    total = _count(field_of(counts, *fields[0]))
    if total is not None:
        for field in fields[1:]:
            total += _count(field_of(counts, *field)) or 0
    return total


def _count(value: object) -> int | None:
    """Return a whole number that a count can be; some servers write it as a float or a text."""
    if value is None or (type(value) is int and 0 <= value < _NO_COUNT):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(_NO_COUNT)):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value < _NO_COUNT or value != value // 1:
        return None
    return int(value)


def answer_in(body: object) -> PartialAnswer | None:
    """Return what a body holds of a whole answer, in the format of any vendor, where it came in place of another thing.

    Args:
        body: Its bytes, its text, or the JSON value that an SDK made of it; a list of pieces, as Gemini has it, and the
            events of a stream count.
    """
    from pipelex.cogt.error_body import parsed
    from pipelex.cogt.inference.inference_result import PartialAnswer

    value = parsed(body)
    pieces = _events_in(value) if isinstance(value, str) else items_of(value)
    said = [text_of(content) for piece in pieces for content in _contents_of(piece)]
    places = [(), ("message",), ("response",)]
    records = [field_of(piece, *place) for piece in pieces for place in places]
    usages = [field_of(record, "usage") or field_of(record, "usageMetadata") for record in records]
    usage = usage_of(
        next((counts for counts in reversed(usages) if counts), None),
        input_tokens="prompt_tokens|input_tokens|inputTokens|promptTokenCount",
        output_tokens="completion_tokens|output_tokens|outputTokens|candidatesTokenCount+thoughtsTokenCount",
    )
    text = "".join(said)
    return PartialAnswer(text=text, usage=usage) if text or usage is not None else None


def _contents_of(piece: object) -> list[object]:
    """Return the contents of an answer, or of a piece of one; what the model thought is none."""
    messages = [piece, field_of(piece, "output", "message"), *items_of(field_of(piece, "output"))]
    choices = items_of(field_of(piece, "choices"))[:1]
    messages += [field_of(choice, "message") or field_of(choice, "delta") for choice in choices]
    contents = [field_of(message, "content") for message in messages if field_of(message, "type") != "reasoning"]
    candidates = items_of(field_of(piece, "candidates"))[:1]
    parts = [part for candidate in candidates for part in items_of(field_of(candidate, "content", "parts"))]
    contents.append([part for part in parts if not field_of(part, "thought")])
    if field_of(piece, "type") in _TEXT_EVENTS:
        contents.append(field_of(piece, "delta"))
    return contents


def _events_in(text: str) -> list[object]:
    """Return the JSON values of the events of a stream."""
    from pipelex.cogt.error_body import parsed

    lines = (line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:"))
    return [parsed(line) for line in lines]


_TEXT_EVENTS = ("content_block_delta", "response.output_text.delta")
