"""Import, boot and the commands that only tell: in an environment with the wheel alone."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from benchmarks.environments import ROOT, NotMeasuredError, run
from benchmarks.figures import Row
from benchmarks.section import Section, command
from benchmarks.sites import make_site

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.section import Bench

PASS = "`python -c pass`"
_SYMBOLS = tomllib.loads((ROOT / "spi.toml").read_text(encoding="utf-8"))["symbols"]
_WHOLE_SPI = "import " + ", ".join(sorted({symbol.partition(":")[0] for symbol in _SYMBOLS}))
_SEAM = "import " + ", ".join(
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
_BOOT = "from pipelex.boot import Pipelex\nPipelex.setup()"
_BARE = "from bare_tree import cli\ncli.main(['--help'], prog_name='pipelex', standalone_mode=False)"
_WRITE_BARE_TREE = """
from pipelex.cli.main import COMMANDS, cli
from pipelex.config.plugins_config import PluginsConfig
from pipelex.plugins.discovery import build_registrar
helps = {name: command.help for name, command in COMMANDS.items()}
helps.update((name, help_line) for name, (help_line, _) in build_registrar(PluginsConfig()).commands.items())
print("import click\\n")
print(f"cli = click.Group(name={cli.name!r}, help={cli.help!r}, epilog={cli.epilog!r}, "
      f"context_settings={cli.context_settings!r}, params=[")
for option in cli.params:
    print(f"    click.Option({option.opts!r}, is_flag={option.is_flag!r}, help={option.help!r}),")
print("])")
for name, help_line in helps.items():
    print(f"cli.add_command(click.Command({name!r}, help={help_line!r}))")
"""
_TEXT = """\
CPU time of a whole process, the smallest of all rounds. The project's folder has a configuration file. The bare click
tree is written from ours before the run: the same group, options, help lines and epilogue, nothing imported on use,
nothing discovered; both print the same lines. Modules are those beyond what `pass` loads."""


def section(bench: Bench) -> Section:
    """Make the topic."""
    topic = Section(bench, "boot", passes=8)
    project = project_folder(topic.folder / "project", bench.url)
    site = str(make_site(topic.folder / "site", plugins=12))
    programs = {
        "pass": "pass",
        "again": "pass",
        "typing": "import typing, dataclasses",
        "click": "import click",
        "metadata": "import importlib.metadata",
        "pydantic": "import pydantic\nclass M(pydantic.BaseModel): x: int",
        "seam": _SEAM,
        "spi": _WHOLE_SPI,
        "boot": _BOOT,
        "help": command("--help"),
        "list": command("plugins", "list"),
    }
    for name, code in programs.items():
        topic.program(name, "clean", "-c", code, cwd=project, counts=True)
    for name in ("boot", "list"):
        topic.program(f"{name} 12", "clean", "-c", programs[name], cwd=project, counts=True, more={"PYTHONPATH": site})
    try:
        bare = _bare_tree(topic, programs["help"], project)
        topic.program("bare", "clean", "-c", _BARE, cwd=project, counts=True, more={"PYTHONPATH": str(bare)})
    except NotMeasuredError as exc:
        topic.samples.give_up("bare", str(exc))
    topic.table(
        "Import, boot and commands",
        _TEXT,
        [
            Row(PASS, "pass"),
            _ratio("import of contract, registrar and registries", "seam", 2.5),
            _ratio("import of the whole published SPI", "spi", 6),
            _ratio("`Pipelex.setup()`, all built-ins, no external plugin", "boot", 5),
            _ratio("`Pipelex.setup()`, all built-ins, 12 external plugins", "boot 12", 8),
            Row("`pipelex --help`", "help", "bare", base_title="the same commands in bare click", limit=1.3),
            _ratio("`pipelex plugins list`", "list", 9),
            _ratio("`pipelex plugins list`, 12 external plugins", "list 12"),
            _ratio("the same commands in bare click, `--help`", "bare"),
            _ratio("noise: the base against itself", "again"),
            _ratio("for comparison: `import typing, dataclasses`", "typing"),
            _ratio("for comparison: `import click`", "click"),
            _ratio("for comparison: `import importlib.metadata`", "metadata"),
            _ratio("for comparison: `import pydantic` and one model", "pydantic"),
        ],
    )
    topic.table(
        "Modules loaded beyond those of `pass`",
        "A module that goes by two names counts once.",
        [
            _modules("import of contract, registrar and registries", "seam", 40),
            _modules("import of the whole published SPI", "spi", 110),
            _modules("`Pipelex.setup()`, all built-ins, no external plugin", "boot"),
            _modules("`Pipelex.setup()`, all built-ins, 12 external plugins", "boot 12"),
            _modules("`pipelex --help`", "help"),
            _modules("the same commands in bare click, `--help`", "bare"),
            _modules("`pipelex plugins list`", "list"),
        ],
    )
    topic.table(
        "Peak memory",
        "The high-water mark of the process.",
        [
            Row(PASS, "pass", quantity="memory", unit="bytes"),
            Row("import of the whole published SPI", "spi", "pass", "memory", base_title=PASS, unit="bytes"),
            Row("`Pipelex.setup()`, all built-ins", "boot", "pass", "memory", base_title=PASS, unit="bytes"),
        ],
    )
    return topic


def project_folder(folder: Path, url: str) -> Path:
    """Make a folder with a configuration whose backends answer from the loopback server, and return it.

    Args:
        folder: The folder.
        url: The server's address.
    """
    config = folder / ".pipelex"
    config.mkdir(parents=True)
    endpoints = {"openai": "/openai/v1", "anthropic": "/anthropic", "google": "/google", "mistral": "/mistral"}
    tables = [
        f'[backends.{name}]\nendpoint = "{url}{path}"\napi_key = "{name}-key"\nmax_concurrency = 256\n'
        for name, path in endpoints.items()
    ]
    (config / "pipelex.toml").write_text("\n".join(["[plugins]\ndisabled = []\n", *tables]), encoding="utf-8")
    return folder


def _bare_tree(topic: Section, our_help: str, project: Path) -> Path:
    """Write our command tree as bare click, and make sure that it prints what ours prints."""
    python, folder = topic.python("clean"), topic.folder / "bare"
    folder.mkdir()
    (folder / "bare_tree.py").write_text(run([python, "-c", _WRITE_BARE_TREE], cwd=project), encoding="utf-8")
    if _lines(run([python, "-c", our_help], cwd=project)) != _lines(run([python, "-c", _BARE], cwd=folder)):
        msg = "the bare click tree prints other lines than 'pipelex --help'"
        raise NotMeasuredError(msg)
    return folder


def _lines(text: str) -> list[list[str]]:
    """Return the lines of a help page in words; plugins' commands stand below a heading of their own in ours."""
    return sorted(line.split() for line in text.splitlines() if line and line != "Commands of plugins:")


def _ratio(title: str, program: str, limit: float | None = None) -> Row:
    return Row(title, program, "pass", base_title=PASS, limit=limit)


def _modules(title: str, program: str, limit: int | None = None) -> Row:
    return Row(title, program, quantity="modules", limit=limit, unit="modules")
