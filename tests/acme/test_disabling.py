from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.acme.environment import write_distribution, write_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acme.environment import Environment

TWIN = """
from my_pkg.acme_plugin import AcmePlugin, _make_acme_worker
from pipelex.plugins.inference_backend_registry import InferenceFamily

class TwinPlugin(AcmePlugin):
    name = "acme-labs"

    def register(self, registrar):
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme_labs", make_worker=_make_acme_worker)
"""


@pytest.fixture
def with_twin(full: Environment, tmp_path: Path) -> Environment:
    """A second distribution, whose plugin bears another name than its entry point."""
    site = tmp_path / "site"
    entry_points = "[pipelex.plugins]\nTwin_Of.Acme = twin_module:TwinPlugin\n"
    write_distribution(site, name="acme-twin", entry_points=entry_points, twin_module=TWIN)
    return full.with_variables(PYTHONPATH=str(site))


def _status_by_distribution(environment: Environment, project: Path) -> tuple[dict[str, str], dict[str, Any]]:
    done = environment.pipelex("plugins", "list", "--json", cwd=project)
    assert 0 == done.returncode, done.stderr
    data = json.loads(done.stdout)
    return {row["distribution"]: row["status"] for row in data["plugins"] if row["distribution"]}, data


def test_both_plugins_are_active_where_none_is_disabled(with_twin: Environment, tmp_path: Path) -> None:
    statuses, _ = _status_by_distribution(with_twin, write_project(tmp_path / "project"))
    assert {"pipelex-example-acme": "active", "acme-twin": "active"} == statuses


@pytest.mark.parametrize("spelling", ["Twin_Of.Acme", "twin-of-acme", "TWIN__of_acme", "acme-labs", "Acme_Labs"])
def test_a_plugin_is_disabled_by_either_name_in_any_spelling(
    with_twin: Environment, tmp_path: Path, spelling: str
) -> None:
    project = write_project(tmp_path / "project", disabled=f'"{spelling}"')
    statuses, data = _status_by_distribution(with_twin, project)
    assert {"pipelex-example-acme": "active", "acme-twin": "disabled"} == statuses
    assert [] == data["findings"]


def test_the_entry_points_name_disables_before_the_plugin_is_loaded(with_twin: Environment, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", disabled='"twin-of-acme"')
    source = """
import sys
from pipelex.boot import Pipelex
with Pipelex.setup():
    print("twin_module" in sys.modules)
"""
    assert "False\n" == with_twin.run(source, cwd=project)


def test_a_model_of_a_disabled_plugin_is_refused_by_name(full: Environment, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", disabled='"acme"')
    done = full.pipelex("llm", "hello", "--model", "acme/acme-small", "--json", cwd=project)
    error = json.loads(done.stderr.splitlines()[-1])
    assert (1, "InferenceBackendNotFoundError") == (done.returncode, error["error"])
    assert "Is its plugin installed and enabled?" in error["message"]


def test_a_misspelt_name_is_a_finding_and_boot_goes_on(full: Environment, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", disabled='"acmee"')
    statuses, data = _status_by_distribution(full, project)
    assert {"pipelex-example-acme": "active"} == statuses
    [finding] = data["findings"]
    assert ("acmee", "acme") == (finding["name"], finding["nearest"])
    done = full.pipelex("llm", "hello", "--model", "acme/acme-small", cwd=project)
    assert (0, "You said: hello\n") == (done.returncode, done.stdout)
