"""A world with two versions of the plugin API, or more: the stubs as they are, and a changed copy of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from textwrap import dedent

import pytest

from pipelex.checking import spi_tree as trees
from pipelex.checking import type_check
from pipelex.checking.targets import resolve
from pipelex.spi.changes import ApiChange
from pipelex.spi.stub_tree import TreeShape, read_stub_tree
from pipelex.spi.type_check import World as ClosedWorld
from pipelex.upgrading import upgrade as upgrading
from pipelex.upgrading.upgrade import Upgrade

STUBS = trees.SPI_FOLDER / f"v{max(trees.shipped_versions())}"
"""The newest version that is shipped plays version 1."""


def change(
    kind: str, symbol: str, old: str = "", new: str = "", *, migration: str = "", todo: str = "", version: int = 2
) -> ApiChange:
    """A change, of version 2 where nothing else is said."""
    return ApiChange(
        version, 0, kind, symbol, old, new, f"{kind} of {symbol.partition(':')[2]}", "why not", migration, todo
    )


@dataclass
class World:
    """Some versions of the API, and a plugin.

    Attributes:
        folder: Where everything is.
        changes: What changed, from version to version.
        newest: The newest version.
    """

    folder: Path
    changes: list[ApiChange] = field(default_factory=list)
    newest: int = 0

    @property
    def plugin(self) -> Path:
        """The plugin's folder."""
        return self.folder / "plugin"

    def stubs(self, version: int) -> Path:
        """The folder of a version's stubs."""
        return self.folder / f"v{version}"

    def release(self, stubs: Path | None = None) -> None:
        """Let there be one version more, whose stubs are those of the newest, or the given ones."""
        stubs, self.newest = stubs or self.stubs(self.newest), self.newest + 1
        shutil.copytree(stubs, self.stubs(self.newest))
        contract = self.stubs(self.newest) / "pipelex/plugins/contract.pyi"
        before, literal, after = contract.read_text(encoding="utf-8").partition("PLUGIN_API_VERSION: Final = ")
        contract.write_text(f"{before}{literal}{self.newest}{after.lstrip('0123456789')}", encoding="utf-8")

    def stub(self, module: str, *, version: int = 2) -> str:
        """Return the text of a stub."""
        return (self.stubs(version) / f"{module.replace('.', '/')}.pyi").read_text(encoding="utf-8")

    def edit(self, module: str, old: str, new: str, *, version: int = 2) -> None:
        """Replace a text in a stub; a stub that is not there is written."""
        path = self.stubs(version) / f"{module.replace('.', '/')}.pyi"
        if not old:
            path.write_text(dedent(new), encoding="utf-8")
            return
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def write(self, **modules: str) -> None:
        """Write modules of the plugin."""
        self.plugin.mkdir(exist_ok=True)
        for name, text in modules.items():
            (self.plugin / f"{name}.py").write_text(dedent(text).lstrip("\n"), encoding="utf-8")

    def read(self, module: str = "plugin") -> str:
        """Return the text of a module of the plugin."""
        return (self.plugin / f"{module}.py").read_text(encoding="utf-8")

    def upgrade(self, *, since: int | None = None) -> Upgrade:
        """Upgrade the plugin and write it."""
        [target] = resolve(str(self.plugin))
        done = upgrading.upgrade(target, since=since)
        upgrading.write([done])
        return done


@pytest.fixture
def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two versions that are the same, and no plugin yet."""
    made = World(tmp_path)
    made.release(STUBS)
    made.release()
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr("pipelex.checking.type_check.world_of", _world_in(tmp_path_factory.getbasetemp()))
    monkeypatch.setattr(trees, "shipped_versions", lambda: list(range(1, made.newest + 1)))
    monkeypatch.setattr(trees, "spi_tree", _tree_of(made))
    monkeypatch.setattr(trees, "read_stub_tree", lambda files, label: _parsed(tuple(files.items()), label))
    monkeypatch.setattr("pipelex.spi.changes.changes_between", _changes_of(made))
    monkeypatch.setattr("pipelex.spi.changes.read_changes", lambda: made.changes)
    return made


@lru_cache(maxsize=16)  # most worlds begin with the same stubs
def _parsed(files: tuple[tuple[str, str], ...], label: str) -> TreeShape:
    return read_stub_tree(dict(files), label)


def _world_in(cache: Path) -> Callable[..., ClosedWorld]:
    """Let all worlds share what mypy knows of the standard library: each has stubs, and so a folder, of its own."""
    real = type_check.world_of

    def world_of(spi: trees.SpiTree, *, keep_types: bool = False) -> ClosedWorld:
        return real(spi, keep_types=keep_types)._replace(cache=cache / f"mypy{keep_types}")

    return world_of


def _tree_of(world: World) -> Callable[[int | None], trees.SpiTree]:
    def tree(number: int | None = None) -> trees.SpiTree:
        return trees.SpiTree(number or world.newest, world.stubs(number or world.newest))

    return tree


def _changes_of(world: World) -> Callable[[int, int], tuple[ApiChange, ...]]:
    def between(old: int, new: int) -> tuple[ApiChange, ...]:
        return tuple(change for change in world.changes if old < change.version <= new)

    return between
