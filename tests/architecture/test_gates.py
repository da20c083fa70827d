"""Each gate of `make test` that is a tool of others is configured so that it goes red on a planted fault."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import PROJECT, ROOT, python_files

if TYPE_CHECKING:
    from pathlib import Path


def ruff(*arguments: str, source: str, file: str = "src/pipelex/planted.py") -> subprocess.CompletedProcess[str]:
    """Run ruff on source text, as if it were that of a module; exclusions count."""
    command = [sys.executable, "-m", "ruff", *arguments, "--force-exclude", "--stdin-filename", file, "-"]
    return subprocess.run(command, cwd=ROOT, input=source, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ('"""A module."""\n\n\ndef public() -> None:\n    pass\n', "D103"),
        ('"""A module."""\n\n\nclass Public:\n    pass\n', "D101"),
        ("VALUE = 1\n", "D100"),
        ('"""A module."""\n\nimport os\n', "F401"),
        ('"""A module."""\n\nprint(1)\n', "T201"),
        ('"""A module."""\n\nimport asyncio\n\nasyncio.to_thread(abs, 1)\n', "TID251"),
    ],
    ids=[
        "function without docstring",
        "class without docstring",
        "module without docstring",
        "unused",
        "print",
        "a thread of a pool",
    ],
)
def test_ruff_finds(source: str, rule: str) -> None:
    found = ruff("check", "--output-format", "concise", source=source)
    assert 1 == found.returncode
    assert rule in found.stdout


def test_ruff_passes_clean_source() -> None:
    source = '"""A module."""\n\nVALUE = 1\n'
    assert 0 == ruff("check", source=source).returncode
    assert 0 == ruff("format", "--check", source=source).returncode


def test_ruff_finds_in_the_code_of_the_base_package_and_not_in_its_stubs() -> None:
    assert 1 == ruff("check", source="import os\n", file="src/pipelex/spi/planted.py").returncode
    assert 0 == ruff("check", source="import os\n", file="src/pipelex/spi/v1/pipelex/planted.pyi").returncode


def test_mypy_checks_the_code_of_the_base_package_and_not_its_stubs() -> None:
    """mypy's own exclusion, as a regular expression on paths: a planted module would take a run of the whole tree."""
    excluded = [re.compile(pattern) for pattern in PROJECT["tool"]["mypy"]["exclude"]]
    for file, is_excluded in (("spi/planted.py", False), ("spi/v1/pipelex/a.pyi", True), ("spi/frozen/v1/a.pyi", True)):
        assert is_excluded == any(pattern.search(f"src/pipelex/{file}") for pattern in excluded), file


def ignores_without_reason(folder: Path) -> list[str]:
    """Return each ``type: ignore`` below a folder that no second comment on its line explains."""
    return [
        f"{path.relative_to(folder)}:{number}"
        for path in python_files(folder)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\S\s+# type: ignore(?!\[[\w, -]+\]  # \w)(?!.*[\"'])", line)
    ]


def test_every_ignored_type_error_has_a_reason() -> None:
    assert [] == ignores_without_reason(ROOT / "src") + ignores_without_reason(ROOT / "codegen")


@pytest.mark.parametrize("comment", ["# type: ignore", "# type: ignore[misc]", "# type: ignore[misc]  #"])
def test_an_ignore_without_a_reason_is_found(tmp_path: Path, comment: str) -> None:
    (tmp_path / "a.py").write_text(f"x = 1  {comment}\ny = 1  # type: ignore[misc]  # the reason\n", encoding="utf-8")
    assert ["a.py:1"] == ignores_without_reason(tmp_path)


def test_the_format_check_finds_unformatted_source() -> None:
    assert 1 == ruff("format", "--check", source="VALUE=1\n").returncode


def test_mypy_finds(tmp_path: Path) -> None:
    """One run for all, since a cold start of mypy is the dear part."""
    lines = {
        "def untyped(argument): ...": "no-untyped-def",
        "from pipelex.boot import push_hub as push_hub": "attr-defined",  # implicit_reexport = false
        "number: int = 'text'": "assignment",
        "letters: list = []": "type-arg",
        "quiet: int = 'text'  # type: ignore": "ignore-without-code",
    }
    planted = tmp_path / "planted.py"
    planted.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(tmp_path / "cache"), str(planted)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 1 == found.returncode, found.stdout + found.stderr
    for number, code in enumerate(lines.values(), start=1):
        assert any(f"planted.py:{number}:" in line and f"[{code}]" in line for line in found.stdout.splitlines()), (
            code,
            found.stdout,
        )


def test_a_warning_fails_a_test(tmp_path: Path) -> None:
    """A planted warning turns pytest red with the project's own configuration."""
    planted = tmp_path / "test_planted.py"
    planted.write_text("import warnings\ndef test_it():\n    warnings.warn('planted')\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(planted)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 1 == done.returncode, done.stdout
    assert "UserWarning: planted" in done.stdout
