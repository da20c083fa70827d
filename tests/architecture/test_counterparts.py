"""What the drivers are tested against: the rows, the marks of the tests, and the pins say the same."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from codegen.counterparts import pages, read_counterparts
from codegen.project import Project
from tests.architecture.test_agreement import registered_backends
from tests.architecture.tree import PROJECT, ROOT, python_files
from tests.counterparts import BACKENDS, COUNTERPARTS, FILE, ROWS, SERVERS, disagreements, pin, server_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = {"servers": "make test-servers", "slow": "make test-slow"}

Claim = tuple[str, str, str]
"""A command, a counterpart, a backend."""


def stated(rows: list[dict[str, object]]) -> set[Claim]:
    """Return what the rows claim."""
    return {(str(row["run"]), str(row["against"]), backend) for row in rows for backend in _strings(row["backends"])}


def _strings(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(item) for item in value]


def backed(tests: Path) -> set[Claim]:
    """Return what the marks below a folder of tests claim."""
    return {
        (command_of(path.relative_to(tests).as_posix()), counterpart, backend)
        for path in python_files(tests)
        for counterpart, *backends in marks_of(path)
        for backend in backends
    }


def command_of(file: str) -> str:
    """Return the command that runs a test module, by its path below ``tests``."""
    folder = "servers" if file.endswith("_kit.py") else file.partition("/")[0]  # the kit's suites take long
    return COMMANDS.get(folder, "make test")


def marks_of(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the arguments of each mark of a module, which have to be written out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.counterpart":
            yield tuple(ast.literal_eval(argument) for argument in node.args)


def test_each_row_is_backed_by_a_mark_and_each_mark_by_a_row() -> None:
    rows, marks = stated(ROWS["exercised"]), backed(ROOT / "tests")
    assert rows == marks, f"only in {FILE.name}: {sorted(rows - marks)}; only in the tests: {sorted(marks - rows)}"


def test_a_row_without_a_test_and_a_test_without_a_row_are_found(tmp_path: Path) -> None:
    (tmp_path / "servers").mkdir()
    marks = 'pytestmark = [pytest.mark.counterpart("aimock", "llm:acme", "llm:other")]\n'
    (tmp_path / "servers" / "test_acme.py").write_text(marks, encoding="utf-8")
    rows: list[dict[str, object]] = [
        {"run": "make test-servers", "against": "aimock", "backends": ["llm:acme", "llm:nobody"]}
    ]
    assert {("make test-servers", "aimock", "llm:nobody")} == stated(rows) - backed(tmp_path)
    assert {("make test-servers", "aimock", "llm:other")} == backed(tmp_path) - stated(rows)


def test_a_mark_that_nothing_answers_and_an_answer_that_no_mark_names_are_found() -> None:
    marked = {("aimock", "llm:acme"), ("acme_docs", "llm:acme")}
    assert [] == disagreements(marked, {("aimock", "llm:acme"), ("", "llm:acme")}, is_whole=True)
    assert ["it marks llm:acme on aimock, and no call was answered"] == disagreements(
        marked, {("", "llm:acme")}, is_whole=True
    )
    assert [] == disagreements(marked, {("", "llm:acme")}, is_whole=False)
    assert ["llm:acme on ministack answered: mark it, and name it in counterparts.toml"] == disagreements(
        set(), {("ministack", "llm:acme")}, is_whole=False
    )


@pytest.mark.parametrize(("against", "outcome"), [("openai_docs", 0), ("aimock", 1)])
def test_a_module_that_does_not_do_what_its_mark_says_fails(
    against: str, outcome: int, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest("from tests.counterparts import pytest_runtest_call, pytest_runtest_teardown\n")
    pytester.makepyfile(f"""
        import pytest
        from pipelex.generated.builtins import OpenaiPlugin
        from pipelex.plugins.inference_backend_registry import InferenceFamily
        from tests.providers.calls import Caller
        from tests.providers.openai import wire
        from tests.providers.replay import Replay, answer

        pytestmark = pytest.mark.counterpart("{against}", "llm:openai")

        def test_it() -> None:
            with Replay() as replay:
                replay.on("*", answer(wire.completion("Hi")))
                chat = Caller(plugin=OpenaiPlugin(), family=InferenceFamily.LLM, sdk="openai", endpoint=replay.url)
                assert "Hi" == chat.llm(lambda worker: worker.gen_text("Hello"))
    """)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # In this process it would take every module that it imported first out of sys.modules again: the next test would
    # import a second one beside the one that the package still holds, and monkeypatch would patch the wrong one.
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert outcome == done.ret
    if outcome:
        done.stdout.fnmatch_lines(["*it marks llm:*, and no call was answered*"])


def test_a_server_in_front_of_the_model_is_the_one_that_is_called() -> None:
    assert "ministack" == server_of(["replay", "llama_server", "ministack"])
    assert "llama_server" == server_of(["llama_server"])
    assert "" == server_of(["replay"])


def test_each_server_is_a_fixture_of_its_name() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in python_files(ROOT / "tests"))
    assert [] == [name for name in sorted(SERVERS) if not re.search(rf"^def {name}\(", source, re.MULTILINE)]


def test_pins_that_stand_elsewhere_too_are_the_same() -> None:
    clients = {name for name, row in COUNTERPARTS.items() if row["kind"] == "client"}
    assert {pin(name) for name in clients} <= {
        entry for entry in PROJECT["dependency-groups"]["dev"] if isinstance(entry, str)
    }
    assert pin("llama_server") in PROJECT["project"]["optional-dependencies"]["local"]
    assert f"--no-deps {pin('ministack')}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_backend_of_a_builtin_was_called_on_something() -> None:
    assert {f"{family}:{sdk}" for family, sdk in registered_backends()} == BACKENDS


def test_every_replay_names_the_pages_that_it_follows() -> None:
    read = read_counterparts(Project(ROOT)).counterparts
    replays = [counterpart for counterpart in read.values() if counterpart.kind == "replay"]
    assert replays
    assert [] == [replay.title for replay in replays if not pages(Project(ROOT), replay)]
