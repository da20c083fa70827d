"""What the README shows of the command line and of the library is what they do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")
CALL, CHECK = (
    next(text for text in blocks(README, "console") if f"$ pipelex {word}" in text) for word in ("extract", "plugins")
)
[PLUGIN] = [text for text in blocks(README, "python") if "class ShoutPlugin" in text]


def session(text: str) -> dict[str, str]:
    """Return the commands of a block, without their comments, and what each prints; dots stand for what is left out."""
    parts = re.split(r"^\$ (.+)\n", text, flags=re.MULTILINE)[1:]
    commands = [re.sub(r"\s+# .*$", "", part) for part in parts[::2]]
    return dict(zip(commands, parts[1::2], strict=True))


def shell(command: str, folder: Path) -> str:
    """Run a command in a folder, with this environment's programs first on the path; return what it printed."""
    script = f'PATH="{Path(sys.executable).parent}:$PATH"; {command}'
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout + done.stderr


def is_shown(printed: str, shown: str) -> bool:
    """Tell whether a command printed what a page shows."""
    pattern = re.escape(shown).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


@pytest.mark.usefixtures("_weights")
@pytest.mark.parametrize("command", [command for command, shown in session(CALL).items() if shown])
def test_a_call_prints_what_is_shown(command: str) -> None:
    assert is_shown(shell(command, ROOT), session(CALL)[command]), shell(command, ROOT)


def test_the_check_finds_the_misspelt_keyword_as_shown(tmp_path: Path) -> None:
    (tmp_path / "shout.py").write_text(re.sub(r"inference_model(?=: |,)", "inference_modle", PLUGIN), encoding="utf-8")
    [(command, shown)] = session(CHECK).items()
    assert is_shown(shell(command, tmp_path), shown), shell(command, tmp_path)


@pytest.mark.usefixtures("_weights")
def test_the_library_is_called_as_shown(tmp_path: Path) -> None:
    [source] = [text for text in blocks(README, "python") if "Pipelex.setup()" in text]
    (tmp_path / "example.py").write_text(source, encoding="utf-8")
    printed = shell("python example.py", tmp_path)
    assert printed.strip()
    assert "Error" not in printed


def test_the_first_block_is_a_call_in_python() -> None:
    first = README.split("```", 2)[1]
    assert first.startswith("python\n")
    assert "gen_text_sync" in first


def test_every_folder_of_the_package_has_its_place() -> None:
    folders = {path.parent.name for path in (ROOT / "src" / "pipelex").glob("*/__init__.py")}
    assert set() == {name for name in folders if f"{name}/`" not in README}


def test_output_that_is_not_as_shown_is_red() -> None:
    assert is_shown("one\ntwo\nthree\n", "one\n...\n")
    assert not is_shown("one\ntwo\n", "one\nthree\n")
    assert {"a b": "c\n", "d": ""} == session("$ a b    # why\nc\n$ d\n")
