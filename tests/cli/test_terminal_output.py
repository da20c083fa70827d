"""What others wrote reaches a terminal without its control characters, and a pipe as it is."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import warnings
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipelex.cli.main import main
from pipelex.cli.output import show_warnings
from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_job import ExtractedPage
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, TextDelta
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.cogt.search.search_job import SearchAnswer, SearchSource
from pipelex.terminal import escaped
from tests.cli import fakes
from tests.plugins.shapes import Plugin, installed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.llm.llm_job import LLMEvent
    from pipelex.plugins.registrar import PluginRegistrar
    from tests.cli.conftest import Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is POSIX")

HOSTILE = "hi \x1b]0;PWNED\x07\x1b[2J\x1b[31m \x1b]52;c;ZXZpbA==\x07 \x9b31m \x7f\x08\r cr \x0c ff\ttab"
VISIBLE = escaped(HOSTILE)
CONTROL = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - set("\t\n")

OWN = re.compile(r"\r(?:\x1b\[K)?|\x1b\[\?25[lh]")
"""What progress is drawn with: back to the beginning of the line, clear it, hide the cursor and show it again."""


class Shown(NamedTuple):
    """What a command wrote to a terminal."""

    code: int
    text: str


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Shown:
    """Run a command whose three standard streams are a pseudo-terminal."""
    import pty
    import tty

    ours, theirs = pty.openpty()
    tty.setraw(theirs)  # the terminal adds nothing to what is written
    pieces: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        except OSError:  # Linux's word for the end of a terminal
            pass

    reader = Thread(target=read)
    reader.start()
    with (
        open(theirs, "w", encoding="utf-8") as stream,
        open(os.dup(theirs), encoding="utf-8") as keyboard,
        monkeypatch.context() as patch,
    ):
        for name, standard in (("stdin", keyboard), ("stdout", stream), ("stderr", stream)):
            patch.setattr(sys, name, standard)
        code = main(arguments)
    reader.join(5)
    os.close(ours)
    return Shown(code, b"".join(pieces).decode())


class HostileLLM(fakes.LLM):
    async def _gen_text(self, job: object) -> InferenceResult[str]:
        return InferenceResult(content=HOSTILE)

    async def _stream(self, job: object) -> AsyncIterator[LLMEvent]:
        for piece in (HOSTILE[:4], HOSTILE[4:]):
            yield TextDelta(text=piece)
        yield AnswerDone(answer=LLMAnswer())


class HostileExtract(fakes.Extract):
    async def _extract_pages(self, job: object) -> InferenceResult[tuple[ExtractedPage, ...]]:
        return InferenceResult(content=(ExtractedPage(number=1, text=HOSTILE), ExtractedPage(number=2, text="two")))


class HostileSearch(fakes.Search):
    async def _search(self, job: object) -> InferenceResult[SearchAnswer]:
        source = SearchSource(url=f"https://x.test/{HOSTILE}", title=HOSTILE, snippet=HOSTILE)
        return InferenceResult(content=SearchAnswer(text=HOSTILE, sources=(source,)))


def _register(registrar: PluginRegistrar) -> None:
    def fail(argv: object) -> int:
        raise ValueError(HOSTILE)

    registrar.add_command(name="fails", help=HOSTILE, run=fail)


def _break(registrar: PluginRegistrar) -> None:
    raise ValueError(HOSTILE)


@pytest.fixture
def hostile(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Everything that others may write, with control characters in it."""
    for name in ("LLM", "Extract", "Search"):
        monkeypatch.setattr(fakes, name, globals()[f"Hostile{name}"])
    terminal.plugin.listing = (ListedModel(id=HOSTILE, owner=HOSTILE),)
    terminal.install(
        installed(Plugin("fails", register=_register), "fails", "fails-dist"),
        installed(Plugin("broken", register=_break), "broken", "broken-dist")._replace(distribution=HOSTILE),
    )
    terminal.write("page.pdf", "x")
    home = terminal.project.parent / ".pipelex" / "pipelex.toml"
    toml_name = json.dumps(HOSTILE)
    home.write_text(f"{fakes.CONFIGURATION}\n[backends.{toml_name}.llm]\nsdk = {toml_name}\n", encoding="utf-8")
    return terminal


