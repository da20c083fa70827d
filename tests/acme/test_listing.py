"""The page's smallest plugin, as the page has it: strictly typed on the stubs, loaded, listed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acme.environment import EXAMPLE, ROOT, strict_mypy, write_distribution
from tests.acme.listing import LISTING, WITH_LISTER


@pytest.fixture(params=[LISTING, WITH_LISTER], ids=["listing", "with its lister"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with the example's package, its plugin's module replaced by the page's, and metadata beside it."""
    folder = tmp_path / "site"
    write_distribution(folder, name="listing", entry_points="[pipelex.plugins]\nacme = my_pkg.acme_plugin:AcmePlugin\n")
    shutil.copytree(EXAMPLE / "plugin" / "src" / "my_pkg", folder / "my_pkg")
    (folder / "my_pkg" / "acme_plugin.py").write_text(request.param, encoding="utf-8")
    return folder


def test_the_pages_listing_is_strictly_typed(site: Path, tmp_path: Path) -> None:
    assert (0, "") == strict_mypy(site, tmp_path / "cache", "-p", "my_pkg")


def test_the_pages_listing_is_loaded_and_listed(site: Path, tmp_path: Path) -> None:
    path = os.pathsep.join(map(str, (ROOT / "src", EXAMPLE / "sdk" / "src", site)))
    command = [sys.executable, "-m", "pipelex", "plugins", "list", "--json"]
    environment = {**os.environ, "PYTHONPATH": path, "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    [row] = [row for row in json.loads(done.stdout)["plugins"] if row["name"] == "acme"]
    assert ("active", "llm", "acme") == (row["status"], *(row["contributions"][0][key] for key in ("family", "sdk")))
