"""The command line behind the fast path: render everything, compare, then report or write."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import traceback
from pathlib import Path

from codegen import freshness
from codegen.errors import CodegenError, FrozenError
from codegen.project import Project
from codegen.writer import COMMAND, FileChange, changes, write
from pipelex.spi.files import finish_interrupted

FRESH, STALE, COULD_NOT_TELL = 0, 1, 2
_GENERATOR_NEEDS = {"jinja2", "libcst", "pydantic", "tomli"}


def run(arguments: list[str], *, default_root: str) -> int:
    """Run the command line.

    Args:
        arguments: The arguments of ``python -m codegen``.
        default_root: The project that is meant where none is named.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    project = Project(Path(options.root or default_root))
    try:
        return _run(options, project)
    except CodegenError as exc:
        _report_problems(exc, as_json=options.json)
        return STALE if isinstance(exc, FrozenError) else COULD_NOT_TELL
    except ModuleNotFoundError as exc:
        if exc.name not in _GENERATOR_NEEDS:
            raise
        _write_line(f"The generator needs '{exc.name}': install the dependency group 'dev' of pyproject.toml.")
    except Exception:  # a fault of the generator's own must not read as "stale", which is exit 1
        traceback.print_exc()
    return COULD_NOT_TELL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Write the stubs, the built-in plugins, the typed accessors, the lock and the pages that follow "
        "from spi.toml and the SPI modules.",
        epilog="Exit codes: 0 done or fresh, 1 stale, 2 could not tell.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; print what differs")
    parser.add_argument("--full", action="store_true", help="with --check: trust no earlier run")
    parser.add_argument("--json", action="store_true", help="report as JSON on standard output")
    parser.add_argument("--root", metavar="FOLDER", help="the project to work on; this one by default")
    return parser


def _run(options: argparse.Namespace, project: Project) -> int:
    from codegen.outputs import render  # what it needs may be missing

    if not options.check:
        finish_interrupted(project.root)
    outputs = render(project)
    found = changes(project.root, outputs)
    if options.check and found:
        _report_stale(found, as_json=options.json)
        return STALE
    if options.check and outputs.outdated:
        _report_outdated(outputs.outdated, as_json=options.json)
        return STALE
    if not options.check:
        write(project.root, found)
    if outputs.lacks_imports and found and not options.check:
        return _run_again(options, project)
    if outputs.problems:
        outcome = "nothing was written" if options.check else "all other files are written"
        _report_problems(CodegenError(*outputs.problems), outcome, as_json=options.json)
        return COULD_NOT_TELL
    written = {path: freshness.digest(text.encode("utf-8")) for path, text in outputs.texts.items()}
    if not outputs.outdated:
        freshness.remember(str(project.root), {**project.seen, **written}, [*outputs.folders, *outputs.watched])
    _report_done(found, total=len(outputs.texts), as_json=options.json)
    return FRESH


def _run_again(options: argparse.Namespace, project: Project) -> int:
    """Run the command once more in a new process, which imports what this one has written.

    A page is made of modules of the package, and these import generated ones. The second run writes what is left, or
    reports what is wrong all the same.
    """
    command = [sys.executable, "-m", "codegen", "--root", str(project.root), *(["--json"] if options.json else [])]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def _report_done(found: list[FileChange], *, total: int, as_json: bool) -> None:
    if as_json:
        _print_json(fresh=True, written=[change.path for change in found if change.new is not None])
        return
    for change in found:
        sys.stdout.write(f"{'removed' if change.new is None else 'wrote'} {change.path}\n")
    sys.stdout.write(f"Fresh: {total} files agree with spi.toml and src/.\n")


def _report_stale(found: list[FileChange], *, as_json: bool) -> None:
    if as_json:
        _print_json(fresh=False, command=COMMAND, changes=[{"path": item.path, "diff": item.diff()} for item in found])
        return
    for change in found:
        sys.stdout.write(change.diff())
    sys.stdout.flush()
    names = "1 file is" if len(found) == 1 else f"{len(found)} files are"
    _write_line(f"Stale: {names} not what spi.toml and src/ make of them: {', '.join(change.path for change in found)}")
    _write_line(f"Fix: {COMMAND}")


def _report_outdated(paths: list[str], *, as_json: bool) -> None:
    if as_json:
        _print_json(fresh=False, command=f"{COMMAND} freeze", changes=[{"path": path, "diff": ""} for path in paths])
        return
    what = "is frozen with documentation" if len(paths) == 1 else "are frozen with documentation"
    _write_line(f"Stale: the version is not released, and {', '.join(paths)} {what} that is not today's.")
    _write_line(f"Fix: {COMMAND} freeze")


def _report_problems(error: CodegenError, outcome: str = "nothing was written", *, as_json: bool) -> None:
    if as_json:
        _print_json(fresh=None, problems=[vars(problem) for problem in error.problems])
        return
    for problem in error.problems:
        _write_line(str(problem))
    count = len(error.problems)
    _write_line(f"{count} problem{'' if count == 1 else 's'}; {outcome}.")


def _print_json(**report: object) -> None:
    sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _write_line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
