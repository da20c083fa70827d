"""The vendors' answers, fixed, from 127.0.0.1: ``python server.py`` prints its port and serves until its input ends.

It stands in for OpenAI, Anthropic, Google and Mistral, each below a path of its own, and does so as cheaply as it can:
the answers are bytes that were made before, told apart by the path and by words in the request's body. A stream is sent
in one piece, so that what a client spends on it is its own work and not its waking up. It runs in a process of its own,
whose time is in no figure. ``GET /last`` returns the body that came last, so that two clients can be held against
each other.
"""

from __future__ import annotations

import asyncio
import json
import sys

TEXT = "Because air scatters blue light more than red."
OBJECT = {
    "customer": "Ada",
    "items": [{"name": "pen", "count": 2, "price": 1.5}, {"name": "ink", "count": 1, "price": 7.25}],
}
CHUNKS = 300
"""How many pieces of text a stream has."""

Json = dict[str, object]
_USAGE = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}


def _chat_completion(text: str) -> Json:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "bench"}
    return {**head, "choices": [choice], "usage": _USAGE}


def _chat_chunks() -> list[Json]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "bench"}
    pieces: list[Json] = [
        {**head, "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}], "usage": None}
        for _ in range(CHUNKS)
    ]
    end: Json = {**head, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}], "usage": _USAGE}
    return [*pieces, end]


def _message(text: str) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "bench",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 9},
    }


def _message_events() -> list[Json]:
    delta: Json = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}}
    return [
        {"type": "message_start", "message": {**_message(""), "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[delta] * CHUNKS,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    ]


def _content(text: str, *, ended: bool = True) -> Json:
    candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if ended:
        candidate["finishReason"] = "STOP"
    usage = {"promptTokenCount": 12, "candidatesTokenCount": 9, "totalTokenCount": 21}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "bench", "responseId": "r1"}


def _head(kind: str, length: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def _whole(data: object) -> bytes:
    body = json.dumps(data).encode()
    return _head("application/json", len(body)) + body


def _stream(items: list[Json], *, named: bool = False, last: str = "") -> bytes:
    events = [(f"event: {item['type']}\n" if named else "") + f"data: {json.dumps(item)}\n\n" for item in items]
    body = ("".join(events) + last).encode()
    return _head("text/event-stream", len(body)) + body


_DONE = "data: [DONE]\n\n"
_JSON = json.dumps(OBJECT)
_CHAT = (_whole(_chat_completion(TEXT)), _whole(_chat_completion(_JSON)), _stream(_chat_chunks(), last=_DONE))
_GOOGLE = [*[_content("word ", ended=False)] * CHUNKS, _content("")]
ANSWERS = {  # by the first part of the path: a text, an object, a stream
    b"openai": _CHAT,
    b"mistral": _CHAT,
    b"anthropic": (_whole(_message(TEXT)), _whole(_message(_JSON)), _stream(_message_events(), named=True)),
    b"google": (_whole(_content(TEXT)), _whole(_content(_JSON)), _stream(_GOOGLE)),
}
SLOW, SLOW_S = b"/slow", 0.05
"""Below this path the same answers come after so many seconds."""
_OBJECT_WORDS = (b'"json_schema"', b'"output_config"', b'"responseJsonSchema"', b'"responseSchema"')
_STREAM_WORDS = (b'"stream":true', b'"stream": true')


class Vendor(asyncio.Protocol):
    """One connection."""

    last = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            length = _length(head)
            if len(rest) < length:
                return
            self._received = rest[length:]
            path = head.split(b" ", 2)[1]
            answer = _answer(path.removeprefix(SLOW), rest[:length])
            if path.startswith(SLOW):
                asyncio.get_running_loop().call_later(SLOW_S, self._transport.write, answer)
            else:
                self._transport.write(answer)


def _length(head: bytes) -> int:
    _, found, after = head.lower().partition(b"\r\ncontent-length:")
    return int(after.partition(b"\r\n")[0]) if found else 0


def _answer(path: bytes, body: bytes) -> bytes:
    if path == b"/last":
        return _head("application/json", len(Vendor.last)) + Vendor.last
    Vendor.last = body
    text, structured, stream = ANSWERS[path.split(b"/", 2)[1]]
    if b":streamGenerateContent" in path or any(word in body for word in _STREAM_WORDS):
        return stream
    return structured if any(word in body for word in _OBJECT_WORDS) else text


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Vendor, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
