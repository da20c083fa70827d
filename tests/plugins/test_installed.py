"""Reading entry points from the metadata of real distribution folders, whole and broken."""

from __future__ import annotations

import sys
from importlib.metadata import version
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


SAME = "[pipelex.plugins]\nacme = plugtest_module:x\n"


@pytest.fixture(params=["listed", "asked"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the folders on the path, and ask importlib.metadata for them, as where another finder is installed."""
    if request.param == "asked":
        monkeypatch.setattr("pipelex.plugins.installed._listed", lambda: None)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("first", ["1.0", "2.0"])
@pytest.mark.parametrize("later", [SAME, "[pipelex.plugins]\nother = g:x\n"])
def test_of_two_versions_on_the_path_the_one_that_is_imported_is_found(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, later: str
) -> None:
    second = "2.0" if first == "1.0" else "1.0"
    for folder, number, text in ((site, first, SAME), (tmp_path / "later", second, later)):
        distribution(folder, "plugtest", text, version=number)
        (folder / "plugtest_module.py").write_text(f"x = {number!r}\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later")])
    [plugin] = found()
    monkeypatch.delitem(sys.modules, "plugtest_module", raising=False)
    assert plugin.entry_point is not None
    assert ("acme", first, first, first) == (
        plugin.name,
        plugin.version,
        plugin.entry_point.load(),
        version("plugtest"),
    )


@pytest.mark.usefixtures("either_way")
def test_a_version_that_announces_nothing_any_more_shadows_one_that_did(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(site, "plugtest", "", version="2.0")
    distribution(tmp_path / "later", "plugtest", SAME)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later")])
    assert [] == found()


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("other", ["plugtest-1.0-py3.11.egg-info", "Plugtest.egg-info", "plugtest-3.0.dist-info"])
def test_of_two_metadata_folders_in_one_place_the_one_that_importlib_finds_is_found(site: Path, other: str) -> None:
    distribution(site, "plugtest", SAME, version="2.0")
    (site / other).mkdir()
    for file in ("METADATA", "PKG-INFO"):
        (site / other / file).write_text("Metadata-Version: 2.1\nName: plugtest\nVersion: 9.0\n")
    (site / other / "entry_points.txt").write_text(SAME)
    assert [version("plugtest")] == [plugin.version for plugin in found()]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("leftover", ["~lugtest-1.0.dist-info", "~-ugtest-1.0.dist-info", "~lugtest.egg-info"])
def test_what_pip_could_not_remove_is_not_installed(site: Path, leftover: str) -> None:
    distribution(site, "plugtest", SAME, version="2.0")
    (site / "plugtest-2.0.dist-info").rename(site / leftover)
    assert [] == found()
    distribution(site, "plugtest", SAME, version="2.0")
    assert ["2.0"] == [plugin.version for plugin in found()]


@pytest.mark.usefixtures("either_way")
def test_a_folder_that_an_interrupted_installation_left_hides_no_plugin(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "plugtest-1.0.dist-info").mkdir()
    distribution(tmp_path / "later", "plugtest", SAME, version="2.0")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later")])
    assert ["2.0"] == [plugin.version for plugin in found()]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("metadata", [None, b"", b"\xff\xfe", b"Metadata-Version: 2.1\n"])
@pytest.mark.parametrize(
    ("folder", "expected"),
    [("plugtest-1.5.dist-info", "1.5"), ("plugtest-1.5-py3.11.egg-info", "1.5"), ("plugtest.egg-info", "(unknown)")],
)
def test_a_distribution_without_metadata_is_called_as_its_folder(
    site: Path, metadata: bytes | None, folder: str, expected: str
) -> None:
    (site / folder).mkdir()
    (site / folder / "entry_points.txt").write_text(SAME)
    if metadata is not None:
        (site / folder / ("METADATA" if "dist" in folder else "PKG-INFO")).write_bytes(metadata)
    assert [("plugtest", expected)] == [(plugin.distribution, plugin.version) for plugin in found()]


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
