"""How it grows: with plugins, models, calls at once and published symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.environments import ROOT, NotMeasuredError, run
from benchmarks.figures import Curve
from benchmarks.measure import PROGRAMS
from benchmarks.section import Section
from benchmarks.sections.boot import project_folder
from benchmarks.sites import make_site
from tests.codegen.small_files import write_small_project

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.section import Bench

PLUGINS = (0, 10, 100, 1000)
MODELS = (0, 100, 1_000, 10_000, 100_000)
CALLS = (1, 4, 16, 64, 256)
SYMBOLS = (0, 1, 10, 50, 100, 200)
_MODEL = """
[models.bench-{number}]
family = "llm"
backend = "openai"
model_id = "bench-{number}"
capabilities = ["streaming", "structured_output"]
context_window = 128000
"""
_RECORD = '''\
"""Record {number}."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Record{number}"]


@dataclass(frozen=True, kw_only=True)
class Record{number}:
    """A record.

    Attributes:
        name: Its name.
        count: How many.
    """

    name: str
    count: int = 1

    def named(self, name: str, *, count: int | None = None) -> Record{number}:
        """Return one of another name.

        Args:
            name: The name.
            count: How many.
        """
        return Record{number}(name=name, count=count or self.count)
'''


def plugins(bench: Bench) -> Section:
    """Make the topic of many plugins."""
    topic = Section(bench, "growth-plugins")
    project = project_folder(topic.folder / "project", bench.url)
    for number in PLUGINS:
        site = make_site(topic.folder / f"site-{number}", plugins=number)
        more = {"PYTHONPATH": str(site)}
        topic.program(f"{number}", "clean", str(PROGRAMS / "growth_boot.py"), cwd=project, more=more)
    curve = Curve("plugins", "Boot, by installed plugins", "external plugins", "CPU of Pipelex.setup()")
    topic.curve(curve, {"Pipelex.setup()": {number: (f"{number}", "boot") for number in PLUGINS}})
    return topic


def catalogue(bench: Bench) -> Section:
    """Make the topic of many models."""
    topic = Section(bench, "growth-catalogue")
    for number in MODELS:
        project = project_folder(topic.folder / f"{number}", bench.url)
        text = "".join(_MODEL.format(number=model) for model in range(number))
        (project / ".pipelex" / "models.toml").write_text(text, encoding="utf-8")
        topic.program(f"{number}", "clean", str(PROGRAMS / "growth_catalogue.py"), cwd=project)
    sources = {"read and validate it": "read", "the TOML parser alone": "parse", "find one model": "find"}
    topic.curve(
        Curve("catalogue", "The catalogue, by its models", "models", "CPU"),
        {line: {number: (f"{number}", quantity) for number in MODELS} for line, quantity in sources.items()},
    )
    return topic


def concurrency(bench: Bench) -> Section:
    """Make the topic of many calls at once."""
    topic = Section(bench, "growth-concurrency")
    project = project_folder(topic.folder / "project", bench.url)
    arguments = (str(PROGRAMS / "growth_concurrency.py"), bench.url, *map(str, CALLS))
    topic.program("calls", "drivers", *arguments, cwd=project, warms_up=False)
    sources = {"openai driver": "ours", "openai SDK alone": "base"}
    topic.curve(
        Curve("concurrency", "gen_text, by calls at once", "calls at once", "CPU of all of them"),
        {line: {number: ("calls", f"{who} {number}") for number in CALLS} for line, who in sources.items()},
    )
    return topic


def symbols(bench: Bench) -> Section:
    """Make the topic of many published symbols."""
    topic = Section(bench, "growth-symbols")
    for number in SYMBOLS:
        root = _project(topic.folder / f"{number}", number)
        try:
            run([topic.python("checks"), "-m", "codegen", "--root", str(root)])
        except NotMeasuredError as exc:
            topic.samples.give_up(f"{number}", str(exc))
        arguments = ("-m", "codegen", "--check", "--full", "--root", str(root))
        topic.program(f"{number}", "checks", *arguments, cwd=ROOT)
    curve = Curve(
        "symbols", "The generator, by published symbols", "symbols beyond a few", "CPU of codegen --check --full"
    )
    topic.curve(curve, {"codegen --check --full": {number: (f"{number}", "cpu") for number in SYMBOLS}})
    return topic


def _project(root: Path, records: int) -> Path:
    """Make a project with a small contract and so many published records besides, and return it."""
    write_small_project(root)
    rows = ""
    for number in range(records):
        module = root / "src" / "pipelex" / "cogt" / "llm" / f"record_{number}.py"
        module.write_text(_RECORD.format(number=number), encoding="utf-8")
        rows += f'"pipelex.cogt.llm.record_{number}:Record{number}" = {{ since = "3.1", role = "a record" }}\n'
    spec = root / "spi.toml"
    spec.write_text(spec.read_text(encoding="utf-8").replace("[symbols]\n", f"[symbols]\n{rows}"), encoding="utf-8")
    return root
