"""The outputs as they are committed: fresh, the same everywhere, typed, and true to the running code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from codegen.emit import api_version, inference_family
from codegen.emit.gitattributes import GENERATED
from codegen.outputs import render
from codegen.project import Project
from codegen.spec import Spec, parse_spec
from tests.codegen.conftest import ROOT, SmallProject

pytestmark = pytest.mark.thorough

STUBS = ROOT / "src/pipelex/spi"
DEPENDENCIES = ("jinja2", "libcst", "pydantic", "tomli")


def _run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=False, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )


def _spec() -> Spec:
    return parse_spec((ROOT / "spi.toml").read_text(encoding="utf-8")).spec


def _stub_tree() -> Path:
    return STUBS / f"v{_spec().api_version}"


@cache
def _digest_script(python: str, cwd: Path, hash_seed: str) -> str:
    """Render everything in another process, and return a digest of all of it."""
    script = (
        "import sys, hashlib, pathlib\n"
        f"sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'src')!r}]\n"
        "from codegen.outputs import render\n"
        "from codegen.project import Project\n"
        f"texts = render(Project(pathlib.Path({str(ROOT)!r}))).texts\n"
        "print(hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest())\n"
    )
    done = _run(python, "-c", script, cwd=cwd, PYTHONHASHSEED=hash_seed)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_tree_is_fresh() -> None:
    done = _run(sys.executable, "-m", "codegen", "--check", "--full")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_output_depends_on_no_hash_seed_and_no_folder(tmp_path: Path) -> None:
    here = _digest_script(sys.executable, ROOT, "1")
    elsewhere = _digest_script(sys.executable, tmp_path, "2")
    assert here == elsewhere


@pytest.mark.parametrize("version", ["3.11", pytest.param("3.12", marks=pytest.mark.heavy), "3.13"])
def test_the_output_depends_on_no_python_version(version: str, tmp_path: Path) -> None:
    """Where an interpreter of that version is at hand that has, or can be given, the generator's dependencies."""
    python = _interpreter(version)
    assert _digest_script(sys.executable, ROOT, "0") == _digest_script(python, tmp_path, "0")


