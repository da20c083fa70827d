"""What the pages show of configuration files loads, and all that it names resolves."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.config.locations import DEFAULTS, FILE_NAMES
from pipelex.config.settings import Settings
from pipelex.config.toml_file import TomlFile
from pipelex.exceptions import ConfigurationError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.architecture.tree import ROOT
from tests.docs.pages import blocks
from tests.docs.test_links import PAGES

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS = {"backends", "defaults", "models", "plugins", "sdks"}


def shown(page: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the blocks of a page that stand for a configuration file, as text and as data."""
    found = [(text, tomllib.loads(text)) for text in blocks(page, "toml")]
    return [(text, data) for text, data in found if set(data) <= SECTIONS]


def settings_of(page: str) -> Settings:
    """Load what a page shows on top of the packaged files."""
    packaged = [TomlFile.read(DEFAULTS / name) for name in FILE_NAMES]
    return Settings([*packaged, *(TomlFile.parse(ROOT / file_of(data), text.encode()) for text, data in shown(page))])


def file_of(data: dict[str, Any]) -> str:
    """Return the name of the file that a block belongs to."""
    return "models.toml" if "models" in data else "pipelex.toml"


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if shown(path.read_text(encoding="utf-8"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_a_page_shows_of_a_configuration_resolves(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = path.read_text(encoding="utf-8")
    packaged = "".join((DEFAULTS / name).read_text(encoding="utf-8") for name in FILE_NAMES)
    for variable in re.findall(r"\$\{(\w+)\}", page + packaged):
        monkeypatch.setenv(variable, "https://value.test")  # some of them are endpoints
    settings = settings_of(page)
    for _, data in shown(page):
        for name in data.get("backends", {}):
            settings.resolve_backend(name)
        for name, table in data.get("models", {}).items():
            spec = settings.resolve_model(name, family=InferenceFamily(table["family"]))
            settings.resolve_backend(spec.backend_name)


def test_the_policy_that_is_shown_is_that_of_a_backend_that_states_none() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    defaults = {key: value for key, value in asdict(CallPolicy()).items() if value is not None}
    assert defaults in [data.get("backends", {}).get("openai") for _, data in shown(page)]


def test_every_setting_of_a_policy_is_explained() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    section = page.partition("\n## Timeouts, retries, limits\n")[2].partition("\n## ")[0]
    assert set(asdict(CallPolicy())) <= set(re.findall(r"\w+", section))


def test_a_block_of_a_providers_page_names_its_file() -> None:
    for path in (path for path in PAGES if path.parent.name == "providers"):
        for text, data in shown(path.read_text(encoding="utf-8")):
            assert text.startswith(f"# .pipelex/{file_of(data)}\n"), (path, text)


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ('[models.x]\nfamily = "llm"\nbackend = "openai"\ncapabilities = ["aspect"]\n', ConfigurationError),
        ('[models.x]\nfamily = "llm"\nbackend = openai\n', tomllib.TOMLDecodeError),
    ],
)
def test_a_block_that_cannot_be_meant_is_red(block: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        settings_of(f"```toml\n{block}```\n")
