"""What docs/security.md names exists: tests, commands, variables, keys; and its figures are those of the code."""

from __future__ import annotations

import re

import click
import pytest

from pipelex.cli.main import cli
from pipelex.cogt.model_backends.model_spec import CallPolicy
from tests.architecture.tree import ROOT, SRC

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
CODE = "".join(path.read_text(encoding="utf-8") for path in SRC.rglob("*.py"))


def unknown_names(page: str) -> list[str]:
    """Return the tests, commands and variables of a page that the project does not have."""
    quoted = set(re.findall(r"`([^`]+)`", page))
    tests = [name for name in quoted if name.startswith("tests/") and not (ROOT / name).exists()]
    variables = [name for name in quoted if re.fullmatch(r"PIPELEX_\w+", name) and f'"{name}"' not in CODE]
    commands = [name for name in quoted if re.match(r"(pipelex|plugins|init) ?", name) and not is_command(name)]
    return sorted(tests + variables + commands)


def is_command(text: str) -> bool:
    """Return whether words are a command, with its options and arguments."""
    command: click.Command = cli
    for word in text.removeprefix("pipelex").split():
        context = click.Context(command)
        if word.startswith("-"):
            if not any(word in option.opts for option in command.get_params(context)):
                return False
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return False
            command = found
    return True


def test_what_the_page_names_exists() -> None:
    assert [] == unknown_names(PAGE)


@pytest.mark.parametrize("text", ["`tests/none.py`", "`PIPELEX_NONE`", "`pipelex none`", "`pipelex trust --none`"])
def test_what_does_not_exist_is_found(text: str) -> None:
    assert [text.strip("`")] == unknown_names(f"{PAGE} {text}")


def test_the_figures_are_those_of_the_code() -> None:
    assert f"up to `max_attempts` times ({CallPolicy().max_attempts})" in " ".join(PAGE.split())
