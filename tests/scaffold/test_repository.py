"""What ``pipelex plugins new`` writes passes every check as it is, and it writes all or nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from pipelex.cli.main import main
from pipelex.exceptions import OutputFileError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.scaffold.host import Host
from pipelex.scaffold.names import LONGEST, PluginNames
from pipelex.scaffold.repository import render, write
from tests.acme.environment import build_wheel, write_distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY = tuple(family.value for family in InferenceFamily)
VARIANTS = [*((family,) for family in EVERY), EVERY]
HOST = Host("https://example.com/pipelex-0.1.0-py3-none-any.whl")


def new(*arguments: str) -> int:
    return main(["plugins", "new", *arguments])


def families(*names: str) -> list[str]:
    return [argument for name in names for argument in ("--family", name)]


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter on a module in a repository, with the repository's own packages on the path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(folder / "src"), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def pipelex(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from pipelex.cli.main import main; sys.exit(main())"
    return run(folder, "-c", code, *arguments, **variables)


def passes(done: subprocess.CompletedProcess[str]) -> str:
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the caches of mypy and of the check, so that only the first variant is cold."""
    return tmp_path_factory.mktemp("caches")


@pytest.mark.heavy  # what an author breaks runs its check and its kit every time
@pytest.mark.parametrize("variant", VARIANTS, ids="+".join)
def test_the_repository_passes_every_check_unedited(tmp_path: Path, caches: Path, variant: Sequence[str]) -> None:
    assert 0 == new("Acme_AI", *families(*variant), "--dir", str(tmp_path))
    folder = tmp_path / "pipelex-acme-ai"
    before = {name: (folder / name).read_bytes() for name in files_below(folder)}
    passes(run(folder, "-m", "ruff", "check", "--no-cache"))
    passes(run(folder, "-m", "ruff", "format", "--check", "--no-cache"))
    passes(run(folder, "-m", "mypy", "--cache-dir", str(caches / "mypy")))
    passes(pipelex(folder, "plugins", "check", ".", PIPELEX_CACHE_DIR=str(caches)))
    kit = ("-m", "pytest", "-n", "4", "-p", "no:cacheprovider", "-W", "error")  # it waits for time-outs, mostly
    ran = passes(run(folder, *kit, PYTHONDONTWRITEBYTECODE="1"))
    assert " passed" in ran
    assert " failed" not in ran
    assert before == {name: (folder / name).read_bytes() for name in before}


@pytest.mark.parametrize(
    ("file", "right", "wrong", "command"),
    [
        ("plugin.py", "    sdk_clients: SdkClientRegistry,", "    sdk_client: SdkClientRegistry,", "check"),
        (
            "llm.py",
            '            "max_tokens": job.params.max_tokens or self.inference_model.max_output_tokens,\n',
            "",
            "kit",
        ),
    ],
    ids=["a misspelt keyword", "a dropped parameter"],
)
def test_what_an_author_breaks_is_found(
    tmp_path: Path, caches: Path, file: str, right: str, wrong: str, command: str
) -> None:
    new("acme", *families("llm"), "--dir", str(tmp_path))
    folder = tmp_path / "pipelex-acme"
    path = folder / "src" / "pipelex_acme" / file
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    if command == "check":
        done = pipelex(folder, "plugins", "check", ".", PIPELEX_CACHE_DIR=str(caches))
        assert "sdk_clients" in done.stdout
    else:
        done = run(folder, "-m", "pytest", "-p", "no:cacheprovider", "-k", "TestLLMConformance and honoured")
        assert "it is dropped" in done.stdout
    assert 1 == done.returncode


