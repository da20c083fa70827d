"""The generator's check and the check for plugin authors, beside mypy and griffe on the same files."""

from __future__ import annotations

import shutil
import tomllib
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.environments import ROOT, NotMeasuredError, run
from benchmarks.figures import Row
from benchmarks.section import Section, command

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.section import Bench

_EXAMPLE = ROOT / "docs" / "examples" / "acme" / "plugin"
_SPEC = tomllib.loads((ROOT / "spi.toml").read_text(encoding="utf-8"))
_STUBS = ROOT / "src" / "pipelex" / "spi" / f"v{_SPEC['api_version']}"
_PUBLISHED = sorted({symbol.partition(":")[0] for symbol in _SPEC["symbols"]})
_MYPY = ("-m", "mypy", "--strict", "--ignore-missing-imports", "--no-site-packages", "src/my_pkg")
_OURS = ("-c", command("plugins", "check", "."))
_GRIFFE = f"""
from pathlib import Path
from griffe import visit
for name in {_PUBLISHED!r}:
    path = Path("src", *name.split(".")).with_suffix(".py")
    visit(name, filepath=path, code=path.read_text(encoding="utf-8"))
"""
_TEXT = """\
CPU time of a whole process. Both check the example plugin on the published stubs, with caches of their own in the same
state: empty; filled, and one module changed since; filled, and nothing changed. Ours says besides whether the plugin
keeps the contract; the process in which it runs the plugin's `register` is counted."""
_VERDICT_TEXT = """\
CPU time of a whole process. mypy checks both stub trees, with a filled cache for each. `diff` compares the same trees:
identical, and with one parameter renamed, without witnesses and with them. Of its caches only what mypy knows of the
standard library is filled, except where the same question is asked again. The limits are the ratios from before the
comparison covered all that a declaration states."""
_RENAMED = ("pipelex/plugins/inference_backend_registry.pyi", "sdk_clients: ", "clients: ")
_BOTH_TREES = """
import sys
from mypy import api
for tree in sys.argv[1:]:
    out, err, code = api.run(["--strict", "--no-site-packages", "--cache-dir", tree + "-cache", tree])
    if code:
        raise SystemExit(out + err)
"""
_DIFF = """
import sys
from codegen.__main__ import main
expected, *arguments = sys.argv[1:]
raise SystemExit(main(["diff", *arguments]) != int(expected))
"""
_GENERATOR_TEXT = """\
CPU time of a whole process. `--full` reads the published modules and renders every file; griffe only reads the same
modules."""


def section(bench: Bench) -> Section:
    """Make the topic."""
    topic = Section(bench, "checks", passes=2)
    topic.program("pass", "checks", "-c", "pass")
    for state in ("cold", "changed", "same"):
        for who in ("mypy", "ours"):
            _add_check(topic, who, state)
    base = "`mypy --strict`"
    titles = {"cold": "cold", "changed": "one file changed", "same": "nothing changed"}
    limits = {"cold": 1.15, "changed": 1.2, "same": 0.5}
    rows = []
    for state, title in titles.items():
        rows += [
            Row(f"{base}, {title}", f"mypy {state}"),
            Row(
                f"author's check, {title}",
                f"ours {state}",
                f"mypy {state}",
                base_title=f"{base}, {title}",
                limit=limits[state],
            ),
        ]
    topic.table("The author's check", _TEXT, rows)
    _add_generator(topic)
    _add_verdict(topic)
    return topic


def _add_check(topic: Section, who: str, state: str) -> None:
    """Add a check of a copy of the plugin, with a cache that belongs to it alone."""
    name = f"{who} {state}"
    plugin, cache = topic.folder / name.replace(" ", "-"), topic.folder / f"{name.replace(' ', '-')}-cache"
    shutil.copytree(_EXAMPLE, plugin)
    before = {
        "cold": partial(shutil.rmtree, cache, ignore_errors=True),
        "changed": partial(_change, plugin / "src" / "my_pkg" / "acme_llm_worker.py", count()),
        "same": None,
    }[state]
    arguments = (*_MYPY, "--cache-dir", str(cache)) if who == "mypy" else _OURS
    more = {"MYPYPATH": str(_STUBS), "PIPELEX_CACHE_DIR": str(cache)}
    topic.program(name, "checks", *arguments, cwd=plugin, before=before, more=more)


def _change(module: Path, numbers: count[int]) -> None:
    """Change a module so that what follows from it has to be worked out again."""
    text = module.read_text(encoding="utf-8").partition("\n\n_CHANGED")[0].rstrip("\n")
    module.write_text(f"{text}\n\n\n_CHANGED: int = {next(numbers)}\n", encoding="utf-8")


def _add_generator(topic: Section) -> None:
    generator = ("-m", "codegen", "--check")
    try:
        run([topic.python("checks"), *generator, "--full"])  # it remembers that all is fresh
    except NotMeasuredError as exc:
        topic.samples.give_up("check", str(exc))
    topic.program("check", "checks", *generator, cwd=ROOT)
    topic.program("full", "checks", *generator, "--full", cwd=ROOT)
    topic.program("griffe", "checks", "-c", _GRIFFE, cwd=ROOT)
    passing, griffe = "`python -c pass`", "griffe reads the published modules"
    rows = [
        Row(passing, "pass"),
        Row("`python -m codegen --check`, nothing changed", "check", "pass", base_title=passing, limit=5),
        Row(griffe, "griffe"),
        Row("`python -m codegen --check --full`", "full", "griffe", base_title=griffe),
    ]
    topic.table("The generator's check", _GENERATOR_TEXT, rows)


def _add_verdict(topic: Section) -> None:
    """Add the comparison of two versions of the contract, beside mypy on their stubs."""
    old, same, new = (topic.folder / "trees" / name for name in ("old", "same", "new"))
    for tree in (old, same, new):
        shutil.copytree(_STUBS, tree)
    path, before, after = _RENAMED
    text = (new / path).read_text(encoding="utf-8")
    (new / path).write_text(text.replace(before, after), encoding="utf-8")
    topic.program("mypy both", "checks", "-c", _BOTH_TREES, str(old), str(new), cwd=ROOT)
    forget = partial(shutil.rmtree, ROOT / ".codegen-cache" / "compat" / "answers", ignore_errors=True)

    def ask() -> None:
        run([topic.python("checks"), "-c", _DIFF, "1", str(old), str(new)])

    base = "`mypy --strict` on both trees"
    rows = [Row(base, "mypy both")]
    for title, expected, arguments, before_each, limit in (
        ("`codegen diff`, identical trees", "0", (str(old), str(same)), None, 1.2),
        ("`codegen diff --no-witness`, one change", "1", (str(old), str(new), "--no-witness"), forget, 3.6),
        ("`codegen diff`, one change", "1", (str(old), str(new)), forget, 4.7),
        ("`codegen diff`, the same change again", "1", (str(old), str(new)), ask, 3.6),
    ):
        topic.program(title, "checks", "-c", _DIFF, expected, *arguments, cwd=ROOT, before=before_each)
        rows.append(Row(title, title, "mypy both", base_title=base, limit=limit))
    topic.table("The verdict on two versions", _VERDICT_TEXT, rows)
