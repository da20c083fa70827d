"""Upgrades a plugin from one API version to another: rewritten by the declared changes, proved by the type checker."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelex.spi.source_lines import source_lines
from pipelex.upgrading.edits import MARK, Undecided, apply, marks
from pipelex.upgrading.errors import UpgradeError
from pipelex.upgrading.files import demand_writable, encoded, read_text
from pipelex.upgrading.import_order import tidied
from pipelex.upgrading.rewrites import members, packaging, parameters, symbols
from pipelex.upgrading.rewrites.imports import write_imports
from pipelex.upgrading.rewrites.step import Step
from pipelex.upgrading.rewrites.uses import leave_uses, leave_values
from pipelex.upgrading.source_text import SourceText
from pipelex.upgrading.type_index import build_index
from pipelex.upgrading.unused_imports import without_unused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target
    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.edits import Edit
    from pipelex.upgrading.type_index import TypeIndex


@dataclass(frozen=True)
class DoneEdit:
    """One edit, and the change that asked for it.

    Attributes:
        path: The file.
        line: The line, as it was before the step of that version.
        what: What it did.
        change: The change.
    """

    path: Path
    line: int
    what: str
    change: ApiChange


@dataclass(frozen=True)
class LeftToAuthor:
    """One thing that the author has to decide.

    Attributes:
        path: The file.
        line: The line.
        reason: What has to be decided.
    """

    path: Path
    line: int
    reason: str


@dataclass
class Upgrade:
    """What an upgrade of one plugin comes to.

    Attributes:
        target: The plugin.
        old: The version that it was written against; that of ``new`` where there is nothing to do.
        new: The version that it is to fit.
        before: The text of each file that changes, as it is.
        after: The same, as it is to be.
        edits: Every edit.
        left: What the author has to decide.
        is_assumed: Whether the plugin states no version, and ``old`` is the oldest that it fits.
        states_number: Whether the plugin states a version as a number.
        constants: The constants of each module by which other modules state the version.
    """

    target: Target
    old: int
    new: int
    is_assumed: bool = False
    states_number: bool = True
    constants: dict[str, set[str]] = field(default_factory=dict)
    before: dict[Path, str] = field(default_factory=dict)
    after: dict[Path, str] = field(default_factory=dict)
    edits: list[DoneEdit] = field(default_factory=list)
    left: list[LeftToAuthor] = field(default_factory=list)

    @property
    def changed(self) -> list[Path]:
        """The files that change."""
        return [path for path, text in self.after.items() if text != self.before[path]]


def upgrade(target: Target, *, to: int | None = None, since: int | None = None) -> Upgrade:
    """Work out the upgrade of a plugin; nothing is written.

    Args:
        target: The plugin.
        to: The version that it is to fit; the newest if not given.
        since: The version that it was written against, where it does not say so itself.

    Raises:
        UpgradeError: It is no Python, or it is not clean on the version that it was written against.
        CheckError: The version is not shipped, or the type checker could not come to a verdict.
    """
    from pipelex.checking.spi_tree import spi_tree

    goal = spi_tree(to).api_version
    paths = {name: module.path for name, module in target.modules.items()}
    texts = {name: module.text for name, module in target.modules.items()}
    constants = packaging.constants_of(target.modules)
    numbers = {node.evaluated_value for _, node in packaging.stated_in(target.modules)}
    stated = _stated_version(target, numbers, goal, since)
    old = stated if stated is not None else _oldest_fitting(target, texts, goal)
    done = Upgrade(target, old, goal, is_assumed=stated is None, constants=constants, states_number=bool(numbers))
    if target.metadata is not None and packaging.is_rewritten(target.metadata.file):
        done.before[target.metadata.file] = done.after[target.metadata.file] = read_text(target.metadata.file)
    for number in range(old, goal):
        index = build_index(_sources(target, texts), spi_tree(number))
        if number == old:
            _demand_clean(target, index, old)
        texts = _one_step(done, texts, paths, index, number)
    if old < goal:
        texts = _prove(done, texts, paths, spi_tree(goal))
    for name, path in paths.items():
        done.before[path], done.after[path] = target.modules[name].text, texts[name]
    _leave_group(done)
    _remember_marks(done)
    done.left = list(dict.fromkeys(done.left))
    demand_writable({path: encoded(path, done.before[path], done.after[path]) for path in done.changed}, target.root)
    return done


def _sources(target: Target, texts: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (str(target.modules[name].path), text) for name, text in texts.items()}


# --- which version -------------------------------------------------------------------------------------


def _stated_version(target: Target, stated: set[int], goal: int, since: int | None) -> int | None:
    """Return the version that a plugin was written against, as the user or the plugin states it."""
    from pipelex.checking.spi_tree import spi_tree

    if len(stated) > 1 and since is None:
        numbers = " and ".join(str(number) for number in sorted(stated))
        raise _error(target, f"its plugins target versions {numbers}", "Upgrade them one by one, or pass --from")
    found = since if since is not None else next(iter(stated), None)
    if found is not None and found > goal:
        raise _error(
            target, f"it targets version {found}, which is newer than {goal}", "Pass --to with a newer version"
        )
    if found is not None and found < goal:
        spi_tree(found)
    return found


def _oldest_fitting(target: Target, texts: dict[str, str], goal: int) -> int:
    """Return the oldest version that a plugin fits which states none: ``targets_api = PLUGIN_API_VERSION``.

    A newer one may fit as well, but mypy's silence does not show that: it sees no change of a default value, and none
    of the entry-point group. The rewrites of a change that the plugin follows already do nothing.
    """
    from pipelex.checking.spi_tree import shipped_versions, spi_tree

    reached = [int(number) for text in texts.values() for number in _MARKED.findall(text)]
    if reached:  # an earlier run came so far, and left something to the author
        return min(max(reached), goal)
    candidates = [number for number in shipped_versions() if number <= goal and _has_group_of(target, number, goal)]
    for number in candidates:
        if not build_index(_sources(target, texts), spi_tree(number)).errors:
            return number
    among = " or ".join(str(number) for number in candidates) or "any that is shipped"
    reason = f"it states no version (targets_api = {packaging.IDIOM}) and is not clean on {among}"
    raise _error(target, reason, "Pass --from N, and fix what 'pipelex plugins check --api N' finds")


_MARKED = re.compile(rf"# {re.escape(MARK)} plugin API (\d+): ")


def _has_group_of(target: Target, number: int, goal: int) -> bool:
    """Return whether a plugin's entry points may be those of a version: the group is evidence of it."""
    from pipelex.spi.changes import changes_between

    groups = target.metadata.groups if target.metadata is not None else {}
    for change in changes_between(0, goal):
        is_new = change.new in groups
        is_evident = change.kind == packaging.KIND and is_new != (change.old in groups)
        if is_evident and is_new != (number >= change.version):
            return False
    return True


