"""Which version a plugin is upgraded from, and changes that no type shows: nothing is concluded from mypy's silence."""

from __future__ import annotations

import os
from collections.abc import Callable
from textwrap import dedent

import pytest

from pipelex.checking.targets import resolve
from pipelex.cli.main import main
from pipelex.spi.changes import ApiChange
from pipelex.upgrading import upgrade as upgrading
from tests.upgrading.conftest import World, change

CONTRACT = "pipelex.plugins.contract"
RESULT = "pipelex.cogt.inference.inference_result"
IDIOM = f"from {CONTRACT} import PLUGIN_API_VERSION\n\ntargets_api = PLUGIN_API_VERSION\n"
PROJECT = """\
[project]
name = "acme"

[project.entry-points."{}"]
acme = "plugin:Plugin"
"""


def change_group(world: World) -> None:
    """Let version 2 look for plugins in another entry-point group."""
    world.changes = [
        change("entry-point-group-changed", f"{CONTRACT}:PipelexPlugin", "pipelex.plugins", "pipelex.inference")
    ]


def change_default(world: World, *, todo: str = "", migration: str = "") -> None:
    """Let a result that gives no reason have another one."""
    world.edit(RESULT, "finish_reason: FinishReason = ", "finish_reason: FinishReason = FinishReason.OTHER or ")
    symbol = f"{RESULT}:InferenceResult.finish_reason"
    world.changes = [change("field-default-changed", symbol, todo=todo, migration=migration)]


METADATA = {
    "pyproject": ("pyproject.toml", PROJECT),
    "poetry": (
        "pyproject.toml",
        '[tool.poetry]\nname = "acme"\n[tool.poetry.plugins."{}"]  # ours\nacme = "plugin:Plugin"\n',
    ),
    "an inline table": (
        "pyproject.toml",
        '[project]\nname = "acme"\nentry-points = {{ other = {{}}, "{}" = {{ acme = "plugin:Plugin" }} }}  # ours\n',
    ),
    "setup.cfg": (
        "setup.cfg",
        "[metadata]\nname = acme\n[options.entry_points]\n# ours\n{} =\n    acme = plugin:Plugin\n[tool]\nx = {{}}\n",
    ),
}


@pytest.mark.parametrize("case", METADATA)
def test_the_group_is_changed_where_no_version_is_stated(world: World, case: str) -> None:
    """And its new group is evidence of the new version afterwards."""
    change_group(world)
    name, text = METADATA[case]
    world.write(plugin=IDIOM)
    (world.plugin / name).write_text(text.format("pipelex.plugins"), encoding="utf-8")
    done = world.upgrade()
    assert (1, 2, []) == (done.old, done.new, done.left)
    assert text.format("pipelex.inference") == (world.plugin / name).read_text(encoding="utf-8")
    again = world.upgrade()
    assert (2, []) == (again.old, again.changed)


def test_a_group_that_is_declared_where_nothing_is_rewritten_is_left_to_the_author(world: World) -> None:
    """In a distribution that is installed, say."""
    change_group(world)
    world.write(plugin=IDIOM)
    path = world.plugin / "pyproject.toml"
    path.write_text(PROJECT.format("pipelex.plugins"), encoding="utf-8")
    [target] = resolve(str(world.plugin))
    assert target.metadata is not None
    target.metadata = target.metadata._replace(file=world.plugin / "entry_points.txt")
    (world.plugin / "entry_points.txt").write_text("", encoding="utf-8")
    [left] = upgrading.upgrade(target).left
    assert "declare the entry points in the group 'pipelex.inference'" in left.reason


@pytest.mark.parametrize("version", [1, 2], ids=["with the upgrade", "later"])
def test_a_group_that_the_project_above_a_package_declares_is_left_to_the_author(world: World, version: int) -> None:
    """As long as it is the former one, also where the version is raised already."""
    change_group(world)
    world.write(plugin="")
    (world.plugin / "pyproject.toml").write_text(PROJECT.format("pipelex.plugins"), encoding="utf-8")
    package = world.plugin / "src" / "pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"targets_api = {version}\n", encoding="utf-8")
    assert 1 == main(["plugins", "upgrade", "--write", str(package)])
    assert "targets_api = 2\n" == (package / "__init__.py").read_text(encoding="utf-8")
    (world.plugin / "pyproject.toml").write_text(PROJECT.format("pipelex.inference"), encoding="utf-8")
    assert 0 == main(["plugins", "upgrade", "--write", str(package)])


