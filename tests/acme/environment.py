"""A fresh virtual environment with the built wheels of the project and of its example, and what runs in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "acme"
API_KEY = "acme-test-key"

PLUGIN = "pipelex-example-acme"
STUBS = ROOT / "src" / "pipelex" / "spi" / "v1"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment, and the variables of the processes that run in it.

    Attributes:
        folder: The virtual environment.
        home: The home folder of its processes.
        variables: Variables on top of the plain ones.
    """

    folder: Path
    home: Path
    variables: dict[str, str]

    def with_variables(self, **variables: str) -> Environment:
        """Return the same environment with more variables."""
        return Environment(folder=self.folder, home=self.home, variables={**self.variables, **variables})

    def python(self, *arguments: str, cwd: Path = EXAMPLE) -> subprocess.CompletedProcess[str]:
        """Run the environment's interpreter, by default where the example's configuration holds."""
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        return subprocess.run(
            [str(self.folder / "bin" / "python"), *arguments],
            cwd=cwd,
            env={**inherited, "HOME": str(self.home), "PIPELEX_TRUST": str(cwd), **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(self, source: str, cwd: Path = EXAMPLE) -> str:
        """Run some lines of Python that have to succeed, and return what they write."""
        done = self.python("-c", source, cwd=cwd)
        assert (0, "") == (done.returncode, done.stderr), done.stderr
        return done.stdout

    def pipelex(self, *arguments: str, cwd: Path = EXAMPLE) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return self.python(str(self.folder / "bin" / "pipelex"), *arguments, cwd=cwd)


def build_wheel(source: Path, wheels: Path) -> Path:
    """Build the wheel of a project and return it."""
    known = set(wheels.glob("*.whl"))
    _succeed(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(source))
    [built] = set(wheels.glob("*.whl")) - known
    return built


def create_venv(folder: Path) -> None:
    """Create an empty virtual environment."""
    _succeed(sys.executable, "-m", "venv", "--without-pip", str(folder))


def pip(folder: Path, *arguments: str) -> None:
    """Run this interpreter's pip on another environment."""
    _succeed(sys.executable, "-m", "pip", "--quiet", "--python", str(folder / "bin" / "python"), *arguments)


def build_environments(folder: Path) -> None:
    """Build ``full`` (with the example's SDK) and ``without_sdk`` below a folder.

    No wheel of ours is looked for on an index: what is not ours comes in with the host's own dependencies.
    """
    wheels = folder / "wheels"
    wheels.mkdir()
    host = build_wheel(ROOT, wheels)
    plugin = build_wheel(EXAMPLE / "plugin", wheels)
    build_wheel(EXAMPLE / "sdk", wheels)
    full = folder / "full"
    create_venv(full)
    pip(full, "install", str(host), str(plugin))
    shutil.copytree(full, folder / "without_sdk", symlinks=True)
    pip(full, "install", "--no-index", "--find-links", str(wheels), f"{PLUGIN}[acme]")


def _succeed(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def strict_mypy(sources: Path, cache: Path, *modules: str) -> tuple[int, str]:
    """Check modules as an author of a plugin does: on the stubs, the host out of view. Return exit code and output."""
    path = os.pathsep.join(map(str, (STUBS, EXAMPLE / "sdk" / "src", sources)))
    options = ("--strict", "--no-site-packages", "--config-file=", f"--cache-dir={cache}", "--no-error-summary")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *modules],
        cwd=sources,
        env={**os.environ, "MYPYPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def write_distribution(folder: Path, *, name: str, entry_points: str, **modules: str) -> None:
    """Write an installed distribution into a folder of ``PYTHONPATH``: metadata and modules, nothing else."""
    metadata = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)


def write_project(folder: Path, *, disabled: str = "") -> Path:
    """Write a project that is configured as the example is, with a denylist, and return its folder."""
    configuration = (EXAMPLE / ".pipelex" / "pipelex.toml").read_text()
    (folder / ".pipelex").mkdir(parents=True)
    (folder / ".pipelex" / "pipelex.toml").write_text(f"[plugins]\ndisabled = [{disabled}]\n\n{configuration}")
    return folder