def _error(target: Target, reason: str, fix: str) -> UpgradeError:
    return UpgradeError(target=target.label, reason=reason, fix=fix)


# --- one version further -------------------------------------------------------------------------------


def _one_step(
    done: Upgrade, texts: dict[str, str], paths: dict[str, Path], index: TypeIndex, number: int
) -> dict[str, str]:
    """Rewrite every module from one version to the next."""
    from pipelex.checking.spi_tree import spi_tree
    from pipelex.spi.changes import changes_between

    changes = changes_between(number, number + 1)
    after = {}
    for name, text in texts.items():
        path = paths[name]
        source = SourceText(name, str(path), text)
        step = Step(source, index.modules[name], spi_tree(number), spi_tree(number + 1))
        _rewrite(step, changes, number, done)
        rewritten = step.finish()
        _demand_python(done.target, path, rewritten, number + 1)
        rewritten = without_unused(source, rewritten, _imported_from(done.target, name))
        after[name] = tidied(source, rewritten, packaging.line_length(done.target.root))
        done.edits += [DoneEdit(path, edit.line, edit.what, edit.change) for edit in sorted(step.edits, key=_place)]
        done.left += [LeftToAuthor(path, item.line, item.reason) for item in step.undecided]
    _rewrite_metadata(done, changes)
    return after


def _imported_from(target: Target, name: str) -> set[str]:
    """Return the names that other modules of a plugin import from a module."""
    imports = (one for module in target.modules.values() for one in module.imports)
    return {one.name for one in imports if one.module == name and one.name is not None}


def _place(edit: Edit) -> tuple[int, int]:
    return edit.start, edit.end


def _demand_python(target: Target, path: Path, text: str, number: int) -> None:
    import ast

    try:
        ast.parse(text)
    except SyntaxError as exc:
        reason = f"the changes of version {number} make no Python of {path} ({exc.msg}); the file itself is in order"
        raise _error(target, reason, f"Upgrade it by hand (docs/api-versions/v{number}.md), and report this") from exc


def _rewrite(step: Step, changes: Sequence[ApiChange], number: int, done: Upgrade) -> None:
    symbols.rewrite(step, [change for change in changes if change.kind in symbols.KINDS])
    for change in changes:
        if change.kind in parameters.KINDS:
            parameters.rewrite(step, change)
            leave_values(step, change, "its parameters changed")
        elif change.kind in members.RENAMES:
            members.rename(step, change)
        elif change.kind == "async-changed":
            members.turn_async(step, change)
        elif change.kind == "return-wrapped":
            members.wrap_return(step, change)
        elif change.kind in {"abstract-added", "protocol-member-added"}:
            members.add_member(step, change)
        elif change.kind == packaging.KIND:
            packaging.regroup_strings(step, change)
        elif change.kind not in symbols.KINDS:
            leave_uses(step, change)
    packaging.restate(step, number, version_change(number + 1), done.constants.get(step.source.name, ()))
    if not done.states_number and number + 1 == done.new:
        packaging.leave_unknown(step, version_change(done.new))
    write_imports(step)