COMMANDS = [
    ("--help",),
    ("--version",),
    (HOSTILE,),
    ("llm", "hi"),
    ("llm", "hi", "--stream"),
    ("llm", "hi", "--json"),
    ("llm", "hi", "--tool", f"{HOSTILE}:f"),
    ("chat", "--model", HOSTILE),
    ("llm", "hi", "--model", HOSTILE),
    ("llm", "hi", "--image", f"{HOSTILE}.png"),
    ("llm", "hi", "--image", f"data:{HOSTILE}"),
    ("map", HOSTILE, "--prompt", "hi"),
    ("extract", "page.pdf"),
    ("extract", "page.pdf", "--json"),
    ("extract", HOSTILE),
    ("search", "hi"),
    ("search", "hi", "--json"),
    ("img-gen", "hi"),
    ("img-gen", "hi", "--out", HOSTILE),
    ("plugins", "list"),
    ("plugins", "list", "--json"),
    ("plugins", "check", HOSTILE),
    ("plugins", "new", HOSTILE),
    ("plugins", "upgrade", HOSTILE),
    ("show", "models", "fake"),
    ("show", "models", "fake", "--flat"),
    ("show", "models", "fake", "--json"),
    ("show", "models", HOSTILE),
    ("doctor",),
    ("init", "--help"),
    ("trust",),
    ("trust", "--list"),
    ("spi", "path"),
    ("completion", "bash"),
    ("fails",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: escaped(" ".join(command))[:24])
def test_no_control_character_of_others_reaches_a_terminal(
    hostile: Terminal, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    shown = on_a_terminal(monkeypatch, *command)
    assert set() == CONTROL & set(OWN.sub("", shown.text))
    assert shown.text.strip()


def test_every_command_is_tried() -> None:
    from pipelex.cli.main import COMMANDS as ALL

    assert set(ALL) <= {command[0] for command in COMMANDS}


def test_what_is_hidden_is_shown_in_escaped_form(hostile: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_a_terminal(monkeypatch, "llm", "hi").text
    assert VISIBLE in shown.splitlines()
    assert r"\x1b]0;PWNED\x07" in shown


def test_a_pipe_gets_what_was_written(hostile: Terminal) -> None:
    assert f"{HOSTILE}\n" == hostile.run("llm", "hi").out
    assert HOSTILE == hostile.run("llm", "hi", "--json").data["text"]
    assert f"{HOSTILE}\n" == hostile.run("show", "models", "fake", "--flat").out


def test_what_libraries_log_and_warn_of_is_one_line_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging, "lastResort", None)
    monkeypatch.setattr(warnings, "showwarning", None)
    show_warnings()
    assert logging.lastResort is not None
    logging.lastResort.handle(logging.makeLogRecord({"msg": "odd\n%s", "args": ("row",), "levelno": logging.WARNING}))
    warnings.showwarning("old\nway", UserWarning, __file__, 1)
    assert "warning: odd row\nwarning: old way\n" == capsys.readouterr().err


def test_an_error_is_shown_without_them(hostile: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile.plugin.listing = InferenceRequestError(HOSTILE)
    shown = on_a_terminal(monkeypatch, "show", "models", "fake")
    assert 1 == shown.code
    assert VISIBLE in shown.text
    assert set() == CONTROL & set(shown.text)


def test_the_escaped_form_is_that_of_the_ascii_table() -> None:
    assert r"a\x00\x1b\x7f\x9b" + "\t\nü" == escaped("a\x00\x1b\x7f\x9b\t\nü")
