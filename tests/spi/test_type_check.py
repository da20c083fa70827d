"""mypy on a closed world: what is reported, what is out of sight, and what costs time only."""

from __future__ import annotations

import gc
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from pipelex.spi import type_check as runner
from pipelex.spi.type_check import Diagnostic, SourceFile, UndecidedError, World, mypy_version, type_check

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thorough

WRONG = 'import helper\n\nlength: int = helper.name("é") + "é"\n'
HELPER = "def name(text: str) -> str:\n    return text\n"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy knows of the standard library, once for all tests."""
    return tmp_path_factory.mktemp("cache")


def check(tmp_path: Path, world: World, **modules: str) -> list[Diagnostic]:
    """Check modules that are given as text alone."""
    files = {name: SourceFile(str(tmp_path / f"{name}.py"), text) for name, text in modules.items()}
    return type_check(files, world).diagnostics


def test_an_error_names_its_module_its_file_and_its_columns(tmp_path: Path, cache: Path) -> None:
    [error] = check(tmp_path, World(cache=cache), wrong=WRONG, helper=HELPER)
    assert ("wrong", 3, "assignment") == error[:3]
    assert str(tmp_path / "wrong.py") == error.file
    assert len("length: int = ") + 1 == error.column < error.end_column


def test_an_import_of_pipelex_is_never_any(tmp_path: Path, cache: Path) -> None:
    text = "import unknown_vendor\nimport pipelex.plugins.no_such_module\n"
    errors = check(tmp_path, World(cache=cache, others_are_any=True), plugin=text)
    assert {(2, "import-not-found")} == {(error.line, error.code) for error in errors}
    assert {1, 2} == {error.line for error in check(tmp_path, World(cache=cache), plugin=text)}


def test_what_is_installed_or_on_mypypath_is_out_of_sight(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stray.py").write_text("x: int = 1\n", encoding="utf-8")
    monkeypatch.setenv("MYPYPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    errors = check(tmp_path / "elsewhere", World(cache=cache), plugin="import stray\nimport pytest\n")
    assert [1, 2] == [error.line for error in errors]


def test_the_garbage_collector_of_the_process_is_left_as_it_was(tmp_path: Path, cache: Path) -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(701, 11, 12)
        check(tmp_path, World(cache=cache), plugin="x = 1\n")
        assert (701, 11, 12) == gc.get_threshold()
    finally:
        gc.set_threshold(*before)


def test_a_module_that_is_not_python_leaves_it_undecided(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UndecidedError, match=r"plugin\.py:1: "):
        check(tmp_path, World(cache=cache), plugin="def (")


@pytest.mark.parametrize("cached", [True, False], ids=["with a cache", "without one"])
def test_a_crash_of_mypy_is_tried_again_without_the_cache_and_never_read_as_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    caches = []

    def crash(_: object, world: World) -> object:
        caches.append(world.cache)
        raise runner._CrashedError("mypy crashed: planted")

    monkeypatch.setattr(runner, "_build", crash)
    with pytest.raises(UndecidedError, match="planted"):
        check(tmp_path, World(cache=tmp_path if cached else None), plugin="x = 1\n")
    assert ([tmp_path, None] if cached else [None]) == caches


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of file size takes the place of a full disk")
def test_a_full_disk_under_the_cache_costs_time_only(tmp_path: Path) -> None:
    program = """\
        import resource, sys
        from pathlib import Path
        from pipelex.spi import type_check as runner

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # every write fails, as on a full disk
        world = runner.World(cache=Path(sys.argv[1]))
        files = {"plugin": runner.SourceFile("plugin.py", "x: int = ''\\n")}
        try:
            runner._build(files, world)
        except runner._CrashedError:
            print("the cache cannot be written")
        print(*(error.code for error in runner.type_check(files, world).diagnostics))
    """
    command = [sys.executable, "-c", dedent(program), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert ["the cache cannot be written", "assignment"] == done.stdout.splitlines()


def test_the_version_is_that_of_the_installed_mypy() -> None:
    from mypy.version import __version__

    assert __version__ == mypy_version()
