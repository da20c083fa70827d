"""The programs of docs/examples run on the local model and on the counterparts of two vendors."""

from __future__ import annotations

import ast
import io
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.architecture.tree import ROOT
from tests.docs.stages import KEY, WHY, anthropic_turn, openai_turn
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelex.testing.loopback import HttpReply, HttpRequest

PROGRAMS = ROOT / "docs" / "examples" / "programs"
PEER = ROOT / "docs" / "examples" / "pydantic_ai"


@dataclass(frozen=True)
class Vendor:
    """A vendor's counterpart, and a model that is called on it."""

    backend: str
    model: str
    route: str
    path: str
    turn: Callable[[HttpRequest], HttpReply]


VENDORS = (
    Vendor("openai", "gpt-4.1-mini", "POST /v1/chat/completions", "/v1", openai_turn),
    Vendor("anthropic", "claude-haiku-4-5", "POST /v1/messages", "", anthropic_turn),
)


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.backend)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    found: Vendor = request.param
    return found


@pytest.fixture
def replay(vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replay]:
    """The vendor's counterpart, which programs call from the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELEX_TRUST", str(tmp_path))
    monkeypatch.setenv(f"{vendor.backend.upper()}_API_KEY", KEY)
    with Replay() as server:
        server.on(vendor.route, vendor.turn)
        (tmp_path / ".pipelex").mkdir()
        config = f'[backends.{vendor.backend}]\nendpoint = "{server.url}{vendor.path}"\n'
        (tmp_path / ".pipelex" / "pipelex.toml").write_text(config, encoding="utf-8")
        yield server


def run(name: str, *arguments: str, typed: str = "") -> None:
    """Run a program as a script in this process, with its arguments and what is typed."""
    script = PROGRAMS / name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [str(script), *arguments])
        patch.setattr("sys.stdin", io.StringIO(typed))
        runpy.run_path(str(script), run_name="__main__")


def statements_of(path: Path) -> int:
    """Count the statements of a program, those inside of others and docstrings included."""
    return count(path.read_text(encoding="utf-8"))


def count(text: str) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(text)))


def test_the_chat_sends_the_whole_conversation(
    vendor: Vendor, replay: Replay, capsys: pytest.CaptureFixture[str]
) -> None:
    run("chat.py", vendor.model, typed="hello\nagain\n")
    assert f"{WHY}\n{WHY}\n" == capsys.readouterr().out
    sent: Any = replay.last.json()
    assert ["user", "assistant", "user"] == [turn["role"] for turn in sent["messages"] if turn["role"] != "system"]


def test_the_tool_is_called_and_its_result_sent(
    vendor: Vendor, replay: Replay, capsys: pytest.CaptureFixture[str]
) -> None:
    run("tools.py", vendor.model, "Is it warm in Rome?")
    assert f"{WHY}\n" == capsys.readouterr().out
    assert '{\\"degrees\\":31.0}' in replay.last.body.decode()


@pytest.mark.parametrize("name", sorted(path.name for path in PROGRAMS.glob("*.py")))
def test_a_program_has_at_most_a_tenth_more_statements_than_the_same_in_pydantic_ai(name: str) -> None:
    ours, theirs = statements_of(PROGRAMS / name), statements_of(PEER / name)
    assert ours <= 1.1 * theirs


def test_each_statement_is_counted() -> None:
    assert 5 == count('"""Words."""\nimport a, b\nif a: b()\nelse: pass\n')


@pytest.mark.heavy
@pytest.mark.usefixtures("_weights")
@pytest.mark.parametrize(("name", "more", "typed"), [("chat.py", (), "Hello\n"), ("tools.py", ("Is it warm?",), "")])
def test_the_local_model_runs_a_program(
    name: str, more: tuple[str, ...], typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(name, "smollm2", *more, typed=typed)
    assert capsys.readouterr().out.strip()
