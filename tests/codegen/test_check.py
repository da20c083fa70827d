"""Writing and checking: one path, all files or none, and a check that can go red."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from codegen.emit import api_version, inference_family
from codegen.writer import HEADER
from tests.codegen.conftest import SmallProject

BUILTINS = "src/pipelex/generated/builtins.py"
STUB = "src/pipelex/spi/v3/pipelex/cogt/llm/job.pyi"


def test_a_second_run_writes_nothing(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert small.run() == 0
    before = {path: os.stat(small.root / path).st_mtime_ns for path in small.snapshot()}
    capsys.readouterr()
    assert small.run() == 0
    after = {path: os.stat(small.root / path).st_mtime_ns for path in small.snapshot()}
    del before[".codegen-cache/last-good-run"], after[".codegen-cache/last-good-run"]
    assert before == after
    assert "wrote" not in capsys.readouterr().out


def test_a_check_of_what_was_written_is_green(small: SmallProject) -> None:
    assert small.run() == 0
    assert small.run("--check", "--full") == 0


def test_a_check_of_a_bare_project_is_red_and_writes_nothing(small: SmallProject) -> None:
    before = small.snapshot()
    assert small.run("--check") == 1
    assert before == small.snapshot()


@pytest.mark.parametrize("path", [BUILTINS, STUB, "docs/errors.md", "src/pipelex/spi/spi.lock", ".gitattributes"])
def test_an_edited_output_turns_the_check_red(
    small: SmallProject, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    """The check prints the difference and the command that fixes it."""
    assert small.run() == 0
    (small.root / path).write_bytes((small.root / path).read_bytes() + b"# planted\n")
    capsys.readouterr()
    assert small.run("--check") == 1
    captured = capsys.readouterr()
    assert "-# planted\n" in captured.out
    assert f"--- {path}\n+++ {path}\n" in captured.out
    assert "Fix: python -m codegen" in captured.err


def test_a_changed_signature_turns_the_check_red(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert small.run() == 0
    small.edit("src/pipelex/cogt/llm/job.py", "limit: int = -1", "limit: int = 7")
    capsys.readouterr()
    assert small.run("--check") == 1
    assert "-    limit: int = -1\n+    limit: int = 7\n" in capsys.readouterr().out


def test_a_comment_changes_no_output(small: SmallProject) -> None:
    assert small.run() == 0
    small.edit("src/pipelex/cogt/llm/job.py", "limit: int = -1", "limit: int = -1  # the default of the vendor")
    small.edit("spi.toml", "revision = 1", "revision = 1  # raised by additions")
    assert small.run("--check") == 0


def test_a_byte_order_mark_changes_no_output(small: SmallProject) -> None:
    assert small.run() == 0
    spec = small.root / "spi.toml"
    spec.write_bytes(b"\xef\xbb\xbf" + spec.read_bytes())
    assert small.run("--check") == 0


def test_a_docstring_changes_the_stub_and_not_the_lock(small: SmallProject) -> None:
    assert small.run() == 0
    before = small.snapshot()
    small.edit("src/pipelex/cogt/llm/job.py", '"""Pick an item.', '"""Pick one item.')
    assert small.run() == 0
    after = small.snapshot()
    assert {"src/pipelex/cogt/llm/job.py", STUB, ".codegen-cache/last-good-run"} == {
        path for path in after if before[path] != after[path]
    }


def test_a_removed_module_takes_its_stub_along(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert small.run() == 0
    stray = small.root / "src/pipelex/spi/v3/pipelex/old/gone.pyi"
    stray.parent.mkdir()
    stray.write_text("x: int\n", encoding="utf-8")
    assert small.run("--check") == 1
    assert "+++ /dev/null" in capsys.readouterr().out
    assert small.run() == 0
    assert not stray.parent.exists()
    assert small.run("--check") == 0


def test_an_older_version_of_the_stubs_is_left_alone(small: SmallProject) -> None:
    frozen = small.root / "src/pipelex/spi/v2/pipelex/contract.pyi"
    frozen.parent.mkdir(parents=True)
    frozen.write_text("x: int\n", encoding="utf-8")
    assert small.run() == 0
    assert frozen.exists()


def test_a_failing_write_replaces_nothing(
    small: SmallProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up in the middle: every file is as before, and no half-written one is left."""
    before = small.snapshot()
    written: list[Path] = []

    def fill_up(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) == 5:
            raise OSError(28, "No space left on device", str(path))
        with open(path, "wb") as file:
            return file.write(data)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    assert small.run() == 2
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert before == small.snapshot()


def test_every_output_says_that_it_is_generated(small: SmallProject) -> None:
    """Except those without comment syntax, and the handwritten modules into which something is stamped."""
    bare = {path for path, text in small.render().items() if path != "codegen/spi.schema.json" and HEADER not in text}
    assert {api_version.CONTRACT_FILE, inference_family.REGISTRY_FILE, "src/pipelex/spi/v3/pipelex/py.typed"} == bare


def test_a_check_reports_to_programs(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert small.run() == 0
    small.edit(BUILTINS, "AcmeAiPlugin", "Planted")
    capsys.readouterr()
    assert small.run("--check", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert [BUILTINS] == [change["path"] for change in report["changes"]]
    assert "python -m codegen" == report["command"]


def test_a_problem_is_reported_to_programs(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    small.edit("spi.toml", 'since = "3.1"', 'since = "3.2"')
    assert small.run("--json") == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    line = small.line_of("spi.toml", '"3.2"')
    assert ("spi.toml", line) == (problem["file"], problem["line"])


def test_a_project_without_a_spec_cannot_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert SmallProject(tmp_path).run("--check") == 2
    assert "spi.toml: no such file" in capsys.readouterr().err


def test_rules_that_can_be_imported_after_the_others_were_written_are_written_by_the_same_command(
    small: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pipelex.checking.rules_page", None)  # in this process alone
    assert 0 == small.run()
    assert (small.root / "docs/rules.md").is_file()


def test_rules_that_cannot_be_imported_are_named_and_all_other_files_are_written(
    small: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = "import sys\nsys.modules['pipelex.checking.rules_page'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(broken, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pipelex.checking.rules_page", None)
    assert 2 == small.run()
    told = capfd.readouterr().err
    assert "src/pipelex/checking/rules: cannot be imported (ModuleNotFoundError: " in told
    assert "1 problem; all other files are written." in told
    assert (small.root / "src/pipelex/generated/builtins.py").is_file()
    assert not (small.root / "docs/rules.md").exists()
    assert 2 == small.run("--check")


def test_a_signature_may_draw_on_typing_extensions(small: SmallProject) -> None:
    job = "src/pipelex/cogt/llm/job.py"
    small.edit(job, "if TYPE_CHECKING:\n", "if TYPE_CHECKING:\n    from typing_extensions import TypeForm\n\n")
    small.edit(job, "    limit: int = -1\n", "    limit: int = -1\n    form: TypeForm[int] | None = None\n")
    assert 0 == small.run()
    stub = (small.root / STUB).read_text(encoding="utf-8")
    assert "from typing_extensions import TypeForm\n" in stub
    assert "    form: TypeForm[int] | None = None\n" in stub
