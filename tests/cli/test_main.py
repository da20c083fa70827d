from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click
import pytest

from pipelex.cli.main import COMMANDS
from pipelex.cli.plugin_commands import ConfiguredBackends
from pipelex.plugins.registrar import CORE_COMMANDS
from tests.plugins.shapes import Plugin, installed

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.plugins.registrar import PluginRegistrar
    from tests.cli.conftest import Terminal

RUN = "import sys; from pipelex.cli.main import main; sys.exit(main())"


def _start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "HOME": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )


def test_the_commands_are_those_that_no_plugin_may_shadow() -> None:
    assert set(COMMANDS) == CORE_COMMANDS


def test_the_list_of_commands_says_what_their_own_help_says() -> None:
    """The static table names an existing command, by its own name."""
    for name, command in COMMANDS.items():
        module, _, attribute = command.target.partition(":")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, click.Command)
        assert name == found.name


def test_help_lists_the_core_and_the_plugins(terminal: Terminal) -> None:
    outcome = terminal.run("--help")
    assert (0, "") == (outcome.code, outcome.err)
    for name in (*COMMANDS, "fake-run"):
        assert f"\n  {name} " in outcome.out
    assert "Echo the arguments." in outcome.out


@pytest.mark.parametrize("name", [*COMMANDS, "plugins list", "show models"])
def test_every_command_has_help(terminal: Terminal, name: str) -> None:
    outcome = terminal.run(*name.split(), "--help")
    assert (0, "") == (outcome.code, outcome.err)
    assert outcome.out.startswith(f"Usage: pipelex {name}")


def test_a_plugins_command_gets_all_that_stands_behind_its_name(terminal: Terminal) -> None:
    outcome = terminal.run("fake-run", "install", "--help", "-x", "--", "y")
    assert (7, ["install", "--help", "-x", "--", "y"]) == (outcome.code, json.loads(outcome.out))


def test_a_broken_plugin_costs_another_command_one_line(terminal: Terminal) -> None:
    terminal.install(installed(Plugin("old", targets_api=99), name="old"))
    outcome = terminal.run("llm", "hello")
    assert (0, "echo: hello\n") == (outcome.code, outcome.out)
    assert len(outcome.err.splitlines()) == 1
    assert "'old' targets plugin API version 99" in outcome.err


def test_a_command_of_a_plugin_gets_its_backends_record_and_its_programs_name(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.configure(
        '[backends.mine]\nendpoint = "http://127.0.0.1:9/v1"\n[backends.keyed]\napi_key = "${FAKE_KEY}"\n'
    )
    monkeypatch.delenv("FAKE_KEY", raising=False)
    outcome = terminal.run("fake-run", "--backend", "mine")
    assert (7, ["pipelex fake-run", "http://127.0.0.1:9/v1"]) == (
        outcome.code,
        json.loads(outcome.out.splitlines()[-1]),
    )
    unknown, unset = terminal.run("fake-run", "--backend", "min"), terminal.run("fake-run", "--backend", "keyed")
    assert (2, 2) == (unknown.code, unset.code)
    assert "No backend 'min' is configured." in unknown.err
    assert "FAKE_KEY" in unset.err


def test_the_backends_of_a_command_are_a_mapping() -> None:
    backends = ConfiguredBackends()
    assert len(backends) == len(list(backends)) > 0
    assert None is backends.get("no-such-backend")
    assert "openai" in backends
    assert "no-such-backend" not in backends


@pytest.mark.parametrize("arguments", [["--help"], ["fake-run"]])
def test_a_broken_plugin_costs_no_other_plugin_its_command(terminal: Terminal, arguments: list[str]) -> None:
    terminal.install(installed(Plugin("old", targets_api=99), name="old"))
    outcome = terminal.run(*arguments)
    assert outcome.code in {0, 7}
    assert len(outcome.err.splitlines()) == 1


def test_a_wrong_configuration_costs_the_help_the_plugins_commands_alone(terminal: Terminal) -> None:
    terminal.configure("[plugins]\ndisabled = 1\n")
    outcome = terminal.run("--help")
    assert outcome.code == 0
    assert "fake-run" not in outcome.out
    assert "pipelex.toml:2" in outcome.err


def test_an_unknown_command_is_misuse_and_names_the_nearest(terminal: Terminal) -> None:
    outcome = terminal.run("extrct")
    assert (2, "") == (outcome.code, outcome.out)
    assert "No such command 'extrct'. Did you mean 'extract'?" in outcome.err


def test_a_configuration_error_ends_with_2_and_names_its_page(terminal: Terminal) -> None:
    terminal.configure("[backend.x]\n")
    outcome = terminal.run("llm", "hello")
    assert (2, "") == (outcome.code, outcome.out)
    assert "pipelex.toml:1: backend: unknown table. Did you mean 'backends'?" in outcome.err
    assert "see docs/errors.md#configurationerror" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["llm", "--json", "fail"], 1, "InferenceRequestError"),
        (["llm", "--json", "-m", "nope", "hello"], 2, "UnknownModelError"),
        (["llm", "--json", "-m", "keyed/x", "hello"], 2, "MissingCredentialError"),
        (["llm", "--json", "-m", "lonely/x", "hello"], 1, "InferenceBackendNotFoundError"),
        (["show", "models", "--json", "nope"], 2, "UnknownBackendError"),
        (["llm", "--json", "--frob"], 2, "NoSuchOption"),
        (["extract", "--json", "--pages", "3-1", "x.pdf"], 2, "BadParameter"),
    ],
)
def test_with_json_an_error_is_one_object_on_stderr(
    terminal: Terminal, arguments: list[str], code: int, error: str
) -> None:
    outcome = terminal.run(*arguments)
    assert (code, "") == (outcome.code, outcome.out)
    [line] = outcome.err.splitlines()
    assert error == json.loads(line)["error"]


