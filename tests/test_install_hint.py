"""What is printed to install a missing package: from where this installation came, never from the public index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipelex.install_hint import install_hint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder at the front of the path, into which distributions can be put."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, name: str, url: dict[str, object] | None, entry_points: str = "") -> None:
    """Write the metadata of a distribution with the extra 'acme', and what it was installed from."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"  # as installers spell it
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nProvides-Extra: acme\n"
        'Requires-Dist: acme-sdk>=2 ; extra == "acme"\nRequires-Dist: other ; extra == "x"\n'
    )
    (info / "entry_points.txt").write_text(entry_points)
    if url is not None:
        (info / "direct_url.json").write_text(json.dumps(url))


def hint() -> str:
    return install_hint(dependency_name="acme", extra_name="acme")


def test_an_installation_from_a_wheel_is_named(site: Path) -> None:
    (site / "pipelex-1.0-py3-none-any.whl").touch()
    install(site, "pipelex", {"url": (site / "pipelex-1.0-py3-none-any.whl").as_uri(), "archive_info": {}})
    expected = f"It comes with pipelex[acme]. Install it: pip install '{site}/pipelex-1.0-py3-none-any.whl[acme]'"
    assert expected == hint()


def test_an_editable_clone_stays_editable(site: Path) -> None:
    install(site, "pipelex", {"url": site.as_uri(), "dir_info": {"editable": True}})
    assert hint().endswith(f"pip install -e '{site}[acme]'")


def test_a_repository_is_named_with_its_commit(site: Path) -> None:
    vcs = {"vcs": "git", "commit_id": "abc"}
    install(site, "pipelex", {"url": "https://example.org/p.git", "vcs_info": vcs})
    assert hint().endswith("pip install 'pipelex[acme] @ git+https://example.org/p.git@abc'")


@pytest.mark.parametrize("url", [None, {"url": "file:///gone/pipelex.whl"}])
def test_where_the_origin_is_unknown_or_gone_the_requirements_are_named(
    site: Path, url: dict[str, object] | None
) -> None:
    install(site, "pipelex", url)
    assert hint().endswith("pip install 'acme-sdk>=2'")


def test_the_extra_of_a_strangers_plugin_is_that_plugins(site: Path) -> None:
    install(site, "acme-plugin", None, "[pipelex.plugins]\nacme = acme_plugin:Plugin\n")
    assert hint() == ("It comes with acme-plugin[acme], not with pipelex[acme]. Install it: pip install 'acme-sdk>=2'")


def test_an_extra_that_nobody_has_gets_no_command() -> None:
    text = install_hint(dependency_name="acme", extra_name="nobody-has-it")
    assert "pipelex[nobody-has-it]" in text
    assert "pip install" not in text
