"""``pipelex plugins upgrade``: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from pipelex.cli.main import main
from tests.upgrading.conftest import World, change

RESULT = "pipelex.cogt.inference.inference_result"
BEFORE = f"from {RESULT} import FinishReason\n\ntargets_api = 1\nprint(FinishReason.OTHER)\n"
AFTER = BEFORE.replace("OTHER", "UNKNOWN").replace("= 1", "= 2")
PYPROJECT = '[project]\nname = "x"\n[project.entry-points."pipelex.plugins"]\nx = "plugin:Plugin"\n'


@pytest.fixture
def renamed(world: World) -> World:
    """A world in which a member of an enum was renamed, and a plugin that uses it."""
    world.edit(RESULT, '    OTHER = "other"', '    UNKNOWN = "other"')
    world.changes = [change("enum-member-renamed", f"{RESULT}:FinishReason.OTHER", new="UNKNOWN")]
    world.write(plugin=BEFORE)
    return world


def run(world: World, *arguments: str, target: Path | None = None) -> int:
    """Run the command on the plugin."""
    return main(["plugins", "upgrade", str(target or world.plugin), *arguments])


def test_the_diff_is_shown_and_nothing_is_written(renamed: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The diff is on stdout, so that it can be applied; the report is beside it."""
    assert run(renamed) == 0
    shown = capsys.readouterr()
    assert "-targets_api = 1\n-print(FinishReason.OTHER)\n+targets_api = 2\n+print(FinishReason.UNKNOWN)\n" in shown.out
    assert "would be upgraded from version 1 to 2" in shown.err
    assert "enum-member-renamed of FinishReason.OTHER (enum-member-renamed; why not)" in shown.err
    assert "plugin.py:4: OTHER is UNKNOWN" in shown.err
    assert BEFORE == renamed.read()


def test_write_writes_and_a_second_run_changes_nothing(renamed: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(renamed, "--write") == 0
    assert "proved: mypy was clean on version 1 before and is on version 2 after" in capsys.readouterr().out
    assert AFTER == renamed.read()
    assert run(renamed, "--write") == 0
    assert "nothing to do, it fits version 2" in capsys.readouterr().out
    assert AFTER == renamed.read()
    assert [] == [path.name for path in renamed.plugin.iterdir() if path.suffix == ".part"]


def test_json_lists_each_edit_with_its_change(renamed: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(renamed, "--write", "--json") == 0
    [done] = json.loads(capsys.readouterr().out)["upgrades"]
    assert (1, 2, True, True, []) == (done["from"], done["to"], done["written"], done["proved"], done["left"])
    assert {"enum-member-renamed", "api-version-changed"} == {edit["change"]["kind"] for edit in done["edits"]}


def test_something_left_to_the_author_ends_in_1(renamed: World, capsys: pytest.CaptureFixture[str]) -> None:
    renamed.write(plugin=f"{BEFORE}getattr(FinishReason, 'OTHER')\n")
    assert run(renamed, "--write") == 1
    assert "1 thing for the author to decide, marked TODO(pipelex)" in capsys.readouterr().out
    assert (
        "# TODO(pipelex): plugin API 2: enum-member-renamed of FinishReason.OTHER: "
        "'OTHER' is named in a string\ngetattr" in (renamed.read())
    )
    assert run(renamed, "--write") == 1


def test_an_entry_that_no_code_can_follow_marks_every_use(renamed: World) -> None:
    renamed.changes = [change("enum-member-removed", f"{RESULT}:FinishReason.OTHER", todo="say why it stopped")]
    assert run(renamed, "--write") == 1
    assert (
        "# TODO(pipelex): plugin API 2: enum-member-removed of FinishReason.OTHER: say why it stopped\nprint("
        in renamed.read()
    )
    assert 1 == renamed.read().count("TODO(pipelex)")


def test_a_folder_of_plugins_is_upgraded_as_one(renamed: World, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is no Python keeps all of them from being written."""
    folder = renamed.folder / "many"
    for name in ("one", "two", "three"):
        (folder / name).mkdir(parents=True)
        (folder / name / "pyproject.toml").write_text(PYPROJECT.replace('"x"', f'"{name}"'), encoding="utf-8")
        (folder / name / "plugin.py").write_text(BEFORE, encoding="utf-8")
    (folder / "two" / "plugin.py").write_text(f"{BEFORE}FinishReason.NOTHING\n", encoding="utf-8")
    assert run(renamed, "--write", target=folder) == 2
    said = capsys.readouterr().err
    assert "not clean on version 1" in said
    assert "Nothing was written." in said
    assert BEFORE == (folder / "one" / "plugin.py").read_text(encoding="utf-8")
    (folder / "two" / "plugin.py").write_text(BEFORE, encoding="utf-8")
    assert run(renamed, "--write", target=folder) == 0
    assert [AFTER] * 3 == [
        (folder / name / "plugin.py").read_text(encoding="utf-8") for name in ("one", "two", "three")
    ]


def test_what_cannot_be_done_ends_in_2_and_names_the_way_out(
    renamed: World, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed.write(plugin="targets_api = 7\n")
    assert run(renamed) == 2
    assert "it targets version 7, which is newer than 2" in capsys.readouterr().err
    renamed.write(plugin="targets_api = 1\n", other="targets_api = 2\n")
    assert run(renamed) == 2
    assert "its plugins target versions 1 and 2" in capsys.readouterr().err
    assert run(renamed, target=Path("builtin:local")) == 2
    assert "it moves with the API itself" in capsys.readouterr().err


def test_the_error_of_the_version_gate_tells_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the changes between the versions and the command; without a log it still says the rest."""
    from pipelex.plugins.exceptions import PluginApiVersionMismatchError
    from pipelex.spi import changes as spi_changes

    log = tmp_path / "changes.toml"
    rows = "".join(
        f'[[version.change]]\nkind = "symbol-moved"\nsymbol = "m:S{number}"\nsays = "`S{number}` moved"\nwhy = "so"\n'
        for number in range(5)
    )
    log.write_text(
        f"[[version]]\nnumber = 1\nrevision = 0\n[[version]]\nnumber = 2\nrevision = 0\n{rows}", encoding="utf-8"
    )
    monkeypatch.setattr(
        spi_changes, "changes_between", lambda old, new: spi_changes.read_changes(log)[: (new - old) * 5]
    )
    text = str(PluginApiVersionMismatchError(plugin_name="acme", targets_api=1, supported_api=2))
    assert "Since version 1: 'S0' moved; 'S1' moved; 'S2' moved; and 2 more (docs/api-versions/v2.md)." in text
    assert "'pipelex plugins upgrade FOLDER --to 2 --write'" in text
    log.write_text("not toml", encoding="utf-8")
    spi_changes.read_changes.cache_clear()
    again = str(PluginApiVersionMismatchError(plugin_name="acme", targets_api=1, supported_api=2))
    assert "Since version" not in again
    assert "this installation supports 2" in again
    assert dedent(again) == again