def test_json_after_two_dashes_is_a_prompt(terminal: Terminal) -> None:
    assert terminal.run("llm", "--", "--json").out == "echo: --json\n"


def test_an_interrupt_ends_with_130(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelex.cli.llm.text_or_stdin", interrupted)
    outcome = terminal.run("llm", "hello")
    assert (130, "") == (outcome.code, outcome.out)
    assert "interrupted" in outcome.err
    assert "Traceback" not in outcome.err


def test_the_version_is_told(terminal: Terminal) -> None:
    outcome = terminal.run("--version")
    assert outcome.code == 0
    assert outcome.out.startswith("pipelex ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(terminal: Terminal, shell: str) -> None:
    if shell == "bash" and not os.path.exists("/bin/bash"):
        pytest.skip("click asks bash for its version")
    outcome = terminal.run("completion", shell)
    assert outcome.code == 0
    assert "_PIPELEX_COMPLETE" in outcome.out


def test_a_closed_pipe_ends_a_command_quietly(tmp_path: Path) -> None:
    with _start("plugins", "list", folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_an_exit_code_leaves_the_process(tmp_path: Path) -> None:
    with _start("llm", "-m", "nope", "hello", folder=tmp_path) as process:
        out, err = process.communicate()
    assert (2, "") == (process.returncode, out)
    assert err.startswith("error: No model 'nope'")


def test_a_character_that_the_output_cannot_hold_does_not_end_a_command(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="latin-1"))
    assert terminal.run("llm", "\u2602").code == 0
    assert written.getvalue() == b"echo: \\u2602\n"


def test_help_of_a_command_loads_neither_pydantic_nor_the_plugins(tmp_path: Path) -> None:
    code = (
        "import sys; from pipelex.cli.main import main; main(['llm', '--help']);"
        "loaded = {'pydantic', 'importlib.metadata', 'pipelex.plugins.discovery', 'pipelex.boot'} & sys.modules.keys();"
        "sys.exit(repr(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stderr)


def test_a_fault_in_a_plugins_code_is_one_error_that_names_its_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(registrar: PluginRegistrar) -> None:
        registrar.add_command(name="fails", help="Fail.", run=lambda call: int("x"))

    terminal.install(installed(Plugin("fails", register=fail), "fails", "fails-dist"))
    outcome = terminal.run("fails", "--json")
    error = json.loads(outcome.err.splitlines()[-1])
    assert (1, "UnexpectedError", "ValueError: invalid literal for int() with base 10: 'x'") == (
        outcome.code,
        error["error"],
        error["reason"],
    )
    assert error["place"].startswith(__file__)
    assert "Traceback" not in outcome.err
    monkeypatch.setenv("PIPELEX_TRACEBACK", "1")
    with pytest.raises(ValueError, match="invalid literal"):
        terminal.run("fails")
