"""The Acme server, for demonstrations and tests: ``python -m acme.server --port 0``.

It binds 127.0.0.1 and nothing else, prints its address on one line (``acme listening on http://127.0.0.1:PORT``)
and serves until it is ended. What it answers depends on the request alone:

- ``GET /v1/models``: the models of ``MODELS``.
- ``POST /v1/completions``: ``You said: <prompt>``, with ``[<system>]`` in front where there is an instruction. A
  token is a word. ``max_tokens`` cuts the answer off (``finish_reason`` ``length``); ``stream`` sends it word by
  word, one JSON object a line.
- With a ``json_schema``: the smallest JSON that fits. A string is the prompt, a number its count of words.
- Any other key than ``--api-key``: 401. Any other model than those listed: 404. A request that is not understood: 400.
- The prompt ``fail with 429``, or any other status from 400 to 599: that status; 429 says ``Retry-After: 2``.
- The prompt ``refuse``: an empty answer with ``finish_reason`` ``refused``.
- The prompt ``break off``: the connection ends in the middle of the answer.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any

from acme.client import AcmeModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEFAULT_API_KEY = "acme-test-key"

MODELS = (
    AcmeModel(id="acme-small", created=1735689600, owner="acme", context_window=4096),
    AcmeModel(id="acme-large", created=1767225600, owner="acme", context_window=32768),
)


class AcmeServer(ThreadingHTTPServer):
    """Serves the API.

    Args:
        port: The port; 0 for a free one.
        api_key: The one key that is accepted.
    """

    daemon_threads = True

    def __init__(self, *, port: int = 0, api_key: str = DEFAULT_API_KEY) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.api_key = api_key
        self.request_ids = count(1)

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Refusal(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: AcmeServer

    def do_GET(self) -> None:
        self._answer(self._list_models)

    def do_POST(self) -> None:
        self._answer(self._complete)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _answer(self, serve: Callable[[], None]) -> None:
        try:
            if self.headers.get("Authorization") != f"Bearer {self.server.api_key}":
                raise _Refusal(401, "This key is not accepted")
            serve()
        except _Refusal as refusal:
            self._send(json.dumps({"error": str(refusal)}).encode(), status=refusal.status)

    def _list_models(self) -> None:
        if self.path != "/v1/models":
            raise _Refusal(404, "There is nothing at this path")
        self._send(json.dumps({"models": [asdict(model) for model in MODELS]}).encode())

    def _complete(self) -> None:
        if self.path != "/v1/completions":
            raise _Refusal(404, "There is nothing at this path")
        request = self._request()
        pieces = _pieces(request)
        if request.get("stream"):
            self._send_head(200, "application/x-ndjson")
            for piece in pieces:
                self.wfile.write(json.dumps(piece).encode() + b"\n")
            return
        whole = list(pieces)
        body = json.dumps({**whole[-1], "text": "".join(piece["text"] for piece in whole)}).encode()
        is_broken_off = "finish_reason" not in whole[-1]
        self._send(body[:-9] if is_broken_off else body, length=len(body))

    def _request(self) -> dict[str, Any]:
        try:
            request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            model, prompt = request["model"], request["prompt"]
        except (ValueError, KeyError, TypeError) as exc:
            raise _Refusal(400, "The request is not a JSON object with 'model' and 'prompt'") from exc
        if model not in {known.id for known in MODELS}:
            raise _Refusal(404, f"There is no model '{model}'")
        if asked := re.fullmatch(r"fail with ([45]\d\d)", prompt):
            raise _Refusal(int(asked[1]), f"You asked for a {asked[1]}")
        return dict(request)

    def _send(self, body: bytes, *, status: int = 200, length: int | None = None) -> None:
        self._send_head(status, "application/json", ("Content-Length", str(len(body) if length is None else length)))
        self.wfile.write(body)

    def _send_head(self, status: int, content_type: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        own = [("Content-Type", content_type), ("X-Request-Id", f"acme-{next(self.server.request_ids)}")]
        if status == 429:
            own.append(("Retry-After", "2"))
        for name, value in (*own, *headers):
            self.send_header(name, value)
        self.end_headers()


def _pieces(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the answer word by word; the last piece says how it ended."""
    prompt, limit = request["prompt"], request.get("max_tokens")
    words = [] if prompt == "refuse" else re.findall(r"\S+\s*", _answer_text(request))
    reason = "refused" if prompt == "refuse" else "stop"
    if limit is not None and len(words) > limit:
        words, reason = words[:limit], "length"
    for word in words:
        yield {"model": request["model"], "text": word}
    if prompt != "break off":
        read = len(f"{request.get('system', '')} {prompt}".split())
        usage = {"input_tokens": read, "output_tokens": len(words)}
        yield {"model": request["model"], "text": "", "finish_reason": reason, "usage": usage}


def _answer_text(request: dict[str, Any]) -> str:
    schema = request.get("json_schema")
    if schema is not None:
        return json.dumps(_fitting(schema, request["prompt"], schema.get("$defs", {})))
    system = request.get("system")
    return (f"[{system}] " if system else "") + f"You said: {request['prompt']}"


def _fitting(schema: dict[str, Any], prompt: str, definitions: dict[str, Any]) -> object:
    """Make the smallest value that fits a schema."""
    if "$ref" in schema:
        return _fitting(definitions[schema["$ref"].rpartition("/")[2]], prompt, definitions)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _fitting(schema[key][0], prompt, definitions)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type", "string")
    if kind == "object":
        required = schema.get("required", [])
        return {name: _fitting(schema["properties"][name], prompt, definitions) for name in required}
    if kind == "array":
        return [_fitting(schema.get("items", {}), prompt, definitions)]
    words = len(prompt.split())
    scalars: dict[str, object] = {"integer": words, "number": float(words), "boolean": True, "null": None}
    return scalars.get(kind, prompt)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m acme.server", description="The Acme server, on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8470, help="the port; 0 for a free one (default: %(default)s)")
    parser.add_argument("--api-key", default=DEFAULT_API_KEY, help="the key to accept (default: %(default)s)")
    arguments = parser.parse_args(argv)
    with AcmeServer(port=arguments.port, api_key=arguments.api_key) as server:
        sys.stdout.write(f"acme listening on {server.url}\n")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
