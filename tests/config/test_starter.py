from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.config.locations import DEFAULTS, FILE_NAMES
from pipelex.config.settings import Settings
from pipelex.config.starter import StarterBackend, packaged_backends, packaged_settings, starter_files
from pipelex.config.toml_file import TomlFile
from pipelex.plugins.inference_backend_registry import InferenceFamily

BACKENDS = packaged_backends()
MAIN_TEXT = (DEFAULTS / "pipelex.toml").read_text(encoding="utf-8")
ACME = StarterBackend.of_sdk("acme.v2", (InferenceFamily.SEARCH,))


def _settings(texts: dict[str, str]) -> Settings:
    """Return the packaged defaults with some texts on top."""
    files = [TomlFile.parse(Path(name), text.encode()) for name, text in texts.items()]
    return Settings([*(TomlFile.read(DEFAULTS / name) for name in FILE_NAMES), *files])


def test_every_packaged_backend_can_be_chosen() -> None:
    assert packaged_settings().backend_names() == tuple(BACKENDS)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=list(BACKENDS))
def test_a_backend_is_cut_out_with_its_keys_and_its_comment(backend: StarterBackend) -> None:
    [table] = tomllib.loads(backend.text)["backends"].values()
    whole = tomllib.loads(MAIN_TEXT)["backends"][backend.name]
    assert {key: value for key, value in whole.items() if not isinstance(value, dict)} == table
    assert set(backend.families) == {key for key, value in whole.items() if isinstance(value, dict)}
    above = re.split(rf"\[backends\.{backend.name}\W", MAIN_TEXT)[0].rpartition("\n\n")[2]
    assert above == backend.text.partition("[")[0]


@pytest.mark.parametrize("backend", [*BACKENDS.values(), ACME], ids=[*BACKENDS, "of a plugin"])
def test_what_is_written_changes_nothing_but_the_default_models(backend: StarterBackend) -> None:
    texts = starter_files([backend])
    settings = _settings(texts)
    assert (*BACKENDS, *(() if backend.name in BACKENDS else (backend.name,))) == settings.backend_names()
    assert list(packaged_settings().models()) == list(settings.models())
    assert {} == tomllib.loads(texts["models.toml"])
    for family in backend.families:
        model = settings.default_model(family)
        assert model is None or family is settings.resolve_model(model, family=family).family


@pytest.mark.parametrize("backend", [*BACKENDS.values(), ACME], ids=[*BACKENDS, "of a plugin"])
def test_what_is_commented_is_right_when_its_mark_is_taken_away(backend: StarterBackend) -> None:
    texts = starter_files([backend])
    stated = tomllib.loads(texts["pipelex.toml"])["backends"][backend.name]
    policy = re.findall(r"^# (\w+) = ([\d.]+)$", texts["pipelex.toml"], re.MULTILINE)
    rest = "\n".join(f"{key} = {value}" for key, value in policy if key not in stated)
    unmarked = {name: re.sub(r"^# \w+ = [\d.]+$", "", text, flags=re.MULTILINE) for name, text in texts.items()}
    bare = {name: re.sub(r"^# (?=\[\w|\w+ = )", "", text, flags=re.MULTILINE) for name, text in unmarked.items()}
    bare["pipelex.toml"] += f"\n{rest}\n"  # into the backend's table
    spec = _settings(bare).resolve_model(f"my-{backend.name}", family=backend.families[0])
    assert backend.name == spec.backend_name
    own = {key: stated[key] for key, _ in policy if key in stated}
    assert replace(CallPolicy(), **own) == spec.policy


def test_the_first_backend_that_has_a_model_gives_the_default() -> None:
    chosen = [BACKENDS[name] for name in ("gateway", "anthropic", "openai")]
    defaults = tomllib.loads(starter_files(chosen)["pipelex.toml"])["defaults"]
    assert {"llm": "claude-opus-5-5", "img_gen": "gpt-image-2.5-sunburst"} == defaults
    assert '# search = "gateway/MODEL-ID"' in starter_files(chosen)["pipelex.toml"]


def test_a_default_that_works_already_stays() -> None:
    """Reading a PDF in this process costs nothing and sends nothing: who chooses a vendor for it says so."""
    text = starter_files([BACKENDS["mistral"], BACKENDS["linkup"]])["pipelex.toml"]
    assert {"llm": "mistral-medium", "search": "linkup-standard"} == tomllib.loads(text)["defaults"]
    assert '# extract = "mistral-ocr"' in text


def test_the_same_choice_gives_the_same_bytes() -> None:
    chosen = list(BACKENDS.values())
    assert starter_files(chosen) == starter_files(chosen)
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in starter_files(chosen).values())


def test_the_packaged_file_may_hold_more_comments_and_blank_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = list(BACKENDS.values())
    expected = starter_files(chosen)
    for name in FILE_NAMES:
        text = (DEFAULTS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("\n\n", "\n\n\n# On what follows.\n\n"), encoding="utf-8")
    monkeypatch.setattr("pipelex.config.starter.DEFAULTS", tmp_path)
    assert chosen == list(packaged_backends().values())
    assert expected == starter_files(chosen)


def test_a_variable_in_a_comment_is_none_of_the_backend() -> None:
    assert () == ACME.variables
    assert ("A", "B") == StarterBackend("x", (), '# "${C}"\na = "${A}"\nb = "${B}"').variables
