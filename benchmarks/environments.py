"""A virtual environment for each set of pinned requirements, kept between runs.

An environment is made anew when its requirements or the Python change. Those that hold the project get the wheel that
this run built. No environment has pip or setuptools in it: setuptools would run code at every start of Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".bench-cache"
REQUIREMENTS = ROOT / "benchmarks" / "requirements"
WITH_PROJECT = ("clean", "drivers", "discovery", "checks", "ray")
"""The environments that hold the project's wheel beside what their file names."""


class NotMeasuredError(Exception):
    """Something could not be measured; the message says why, in a line."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        name: The name of its file of requirements.
        folder: Where it is.
    """

    name: str
    folder: Path

    @property
    def python(self) -> str:
        """The path of its interpreter."""
        return str(self.folder / "bin" / "python")


class Environments:
    """The environments of a run, made when they are first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Environment | NotMeasuredError] = {}
        self._wheel: Path | None = None

    def get(self, name: str) -> Environment:
        """Return an environment.

        Args:
            name: The name of its file below ``benchmarks/requirements``, without ``.txt``.

        Raises:
            NotMeasuredError: It cannot be installed.
        """
        if name not in self._made:
            try:
                self._made[name] = self._make(name)
            except NotMeasuredError as exc:
                self._made[name] = NotMeasuredError(f"the environment '{name}' cannot be installed: {exc}")
        made = self._made[name]
        if isinstance(made, NotMeasuredError):
            raise made
        return made

    def _make(self, name: str) -> Environment:
        requirements = REQUIREMENTS / f"{name}.txt"
        key = sha256(f"{sys.version}\n{requirements.read_text(encoding='utf-8')}".encode()).hexdigest()[:12]
        environment = Environment(name, CACHE / f"{name}-{key}")
        ready = environment.folder / ".ready"
        if not ready.exists():
            for old in CACHE.glob(f"{name}-*"):
                shutil.rmtree(old)
            say(f"installing {name}")
            run([sys.executable, "-m", "venv", "--without-pip", str(environment.folder)])
            _pip(environment, "--requirement", str(requirements), "--no-deps")
            ready.touch()
        if name in WITH_PROJECT:
            _pip(environment, "--no-deps", "--force-reinstall", str(self._built_wheel()))
        return environment

    def _built_wheel(self) -> Path:
        if self._wheel is None:
            say("building the wheel")
            with TemporaryDirectory() as folder:
                build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
                run(build)
                [wheel] = Path(folder).glob("*.whl")
                CACHE.mkdir(exist_ok=True)
                self._wheel = Path(shutil.copy(wheel, CACHE))
        return self._wheel


def variables(**more: str) -> dict[str, str]:
    """Return the variables of a measured process: bytecode is written, and nothing of the user's is found.

    Args:
        more: What is set beside.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIPELEX", "MYPY"))}
    kept.pop("CI", None)  # the generator trusts no earlier run there
    return {**kept, "PIPELEX_HOME": os.devnull, **more}


def run(command: list[str], *, cwd: Path = ROOT) -> str:
    """Run a command that is not measured and return what it prints.

    Args:
        command: The command.
        cwd: The folder that it runs in.

    Raises:
        NotMeasuredError: It failed; with the line that says why.
    """
    done = subprocess.run(command, cwd=cwd, env=variables(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"it ended with {done.returncode}"]
        raise NotMeasuredError(([line for line in lines if "ERROR" in line] or lines)[-1])
    return done.stdout


def say(text: str) -> None:
    """Say on standard error what is under way."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _pip(environment: Environment, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", environment.python, "install", "--quiet"]
    run([*pip, "--disable-pip-version-check", *arguments])