def _interpreter(version: str) -> str:
    """Find a Python of a version that can run the generator, in a virtual environment kept beside the cache."""
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        return sys.executable
    folder = ROOT / ".codegen-cache" / f"python{version}"
    python = folder / "bin" / "python"
    if not _can_run_the_generator(str(python)):
        base = next((path for path in _candidates(version) if _is_version(path, version)), None)
        if base is None:
            pytest.skip(f"no python{version} here")
        _run(base, "-m", "venv", "--clear", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", *_requirements())
    if not _can_run_the_generator(str(python)):
        pytest.skip(f"the generator's dependencies could not be installed for python{version}")
    return str(python)


def _candidates(version: str) -> list[str]:
    """A command on the path, and whatever pyenv keeps: its command on the path runs only where it is switched on."""
    found = shutil.which(f"python{version}")
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [*([found] if found else []), *map(str, sorted(versions.glob(f"{version}.*/bin/python")))]


def _is_version(python: str, version: str) -> bool:
    done = _run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    return done.returncode == 0 and done.stdout.strip() == version


def _can_run_the_generator(python: str) -> bool:
    return Path(python).exists() and _run(python, "-c", f"import {', '.join(DEPENDENCIES)}").returncode == 0


def _requirements() -> list[str]:
    """Return the very versions that run this test."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in DEPENDENCIES]


def test_the_stubs_are_strictly_typed_by_themselves(tmp_path: Path) -> None:
    done = _run(
        *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-site-packages"),
        # without it mypy takes the folder for a namespace package inside the real one, and finds the real modules
        *("--explicit-package-bases", "--cache-dir", str(tmp_path), "pipelex"),
        cwd=_stub_tree(),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_agree_with_the_running_code() -> None:
    """By mypy's stubtest. Left out is what only pydantic reads, and only at run time."""
    allowed = str(Path(__file__).parent / "stubtest_allowlist.txt")
    done = _stubtest(_stub_tree(), "--allowlist", allowed, *_spec().published())
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stub_that_disagrees_with_the_running_code_is_found(tmp_path: Path) -> None:
    tree = shutil.copytree(_stub_tree(), tmp_path / "stubs")
    stub = tree / "pipelex/plugins/model_handle.pyi"
    text = stub.read_text(encoding="utf-8")
    assert "inference_model: InferenceModelSpec" in text
    stub.write_text(text.replace("inference_model: ", "model: "), encoding="utf-8")
    done = _stubtest(tree, "pipelex.plugins.model_handle")
    assert done.returncode == 1
    assert "make_for_inference_model is inconsistent" in done.stdout


def _stubtest(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "mypy.stubtest", *arguments)
    with TemporaryDirectory() as folder:  # where it leaves a cache
        return _run(*command, cwd=Path(folder), MYPYPATH=str(tree), PYTHONPATH=str(ROOT / "src"))


def test_the_stubs_import_nothing_beyond_the_vocabulary_and_each_other() -> None:
    import ast

    from pipelex.spi.stub_tree import VOCABULARY

    imported = {
        node.module
        for path in _stub_tree().rglob("*.pyi")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    assert imported <= {*VOCABULARY, *_spec().published()}


def test_the_generated_modules_need_no_formatting() -> None:
    """The generator writes what ruff would, so that it needs no ruff."""
    folder = ROOT / "src/pipelex/generated"
    for command in (["check"], ["format", "--check"]):
        done = _run(sys.executable, "-m", "ruff", *command, str(folder))
        assert done.returncode == 0, done.stdout


SPECS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "no built-in": lambda text: text[: text.index("[[builtin]]")],
    "long names": lambda text: text.replace('sdk = "plain"', f'sdk = "{"plain_" * 9}x"').replace(
        "models of Acme", "w " * 44 + "w"
    ),
    "many": lambda text: (
        text
        + "".join(
            f"""
[[builtin]]
name = "many-{number}"
title = "many"
workers = [{{ family = "IMG_GEN", sdk = "many{number}.{"v" * 20}", worker = "plain.llm:PlainWorker" }}]
"""
            for number in range(12)
        )
    ),
}


@pytest.mark.parametrize("case", SPECS)
def test_the_generated_modules_of_other_specs_need_no_formatting(small: SmallProject, case: str) -> None:
    spec = small.root / "spi.toml"
    spec.write_text(SPECS[case](spec.read_text(encoding="utf-8")), encoding="utf-8")
    if case == "no built-in":
        small.edit("pyproject.toml", 'acme = ["acme>=2,<3", "acme-auth>=1"]', "")
    assert small.run() == 0
    generated = str(small.root / "src/pipelex/generated")
    config = ("--config", str(ROOT / "pyproject.toml"))
    first_party = ("--config", 'lint.isort.known-first-party = ["pipelex"]')
    for command in (["check", *first_party], ["format", "--check"]):
        done = _run(sys.executable, "-m", "ruff", *command, *config, generated)
        assert done.returncode == 0, done.stdout


def test_git_knows_what_is_generated() -> None:
    """Every output has its row, except the handwritten modules into which something is stamped."""
    stamped = (api_version.CONTRACT_FILE, inference_family.REGISTRY_FILE)
    paths = [path for path in render(Project(ROOT)).texts if path not in stamped]
    assert [path for path in paths if not any(fnmatch(path, pattern) for pattern in GENERATED)] == []
    assert [pattern for pattern in GENERATED if not pattern.endswith("**") and pattern not in paths] == []


def test_every_error_has_the_page_that_it_names() -> None:
    from pipelex import exceptions as of_all
    from pipelex.bulk import exceptions as of_rows
    from pipelex.cogt import exceptions as of_calls
    from pipelex.plugins import exceptions as of_plugins

    anchors = {
        line.removeprefix("### ").lower()
        for line in (ROOT / "docs/errors.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("### ")
    }
    classes = {
        value
        for module in (of_all, of_calls, of_plugins, of_rows)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, of_all.PipelexError)
    }
    pages = {f"docs/errors.md#{anchor}" for anchor in anchors}
    named = {value.__new__(value, "").page for value in classes}
    assert named == pages
