"""The page of each provider has its parts, agrees with the rows, and its example runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.architecture.test_agreement import BUILTINS, PACKAGE
from tests.architecture.tree import SPEC
from tests.docs.pages import PROVIDERS, blocks, sections
from tests.docs.stages import KEY, STAGES, Stage
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from pathlib import Path

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in PROVIDERS}
PARTS = ["Install", "Key", "Run", "What is supported", "What is not", "Tested against"]
ROWS: dict[str, dict[str, Any]] = {builtin["name"]: builtin for builtin in BUILTINS}
BACKENDS: dict[str, Any] = tomllib.loads(
    (PACKAGE / "config" / "defaults" / "pipelex.toml").read_text(encoding="utf-8")
)["backends"]

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def variables(provider: str) -> set[str]:
    """Return the environment variables that the packaged backends of a provider read."""
    values = {family["name"]: family["value"] for family in SPEC["family"]}
    own = {(values[row["family"]], row["sdk"]) for row in ROWS[provider]["workers"]}
    tables = [
        table for table in BACKENDS.values() if any(table.get(family, {}).get("sdk") == sdk for family, sdk in own)
    ]
    return {name for table in tables for name in _VARIABLE.findall(str(table))}


def faults(provider: str, page: str) -> list[str]:
    """Return where a provider's page lacks a part, or disagrees with the provider's row."""
    parts = sections(page)
    if list(parts) != PARTS:
        return [f"its parts are {list(parts)}"]
    extra = ROWS[provider].get("extra")
    first_key = parts["Key"].partition("```")[0]
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", first_key))
    return [
        *([f"Install does not name '.[{extra}]'"] if extra and f"'.[{extra}]'" not in parts["Install"] else []),
        *(f"Key does not name {name}" for name in sorted(variables(provider) - named)),
        *(f"Key names {name}, which no packaged backend reads" for name in sorted(named - variables(provider))),
        *([] if f"../providers.md#{provider})" in parts["Tested against"] else ["it does not link to its table"]),
        *([] if blocks(parts["Run"], "python") else ["Run has no example"]),
        *(
            f"it does not speak of the sdk {row['sdk']}"
            for row in ROWS[provider]["workers"]
            if f"`{row['sdk']}`" not in page
        ),
    ]


def test_every_provider_has_a_page_and_every_page_a_provider() -> None:
    assert set(ROWS) == set(PAGES)


@pytest.mark.parametrize("provider", sorted(PAGES))
def test_a_page_has_its_parts_and_says_what_the_row_says(provider: str) -> None:
    assert [] == faults(provider, PAGES[provider])


def test_a_page_that_disagrees_is_found() -> None:
    page = PAGES["mistral"]
    assert ["Install does not name '.[mistral]'"] == faults("mistral", page.replace("'.[mistral]'", "'.[mistrel]'"))
    assert ["Key does not name MISTRAL_API_KEY", "Key names MISTRAL_KEY, which no packaged backend reads"] == faults(
        "mistral", page.replace("`MISTRAL_API_KEY`", "`MISTRAL_KEY`")
    )
    assert ["it does not link to its table"] == faults("mistral", page.replace("providers.md#mistral", "providers.md"))
    [found] = faults("mistral", page.replace("## What is not", "## Not supported"))
    assert "Not supported" in found


def run(folder: Path, source: str, stage: Stage, url: str, provider: str) -> subprocess.CompletedProcess[str]:
    """Run an example in a project's folder as its reader would, with the keys in the environment."""
    (folder / "example.py").write_text(source, encoding="utf-8")
    for name, data in stage.files.items():
        (folder / name).write_bytes(data)
    if stage.backend is not None:
        config = f'[backends.{stage.backend}]\nendpoint = "{url}{stage.path}"\n{stage.more}'
        (folder / ".pipelex").mkdir()
        (folder / ".pipelex" / "pipelex.toml").write_text(config, encoding="utf-8")
    keys = dict.fromkeys(variables(provider), KEY)
    own = {name: value.format(url=url) for name, value in stage.variables.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "example.py"],
        cwd=folder,
        env={**inherited, "PIPELEX_TRUST": str(folder), **keys, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


QUICK = ("openai", "pypdfium2")  # of the others each imports an SDK in a process of its own


@pytest.mark.parametrize(
    "provider", [name if name in QUICK else pytest.param(name, marks=pytest.mark.heavy) for name in sorted(STAGES)]
)
def test_the_example_runs_as_it_stands(provider: str, tmp_path: Path) -> None:
    stage = STAGES[provider]
    [source] = blocks(PAGES[provider], "python")
    with Replay() as replay:
        if stage.answers is not None:
            stage.answers(replay)
        done = run(tmp_path, source, stage, replay.url, provider)
        assert (0, stage.prints, "") == (done.returncode, done.stdout, done.stderr)
        without_key = [request.target for request in replay.requests if KEY not in str(request.headers.values())]
    assert bool(stage.answers) == bool(replay.requests)
    assert [] == [target for target in without_key if not target.startswith("/files/")]


@pytest.mark.usefixtures("_weights")
def test_the_example_of_the_local_model_runs_as_it_stands(tmp_path: Path) -> None:
    [source] = blocks(PAGES["local"], "python")
    done = run(tmp_path, source, Stage(prints=""), "", "local")
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.strip()


def test_every_example_is_run() -> None:
    assert set(PAGES) == {*STAGES, "local"}


def test_a_spoilt_example_is_red(tmp_path: Path) -> None:
    [source] = blocks(PAGES["pypdfium2"], "python")
    done = run(tmp_path, source.replace("page.text", "page.txt"), STAGES["pypdfium2"], "", "pypdfium2")
    assert done.returncode
    assert "'txt'" in done.stderr
