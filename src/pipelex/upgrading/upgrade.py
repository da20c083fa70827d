"""Upgrades a plugin from one API version to another: rewritten by the declared changes, proved by the type checker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelex.upgrading.edits import MARK, Edit, Undecided, apply, marked
from pipelex.upgrading.errors import UpgradeError
from pipelex.upgrading.rewrites import members, packaging, parameters, symbols
from pipelex.upgrading.rewrites.imports import write_imports
from pipelex.upgrading.rewrites.step import Step, plain
from pipelex.upgrading.source_text import SourceText
from pipelex.upgrading.type_index import build_index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target
    from pipelex.spi.changes import ApiChange
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
    """

    target: Target
    old: int
    new: int
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
    old = _version(target, texts, goal, since)
    done = Upgrade(target, old, goal)
    if target.metadata is not None and old < goal:
        done.before[target.metadata.file] = done.after[target.metadata.file] = _read(target.metadata.file)
    for number in range(old, goal):
        index = build_index(_sources(target, texts), spi_tree(number))
        if number == old:
            _demand_clean(target, index, old)
        texts = _one_step(done, texts, paths, index, number)
    if old < goal:
        texts = _prove(done, texts, paths, spi_tree(goal))
    for name, path in paths.items():
        done.before[path], done.after[path] = target.modules[name].text, texts[name]
    _remember_marks(done)
    return done


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _sources(target: Target, texts: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (str(target.modules[name].path), text) for name, text in texts.items()}


# --- which version -------------------------------------------------------------------------------------


def _version(target: Target, texts: dict[str, str], goal: int, since: int | None) -> int:
    """Return the version that a plugin was written against: as it is told, as it says, or as it proves."""
    from pipelex.checking.spi_tree import shipped_versions, spi_tree

    stated = _stated(target, texts)
    if len(stated) > 1 and since is None:
        numbers = " and ".join(str(number) for number in sorted(stated))
        raise _error(target, f"its plugins target versions {numbers}", "Upgrade them one by one, or pass --from")
    found = since if since is not None else next(iter(stated), None)
    if found is None:  # targets_api = PLUGIN_API_VERSION says nothing: what it compiles on does
        candidates = [number for number in shipped_versions() if number <= goal]
        for number in reversed(candidates):
            if not build_index(_sources(target, texts), spi_tree(number)).errors:
                return number
        reason = f"it says no version (targets_api = {packaging.IDIOM}) and is clean on none that is shipped"
        raise _error(target, reason, "Pass --from N, and fix what 'pipelex plugins check --api N' finds")
    if found > goal:
        raise _error(
            target, f"it targets version {found}, which is newer than {goal}", "Pass --to with a newer version"
        )
    if found < goal:
        spi_tree(found)
    return found


def _stated(target: Target, texts: dict[str, str]) -> set[int]:
    found = set()
    for name, text in texts.items():
        if packaging.ATTRIBUTE in text:
            source = SourceText(name, str(target.modules[name].path), text)
            found |= {node.evaluated_value for node in packaging.stated_versions(source)}
    return found


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
    published = spi_tree(number + 1).home
    steps = {}
    for name, text in texts.items():
        source = SourceText(name, str(paths[name]), text)
        steps[name] = Step(source, index.modules[name], spi_tree(number), published)
    own = {change: _own_implementations(steps, change) for change in changes}
    after = {}
    for name, step in steps.items():
        _rewrite(step, changes, own, number)
        after[name] = _applied(done.target, step)
        path = paths[name]
        done.edits += [DoneEdit(path, edit.line, edit.what, edit.change) for edit in sorted(step.edits, key=_place)]
        done.left += [LeftToAuthor(path, item.line, item.reason) for item in step.undecided]
    _rewrite_metadata(done, changes)
    return after


def _place(edit: Edit) -> tuple[int, int]:
    return edit.start, edit.end


def _own_implementations(steps: dict[str, Step], change: ApiChange) -> set[str]:
    """Return the plugin's own functions that implement a symbol: who calls them by keyword follows."""
    if change.kind not in parameters.KINDS:
        return set()
    import libcst as cst

    found = set()
    for name, step in steps.items():
        for function in step.implementations(plain(change.symbol)):
            around = [
                item for item in step.source.ancestors(function) if isinstance(item, cst.FunctionDef | cst.ClassDef)
            ]
            if all(isinstance(item, cst.ClassDef) for item in around):
                path = ".".join([*(item.name.value for item in reversed(around)), function.name.value])
                found.add(plain(f"{name}:{path}"))
    return found


