"""What a user is told of each backend of the packaged defaults whose key or whose package is missing."""

from __future__ import annotations

import importlib.util
import json
import re
from typing import TYPE_CHECKING

import pytest

from pipelex.config.starter import StarterBackend, packaged_backends, packaged_settings
from pipelex.generated.builtins import BUILTIN_PLUGINS
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.spi.lock import LockedBuiltin, read_spi_lock

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from tests.cli.conftest import Terminal

SETTINGS = packaged_settings()
BACKENDS = packaged_backends()
CALLS = [(backend, family) for backend in BACKENDS.values() for family in backend.families]
COMMANDS = {
    InferenceFamily.LLM: ("llm", "hello"),
    InferenceFamily.IMG_GEN: ("img-gen", "a cat", "-o", "cat.png"),
    InferenceFamily.EXTRACT: ("extract", "a.pdf"),
    InferenceFamily.SEARCH: ("search", "why"),
}


@pytest.fixture
def user(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A user with every built-in plugin, and no key."""
    monkeypatch.setattr("pipelex.generated.builtins.BUILTIN_PLUGINS", BUILTIN_PLUGINS)
    for variable in (variable for backend in BACKENDS.values() for variable in backend.variables):
        monkeypatch.delenv(variable, raising=False)
    terminal.write("a.pdf", "%PDF")
    return terminal


def _set_keys(monkeypatch: pytest.MonkeyPatch, backend: StarterBackend) -> None:
    for variable in backend.variables:
        monkeypatch.setenv(variable, "http://127.0.0.1:9/sk-very-secret")


def _uninstall(monkeypatch: pytest.MonkeyPatch, row: LockedBuiltin) -> None:
    """Hide what a built-in needs, as if its extra had not been installed."""
    find_spec = importlib.util.find_spec

    def blind(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in row.imports else find_spec(name, package)

    monkeypatch.setattr("importlib.util.find_spec", blind)


def _row_of(key: str) -> LockedBuiltin:
    [row] = [row for row in read_spi_lock().builtins if key in row.backends]
    return row


def _ids(calls: list[tuple[StarterBackend, InferenceFamily]]) -> list[str]:
    return [f"{family}-{backend.name}" for backend, family in calls]


KEYED = [(backend, family) for backend, family in CALLS if backend.variables]


@pytest.mark.parametrize(("backend", "family"), KEYED, ids=_ids(KEYED))
def test_a_missing_key_is_named_with_its_backend_and_hurts_no_other(
    user: Terminal, backend: StarterBackend, family: InferenceFamily
) -> None:
    code, out, err = user.run(*COMMANDS[family], "--model", f"{backend.name}/x")
    assert (2, "") == (code, out)
    first, page = err.splitlines()
    assert first.startswith(f"error: Backend '{backend.name}' takes ")
    assert re.findall(r"(\w+)=\.\.\.", first) == list(backend.variables)
    assert first.endswith("Other backends are not affected.")
    assert "see docs/errors.md#missingcredentialerror" == page


@pytest.mark.parametrize(
    "backend", [backend for backend in BACKENDS.values() if backend.variables], ids=lambda b: b.name
)
def test_listing_without_a_key_says_the_same_where_it_would_need_one(user: Terminal, backend: StarterBackend) -> None:
    outcome = user.run("show", "models", backend.name)
    lists = any(sdk in row.listers for sdk in SETTINGS.sdks_of(backend.name) for row in read_spi_lock().builtins)
    assert (2 if lists else 0) == outcome.code
    assert lists == all(variable in outcome.err for variable in backend.variables)
    assert lists or f"backend '{backend.name}'" in outcome.err


PACKAGED_APART = [
    (backend, family)
    for backend, family in CALLS
    if _row_of(f"{family}/{SETTINGS.resolve_model(f'{backend.name}/x', family=family).sdk}").extra is not None
]


@pytest.mark.parametrize(("backend", "family"), PACKAGED_APART, ids=_ids(PACKAGED_APART))
def test_a_missing_package_is_named_with_the_one_command_that_brings_it(
    user: Terminal, monkeypatch: pytest.MonkeyPatch, backend: StarterBackend, family: InferenceFamily
) -> None:
    row = _row_of(f"{family}/{SETTINGS.resolve_model(f'{backend.name}/x', family=family).sdk}")
    _set_keys(monkeypatch, backend)
    _uninstall(monkeypatch, row)
    code, out, err = user.run(*COMMANDS[family], "--model", f"{backend.name}/x")
    assert (1, "") == (code, out)
    first, page = err.splitlines()
    assert f"The package '{row.imports[0]}' is not installed. It comes with pipelex[{row.extra}]." in first
    assert re.search(rf"Install it: pip install (-e )?'\S*(\[{row.extra}\])?.*'$", first)
    assert "see docs/errors.md#missingdependencyerror" == page
    assert "sk-very-secret" not in err


LISTERS = [row for row in read_spi_lock().builtins if row.listers and row.extra]


@pytest.mark.parametrize("row", LISTERS, ids=lambda row: str(row.name))
def test_listing_without_the_package_names_it_too(
    user: Terminal, monkeypatch: pytest.MonkeyPatch, row: LockedBuiltin
) -> None:
    backend = next(one for one in BACKENDS.values() if set(SETTINGS.sdks_of(one.name)) & set(row.listers))
    _set_keys(monkeypatch, backend)
    _uninstall(monkeypatch, row)
    outcome = user.run("show", "models", backend.name, "--json")
    assert 1 == outcome.code
    assert f"pipelex[{row.extra}]" in outcome.data["sdks"][0]["error"]["message"]
    assert "MissingDependencyError" == json.loads(outcome.err.splitlines()[0])["error"]


def test_every_backend_is_looked_at() -> None:
    assert set(BACKENDS) == set(SETTINGS.backend_names())
    assert {row.extra for row in read_spi_lock().builtins} - {None} == {
        _row_of(f"{family}/{SETTINGS.resolve_model(f'{backend.name}/x', family=family).sdk}").extra
        for backend, family in PACKAGED_APART
    }