def test_plugins_of_the_former_group_are_found_in_a_folder_of_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_group(world)
    for module in ("pipelex.checking.targets", "pipelex.reading.metadata"):
        monkeypatch.setattr(f"{module}.ENTRY_POINT_GROUP", "pipelex.inference")
    for name in ("one", "two"):
        folder = world.plugin / name / "lib"
        folder.mkdir(parents=True)
        (folder / "plugin.py").write_text(IDIOM, encoding="utf-8")
        (folder.parent / "pyproject.toml").write_text(PROJECT.format("pipelex.plugins"), encoding="utf-8")
    assert [["plugin"], ["plugin"]] == [list(target.modules) for target in resolve(str(world.plugin))]
    assert 0 == main(["plugins", "upgrade", "--write", str(world.plugin)])
    assert "pipelex.inference" in (world.plugin / "two" / "pyproject.toml").read_text(encoding="utf-8")


USES = f"""
from dataclasses import dataclass, replace
from {RESULT} import FinishReason, InferenceResult

@dataclass(frozen=True, kw_only=True)
class Own(InferenceResult[str]):
    more: int = 0

first = InferenceResult(content="")
second = InferenceResult(content="", finish_reason=FinishReason.STOP)
third = Own(
    content="",
)
fourth = replace(second, content="")
fifth = InferenceResult[str](content="")
Made = InferenceResult[str]
sixth = Made(content="")
"""


def test_the_uses_of_a_changed_default_are_marked(world: World) -> None:
    """What is made without the field is a use, that of a class derived from the record as well."""
    change_default(world, todo="state finish_reason")
    world.write(plugin=f"targets_api = 1\n{USES}")
    done = world.upgrade()
    marks = world.read().split("\n# TODO(pipelex): ")
    assert ["first =", "third =", "fifth =", "sixth ="] == [mark.partition("\n")[2][:7] for mark in marks[1:]]
    assert 4 == len(done.left)
    assert all("give 'finish_reason' (state finish_reason)" in item.reason for item in done.left)


def test_a_class_with_a_default_of_its_own_does_not_use_the_changed_one(world: World) -> None:
    """A partial of the constructor does."""
    change_default(world, migration="finish_reason=FinishReason.STOP")
    source = f"""
        from dataclasses import dataclass
        from functools import partial
        from {RESULT} import FinishReason, InferenceResult

        targets_api = 1

        @dataclass(frozen=True, kw_only=True)
        class Own(InferenceResult[str]):
            finish_reason: FinishReason = FinishReason.LENGTH

        x = Own(content="")
        y = partial(InferenceResult, content="")
        """
    world.write(plugin=dedent(source))
    assert [] == world.upgrade().left
    after = source.replace("= 1", "= 2").replace(
        'InferenceResult, content=""', 'InferenceResult, content="", finish_reason=FinishReason.STOP'
    )
    assert dedent(after).lstrip("\n") == world.read()


def test_an_old_default_is_written_out_where_the_entry_gives_it(world: World) -> None:
    change_default(world, migration="finish_reason=FinishReason.STOP")
    world.write(plugin=f"targets_api = 1\n{USES}")
    assert [] == world.upgrade().left
    after = USES.replace('(content="")', '(content="", finish_reason=FinishReason.STOP)')
    after = after.replace('    content="",\n)', '    content="",\n    finish_reason=FinishReason.STOP,\n)')
    assert f"targets_api = 2\n{after}" == world.read()


PLUGIN = """\
from typing import ClassVar
from pipelex.plugins.registrar import PluginRegistrar

class Base:
    name = "acme"

    def __init__(self) -> None:
        self.targets_api = {}

class Plugin(Base):
    other: ClassVar[int] = 1

    def {}(self, registrar: PluginRegistrar) -> None:
        print(registrar)

class Own(Plugin):
    def {}(self, registrar: PluginRegistrar) -> None:
        print(registrar, registrar)
"""


def test_a_member_of_the_plugin_itself_is_renamed_although_no_type_asks_for_it(world: World) -> None:
    """A plugin derives from nothing, so that mypy does not miss ``register``."""
    world.edit(CONTRACT, "def register(", "def contribute(")
    world.changes = [change("method-renamed", f"{CONTRACT}:PipelexPlugin.register", new="contribute")]
    world.write(plugin=PLUGIN.format(1, "register", "register"))
    assert [] == world.upgrade().left
    assert PLUGIN.format(2, "contribute", "contribute") == world.read()


def test_a_member_that_every_plugin_must_have_is_written_once(world: World) -> None:
    world.edit(CONTRACT, "    def register(", "    def describe(self) -> str: ...\n\n    def register(")
    code = "def describe(self) -> str:\n    return self.name"
    world.changes = [change("protocol-member-added", f"{CONTRACT}:PipelexPlugin.describe", migration=code)]
    world.write(plugin=PLUGIN.format(1, "register", "register"))
    assert [] == world.upgrade().left
    first, own, second = PLUGIN.format(2, "register", "register").partition("\n\nclass Own")
    assert f"{first}\n\n    def describe(self) -> str:\n        return self.name{own}{second}" == world.read()


