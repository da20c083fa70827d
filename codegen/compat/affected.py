"""Which real plugins a change breaks: each is type-checked on both trees; no code of a plugin is executed.

A plugin is read as ``pipelex plugins check`` reads it. That is why this module, alone of this package, imports more of
``pipelex`` than its base, and only when it is asked.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.compat.drafting.drafts import API_VERSION
from codegen.compat.reading.facts import entry_point_group
from codegen.errors import CodegenError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.metadata import Distribution

    from codegen.compat.model import Verdict
    from codegen.compat.reading.trees import StubTree
    from pipelex.checking.findings import CheckError
    from pipelex.checking.targets import Target
    from pipelex.spi.type_check import World

BROKEN, REFUSED, FITS, COULD_NOT_TELL = "broken", "refused", "fits", "could not tell"
_GROUP_CHANGED = "entry-point-group-changed"
_WHEEL, _SDISTS = ".whl", (".tar.gz", ".zip")


@dataclass(frozen=True)
class Evidence:
    """A line that shows an outcome.

    Attributes:
        file: The file, relative to the plugin's folder.
        line: The line, counted from 1.
        message: What is wrong with it.
    """

    file: str
    line: int
    message: str


@dataclass(frozen=True)
class PluginOutcome:
    """What a change does to one plugin.

    Attributes:
        plugin: The plugin, as it was named.
        outcome: ``"broken"``: its code or its metadata does not fit the new tree. ``"refused"``: they fit, but it
            states another API version than the one it would meet. ``"fits"``. ``"could not tell"``.
        targets_api: The API versions that it states as numbers.
        requires: Its requirements on pipelex, as they are written.
        evidence: The lines that show it.
        reason: Why it could not be told; empty otherwise.
    """

    plugin: str
    outcome: str
    targets_api: tuple[int, ...] = ()
    requires: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""


def affected(
    verdict: Verdict, old: StubTree, new: StubTree, names: Sequence[str], *, is_released: bool = True
) -> list[PluginOutcome]:
    """Check plugins against a change.

    Args:
        verdict: What changed between the trees, its witnesses included.
        old: The old tree.
        new: The new tree.
        names: Folders, wheels, sdists, ``.py`` files, installed distributions; none: all installed plugins.
        is_released: Whether a break raises the API version: one that is not released may be frozen anew.

    Returns:
        The outcome of each plugin.

    Raises:
        CodegenError: The author's check cannot be imported, or a tree has no API version.
    """
    try:
        from pipelex.checking.findings import CheckError
        from pipelex.spi.type_check import World
    except ImportError as exc:
        raise CodegenError(Problem("src/pipelex/checking", 0, "", f"cannot be imported ({exc})")) from exc

    outcomes: list[PluginOutcome] = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spi-plugins-")))
        sides = {"old": old, "new": new}
        # no cache: mypy would take a module of the same name for that of another plugin
        worlds = [World(_written(tree, scratch / side), others_are_any=True) for side, tree in sides.items()]
        version = _version_after(verdict, old, new) if is_released else _version(new)
        readers = {name: partial(_targets, name, scratch / str(number)) for number, name in enumerate(names)}
        for name, read in (readers or _installed(entry_point_group(old.facts))).items():
            try:
                outcomes += [_outcome(target, verdict, worlds, version) for target in read()]
            except CheckError as exc:
                outcomes.append(PluginOutcome(name, COULD_NOT_TELL, reason=f"{exc.reason}. {exc.fix}"))
    return outcomes


def _version_after(verdict: Verdict, old: StubTree, new: StubTree) -> int:
    """Return the API version that plugins meet after the change: a break raises it, at the latest in the next bump."""
    before, after = _version(old), _version(new)
    return after + 1 if verdict.breaks and after == before else after


def _version(tree: StubTree) -> int:
    module, _, name = API_VERSION.partition(":")
    path = f"{module.replace('.', '/')}.pyi"
    found = re.search(rf"^{name}\b[^=\n]*= *(\d+)", tree.files.get(path, ""), re.MULTILINE)
    if found is None:
        raise CodegenError(
            Problem(path, 0, tree.label, f"no line '{name}: Final = N'; --plugins needs the API version")
        )
    return int(found[1])


def _written(tree: StubTree, folder: Path) -> Path:
    for path, text in tree.files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


# --- plugins -------------------------------------------------------------------------------------------


def _installed(group: str) -> dict[str, Callable[[], list[Target]]]:
    """Return how to read each installed distribution that announces plugins; a folder of its name is another plugin."""
    from importlib.metadata import entry_points

    found = {entry.dist.name: entry.dist for entry in entry_points(group=group) if entry.dist is not None}
    return {name: partial(_of_distribution, name, found[name]) for name in sorted(found)}


def _of_distribution(name: str, dist: Distribution) -> list[Target]:
    from pipelex.checking.targets import distribution_target

    return [distribution_target(name, dist)]


def _targets(name: str, scratch: Path) -> list[Target]:
    """Read what a name means: an archive is unpacked, anything else is what ``pipelex plugins check`` takes.

    Raises:
        CheckError: It means nothing, or cannot be read.
    """
    from pipelex.checking.targets import resolve

    is_archive = name.endswith((_WHEEL, *_SDISTS)) and Path(name).is_file()
    found = _unpacked(name, scratch) if is_archive else resolve(name)
    for target in found:
        if not target.entry_points and target.metadata is None:
            raise _unreadable(name, "it holds no plugin: no class has name, targets_api and register")
    return found


def _unpacked(name: str, folder: Path) -> list[Target]:
    import tarfile
    import zipfile
    from importlib.metadata import PathDistribution

    from pipelex.checking.targets import resolve

    try:
        if name.endswith(".tar.gz"):
            with tarfile.open(name) as archive:
                archive.extractall(folder, filter="data")
        else:
            with zipfile.ZipFile(name) as wheel:
                wheel.extractall(folder)  # noqa: S202
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as exc:
        raise _unreadable(name, f"it cannot be unpacked ({type(exc).__name__}: {exc})") from exc
    if name.endswith(_WHEEL):
        described = next(folder.glob("*.dist-info"), None)
        if described is None:
            raise _unreadable(name, "it is no wheel: it has no .dist-info")
        try:
            return _of_distribution(name, PathDistribution(described))
        except (TypeError, ValueError) as exc:  # of importlib.metadata, at a line that is no row of RECORD
            raise _unreadable(name, f"its .dist-info cannot be read ({exc})") from exc
    tops = [path for path in folder.iterdir() if path.is_dir()]
    found = resolve(str(tops[0] if len(tops) == 1 else folder))
    for target in found:
        target.label = name
    return found


def _unreadable(name: str, reason: str) -> CheckError:
    from pipelex.checking.findings import CheckError

    return CheckError(target=name, reason=reason, fix="Name a plugin's folder, wheel, sdist or distribution")


# --- one plugin ----------------------------------------------------------------------------------------


def _outcome(target: Target, verdict: Verdict, worlds: Sequence[World], version: int) -> PluginOutcome:
    """Return what a change does to a plugin.

    Raises:
        CheckError: mypy reached no verdict.
    """
    metadata = target.metadata
    stated = list(_stated(target, version))
    required = metadata.requirements if metadata is not None else ()
    requires = tuple(dict.fromkeys(one.text for one in required if one.name == "pipelex"))
    numbers = tuple(sorted({number for number, _ in stated}))

    def result(outcome: str, evidence: Sequence[Evidence] = (), reason: str = "") -> PluginOutcome:
        return PluginOutcome(target.label, outcome, numbers, requires, tuple(evidence), reason)

    before, after = (list(_type_errors(target, world)) for world in worlds)
    if before:
        return result(COULD_NOT_TELL, before, "it is not clean on the old tree, so nothing can be concluded")
    after += _former_group(target, verdict)
    if after:
        return result(BROKEN, after)
    if refused := [place for number, place in stated if number != version]:
        return result(REFUSED, refused)
    decided = {_GROUP_CHANGED} if metadata is not None else set()
    unseen = [one.id for one in verdict.breaks if not one.confirmed and one.kind not in decided]
    if unseen:
        return result(COULD_NOT_TELL, reason=f"no type shows whether it depends on {', '.join(unseen)}")
    return result(FITS)


def _type_errors(target: Target, world: World) -> Iterator[Evidence]:
    from pipelex.checking.findings import CheckError
    from pipelex.checking.type_check import check_types
    from pipelex.spi.type_check import SourceFile

    files = {name: SourceFile(str(module.path)) for name, module in {**target.modules, **target.context}.items()}
    for error in check_types(target.label, files, world).diagnostics:
        if not error.module:
            reason = f"the stubs are at fault ({error.file}:{error.line}: {error.message})"
            raise CheckError(target=target.label, reason=reason, fix="Run: python -m codegen")
        yield Evidence(_shown(Path(error.file), target), error.line, f"{error.message} [{error.code}]")


def _former_group(target: Target, verdict: Verdict) -> Iterator[Evidence]:
    """Yield the entry points that core no longer looks for."""
    groups = target.metadata.groups if target.metadata is not None else {}
    for finding in verdict.breaks:
        former, group = finding.detail.get("from", ""), finding.detail.get("to", "")
        if finding.kind == _GROUP_CHANGED and former in groups and group not in groups:
            place = target.metadata.place(former) if target.metadata is not None else None
            if place is not None:
                message = f"core looks for plugins in '{group}', no longer in '{former}'"
                yield Evidence(_shown(Path(str(place.file)), target), place.line, message)


def _stated(target: Target, version: int) -> Iterator[tuple[int, Evidence]]:
    """Yield the API versions that a plugin states as numbers, each with its place."""
    from pipelex.upgrading.rewrites.packaging import stated_in

    for source, node in stated_in(target.modules):
        number = int(node.evaluated_value)
        message = f"it states API version {number}; core will be at {version}"
        yield number, Evidence(_shown(Path(source.path), target), source.line(node), message)


def _shown(path: Path, target: Target) -> str:
    return str(path.relative_to(target.root)) if path.is_relative_to(target.root) else str(path)


# --- reports -------------------------------------------------------------------------------------------


def as_text(outcomes: Sequence[PluginOutcome]) -> str:
    """Write outcomes for people, those that break first.

    Args:
        outcomes: The outcomes.
    """
    order = (BROKEN, REFUSED, COULD_NOT_TELL, FITS)
    lines = [f"Plugins: {', '.join(f'{_count(outcomes, one)} {one}' for one in order)}"]
    for item in sorted(outcomes, key=lambda item: order.index(item.outcome)):
        stated = ", ".join(map(str, item.targets_api)) or "no number"
        lines.append(f"{item.outcome:<14}  {item.plugin} (targets_api: {stated}; {'; '.join(item.requires) or '-'})")
        lines += [f"  {item.reason}"] if item.reason else []
        lines += [f"  {one.file}:{one.line}: {one.message}" for one in item.evidence]
    return "\n".join(lines) + "\n"


def _count(outcomes: Sequence[PluginOutcome], outcome: str) -> int:
    return sum(item.outcome == outcome for item in outcomes)


def as_data(outcomes: Sequence[PluginOutcome]) -> list[dict[str, object]]:
    """Return outcomes for a program.

    Args:
        outcomes: The outcomes.
    """
    return [asdict(item) for item in outcomes]


def exit_code(outcomes: Sequence[PluginOutcome]) -> int:
    """Return 1 where a plugin is broken or refused, 2 where of one it could not be told or there is none, else 0.

    Args:
        outcomes: The outcomes.
    """
    found = {item.outcome for item in outcomes}
    if found & {BROKEN, REFUSED}:
        return 1
    return 2 if not found or COULD_NOT_TELL in found else 0
