"""``python -m benchmarks``: what importing, booting and commanding cost, as ratios to ``python -c pass`` in one run.

Import and boot are measured in a clean virtual environment that holds the built wheel and what it depends on. All
figures are CPU time (user and system) of a child process, the smallest of several rounds; the rounds are interleaved,
so that a busy moment of the machine hits every figure alike. Nothing fails on a time: the numbers are for reading.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"

SYMBOLS = tomllib.loads((ROOT / "spi.toml").read_text(encoding="utf-8"))["symbols"]
WHOLE_SPI = "import " + ", ".join(sorted({symbol.partition(":")[0] for symbol in SYMBOLS}))
SEAM = "import " + ", ".join(
    f"pipelex.plugins.{name}"
    for name in (
        "contract",
        "registrar",
        "inference_backend_registry",
        "model_lister_registry",
        "model_handle",
        "sdk_client_registry",
    )
)
COUNT_MODULES = """
import sys
def modules():
    return {id(module) for module in sys.modules.values() if isinstance(module, type(sys))}
before = modules()
"""


class Figure(NamedTuple):
    """One thing to measure.

    Attributes:
        title: What it is.
        code: The Python code that a fresh interpreter runs.
        limit: The ratio to ``pass`` that it is meant to stay under, if any.
        modules_limit: The number of modules beyond those of ``pass``, likewise.
    """

    title: str
    code: str
    limit: float | None = None
    modules_limit: int | None = None


FIGURES = (
    Figure("`python -c pass`", "pass"),
    Figure("for comparison: `import typing, dataclasses`", "import typing, dataclasses"),
    Figure("for comparison: `import click`", "import click"),
    Figure("for comparison: `import importlib.metadata`", "import importlib.metadata"),
    Figure("for comparison: `import pydantic` and one model", "import pydantic\nclass M(pydantic.BaseModel): x: int"),
    Figure("import the seam: contract, registrar, registries, handle, clients", SEAM, 3, 45),
    Figure("import the whole SPI: every worker base, job and error", WHOLE_SPI, 7, 75),
    Figure("boot: `Pipelex.setup()` with all built-ins", "from pipelex.boot import Pipelex\nPipelex.setup()"),
    Figure("`pipelex --help`", "from pipelex.cli.main import main\nmain(['--help'])", 11),
    Figure("`pipelex plugins list`", "from pipelex.cli.main import main\nmain(['plugins', 'list'])", 14),
)

LOOKUP = """
from timeit import repeat
from pipelex.boot import Pipelex
from pipelex.plugins.inference_backend_registry import InferenceFamily
registry = Pipelex.setup().hub.inference_backends
plain = {key: 1 for key in registry}
family, sdk = InferenceFamily.LLM, next(sdk for family, sdk in registry if family == "llm")
ours = min(repeat(lambda: registry.lookup(family=family, sdk=sdk), number=100_000, repeat=9)) / 100_000
theirs = min(repeat(lambda: plain[family, sdk], number=100_000, repeat=9)) / 100_000
print(ours, theirs)
"""


def environment() -> dict[str, str]:
    """Return the variables of a measured process: byte code may be written, and no configuration is found."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**variables, "PIPELEX_HOME": os.devnull}


