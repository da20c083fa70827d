"""What mypy says of the example on the stubs, without the host, as an author of a plugin runs it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.acme.environment import EXAMPLE, strict_mypy

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN_MODULE = "my_pkg/acme_plugin.py"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy-cache")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A copy of the plugin's sources, to be spoilt."""
    return shutil.copytree(EXAMPLE / "plugin" / "src", tmp_path / "plugin")


def _spoil(plugin: Path, module: str, right: str, wrong: str) -> int:
    """Change one place of a module, and return the line that it is on."""
    path = plugin / module
    text = path.read_text()
    assert 1 == text.count(right), f"{module} has {text.count(right)} times {right!r}"
    path.write_text(text.replace(right, wrong))
    return text[: text.index(right)].count("\n") + 1


def test_the_example_is_strictly_typed_on_the_stubs(cache: Path) -> None:
    assert (0, "") == strict_mypy(EXAMPLE / "plugin" / "src", cache, "-p", "acme", "-p", "my_pkg")


def test_a_misspelt_keyword_of_make_worker_is_caught(plugin: Path, cache: Path) -> None:
    """The error is where the callable is handed to the registrar, and it names the argument."""
    _spoil(plugin, PLUGIN_MODULE, "    sdk_clients: SdkClientRegistry,\n", "    sdk_client: SdkClientRegistry,\n")
    _spoil(plugin, PLUGIN_MODULE, "= sdk_clients.get_or_create(", "= sdk_client.get_or_create(")
    line = _spoil(plugin, PLUGIN_MODULE, "make_worker=_make_acme_worker", "make_worker=_make_acme_worker")
    returncode, output = strict_mypy(plugin, cache, "-p", "my_pkg")
    assert 1 == returncode
    assert output.startswith(f'my_pkg/acme_plugin.py:{line}: error: Argument "make_worker"')
    assert "[arg-type]" in output


@pytest.mark.parametrize(
    ("module", "right", "wrong", "code"),
    [
        (PLUGIN_MODULE, "    any_listed: bool,\n", "    was_any_listed: bool,\n", "[arg-type]"),
        (PLUGIN_MODULE, "async def _list_acme_models", "def _list_acme_models", "[arg-type]"),
        (PLUGIN_MODULE, "family=InferenceFamily.LLM", 'family="llm"', "[arg-type]"),
        (PLUGIN_MODULE, 'require_sdk(spec="acme", extra="acme", msg', 'require_sdk(spec="acme", message', "[call-arg]"),
        (PLUGIN_MODULE, "api_key=backend.api_key", "api_key=backend.apikey", "[attr-defined]"),
        (
            "my_pkg/acme_llm_worker.py",
            "async def _generate(self, job: LLMJob)",
            "async def _generate(self)",
            "[override]",
        ),
        (
            "my_pkg/acme_llm_worker.py",
            "model_served=word_of(completion.model)",
            "model=word_of(completion.model)",
            "[call-arg]",
        ),
        ("my_pkg/acme_list.py", "            id=model.id", "            name=model.id", "[call-arg]"),
    ],
)
def test_a_slip_against_the_contract_is_caught(
    plugin: Path, cache: Path, module: str, right: str, wrong: str, code: str
) -> None:
    text = (plugin / module).read_text()
    (plugin / module).write_text(text.replace(right, wrong, 1))
    assert text != (plugin / module).read_text()
    returncode, output = strict_mypy(plugin, cache, "-p", "my_pkg")
    assert (1, True) == (returncode, code in output), output
