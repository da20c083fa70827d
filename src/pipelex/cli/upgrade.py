"""``pipelex plugins upgrade``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelex.cli.output import FAILED, MISUSED, OK, note, write_error, write_json
from pipelex.terminal import escaped, is_terminal, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from pipelex.checking.targets import Target
    from pipelex.upgrading.errors import UpgradeError
    from pipelex.upgrading.upgrade import Upgrade


@click.command("upgrade")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--to", type=click.IntRange(min=1), metavar="N", help="The API version to go to; the newest by default.")
@click.option("--from", "since", type=click.IntRange(min=1), metavar="N", help="The version it was written against.")
@click.option("--diff/--write", "only_diff", default=True, help="Show what would change (the default), or change it.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def upgrade(targets: tuple[str, ...], to: int | None, since: int | None, only_diff: bool, as_json: bool) -> int:
    """Rewrite plugins for another version of the plugin API, and prove it with mypy.

    TARGET is a plugin's folder, a folder of several, or a .py file. What cannot be decided is marked TODO(pipelex) and
    ends in exit code 1; nothing is written unless every file of every target can be read and rewritten.

    Exits with 0 where all is done, 1 where something is left to the author, 2 where it could not be done.
    """
    from pipelex.exceptions import PipelexError

    try:
        _demand_tools()
        return _upgrade_all(targets, to, since, only_diff=only_diff, as_json=as_json)
    except PipelexError as exc:  # a target cannot be read or written
        write_error(exc, as_json=as_json)
        return MISUSED


def _upgrade_all(targets: tuple[str, ...], to: int | None, since: int | None, *, only_diff: bool, as_json: bool) -> int:
    from pipelex.exceptions import PipelexError
    from pipelex.upgrading.errors import UpgradeError
    from pipelex.upgrading.upgrade import write

    found = _after_interrupted(_resolved(targets), targets, only_diff=only_diff)
    done: list[Upgrade] = []
    failures: list[UpgradeError] = []
    with _progress(found) as pending:
        for target in pending:
            try:
                done.append(_upgraded(target, to, since))
            except UpgradeError as exc:
                failures.append(exc)
            except PipelexError as exc:
                reason = str(exc).rstrip(".")
                failures.append(UpgradeError(target=target.label, reason=reason, fix="Nothing was written"))
    written = not only_diff and not failures
    _note_uncommitted(done)
    if written:
        write(done)
    _report(done, failures, written=written, only_diff=only_diff, as_json=as_json)
    if failures:
        return MISUSED
    return FAILED if any(item.left for item in done) else OK


def _after_interrupted(found: list[Target], names: tuple[str, ...], *, only_diff: bool) -> list[Target]:
    """Finish what an interrupted ``--write`` had begun, and read the targets again; without ``--write`` refuse."""
    from pipelex.spi.files import finish_interrupted, is_interrupted
    from pipelex.upgrading.errors import UpgradeError

    for target in found:
        if only_diff and is_interrupted(target.root):
            reason = "an earlier --write was interrupted, so its files are of two versions"
            raise UpgradeError(
                target=target.label, reason=reason, fix="Run again with --write, which finishes it first"
            )
    resumed = [not only_diff and finish_interrupted(target.root) for target in found]
    return _resolved(names) if any(resumed) else found


def _note_uncommitted(done: list[Upgrade]) -> None:
    """Name what git could not bring back, before anything is written over it."""
    from pipelex.upgrading.files import uncommitted

    for item in done:
        files = uncommitted(item.target.root, item.changed) if item.changed else []
        if files:
            more = f" and {len(files) - 3} more" if len(files) > 3 else ""
            note(f"{item.target.label}: not committed to git: {', '.join(map(escaped, files[:3]))}{more}")


def _demand_tools() -> None:
    """Name the extra where what it brings is not there."""
    from importlib.util import find_spec

    from pipelex.exceptions import MissingDependencyError

    for package in ("libcst", "tomlkit", "mypy"):
        if find_spec(package) is None:
            raise MissingDependencyError(package, "upgrade", "'pipelex plugins upgrade' rewrites with it.")


def _resolved(names: tuple[str, ...]) -> list[Target]:
    from pipelex.checking.targets import resolve

    found: dict[str, Target] = {}
    for name in names:
        if name.startswith("builtin:"):
            raise click.UsageError(f"{name} is built in: it moves with the API itself.")
        for target in resolve(name):
            found.setdefault(f"{target.root}:{target.label}", target)
    return list(found.values())


def _upgraded(target: Target, to: int | None, since: int | None) -> Upgrade:
    from pipelex.upgrading.upgrade import upgrade as work_out

    return work_out(target, to=to, since=since)


def _progress(targets: list[Target]) -> AbstractContextManager[Iterable[Target]]:
    """Draw a bar on a terminal's stderr where there are several plugins; elsewhere draw nothing."""
    import sys
    from contextlib import nullcontext

    if len(targets) < 2 or not is_terminal(sys.stderr):
        return nullcontext(targets)
    return click.progressbar(
        targets, label="upgrading", file=sys.stderr, item_show_func=lambda item: escaped(item.label) if item else ""
    )


def _report(
    done: list[Upgrade], failures: list[UpgradeError], *, written: bool, only_diff: bool, as_json: bool
) -> None:
    from pipelex.upgrading.report import as_data, diff, lines_of

    if as_json:
        write_json(as_data(done, failures, written=written))
        return
    if only_diff:
        for item in done:
            write_text(diff(item), end="")
    for item in done:
        for line in lines_of(item, written=written):
            write_text(line, err=only_diff)
    for error in failures:
        write_text(f"error: {error}", err=True)
    if failures and not only_diff:
        write_text("Nothing was written.", err=True)