def _rewrite(step: Step, changes: Sequence[ApiChange], own: dict[ApiChange, set[str]], number: int) -> None:
    symbols.rewrite(step, [change for change in changes if change.kind in symbols.KINDS])
    for change in changes:
        if change.kind in parameters.KINDS:
            parameters.rewrite(step, change, own[change])
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
        elif change.todo:
            _leave_uses(step, change)
    packaging.restate(step, number, version_change(number + 1))
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


def _leave_uses(step: Step, change: ApiChange) -> None:
    """Leave whatever calls, implements or reads a symbol to the author: the entry says that no code can do it."""
    symbol = plain(change.symbol)
    for function in step.implementations(symbol):
        step.leave(function, change, change.todo)
    for call in step.calls({symbol}):
        step.leave(call, change, change.todo)
    for node in step.members(change.symbol):
        step.leave(node, change, change.todo)


def _applied(target: Target, step: Step) -> str:
    """Return the new text of a module, with marks above what is undecided."""
    marks = [
        Edit(
            start=item.start, end=item.start, text="", line=item.line, change=item.change or version_change(0), what=""
        )
        for item in step.undecided
    ]
    try:
        text = apply(step.source.text, [*step.edits, *marks])
    except ValueError as exc:
        reason = f"{step.source.path}: two changes want different things of one place ({exc})"
        raise _error(target, reason, "Upgrade one version at a time with --to, or by hand") from exc
    if not step.undecided:
        return text
    moved = [
        Undecided(line=item.line, start=_moved(item.start, step.edits), reason=item.reason, change=item.change)
        for item in step.undecided
    ]
    return marked(text, moved)


def _moved(offset: int, edits: Sequence[Edit]) -> int:
    """Return where an offset is after some edits."""
    unique = {(edit.start, edit.end, edit.text) for edit in edits}
    return offset + sum(len(text) - (end - start) for start, end, text in unique if start < offset)


def _rewrite_metadata(done: Upgrade, changes: Sequence[ApiChange]) -> None:
    metadata = done.target.metadata
    if metadata is None or metadata.file.name != "pyproject.toml":
        return
    for change in changes:
        if change.kind == packaging.KIND:
            text = done.after[metadata.file]
            new = packaging.regroup(text, change)
            if new != text:
                line = metadata.place(change.old).line
                done.edits.append(DoneEdit(metadata.file, line, f"the group is {change.new}", change))
            done.after[metadata.file] = new


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
        before = texts[name][:start].rstrip(" \t").splitlines()
        if before and MARK in before[-1]:
            continue  # the same statement is marked already
        reason = f"plugin API {spi.api_version}: mypy says: {error.message}"
        found.setdefault(name, []).append(Undecided(line=error.line, start=start, reason=reason, change=None))
        done.left.append(LeftToAuthor(paths[name], error.line, reason))
    return {name: marked(text, found.get(name, ())) for name, text in texts.items()}


def _remember_marks(done: Upgrade) -> None:
    """Count marks of an earlier run that nobody has dealt with: they are as undecided as before."""
    known = {(item.path, item.reason) for item in done.left}
    for path, text in done.before.items():
        for number, line in enumerate(text.splitlines(), start=1):
            _, mark, reason = line.partition(f"# {MARK} ")
            if mark and (path, reason) not in known:
                done.left.append(LeftToAuthor(path, number, reason))


def write(upgrades: Sequence[Upgrade]) -> None:
    """Write upgrades: all files of a plugin or none of them, and those of all plugins are staged before the first.

    Line breaks, encodings, modes and symbolic links are kept.

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
                    files.add(path, _encoded(item.after[path], path))
                sets.append(files)
            for files in sets:
                files.commit()
    except WriteError as exc:
        reason = f"it cannot be written ({exc.reason})"
        raise UpgradeError(target=str(exc.file), reason=reason, fix="Make it writable and run again") from exc


def _encoded(text: str, path: Path) -> bytes:
    """Encode a text as its file is: with its line breaks, its encoding and its byte order mark."""
    import tokenize

    with path.open("rb") as file:
        encoding = tokenize.detect_encoding(file.readline)[0]
        file.seek(0)
        line_break = "\r\n" if b"\r\n" in file.read() else "\n"
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return text.replace("\n", line_break).encode(encoding)
