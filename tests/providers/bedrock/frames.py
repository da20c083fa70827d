"""The binary frames in which AWS streams.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html (the same for all services)
"""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from zlib import crc32

from pipelex.testing.loopback import HttpReply

_STRING = 7


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame: its lengths and their checksum, headers, payload, the checksum of it all."""
    packed = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    return _framed(packed, payload)


def _framed(packed: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", len(packed) + len(payload) + 16, len(packed))
    body = prelude + struct.pack(">I", crc32(prelude)) + packed + payload
    return body + struct.pack(">I", crc32(body))


def event(name: str, data: object) -> bytes:
    """An event of a stream."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps(data).encode())


def exception(name: str, text: str) -> bytes:
    """An error in the middle of a stream."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": text}).encode())


def chunk(data: object) -> bytes:
    """A piece of InvokeModelWithResponseStream: what the model's vendor would send, in base64."""
    return event("chunk", {"bytes": b64encode(json.dumps(data).encode()).decode()})


def stream(*pieces: bytes) -> HttpReply:
    """Answer with frames."""
    return HttpReply(headers={"Content-Type": "application/vnd.amazon.eventstream"}, pieces=pieces)


def read(piece: bytes) -> object:
    """Return the JSON in a frame; of a piece of InvokeModelWithResponseStream, what the model's vendor would send."""
    data = json.loads(_payload(piece))
    if isinstance(data, dict) and set(data) == {"bytes"}:
        return json.loads(b64decode(data["bytes"]))
    return data


def written(piece: bytes, data: object) -> bytes:
    """Return a frame with other JSON in it."""
    if set(json.loads(_payload(piece))) == {"bytes"}:
        data = {"bytes": b64encode(json.dumps(data).encode()).decode()}
    _, headers = struct.unpack(">II", piece[:8])
    return _framed(piece[12 : 12 + headers], json.dumps(data).encode())


def _payload(piece: bytes) -> bytes:
    _, headers = struct.unpack(">II", piece[:8])
    return piece[12 + headers : -4]
