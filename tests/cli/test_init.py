from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pipelex.config.locations import FILE_NAMES
from pipelex.config.settings import Settings
from pipelex.config.starter import packaged_backends
from pipelex.diagnosis import plugins as plugins_part
from pipelex.reading.modules import ModuleLocation, locate
from pipelex.spi.lock import read_spi_lock
from tests.acme.environment import write_distribution
from tests.cli.test_doctor import ENTRY, PLUGIN
from tests.heavy import heavy_but

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Terminal

BACKENDS = packaged_backends()
WRITTEN = [os.path.join(".pipelex", name) for name in FILE_NAMES]


@pytest.fixture(autouse=True)
def _no_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in BACKENDS.values():
        for variable in backend.variables:
            monkeypatch.delenv(variable, raising=False)


def _files(terminal: Terminal) -> dict[str, str]:
    folder = terminal.project / ".pipelex"
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} if folder.is_dir() else {}


def test_it_writes_the_files_and_says_what_comes_next(terminal: Terminal) -> None:
    outcome = terminal.run("init", "-b", "openai", "-b", "anthropic")
    assert (0, "") == (outcome.code, outcome.err)
    assert set(FILE_NAMES) == set(_files(terminal))
    assert [f"Wrote {path}" for path in WRITTEN] == outcome.out.splitlines()[:2]
    first_call = 'pipelex llm "Say hello." --model gpt-5.6-sol'
    next_steps = ("export OPENAI_API_KEY=...", "export ANTHROPIC_API_KEY=...", first_call)
    assert next_steps == tuple(map(str.strip, outcome.out.partition("Next:\n")[2].splitlines()))
    assert "gpt-5.6-sol" == Settings.load().default_model(Settings.load().families_of("openai")[0])