def version_change(number: int) -> ApiChange:
    """Return what the edit of ``targets_api`` is put down to.

    Args:
        number: The new version.
    """
    from pipelex.spi.changes import ApiChange

    return ApiChange(
        version=number,
        revision=0,
        kind="api-version-changed",
        symbol="pipelex.plugins.contract:PLUGIN_API_VERSION",
        old=str(number - 1),
        new=str(number),
        says=f"the plugin API is version {number}",
        why="a plugin states the version that it fits",
        migration="",
        todo="",
    )


def _rewrite_metadata(done: Upgrade, changes: Sequence[ApiChange]) -> None:
    """Move the entry points to another group, where the target's own files state them."""
    metadata = done.target.metadata
    for change in changes:
        if change.kind != packaging.KIND or metadata is None:
            continue
        text = done.after.get(metadata.file, "")
        new = packaging.regroup(text, change, metadata.file)
        if new != text:
            line = metadata.place(change.old).line
            done.edits.append(DoneEdit(metadata.file, line, f"the group is {change.new}", change))
            done.after[metadata.file] = new


def _leave_group(done: Upgrade) -> None:
    """Leave entry points that are still in a former group to the author: no type shows that core looks elsewhere.

    They may be stated by the project above a package, by an installed distribution, or beside a raised version.
    """
    from pipelex.spi.changes import changes_between

    groups_changed = [change for change in changes_between(0, done.new) if change.kind == packaging.KIND]
    if not groups_changed:
        return
    metadata = done.target.metadata or packaging.metadata_above(done.target.root)
    if metadata is None or done.after.get(metadata.file) != done.before.get(metadata.file):
        return
    for change in groups_changed:
        if change.old in metadata.groups and groups_changed[-1].new not in metadata.groups:
            reason = f"declare the entry points in the group '{groups_changed[-1].new}', no longer in '{change.old}'"
            done.left.append(LeftToAuthor(metadata.file, metadata.place(change.old).line, reason))


# --- proof ---------------------------------------------------------------------------------------------


def _demand_clean(target: Target, index: TypeIndex, number: int) -> None:
    errors = index.errors
    if not errors:
        return
    first = errors[0]
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    reason = (
        f"it is not clean on version {number}, so nothing could be proved "
        f"({first.file}:{first.line}: {first.message}{more})"
    )
    raise _error(target, reason, f"Fix what 'pipelex plugins check --api {number}' finds, then run again")


def _prove(done: Upgrade, texts: dict[str, str], paths: dict[str, Path], spi: SpiTree) -> dict[str, str]:
    """Check the rewritten plugin on the new stubs; what the type checker still finds is the author's to decide."""
    found: dict[str, list[Undecided]] = {}
    sources = {name: SourceText(name, str(paths[name]), text) for name, text in texts.items()}
    for error in build_index(_sources(done.target, texts), spi).errors:
        name = error.module
        if not name:
            raise _error(done.target, f"{error.file}:{error.line}: {error.message}", "Install pipelex again")
        start = sources[name].statement_start(error.line)
        above = texts[name][:start].rstrip(" \t").rstrip("\n").rpartition("\n")[2]
        if MARK in above:
            continue  # the same statement is marked already
        reason = f"plugin API {spi.api_version}: mypy reports: {error.message}"
        found.setdefault(name, []).append(Undecided(line=error.line, start=start, reason=reason))
        done.left.append(LeftToAuthor(paths[name], error.line, reason))
    return {name: apply(text, marks(text, found.get(name, ()))) for name, text in texts.items()}


def _remember_marks(done: Upgrade) -> None:
    """Add the marks of an earlier run that are still there: they are as undecided as before."""
    known = {(item.path, item.reason) for item in done.left}
    for path, text in done.before.items():
        for number, line in enumerate(source_lines(text), start=1):
            _, mark, reason = line.rstrip("\n").partition(f"# {MARK} ")
            if mark and (path, reason) not in known:
                done.left.append(LeftToAuthor(path, number, reason))


def write(upgrades: Sequence[Upgrade]) -> None:
    """Write upgrades: all files of a plugin or none of them, and those of all plugins are staged before the first.

    Args:
        upgrades: What was worked out.

    Raises:
        UpgradeError: A file cannot be written.
    """
    from contextlib import ExitStack

    from pipelex.spi.files import WriteError, file_set

    try:
        with ExitStack() as stack:
            sets = []
            for item in upgrades:
                files = stack.enter_context(file_set(item.target.root))
                for path in item.changed:
                    files.add(path, encoded(path, item.before[path], item.after[path]))
                sets.append(files)
            for files in sets:
                files.commit()
    except WriteError as exc:
        reason = f"it cannot be written ({exc.reason})"
        raise UpgradeError(target=str(exc.file), reason=reason, fix="Make it writable and run again") from exc
