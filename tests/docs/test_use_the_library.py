"""The programs of docs/use-the-library.md run as they stand, and print what is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.testing import samples
from tests.architecture.tree import ROOT
from tests.docs.pages import blocks
from tests.providers.openai import wire
from tests.providers.replay import Replay, answer, sse

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.testing.loopback import HttpReply, HttpRequest

PAGE = (ROOT / "docs" / "use-the-library.md").read_text(encoding="utf-8")
PROGRAMS = dict(enumerate(zip(blocks(PAGE, "python"), blocks(PAGE, "text"), strict=True)))
WHY = "Blue light is scattered most."


def reply(request: HttpRequest) -> HttpReply:
    """Answer as the page shows it."""
    body: Any = request.json()
    last = body["messages"][-1]
    if body.get("stream") and "response_format" in body:
        return sse(wire.completion_chunks(['{"name": "Ro', 'me", "people": 28', "00000}"]))
    if body.get("stream"):
        return sse(wire.completion_chunks(["Blue light is ", "scattered most."]))
    if last["role"] == "tool":
        return answer(wire.completion(f"It said {last['content']}"))
    if "tools" in body:
        call = {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
        whole: Any = wire.completion(None, finish_reason="tool_calls")
        whole["choices"][0]["message"]["tool_calls"] = [call]
        return answer(whole)
    if "response_format" in body:
        return answer(wire.completion('{"name": "Rome", "people": 2800000}'))
    if body.get("max_completion_tokens") == 3:
        return answer(wire.completion("Blue light is", finish_reason="length"))
    return answer(wire.completion(WHY, model="gpt-4.1-mini"))


@pytest.mark.parametrize("place", PROGRAMS)
def test_a_program_runs_and_prints_what_is_shown(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, shown = PROGRAMS[place]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELEX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIPELEX_TRUST", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "example-key-3f1a")
    (tmp_path / ".pipelex").mkdir()
    (tmp_path / "picture.png").write_bytes(samples.png("example"))
    with Replay() as replay:
        replay.on("POST /v1/chat/completions", reply)
        settings = f'[backends.openai]\nendpoint = "{replay.url}/v1"\napi_key = "${{OPENAI_API_KEY}}"\n'
        (tmp_path / ".pipelex" / "pipelex.toml").write_text(settings)
        exec(compile(program, f"block {place}", "exec"), {"__name__": "__main__"})
    assert shown == capsys.readouterr().out


def test_the_table_has_every_error_of_a_call_and_no_other() -> None:
    from pipelex.cogt import exceptions

    table = set(re.findall(r"`(\w+Error)`", "".join(re.findall(r"^\| .+$", PAGE, re.MULTILINE))))
    root = exceptions.InferenceError
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, root)]
    assert {kind.__name__ for kind in kinds if kind is not root} == table
