"""The check as a whole: what it remembers, what it does not let pass, what the command line makes of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from pipelex.checking import cache, judging
from pipelex.checking import spi_tree as spi_tree_module
from pipelex.checking.cache import cache_folder, digest, digest_of, read_verdict, write_verdict
from pipelex.checking.check import check
from pipelex.checking.examples import PLUGIN, helper, plugin
from pipelex.checking.findings import CheckError
from pipelex.checking.rules.catalogue import RULES
from pipelex.checking.targets import resolve
from pipelex.cli.main import main as pipelex
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.sandbox.run import SandboxReport
from tests.checking.written import write_example

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("example", ["acme/plugin", "chat_server"])
def test_the_examples_of_the_docs_earn_no_finding_and_no_note(example: str) -> None:
    (checked,) = check([str(ROOT / "docs/examples" / example)]).checked
    assert () == checked.findings


@pytest.mark.parametrize("name", ["test_quill.py", "quill_test.py", "conftest.py"])
def test_a_test_file_beside_a_flat_plugin_is_no_part_of_it(tmp_path: Path, name: str) -> None:
    shutil.copytree(ROOT / "docs/examples/chat_server", tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_text("from pipelex.testing.llm import LLMConformance\n", encoding="utf-8")
    (target,) = resolve(str(tmp_path))
    assert {"quill_plugin", "quill_worker"} == set(target.modules)


def test_what_did_not_change_is_not_worked_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_example(tmp_path, helper("X: int = 'a'\n"))
    first = check([str(tmp_path)])

    def never(*_: object) -> object:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(judging, "type_errors", never)
        patched.setattr(judging, "run_sandbox", never)
        assert first == check([str(tmp_path)])
    (tmp_path / "src/my_pkg/helper.py").write_text("X = 1\n", encoding="utf-8")
    assert 0 == check([str(tmp_path)]).exit_code


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "file"))
    assert cache_folder() is None
    write_example(tmp_path / "plugin", helper("X: int = 'a'\n"))
    assert ["PX100"] == [finding.rule for finding in check([str(tmp_path / "plugin")]).checked[0].findings]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no such modes and owners")
def test_a_cache_that_somebody_else_can_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "cache"))
    folder = cache_folder()
    assert folder is not None
    assert 0o700 == folder.stat().st_mode & 0o777
    for mode in (0o777, 0o770):
        folder.chmod(mode)
        assert cache_folder() is None
    folder.chmod(0o755)
    assert folder == cache_folder()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert cache_folder() is None


def test_a_cache_on_a_full_disk_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "replace_file", full)
    write_verdict("key", {"findings": []}, read={})
    assert read_verdict("key") is None


def test_the_keys_of_the_cache_are_sha_256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    assert hashlib.sha256(b"text").hexdigest() == digest_of(tmp_path / "file")
    assert hashlib.sha256(b"1:a1:b").hexdigest() == digest(("a", "b"))
    assert digest(("ab", "")) != digest(("a", "b"))


def test_a_damaged_store_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "cache"))
    write_example(tmp_path / "plugin", {})
    assert 0 == check([str(tmp_path / "plugin")]).exit_code
    verdicts = list((tmp_path / "cache").rglob("verdicts/*.json"))
    assert verdicts
    for path in verdicts:
        path.write_text("{", encoding="utf-8")
    assert 0 == check([str(tmp_path / "plugin")]).exit_code


def test_targets_whose_modules_bear_the_same_names_do_not_mix(tmp_path: Path) -> None:
    write_example(tmp_path / "one", helper("X: int = 'a'\n"))
    write_example(tmp_path / "two", {})
    result = check([str(tmp_path / "one"), str(tmp_path / "two")])
    assert [["PX100"], []] == [[finding.rule for finding in checked.findings] for checked in result.checked]


def test_one_target_that_mypy_cannot_judge_does_not_take_the_others_along(tmp_path: Path) -> None:
    for name, files in (("one", {}), ("two", helper("from ....... import x\n"))):
        write_example(tmp_path / name, files)
        (tmp_path / name / "src/my_pkg").rename(tmp_path / name / f"src/pkg_{name}")
        for path in (tmp_path / name).rglob("*.*"):
            if path.is_file():
                path.write_text(path.read_text(encoding="utf-8").replace("my_pkg", f"pkg_{name}"), encoding="utf-8")
    result = check([str(tmp_path / "one"), str(tmp_path / "two")])
    assert [str(tmp_path / "one")] == [checked.label for checked in result.checked]
    assert 1 == len(result.failures)
    assert 2 == result.exit_code


def test_a_crash_of_mypy_is_not_a_clean_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> object:
        raise SystemExit(2)

    monkeypatch.setattr("mypy.build.build", crash)
    write_example(tmp_path, helper("# never seen before\n"))
    result = check([str(tmp_path)])
    assert 2 == result.exit_code
    assert "mypy crashed" in str(result.failures[0])


def test_a_rule_that_fails_is_not_a_clean_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> object:
        raise KeyError("something unforeseen")

    monkeypatch.setattr("pipelex.checking.subject.Subject.method", fails)
    write_example(tmp_path, {})
    result = check([str(tmp_path)])
    assert 2 == result.exit_code
    assert "This is a fault of the check" in str(result.failures[0])


def test_a_broken_stub_tree_is_not_a_clean_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(spi_tree_module.SPI_FOLDER, tmp_path / "spi")
    stub = tmp_path / "spi/v1/pipelex/plugins/model_handle.pyi"
    stub.write_text(stub.read_text(encoding="utf-8").replace("-> ModelHandle", "-> Model_Handle"), encoding="utf-8")
    monkeypatch.setattr(spi_tree_module, "SPI_FOLDER", tmp_path / "spi")
    spi_tree_module.spi_tree.cache_clear()
    try:
        write_example(
            tmp_path / "plugin", helper("from pipelex.plugins.model_handle import ModelHandle\n\nX = ModelHandle\n")
        )
        result = check([str(tmp_path / "plugin")])
    finally:
        spi_tree_module.spi_tree.cache_clear()
    assert 2 == result.exit_code
    assert "the stubs of this installation are at fault" in str(result.failures[0])


def test_a_version_without_stubs_is_refused_and_the_shipped_ones_are_named() -> None:
    with pytest.raises(CheckError, match=r"version 99 are shipped \(there are: .*1"):
        check(["builtin:local"], api_version=99)


def test_the_check_is_against_the_version_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(spi_tree_module.SPI_FOLDER, tmp_path / "spi")
    shutil.copytree(tmp_path / "spi/v1", tmp_path / "spi/v2")
    stub = tmp_path / "spi/v2/pipelex/cogt/exceptions.pyi"
    stub.write_text(stub.read_text(encoding="utf-8").replace("AmbiguousError", "UnsureError"), encoding="utf-8")
    monkeypatch.setattr(spi_tree_module, "SPI_FOLDER", tmp_path / "spi")
    spi_tree_module.spi_tree.cache_clear()
    text = "from pipelex.cogt.exceptions import InferenceAmbiguousError\n\nX = InferenceAmbiguousError\n"
    try:
        write_example(tmp_path / "plugin", helper(text))
        found = [
            {finding.rule for finding in check([str(tmp_path / "plugin")], api_version=version).checked[0].findings}
            for version in (1, 2)
        ]
    finally:
        spi_tree_module.spi_tree.cache_clear()
    assert [set(), {"PX203", "PX404"}] == found


def test_a_plugin_for_another_version_is_not_run_against_the_installed_registrar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []

    def run(order: object) -> SandboxReport:
        loaded.append(order)
        return SandboxReport()

    monkeypatch.setattr(judging, "run_sandbox", run)
    for name, installed in (("same", PLUGIN_API_VERSION), ("other", PLUGIN_API_VERSION + 1)):
        monkeypatch.setattr(judging, "PLUGIN_API_VERSION", installed)
        write_example(tmp_path / name, helper("X = 1\n"))
        check([str(tmp_path / name)])
        assert 1 == len(loaded), name


# --- the command line ----------------------------------------------------------------------------------


def test_the_command_ends_with_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_example(tmp_path / "clean", {})
    write_example(tmp_path / "found", plugin("targets_api = 1", "targets_api = 2"))
    assert 0 == pipelex(["plugins", "check", str(tmp_path / "clean")])
    assert 1 == pipelex(["plugins", "check", str(tmp_path / "clean"), str(tmp_path / "found")])
    assert 2 == pipelex(["plugins", "check", str(tmp_path / "nowhere")])
    assert 2 == pipelex(["plugins", "check", "--api", "99", str(tmp_path / "clean")])
    assert 2 == pipelex(["plugins", "check"])
    assert "against plugin API 1" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_the_command_writes_each_format_to_stdout(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_example(tmp_path, plugin("targets_api = 1", "targets_api = 2"))
    assert 1 == pipelex(["plugins", "check", "--format", form, str(tmp_path)])
    said = capsys.readouterr()
    assert "PX404" in said.out
    assert "" == said.err


def test_json_is_short_for_the_format_of_that_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_example(tmp_path, {})
    outputs = []
    for options in (["--json"], ["--format", "json"]):
        assert 0 == pipelex(["plugins", "check", *options, str(tmp_path)])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_without_loading_no_line_of_the_plugin_runs_and_the_rules_left_out_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_example(tmp_path, plugin("\n\nclass AcmePlugin:", "\nopen('ran', 'w')\nimport acme\n\n\nclass AcmePlugin:"))
    assert 1 == pipelex(["plugins", "check", "--no-load", "--json", str(tmp_path)])
    data = json.loads(capsys.readouterr().out)
    (target,) = data["targets"]
    assert not {"PX302", "PX303", "PX304"} & {finding["rule"] for finding in target["findings"]}
    assert (False, ["PX302", "PX303", "PX304", "PX305"]) == (data["loaded"], data["left_out"])
    assert 1 == pipelex(["plugins", "check", "--no-load", str(tmp_path)])
    assert "not loaded: PX302, PX303, PX304, PX305 were left out" in capsys.readouterr().out
    assert 1 == pipelex(["plugins", "check", str(tmp_path)])
    loaded = capsys.readouterr().out
    assert "PX302" in loaded
    assert "not loaded" not in loaded


def test_without_loading_a_plugin_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> object:
        raise AssertionError

    monkeypatch.setattr(judging, "run_sandbox", never)
    write_example(tmp_path, helper("# read and never run\n"))
    assert 0 == check([str(tmp_path)], loads=False).exit_code


def test_without_loading_a_waiver_of_a_rule_that_needs_it_is_not_called_unneeded(tmp_path: Path) -> None:
    line = "# pipelex: allow[PX302] it reads its own version\nopen(__file__, 'a')\n"
    write_example(tmp_path, plugin("\n\nclass AcmePlugin:", f"\n{line}\n\nclass AcmePlugin:"))
    assert 0 == check([str(tmp_path)]).exit_code
    assert () == check([str(tmp_path)], loads=False).checked[0].findings


@pytest.mark.parametrize("text", ["", "raise RuntimeError('boom')\n", "class Acme:\n    name = 'acme'\n"])
def test_a_target_that_holds_no_plugin_is_not_clean(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x.py", "folder/x.py", "package/__init__.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        target = path if name == "x.py" else path.parent
        assert 2 == pipelex(["plugins", "check", str(target)])
        out = capsys.readouterr().out
        assert "it holds no plugin" in out
        assert ": clean" not in out


@pytest.mark.parametrize(
    "text",
    [
        PLUGIN.replace("class AcmePlugin", "class _Acme") + "\n\nPLUGIN = _Acme()\n",
        PLUGIN.replace("class AcmePlugin", "class Base") + "\n\nclass AcmePlugin(Base):\n    pass\n",
    ],
    ids=["an instance of a private class", "a class whose base registers"],
)
def test_a_plugin_in_a_file_is_seen_however_it_is_written(text: str, tmp_path: Path) -> None:
    write_example(tmp_path, {"src/my_pkg/plugin.py": text})
    result = check([str(tmp_path / "src/my_pkg/plugin.py")])
    assert (0, ()) == (result.exit_code, result.checked[0].findings)


def test_explain_tells_a_rule_by_id_and_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    for rule in RULES:
        assert 0 == pipelex(["plugins", "check", "--explain", rule.id.lower()])
        by_id = capsys.readouterr().out
        assert 0 == pipelex(["plugins", "check", "--explain", rule.name])
        assert by_id == capsys.readouterr().out
        assert rule.reason in by_id
    assert 2 == pipelex(["plugins", "check", "--explain", "PX000"])


def test_explain_writes_json_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == pipelex(["plugins", "check", "--explain", "PX501", "--json"])
    assert "PX501" == json.loads(capsys.readouterr().out)["rule"]
    assert 2 == pipelex(["plugins", "check", "--explain", "PX000", "--json"])
    assert "PX501" in json.loads(capsys.readouterr().err)["message"]


def test_the_stubs_are_where_the_command_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == pipelex(["spi", "stubs"])
    folder = Path(capsys.readouterr().out.strip())
    assert (folder / "pipelex/plugins/contract.pyi").is_file()
    assert 2 == pipelex(["spi", "stubs", "--api", "99"])


def test_a_damaged_stub_is_named_with_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(spi_tree_module.SPI_FOLDER / "v1", tmp_path / "v1")
    stub = tmp_path / "v1/pipelex/plugins/contract.pyi"
    tree = spi_tree_module.SpiTree(1, tmp_path / "v1")
    stub.write_text("x: int\ndef (\n", encoding="utf-8")
    with pytest.raises(CheckError, match=r"contract\.pyi:2.*damaged.*Install pipelex again"):
        tree.published  # noqa: B018 - asking for it reads the stubs