def test_no_key_is_written_and_a_set_one_is_not_asked_for(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (variable for backend in BACKENDS.values() for variable in backend.variables):
        monkeypatch.setenv(variable, "sk-secret")
    outcome = terminal.run("init", "--all")
    assert "export" not in outcome.out
    assert "sk-secret" not in "".join((*_files(terminal).values(), outcome.out, outcome.err))
    assert all(f"[backends.{name}]" in _files(terminal)["pipelex.toml"] for name in BACKENDS)


def test_json_tells_the_same(terminal: Terminal) -> None:
    data = terminal.run("init", "--backend", "openrouter", "--json").data
    assert WRITTEN == data["files"]
    [backend] = data["backends"]
    assert ("openrouter", ["OPENROUTER_API_KEY"]) == (backend["name"], backend["unset_variables"])
    assert 'pipelex llm "Say hello." --model openrouter/MODEL-ID' == data["next"][-1]


@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_file_that_is_there_is_left_alone_and_none_is_written(terminal: Terminal, name: str) -> None:
    terminal.configure("# mine\n", name)
    outcome = terminal.run("init", "-b", "openai")
    assert (1, "") == (outcome.code, outcome.out)
    assert f"{name}: it exists already. Edit it, or replace it with --force" in outcome.err
    assert {name: "# mine\n"} == _files(terminal)
    assert 0 == terminal.run("init", "-b", "openai", "--force").code
    assert set(FILE_NAMES) == set(_files(terminal))


def test_a_file_that_cannot_be_replaced_leaves_the_other_as_it_was(terminal: Terminal) -> None:
    terminal.configure("# mine\n")
    (terminal.project / ".pipelex" / "models.toml").mkdir()
    outcome = terminal.run("init", "-b", "openai", "--force")
    assert 1 == outcome.code
    assert "models.toml" in outcome.err
    assert "# mine\n" == (terminal.project / ".pipelex" / "pipelex.toml").read_text()
    assert {*FILE_NAMES} == {path.name for path in (terminal.project / ".pipelex").iterdir()}


def test_an_unknown_backend_is_told_the_nearest(terminal: Terminal) -> None:
    outcome = terminal.run("init", "-b", "opnai")
    assert (2, {}) == (outcome.code, _files(terminal))
    assert "there is no backend 'opnai'. Did you mean 'openai'" in outcome.err


@pytest.mark.parametrize(("arguments", "stdin"), [([], ""), (["--json"], None)])
def test_without_a_terminal_the_backends_have_to_be_named(
    terminal: Terminal, arguments: list[str], stdin: str | None
) -> None:
    outcome = terminal.run("init", *arguments, stdin=stdin)
    assert (2, "", {}) == (outcome.code, outcome.out, _files(terminal))
    assert "Give --backend, once or several times, or --all: local" in outcome.err


def test_at_a_terminal_one_chooses_by_number_or_name(terminal: Terminal) -> None:
    number = 1 + list(BACKENDS).index("openai")
    outcome = terminal.run("init", typed=f" , \nopnai\n{number}, anthropic\n")
    assert 0 == outcome.code
    assert "name at least one" in outcome.err + outcome.out
    assert "there is no backend 'opnai'" in outcome.err + outcome.out
    assert "[backends.openai]" in _files(terminal)["pipelex.toml"]
    assert "[backends.anthropic]" in _files(terminal)["pipelex.toml"]
    assert "[backends.mistral]" not in _files(terminal)["pipelex.toml"]


def test_the_backends_whose_keys_are_set_are_offered(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    assert "number or name [openai]: " in terminal.run("init", typed="\n").out
    assert "[backends.openai]" in _files(terminal)["pipelex.toml"]


def test_nobody_is_asked_in_vain(terminal: Terminal) -> None:
    terminal.configure("")
    assert (1, "") == terminal.run("init", typed="openai\n")[:2]


def test_giving_up_writes_nothing(terminal: Terminal) -> None:
    assert 130 == terminal.run("init").code
    assert {} == _files(terminal)


WITH_SDK = {row.name: row for row in read_spi_lock().builtins if row.extra}


@pytest.mark.parametrize("name", heavy_but("openai", "bedrock", names=WITH_SDK))
def test_a_missing_sdk_is_named_with_the_command_that_brings_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    row = WITH_SDK[name]
    gone = ModuleLocation(is_missing=True)
    monkeypatch.setattr(plugins_part, "locate", lambda name: gone if name == row.imports[0] else locate(name))
    data = terminal.run("init", "--all", "--json").data
    assert any(row.imports[0] in backend["missing"] for backend in data["backends"])
    assert any(step.startswith("pip install ") and f"[{row.extra}]" in step for step in data["next"])


def test_the_sdk_of_an_installed_plugin_can_be_chosen(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_distribution(tmp_path / "path", name="acme-dist", entry_points=ENTRY, acme_plugin=PLUGIN)
    monkeypatch.syspath_prepend(tmp_path / "path")
    data = terminal.run("init", "-b", "acme", "--json").data
    assert [{"name": "acme", "families": ["llm"], "unset_variables": [], "missing": ["acme_sdk.client"]}] == data[
        "backends"
    ]
    assert "[backends.acme]" in _files(terminal)["pipelex.toml"]


@pytest.mark.parametrize("family", ['"video"', "FAMILY"])
def test_a_plugin_whose_family_is_none_offers_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, family: str
) -> None:
    plugin = PLUGIN.replace("family=InferenceFamily.LLM", f"family={family}")
    write_distribution(tmp_path / "path", name="acme-dist", entry_points=ENTRY, acme_plugin=plugin)
    monkeypatch.syspath_prepend(tmp_path / "path")
    assert 2 == terminal.run("init", "-b", "acme").code
    assert 0 == terminal.run("init", "--all").code


def test_another_folder_is_entered_first(terminal: Terminal) -> None:
    (terminal.project / "other").mkdir()
    data = terminal.run("init", "-b", "openai", "--dir", "other", "--json").data
    assert "cd other" == data["next"][0]
    assert (terminal.project / "other" / ".pipelex" / "models.toml").is_file()
    assert json.dumps(data).count("MODEL-ID") == 0