def test_a_changed_default_of_a_parameter_is_written_out_too(world: World) -> None:
    registry = "pipelex.plugins.inference_backend_registry"
    world.edit(registry, "extra: str, msg: str)", "extra: str, msg: str = 'a')", version=1)
    world.edit(registry, "extra: str, msg: str)", "extra: str, msg: str = 'b')")
    world.changes = [change("parameter-default-changed", f"{registry}:require_sdk", migration="msg='a'")]
    source = (
        f"from {registry} import require_sdk\n\ntargets_api = {{}}\n"
        "require_sdk(spec='x', extra='x'{})\nrequire_sdk(spec='x', extra='x', msg='c')\n"
    )
    world.write(plugin=source.format(1, ""))
    assert [] == world.upgrade().left
    assert source.format(2, ", msg='a'") == world.read()


def test_an_unstated_version_is_the_oldest_that_fits(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a default that changed no type tells; whoever knows better passes ``--from``."""
    change_default(world, todo="state finish_reason")
    world.write(plugin=f"{IDIOM}{USES}")
    assert 1 == main(["plugins", "upgrade", "--write", str(world.plugin)])
    assert "it states no version: 1 is the oldest that it fits; pass --from N" in capsys.readouterr().out
    assert 4 == world.read().count("TODO(pipelex)")
    marked = world.read()
    assert 1 == main(["plugins", "upgrade", "--write", str(world.plugin)])
    assert marked == world.read()
    world.write(plugin=f"{IDIOM}{USES}")
    assert 0 == main(["plugins", "upgrade", "--from", "2", str(world.plugin)])


def test_what_is_left_of_an_earlier_run_ends_in_1_until_it_is_gone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Although the plugin is clean on no version: the marks show how far that run came."""
    world.edit(RESULT, '    OTHER = "other"\n', "")
    world.changes = [change("enum-member-removed", f"{RESULT}:FinishReason.OTHER", todo="state another")]
    source = f"{IDIOM}from {RESULT} import FinishReason\n\nx = FinishReason.OTHER\n"
    world.write(plugin=source)
    for _ in range(2):
        assert 1 == main(["plugins", "upgrade", "--write", str(world.plugin)])
        assert "state another" in capsys.readouterr().out
    world.write(plugin=source.replace("OTHER", "STOP"))
    assert 0 == main(["plugins", "upgrade", "--write", str(world.plugin)])


@pytest.mark.parametrize(
    ("make", "uses"),
    [
        (lambda: change("record-frozen", f"{RESULT}:InferenceResult", todo="set no field"), 2),
        (lambda: change("incompatible", f"{RESULT}:FinishReason", todo="look at it"), 1),
        (
            lambda: change(
                "enum-member-revalued", f"{RESULT}:FinishReason.STOP", "a", "b", migration="compare by name"
            ),
            1,
        ),
    ],
    ids=["a record", "a name that is imported alone", "a member, with code for what no code follows"],
)
def test_each_use_of_what_no_rewrite_follows_is_marked_once(
    world: World, make: Callable[[], ApiChange], uses: int
) -> None:
    world.changes = [make()]
    source = f"""
        from {RESULT} import FinishReason, InferenceResult

        targets_api = 1
        x = InferenceResult(content=""), InferenceResult(content="")
        y = InferenceResult(content="", finish_reason=FinishReason.STOP)
        """
    world.write(plugin=dedent(source))
    assert uses == len(world.upgrade().left)
    assert uses == world.read().count("TODO(pipelex)")
    assert uses == len(world.upgrade().left)


def test_a_target_that_cannot_be_read_ends_in_2(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write(plugin=IDIOM)
    (world.plugin / "helper.py").write_bytes(b"x = '\xe9'\n")
    assert 2 == main(["plugins", "upgrade", "--write", str(world.plugin)])
    assert "helper.py" in capsys.readouterr().err


def test_a_codec_that_is_none_of_text_ends_in_2(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write(plugin=f"# coding: rot13\n{IDIOM}")
    assert 2 == main(["plugins", "upgrade", "--write", str(world.plugin)])
    assert "plugin.py: could not be checked: it cannot be read" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a link takes a right that Windows does not give by default")
def test_a_link_to_a_folder_above_it_is_not_followed(world: World) -> None:
    world.write(plugin=IDIOM)
    (world.plugin / "loop").symlink_to(world.plugin)
    assert ["plugin"] == [name for target in resolve(str(world.plugin)) for name in target.modules]
