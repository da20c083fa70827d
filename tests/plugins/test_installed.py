"""Reading entry points from the metadata of real distribution folders, whole and broken."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pipelex.plugins.installed import InstalledPlugin, installed_plugins
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from pathlib import Path


def distribution(folder: Path, name: str, entry_points: str, version: str = "1.0") -> None:
    """Write the metadata folder of an installed distribution."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder at the front of the path, into which distributions can be put."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def found() -> list[InstalledPlugin]:
    """Return the plugins of these tests alone."""
    return [plugin for plugin in installed_plugins() if plugin.distribution.startswith("plugtest")]


def test_an_entry_point_is_found_with_its_distribution_and_version(site: Path) -> None:
    distribution(site, "plugtest", "[console_scripts]\nx = y:z\n\n[pipelex.plugins]\nacme = my_pkg.plugin:AcmePlugin\n")
    (plugin,) = found()
    assert ("acme", "plugtest", "1.0", None) == (plugin.name, plugin.distribution, plugin.version, plugin.fault)
    assert plugin.entry_point is not None
    assert ("my_pkg.plugin", "AcmePlugin") == (plugin.entry_point.module, plugin.entry_point.attr)


def test_another_group_that_mentions_ours_is_not_ours(site: Path) -> None:
    distribution(site, "plugtest", "[pipelex.plugins.extra]\nacme = my_pkg:x\n")
    assert [] == found()


@pytest.mark.parametrize("text", ["acme = a:b\n[pipelex.plugins]\n", "[pipelex.plugins]\nacme\n"])
def test_a_file_that_cannot_be_read_is_a_fault_of_that_distribution_alone(site: Path, text: str) -> None:
    distribution(site, "plugtest-bad", text)
    distribution(site, "plugtest-good", "[pipelex.plugins]\ngood = g:x\n")
    good, bad = found()
    assert ("good", None) == (good.name, good.fault)
    assert ("plugtest-bad", None) == (bad.name, bad.entry_point)
    assert "entry_points.txt" in str(bad.fault)


def test_an_entry_point_of_no_form_is_a_fault_of_that_entry_alone(site: Path) -> None:
    distribution(site, "plugtest", "[pipelex.plugins]\nbad = not an entry point\ngood = g:x\n")
    bad, good = found()
    assert ("good", None) == (good.name, good.fault)
    assert "'not an entry point'" in str(bad.fault)


def test_an_older_installation_later_on_the_path_is_shadowed(site: Path, tmp_path: Path) -> None:
    distribution(site, "plugtest", "[pipelex.plugins]\nnew = g:x\n", version="2.0")
    distribution(tmp_path / "later", "plugtest", "[pipelex.plugins]\nold = g:x\n")
    sys.path.append(str(tmp_path / "later"))
    try:
        assert ["new"] == [plugin.name for plugin in found()]
    finally:
        sys.path.remove(str(tmp_path / "later"))


def test_the_order_does_not_depend_on_the_order_of_the_path(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(site, "plugtest-b", "[pipelex.plugins]\nsame = g:x\nAlpha = g:x\n")
    distribution(tmp_path / "other", "plugtest-a", "[pipelex.plugins]\nsame = g:x\n")
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    one_way = found()
    monkeypatch.setattr(sys, "path", sys.path[::-1])
    assert one_way == found()
    assert [("Alpha", "plugtest-b"), ("same", "plugtest-a"), ("same", "plugtest-b")] == [
        (plugin.name, plugin.distribution) for plugin in one_way
    ]


@pytest.mark.parametrize("spelling", ["acme-ai", "acme_ai", "Acme.AI", "acme--ai", "ACME_-.ai"])
def test_names_are_compared_as_pep_503_does(spelling: str) -> None:
    assert "acme-ai" == canonical(spelling)