def clean_python(folder: Path) -> str:
    """Install the built wheel into an empty environment and return its interpreter."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, stdout=subprocess.DEVNULL, check=True)
    [wheel] = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], env=environment(), check=True)
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools"], check=True)
    return python


def cpu_seconds(command: list[str], cwd: Path) -> float:
    """Run a command to its end and return the CPU time that it took."""
    with subprocess.Popen(command, cwd=cwd, env=environment(), stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def smallest(commands: list[list[str]], rounds: int, cwd: Path) -> list[float]:
    """Return the smallest time of each command. The first round only warms up."""
    times = [[cpu_seconds(command, cwd) for command in commands] for _ in range(rounds + 1)]
    return [min(column) for column in zip(*times[1:], strict=True)]


def output_of(command: list[str], cwd: Path) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=True).stdout


def modules_loaded(python: str, code: str, cwd: Path) -> int:
    """Count the modules that code loads beyond those of ``pass``; one that goes by two names counts once."""
    script = f"{COUNT_MODULES}{code}\nprint(len(modules() - before))"
    return int(output_of([python, "-c", script], cwd).splitlines()[-1])


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def _against(value: float, limit: float | None, form: str) -> str:
    if limit is None:
        return "-"
    return form.format(limit) + (" **over**" if value > limit else "")


def processes_table(python: str, rounds: int, cwd: Path) -> list[str]:
    """Measure every figure of ``FIGURES``."""
    times = smallest([[python, "-c", figure.code] for figure in FIGURES], rounds, cwd)
    lines = [row("figure", "CPU", "ratio", "limit", "modules beyond `pass`", "limit"), row(*["---"] * 6)]
    for figure, seconds in zip(FIGURES, times, strict=True):
        ratio, modules = seconds / times[0], modules_loaded(python, figure.code, cwd)
        limits = _against(ratio, figure.limit, "{:g} x"), _against(modules, figure.modules_limit, "{}")
        lines.append(
            row(figure.title, f"{seconds * 1000:.1f} ms", f"{ratio:.1f} x", limits[0], str(modules), limits[1])
        )
    return lines


def lookup_table(python: str, cwd: Path) -> list[str]:
    """Measure the registry against a plain dictionary."""
    ours, theirs = (float(number) * 1e9 for number in output_of([python, "-c", LOOKUP], cwd).split())
    return [
        row("figure", "time", "ratio"),
        row(*["---"] * 3),
        row("a plain dictionary, by `(family, sdk)`", f"{theirs:.0f} ns", "1.0 x"),
        row("`InferenceBackendRegistry.lookup`", f"{ours:.0f} ns", f"{ours / theirs:.1f} x"),
    ]


def generator_table(rounds: int) -> list[str]:
    """Measure the generator's check, in the environment that this runs in."""
    subprocess.run([sys.executable, "-m", "codegen", "--check"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    commands = [["-c", "pass"], ["-m", "codegen", "--check"], ["-m", "codegen", "--check", "--full"]]
    times = smallest([[sys.executable, *command] for command in commands], max(3, rounds // 3), ROOT)
    lines = [row("figure", "CPU", "ratio", "limit"), row(*["---"] * 4)]
    for command, seconds, limit in zip(commands, times, (None, 0.3, 5), strict=True):
        title = f"`python {' '.join(command)}`"
        lines.append(
            row(title, f"{seconds * 1000:.0f} ms", f"{seconds / times[0]:.1f} x", _against(seconds, limit, "{:g} s"))
        )
    return lines


def report(rounds: int) -> str:
    """Measure everything and return the page."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        python = clean_python(folder)
        processes, lookup = processes_table(python, rounds, folder), lookup_table(python, folder)
    generator = generator_table(rounds)
    place = f"Python {platform.python_version()}, {platform.system()} on {platform.machine()}, {os.cpu_count()} cores"
    return "\n".join(
        [
            "# What it costs\n",
            "Written by `make bench`. CPU time, the smallest of several interleaved rounds; each ratio is to the first",
            "row of its table, in the same run. Absolute times are of one machine: trust the ratios.",
            f"This run: {place}, {rounds} rounds.\n",
            "## Import, boot and commands, in a clean environment with the wheel alone\n",
            *processes,
            "\n## Finding a backend\n",
            *lookup,
            "\n## Checking the generated files\n",
            *generator,
            "",
        ]
    )


def main() -> int:
    """Measure, print, and write ``benchmarks/RESULTS.md``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds (default: %(default)s)")
    page = report(parser.parse_args().rounds)
    RESULTS.write_text(page, encoding="utf-8")
    print(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
