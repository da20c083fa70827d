"""``python -m codegen diff`` and ``python -m codegen explain``."""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.errors import CodegenError
from codegen.project import Project
from codegen.writer import COMMAND

if TYPE_CHECKING:
    from codegen.compat.model import Verdict
    from codegen.compat.reading.trees import StubTree

COMPATIBLE, BREAKING, COULD_NOT_TELL = 0, 1, 2
COMMANDS = ("diff", "explain")
_CACHE = ".codegen-cache/compat"
_NEEDS = {"jinja2", "libcst", "mypy", "pydantic", "tomli"}


def run(arguments: list[str], *, default_root: str) -> int:
    """Run one of the commands.

    Args:
        arguments: The arguments of ``python -m codegen``: the command and its own.
        default_root: The project that is meant where none is named.

    Returns:
        0: compatible, or explained; 1: breaking; 2: it could not tell.
    """
    from pipelex.spi.type_check import UndecidedError

    options = _parser().parse_args(arguments)
    if options.command == "diff" and options.plugins is not None and (options.no_witness or options.format[0] in "gm"):
        _say("--plugins is reported as text or JSON, and needs the witnesses: leave out --no-witness.")
        return COULD_NOT_TELL
    project = Project(Path(options.root or default_root))
    try:
        return _diff(options, project) if options.command == "diff" else _explain(options, project)
    except (CodegenError, UndecidedError) as exc:
        _say(str(exc))
    except ModuleNotFoundError as exc:
        if exc.name not in _NEEDS:
            raise
        _say(f"This needs '{exc.name}': install the dependency group 'dev' of pyproject.toml.")
    except Exception:  # a fault of our own must not read as "breaking", which is exit 1
        traceback.print_exc()
    return COULD_NOT_TELL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND)
    commands = parser.add_subparsers(dest="command", required=True)
    diff = commands.add_parser(
        "diff",
        help="report whether plugins break, which, and show the smallest one that does",
        description="Compare two versions of the plugin contract. A tree is the number of a version or a folder.",
        epilog="Exit codes: 0 compatible, 1 breaking, 2 could not tell. With --plugins, of the plugins alone: "
        "0 each fits, 1 one is broken or refused, 2 could not tell of one, or there is none.",
    )
    diff.add_argument("old", nargs="?", metavar="OLD", help="by default the last frozen version")
    diff.add_argument("new", nargs="?", metavar="NEW", help="by default the working tree")
    diff.add_argument("--format", choices=["text", "json", "github", "md"], default="text", help="text by default")
    diff.add_argument("--no-witness", action="store_true", help="do not look for witnesses: quicker")
    diff.add_argument("--accept-declared", action="store_true", help="exit 0 when every break is declared")
    diff.add_argument(
        "--plugins",
        nargs="*",
        metavar="PLUGIN",
        help="type-check real plugins on both trees: folders, wheels, sdists, names of installed distributions; "
        "every installed plugin where none is named",
    )
    explain = commands.add_parser(
        "explain",
        help="show which way a symbol is used, and why",
        description="Print the directions of a symbol, its members and their parameters, with the paths.",
    )
    explain.add_argument("symbol", metavar="SYMBOL", help="module:Class.member, or as much of its end as is unique")
    explain.add_argument("--tree", metavar="TREE", help="a version or a folder; the working tree by default")
    for command in (diff, explain):
        command.add_argument("--root", metavar="FOLDER", help="the project to work on; this one by default")
    return parser


def _diff(options: argparse.Namespace, project: Project) -> int:
    from codegen.compat.compare import compare
    from codegen.compat.declared import declared_by, idle_entries
    from codegen.compat.reading.trees import baseline, resolve, working_tree
    from codegen.compat.report import FORMATS

    old = resolve(project, options.old) if options.old else baseline(project)
    new = resolve(project, options.new) if options.new else working_tree(project)
    declared = declared_by(project)
    verdict = _quick(old, new) or compare(old, new, witnesses=not options.no_witness, cache=_cache(project))
    if options.plugins is not None:
        return _plugins(options, project, old, new, verdict)
    sys.stdout.write(FORMATS[options.format](verdict, declared))
    if not (options.old or options.new) and (idle := idle_entries(project, verdict)):
        _say("\n".join(idle))
        return COULD_NOT_TELL
    counted = verdict.undeclared(declared) if options.accept_declared else verdict.breaks
    if not counted:
        return COMPATIBLE
    return COULD_NOT_TELL if all(finding.undecided for finding in counted) else BREAKING


def _plugins(options: argparse.Namespace, project: Project, old: StubTree, new: StubTree, verdict: Verdict) -> int:
    """Report which real plugins a change breaks."""
    from codegen.compat import affected
    from codegen.compat.declared import declared_by
    from codegen.compat.report import as_json, summary

    is_released = bool(options.old or options.new) or _is_released(project)
    outcomes = affected.affected(verdict, old, new, options.plugins, is_released=is_released)
    declared = declared_by(project)
    if options.format == "json":
        sys.stdout.write(as_json(verdict, declared, plugins=affected.as_data(outcomes)))
    else:
        sys.stdout.write(f"{verdict.old} -> {verdict.new}: {summary(verdict, declared)}\n{affected.as_text(outcomes)}")
    if not outcomes:
        _say("No plugin is installed here. Name folders, wheels or sdists behind --plugins.")
    return affected.exit_code(outcomes)


def _is_released(project: Project) -> bool:
    """Return whether the current version is released; until then ``freeze`` takes a break into it."""
    from codegen.project import SPEC_FILE
    from codegen.spec import parse_spec

    rows = parse_spec(project.read(SPEC_FILE)).spec.version
    return bool(rows) and rows[-1].released


def _quick(old: StubTree, new: StubTree) -> Verdict | None:
    """Return the verdict on trees that are the same text, and of which the same is stated beside."""
    from codegen.compat.model import Verdict

    same = dict(old.files) == dict(new.files) and dict(old.facts) == dict(new.facts)
    return Verdict(old.label, new.label, ()) if same else None


def _cache(project: Project) -> Path | None:
    """Return where the type checker keeps what it knows, if the project can be written to."""
    folder = project.root / _CACHE
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def _explain(options: argparse.Namespace, project: Project) -> int:
    from codegen.compat.explain import explain
    from codegen.compat.reading.trees import read_shapes, resolve, working_tree

    tree = resolve(project, options.tree) if options.tree else working_tree(project)
    sys.stdout.write(explain(read_shapes(tree), options.symbol))
    return COMPATIBLE


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
