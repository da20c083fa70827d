"""The command line: what it prints in each format, and the exit code that each outcome gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from codegen.__main__ import main
from codegen.compat import commands, compare, declared
from codegen.compat.reading.trees import StubTree, api_version, baseline, read_tree, working_tree
from codegen.errors import CodegenError
from codegen.project import Project
from pipelex.spi.type_check import UndecidedError
from tests.codegen.compat.small_spi import tree
from tests.codegen.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from codegen.compat.model import CompatFinding
    from tests.codegen.conftest import SmallProject

RENAMED = ("plugins/backends", "reporter: Reporter | None)", "delegate: Reporter | None)")
NEW_DEFAULT = ("plugins/registrar", "weight: int = 1", "weight: int = 2")
ADDED = ("plugins/backends", "DEFAULT_TIMEOUT", "def helper() -> None: ...\nDEFAULT_TIMEOUT")


def written(folder: Path, stubs: StubTree) -> str:
    for path, text in stubs.files.items():
        file = folder / stubs.label / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return str(folder / stubs.label)


def diff(folder: Path, *edits: tuple[str, str, str], options: tuple[str, ...] = ()) -> int:
    old, new = written(folder, tree("old")), written(folder, tree("new", *edits))
    return commands.run(["diff", old, new, "--root", str(folder), *options], default_root="nowhere")


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """One cache for all, and a project without entries where a test compares folders and brings none."""
    monkeypatch.setattr(commands, "_CACHE", str(cache))
    if "small" not in request.fixturenames:
        (tmp_path / "spi.toml").write_bytes((ROOT / "spi.toml").read_bytes())
        monkeypatch.setattr(declared, "declared_by", lambda _project: None)


def test_trees_of_one_text_are_compatible(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == diff(tmp_path)
    assert "nothing changed" in capsys.readouterr().out


def test_an_addition_is_compatible(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == diff(tmp_path, ADDED)
    printed = capsys.readouterr().out
    assert "compatible, 1 change that no plugin breaks by" in printed
    assert "symbol-added: pipelex.plugins.backends:helper" in printed


def test_a_break_is_told_with_who_why_and_a_witness(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == diff(tmp_path, RENAMED, ADDED)
    printed = capsys.readouterr().out
    assert "BREAKING: 1 break (none declared), 1 other change" in printed
    for part in (
        "BREAK parameter-renamed: pipelex.plugins.backends:MakeWorkerFn.__call__ [reporter -> delegate]",
        "  direction  plugin implements",
        "  breaks     plugins that implement MakeWorkerFn.__call__",
        "PipelexPlugin > whose register the plugin writes > parameter registrar > PluginRegistrar",
        "  old        def __call__(self, *, spec: ModelSpec, reporter: Reporter | None) -> Worker",
        "  new        def __call__(self, *, spec: ModelSpec, delegate: Reporter | None) -> Worker",
        "  also       PipelexPlugin, PluginRegistrar: only because of this",
        "  bump       required, not declared",
        "    | accepted: MakeWorkerFn = supplied",
    ):
        assert part in printed
    assert printed.index("BREAK ") < printed.index("symbol-added")


def test_a_break_that_no_checker_sees_is_unconfirmed_and_a_break(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == diff(tmp_path, NEW_DEFAULT)
    printed = capsys.readouterr().out
    assert "1 of them unconfirmed" in printed
    assert "none found: unconfirmed" in printed


def test_json_says_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == diff(tmp_path, RENAMED, options=("--format", "json"))
    report = json.loads(capsys.readouterr().out)
    (finding,) = report["findings"]
    assert report["compatible"] is False
    assert {"from": "reporter", "to": "delegate", "parameter": "reporter"} == finding["detail"]
    assert (True, False, True) == (finding["bump_required"], finding["declared"], finding["confirmed"])
    assert finding["witness"]["line"] == 1 + finding["witness"]["source"].splitlines().index(
        "accepted: MakeWorkerFn = supplied"
    )
    assert set(finding) >= {"id", "symbol", "direction", "path", "old", "new", "who", "cascades", "note"}


def test_github_gets_one_command_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == diff(tmp_path, RENAMED, ADDED, options=("--format", "github"))
    lines = capsys.readouterr().out.splitlines()
    start = "::error file=src/pipelex/plugins/backends.py,title=parameter-renamed MakeWorkerFn.__call__::BREAK"
    assert lines[0].startswith(start)
    assert "%0A" in lines[0]
    assert lines[1].startswith("::notice file=src/pipelex/plugins/backends.py,title=symbol-added helper::")
    assert 2 == len(lines)


def test_markdown_shows_the_change_as_a_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == diff(tmp_path, RENAMED, options=("--format", "md"))
    printed = capsys.readouterr().out
    assert "| **break** | parameter-renamed | `pipelex.plugins.backends:MakeWorkerFn.__call__`" in printed
    assert "- def __call__(self, *, spec: ModelSpec, reporter: Reporter | None) -> Worker" in printed
    assert "```python\nfrom pipelex.model import ModelSpec" in printed


def test_a_declared_break_is_accepted_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "declared_by", lambda _project: lambda finding: finding.kind == "parameter-renamed")
    quick = ("--no-witness",)
    assert 1 == diff(tmp_path, RENAMED, options=quick)
    assert 0 == diff(tmp_path, RENAMED, options=(*quick, "--accept-declared"))
    assert 1 == diff(tmp_path, RENAMED, NEW_DEFAULT, options=(*quick, "--accept-declared"))


# --- what could not be told is never "compatible" -----------------------------------------------------


def test_a_folder_without_stubs_could_not_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = written(tmp_path, tree("new"))
    assert 2 == commands.run(["diff", str(tmp_path / "none"), new, "--root", str(tmp_path)], default_root="nowhere")
    assert "no stub tree; expected a folder 'pipelex'" in capsys.readouterr().err


def test_a_version_that_is_not_there_could_not_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == commands.run(["diff", "7", "7", "--root", str(tmp_path)], default_root="nowhere")
    assert "no stubs of version 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("job", "class Job:", "class Job"), "not valid Python"),
        (("job", "from typing import Generic, TypeVar", "from typing import TypeVar"), "mentions 'Generic'"),
        (("worker", "job: Job)", "job: Nowhere)"), "mentions 'Nowhere', which it neither defines nor imports"),
        (("worker", "AsyncIterator[str]: ...", "AsyncIterator[str, str]: ..."), "the type checker cannot read it"),
        (("worker", "import Job, Result", "import Absent as Job, Result"), "which the tree does not define"),
    ],
)
def test_a_stub_that_makes_no_sense_could_not_be_compared(
    edit: tuple[str, str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == diff(tmp_path, edit)
    assert said in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "error", [UndecidedError("mypy crashed"), ModuleNotFoundError("none", name="mypy"), RuntimeError("a fault")]
)
def test_a_fault_on_the_way_is_not_a_verdict(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(compare, "check", fail)
    assert 2 == diff(tmp_path, RENAMED)


# --- the trees that are meant by default --------------------------------------------------------------


def test_by_default_the_working_tree_is_compared_with_the_baseline(
    small: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == small.run()
    arguments = ["diff", "--root", str(small.root)]
    assert 0 == main(arguments)
    small.edit(
        "src/pipelex/cogt/llm/worker.py", "async def gen_text(self, job: Job)", "async def gen_text(self, task: Job)"
    )
    capsys.readouterr()
    assert 1 == main(arguments), "the edit is seen before anything is generated"
    printed = capsys.readouterr().out
    assert "BREAK parameter-renamed: pipelex.cogt.llm.worker:LLMWorkerAbstract.gen_text [job -> task]" in printed


def test_the_baseline_is_the_frozen_tree_where_there_is_one(
    small: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)  # there the tree is made anew, and has no header lines
    small.run()
    project = Project(small.root)
    assert baseline(project).files == working_tree(project).files
    frozen = small.root / f"src/pipelex/spi/frozen/v{api_version(project)}/pipelex/old.pyi"
    frozen.parent.mkdir(parents=True)
    frozen.write_text("X: int = 1\n", encoding="utf-8")
    assert {"pipelex/old.pyi"} == set(baseline(project).files)
    assert "frozen" in baseline(project).label


def test_the_working_tree_needs_a_contract_that_can_be_generated(
    small: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    small.run()
    small.edit("src/pipelex/cogt/llm/worker.py", "job: Job) -> str:", "job: Absent) -> str:")
    assert 2 == main(["diff", "--root", str(small.root)])
    assert "Absent" in capsys.readouterr().err


def test_a_folder_named_pipelex_is_a_tree_too(tmp_path: Path) -> None:
    folder = written(tmp_path, tree("old"))
    assert read_tree(tmp_path / "old", "x").files == read_tree(tmp_path / "old" / "pipelex", "x").files
    assert folder


def test_a_file_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(CodegenError, match="no stub tree"):
        read_tree(tmp_path / "spi.toml", "x")


# --- explain ------------------------------------------------------------------------------------------


def explained(folder: Path, symbol: str) -> int:
    stubs = written(folder, tree("old"))
    return commands.run(["explain", symbol, "--tree", stubs, "--root", str(folder)], default_root="nowhere")


def test_explain_prints_the_direction_and_path_of_each_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == explained(tmp_path, "LLMWorker")
    printed = capsys.readouterr().out
    assert "pipelex.worker:LLMWorker: plugin implements" in printed
    assert "  gen_text: plugin calls" in printed
    assert "  _gen_text: plugin implements" in printed
    assert "  _classify (of Worker): both" in printed
    assert "      job: the plugin receives it" in printed
    assert "      job: the plugin supplies it" in printed
    assert "> or its subclass LLMWorker > whose _gen_text the plugin writes" in printed


@pytest.mark.parametrize("name", ["pipelex.plugins.backends:require_sdk", "pipelex.plugins.backends.require_sdk"])
def test_explain_takes_a_symbol_in_full(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == explained(tmp_path, name)
    printed = capsys.readouterr().out
    assert printed.startswith("pipelex.plugins.backends:require_sdk: plugin calls\n")
    assert "  extra: the plugin supplies it" in printed


def test_explain_names_the_nearest_of_an_unknown_symbol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == explained(tmp_path, "MakeWorkrFn")
    assert "nearest: MakeWorkerFn" in capsys.readouterr().err


def test_explain_asks_which_where_a_name_is_not_unique(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == explained(tmp_path, "depth")
    assert "pipelex.model:Settings.depth, pipelex.model:Options.depth" in capsys.readouterr().err


def test_undeclared_without_entries_is_every_break(tmp_path: Path) -> None:
    verdict = compare.compare(tree("old"), tree("new", RENAMED, ADDED), witnesses=False)

    def nothing(_finding: CompatFinding) -> bool:
        return False

    assert verdict.breaks == verdict.undeclared(None) == verdict.undeclared(nothing)
    assert () == verdict.undeclared(lambda _finding: True)


def test_the_same_question_is_answered_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen.compat.asking import typecheck

    wrong = {"wrong": "x: int = ''\n"}
    first = typecheck.check(wrong, tmp_path)
    assert ["assignment"] == [error.code for error in first["wrong"]]
    monkeypatch.setattr(typecheck, "_errors", lambda *_arguments: pytest.fail("mypy is asked again"))
    assert first == typecheck.check(wrong, tmp_path)
    monkeypatch.setattr(typecheck, "_errors", lambda *_arguments: [])
    assert {} == typecheck.check({"wrong": "x: int = 1\n"}, tmp_path)
    (tmp_path / "answers").joinpath(f"{typecheck._digest(wrong)}.json").write_text("damaged", encoding="utf-8")
    assert {} == typecheck.check(wrong, tmp_path)
