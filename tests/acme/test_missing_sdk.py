from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acme.environment import Environment

MODEL = "acme/acme-small"


def test_the_system_boots_and_registers_the_plugin(without_sdk: Environment) -> None:
    source = """
from pipelex.boot import Pipelex
with Pipelex.setup() as px:
    print(["acme" in {sdk for _, sdk in px.hub.inference_backends}, "acme" in px.hub.model_listers])
"""
    assert "[True, True]\n" == without_sdk.run(source)


def test_booting_imports_neither_the_sdk_nor_the_worker(full: Environment) -> None:
    source = """
import sys
from pipelex.boot import Pipelex
with Pipelex.setup():
    print(*sorted(name for name in sys.modules if name.split(".")[0] in ("acme", "my_pkg")))
"""
    assert "my_pkg my_pkg.acme_plugin\n" == full.run(source)


def test_a_call_says_what_is_missing_and_how_to_get_it(without_sdk: Environment) -> None:
    done = without_sdk.pipelex("llm", "hello", "--model", MODEL, "--json")
    error = json.loads(done.stderr.splitlines()[-1])
    assert (1, "MissingDependencyError") == (done.returncode, error["error"])
    assert ("acme", "acme") == (error["dependency_name"], error["extra_name"])
    assert error["message"].startswith("The acme SDK is required in order to use Acme models.")
    assert "pipelex[acme]" in error["message"]


def test_a_listing_says_the_same(without_sdk: Environment) -> None:
    done = without_sdk.pipelex("show", "models", "acme", "--json")
    [listing] = json.loads(done.stdout)["sdks"]
    assert (1, "MissingDependencyError") == (done.returncode, listing["error"]["error"])


def test_the_list_of_plugins_is_as_ever(without_sdk: Environment) -> None:
    done = without_sdk.pipelex("plugins", "list", "--json")
    [row] = [row for row in json.loads(done.stdout)["plugins"] if row["name"] == "acme"]
    assert (0, "active") == (done.returncode, row["status"])