@pytest.mark.parametrize("name", ["x", "n" * LONGEST, "a-" * (LONGEST // 2 - 1) + "ab"])
def test_the_shortest_and_the_longest_names_are_well_formed(tmp_path: Path, name: str) -> None:
    assert 0 == new(name, *families(*EVERY), "--dir", str(tmp_path))
    [folder] = tmp_path.iterdir()
    passes(run(folder, "-m", "ruff", "check", "--no-cache"))
    passes(run(folder, "-m", "ruff", "format", "--check", "--no-cache"))


def test_it_is_discovered_and_its_backend_is_diagnosed(tmp_path: Path) -> None:
    new("acme", *families(*EVERY), "--dir", str(tmp_path))
    folder = tmp_path / "pipelex-acme"
    entry_points = "[pipelex.plugins]\nacme = pipelex_acme.plugin:AcmePlugin\n"
    write_distribution(folder / "src", name="pipelex-acme", entry_points=entry_points)
    data = json.loads(passes(pipelex(folder, "plugins", "list", "--json", HOME=str(tmp_path))))
    [row] = [row for row in data["plugins"] if row["origin"] == "external"]
    assert ("active", 1) == (row["status"], row["targets_api"])
    variables = {"ACME_BASE_URL": "http://127.0.0.1:9", "ACME_API_KEY": "key", "HOME": str(tmp_path)}
    assert "healthy" == json.loads(passes(pipelex(folder, "doctor", "--json", **variables)))["status"]


def test_its_wheel_holds_the_entry_point_the_extra_and_no_requirement_on_the_host(tmp_path: Path) -> None:
    new("acme", *families("llm"), "--dir", str(tmp_path))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with ZipFile(build_wheel(tmp_path / "pipelex-acme", wheels)) as wheel:
        texts = {Path(name).name: wheel.read(name).decode() for name in wheel.namelist() if "dist-info" in name}
    assert "acme = pipelex_acme.plugin:AcmePlugin" in texts["entry_points.txt"]
    assert "Provides-Extra: acme" in texts["METADATA"]
    assert "Requires-Dist" not in texts["METADATA"]


def test_a_family_brings_its_worker_and_its_tests_and_no_other(tmp_path: Path) -> None:
    for family in InferenceFamily:
        texts = render(PluginNames.of("acme"), [family], HOST)
        present = {other for other in InferenceFamily if f"src/pipelex_acme/{other.value}.py" in texts}
        assert {family} == present
        assert f"tests/test_{family.value}_conformance.py" in texts


def test_no_placeholder_is_left() -> None:
    for name, text in render(PluginNames.of("acme"), InferenceFamily, HOST).items():
        assert "__package__" not in name + text
        assert "__sdk_module__" not in name + text
        assert ".tmpl" not in name + text


def test_nothing_but_the_development_group_and_ci_names_the_host_and_nothing_the_public_index() -> None:
    texts = render(PluginNames.of("acme"), InferenceFamily, HOST)
    naming = {name for name, text in texts.items() if "example.com/pipelex-0.1.0" in text}
    assert {"pyproject.toml", ".github/workflows/ci.yml"} == naming
    assert f'pipelex = ["pipelex[check,testing] @ {HOST.url}"]' in texts["pyproject.toml"]
    assert "pip install pipelex" not in "".join(texts.values())


def test_a_path_of_this_machine_is_kept_out_of_ci() -> None:
    texts = render(PluginNames.of("acme"), InferenceFamily, Host("file:///somewhere/pipelex"))
    assert "somewhere" in texts["pyproject.toml"]
    assert "somewhere" not in texts[".github/workflows/ci.yml"]


def test_a_missing_family_is_a_usage_error_that_lists_them(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert 2 == new("acme", "--dir", str(tmp_path))
    assert ", ".join(EVERY) in capfd.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_a_name_that_is_refused_is_a_usage_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert 2 == new("9lives", *families("llm"), "--dir", str(tmp_path))
    assert "begins with a letter" in capfd.readouterr().err


def test_it_says_what_it_wrote_and_what_comes_next(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ("acme", *families("llm"), "--dir", str(tmp_path), "--pipelex", str(HOST.url))
    assert 0 == new(*arguments)
    out = capfd.readouterr().out
    assert "\n      llm.py\n" in out
    folder = tmp_path / "pipelex-acme"
    assert [
        f"cd {folder}",
        f"python -m pip install -e '.[acme]' 'pipelex[check,testing] @ {HOST.url}' mypy pytest ruff",
        "pipelex plugins check . && python -m pytest",
    ] == [line.strip() for line in out.splitlines()[-3:]]


def test_json_names_the_files_that_are_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert 0 == new("acme", *families("search"), "--dir", str(tmp_path), "--json")
    data = json.loads(capfd.readouterr().out)
    assert files_below(Path(data["folder"])) == sorted(data["files"])
    assert ("acme", True, 3) == (data["plugin"], data["written"], len(data["next"]))


def test_a_dry_run_shows_the_tree_and_writes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert 0 == new("acme", *families("llm"), "--dir", str(tmp_path), "--dry-run")
    assert "    pipelex_acme/\n" in capfd.readouterr().out
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)], ids=["new", "dry run"])
def test_whatever_is_there_is_never_touched(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    target = tmp_path / "pipelex-acme"
    target.mkdir()
    (target / "README.md").write_text("mine")
    assert 1 == new("acme", *families("llm"), "--dir", str(tmp_path), *arguments)
    assert (["pipelex-acme/README.md"], "mine") == (files_below(tmp_path), (target / "README.md").read_text())


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "pipelex-acme").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputFileError, match="exists already"):
        write(tmp_path / "pipelex-acme", {"a.txt": ""})


def test_a_write_that_fails_halfway_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = Path.write_bytes, list[Path]()

    def fail_late(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) > 5:
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail_late)
    assert 1 == new("acme", *families("llm"), "--dir", str(tmp_path))
    assert len(written) > 5
    assert [] == list(tmp_path.iterdir())
