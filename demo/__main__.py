"""``make demo``: the whole system once, from a third-party plugin to a PDF's text. Exits 1 where a step fails."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ACME = ROOT / "docs" / "examples" / "acme"
STUBS = ROOT / "src" / "pipelex" / "spi" / "v1"
PDF = "demo/night-train.pdf"


class StepFailed(Exception):
    """A step did not do what it is there to show."""


def show(
    *command: str,
    must_say: str,
    exit_code: int = 0,
    cwd: Path = ROOT,
    environment: dict[str, str] | None = None,
) -> None:
    """Run a command as a person would, show what it prints, and hold it to what it has to say."""
    print(f"\n$ {shlex.join(command)}", flush=True)
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout.rstrip(), flush=True)
    if done.returncode != exit_code:
        raise StepFailed(f"expected exit code {exit_code}, got {done.returncode}")
    if must_say not in done.stdout:
        raise StepFailed(f"expected {must_say!r} in what it printed")
    if must_say == "" and not done.stdout.strip():
        raise StepFailed("it printed nothing")


@contextmanager
def acme_installed() -> Iterator[dict[str, str]]:
    """Install the example's two distributions into a folder of their own; yield the variables that add it."""
    with TemporaryDirectory() as folder:
        options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", folder]
        distributions = [str(ACME / "plugin"), str(ACME / "sdk")]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *distributions], check=True)
        yield {"PYTHONPATH": folder}


@contextmanager
def acme_serving(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start Acme's server on the loopback interface; yield the variables that point the plugin at it."""
    command = [sys.executable, "-m", "acme.server", "--port", "0"]
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline().strip()
            if not line:
                raise StepFailed("the server of Acme did not start")
            print(line)
            yield {**environment, "ACME_BASE_URL": line.rpartition(" ")[2], "ACME_API_KEY": "acme-test-key"}
        finally:
            server.terminate()


def a_plugin_is_discovered_and_serves() -> None:
    """Acme is a distribution of its own. Its entry point is all that tells Pipelex about it."""
    with acme_installed() as installed, acme_serving(installed) as serving, TemporaryDirectory() as home:
        environment = {**serving, "PIPELEX_HOME": home}  # what is trusted is recorded there, not in your own folder
        show("pipelex", "plugins", "list", must_say="acme", cwd=ACME, environment=environment)
        show("pipelex", "trust", must_say="acme", cwd=ACME, environment=environment)
        prompt = "Hello from the other side of the seam"
        show(
            *("pipelex", "llm", prompt, "--model", "acme/acme-small"),
            must_say=f"You said: {prompt}",
            cwd=ACME,
            environment=environment,
        )


def a_misspelt_keyword_is_caught() -> None:
    """The author writes sdk_client where the contract says sdk_clients. mypy sees it on the stubs, and nothing else."""
    with TemporaryDirectory() as folder:
        package = Path(folder) / "my_pkg"
        shutil.copytree(ACME / "plugin" / "src" / "my_pkg", package, ignore=shutil.ignore_patterns("__pycache__"))
        environment = {"MYPYPATH": os.pathsep.join((str(STUBS), str(ACME / "sdk" / "src")))}
        check = ("mypy", "--strict", "--config-file=", "--no-site-packages", "--package", "my_pkg")
        show(*check, must_say="Success: no issues found", cwd=Path(folder), environment=environment)

        plugin = package / "acme_plugin.py"
        plugin.write_text(plugin.read_text(encoding="utf-8").replace("sdk_clients", "sdk_client"), encoding="utf-8")
        print("\nNow with the misspelt keyword:")
        show(*check, must_say="sdk_clients: SdkClientRegistry", exit_code=1, cwd=Path(folder), environment=environment)


def the_local_model_answers() -> None:
    """SmolLM2, 135 million parameters, on this machine's processor: no key, no network."""
    show("pipelex", "llm", "Why is the sky blue? Answer in one sentence.", must_say="")


def a_pdf_becomes_text() -> None:
    """PDFium reads a document of two pages."""
    show("pipelex", "extract", PDF, must_say="Trieste 07:58, in sunshine.")


STEPS: dict[str, Callable[[], None]] = {
    "A plugin from another distribution is discovered, and answers": a_plugin_is_discovered_and_serves,
    "A misspelt keyword of its make_worker is caught by mypy": a_misspelt_keyword_is_caught,
    "A language model answers": the_local_model_answers,
    "A PDF becomes text": a_pdf_becomes_text,
}


def main() -> int:
    """Run every step; stop at the first that fails."""
    start = monotonic()
    for number, (title, step) in enumerate(STEPS.items(), start=1):
        print(f"\n=== {number}. {title} ===\n{step.__doc__}", flush=True)
        try:
            step()
        except (StepFailed, OSError, subprocess.CalledProcessError) as exc:
            print(f"\nStep {number} failed: {exc}", file=sys.stderr)
            return 1
    print(f"\nAll {len(STEPS)} steps done in {monotonic() - start:.0f} s.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
