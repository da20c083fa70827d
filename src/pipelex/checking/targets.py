"""From the arguments of the command line to modules, entry points and metadata. Nothing of a target is imported."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.checking.findings import CheckError
from pipelex.checking.spi_tree import lock
from pipelex.installation import origin_of
from pipelex.plugins.installed import ENTRY_POINT_GROUP
from pipelex.reading.metadata import (
    DESCRIBING_FILES,
    Declaration,
    Metadata,
    installed_metadata,
    is_project,
    project_metadata,
    read_text,
)
from pipelex.reading.place import UnreadableError
from pipelex.reading.plugin_code import PluginCode
from pipelex.reading.source import SourceModule, read_module
from pipelex.spi.changes import former_entry_point_groups
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.metadata import Distribution

    from pipelex.spi.lock import LockedBuiltin

BUILTIN_PREFIX = "builtin:"
BUILTINS_MODULE = "pipelex.generated.builtins"
PROVIDERS = "pipelex.providers"
_SOURCE_ROOT = Path(__file__).resolve().parents[2]

_NOT_SHIPPED = frozenset(
    {"benchmarks", "bin", "build", "demo", "dist", "doc", "docs", "env", "examples", "htmlcov", "node_modules"}
    | {"scripts", "site-packages", "target", "tasks", "test", "tests", "tools", "venv"}
)
"""The folders beside a flat package that are no part of it."""
_NOT_SHIPPED_FILES = re.compile(r"(conftest|noxfile|setup|tasks|test_.*|.*_test)\.py")


@dataclass(kw_only=True)
class Target:
    """One thing to check.

    Attributes:
        label: What the user calls it.
        root: Where files are shown relative to.
        modules: The modules that are judged, by name.
        context: Modules that are seen by the type checker and not judged.
        entry_points: How its plugins are found.
        metadata: That of its distribution; ``None`` for a file, a bare package and a built-in.
        builtin: Its row, where it is a built-in.
        paths: The folders that its modules are imported from.
    """

    label: str
    root: Path
    modules: dict[str, SourceModule]
    entry_points: tuple[Declaration, ...] = ()
    metadata: Metadata | None = None
    builtin: LockedBuiltin | None = None
    context: dict[str, SourceModule] = field(default_factory=dict)
    paths: tuple[Path, ...] = ()

    def is_own(self, importer: str, imported: str) -> bool:
        """Return whether a module is the target's own, as seen from one of its modules.

        Args:
            importer: The module that imports.
            imported: The module that is imported.
        """
        if self.builtin is not None:
            if importer == BUILTINS_MODULE:
                return imported.startswith(f"{PROVIDERS}.")
            own_folder = ".".join(importer.split(".")[:3])
            return imported == own_folder or imported.startswith(f"{own_folder}.")
        if imported in self.modules:
            return True
        return any(name.startswith(f"{imported}.") for name in self.modules)

    def module_at(self, path: Path) -> SourceModule | None:
        """Return the judged module of a file.

        Args:
            path: The file.
        """
        return next((module for module in self.modules.values() if module.path == path), None)


def resolve(name: str) -> list[Target]:
    """Find out what a name on the command line means.

    Args:
        name: A folder, a file, ``builtin:NAME``, an installed distribution or an entry-point name.

    Returns:
        The target; several for a folder that holds several plugin projects.

    Raises:
        CheckError: It means nothing, or it cannot be read.
    """
    try:
        return _resolved(name)
    except UnreadableError as exc:
        raise unchecked(exc) from exc


def unchecked(error: UnreadableError) -> CheckError:
    """Return the error of a check that cannot be completed because something cannot be read.

    Args:
        error: Why it cannot be read.
    """
    return CheckError(target=error.subject, reason=error.reason, fix=error.fix)


def _resolved(name: str) -> list[Target]:
    if name.startswith(BUILTIN_PREFIX):
        return [_builtin(name)]
    path = Path(name)
    if path.is_dir():
        return _folder(name, path.resolve())
    if path.is_file():
        return [_file(name, path.resolve())]
    if path.suffix == ".py" or len(path.parts) > 1:
        raise _unknown(name, "there is no such file or folder")
    return [_installed(name)]


def _unknown(name: str, reason: str) -> CheckError:
    fix = "A target is a folder, a .py file, an installed distribution, an entry-point name, or builtin:NAME"
    return CheckError(target=name, reason=reason, fix=fix)


# --- files and folders ---------------------------------------------------------------------------------


def _file(label: str, path: Path) -> Target:
    if path.suffix in (".gz", ".whl", ".zip"):
        fix = "Install it and check it by its name, or unpack it and check the folder"
        raise CheckError(target=label, reason="it is an archive", fix=fix)
    if path.suffix != ".py":
        raise _unknown(label, "it is no Python file")
    root = _root_of(path)
    name = _module_name(path, root)
    modules = _reachable([name], lambda wanted: _find(root, wanted))
    return _looked_at(Target(label=label, root=root, modules=modules, paths=(root,)), only=name)


def _folder(label: str, folder: Path) -> list[Target]:
    if is_project(folder):
        return [_project(label, folder, project_metadata(folder))]
    if (folder / "__init__.py").is_file():
        return [_package(label, folder)]
    projects = sorted({path.parent for path in folder.glob("*/*") if _announces_a_plugin(path)})
    if projects:
        return [_project(str(Path(label) / one.name), one, project_metadata(one)) for one in projects]
    modules = _modules_below(folder, flat=True)
    if not modules:
        raise CheckError(target=label, reason="there is no Python module in it", fix="Name a plugin's folder")
    return [_looked_at(Target(label=label, root=folder, modules=modules, paths=(folder,)))]


def _announces_a_plugin(path: Path) -> bool:
    if path.name not in DESCRIBING_FILES or not path.is_file():
        return False
    text = read_text(path)
    return any(group in text for group in (ENTRY_POINT_GROUP, *former_entry_point_groups()))


def _package(label: str, folder: Path) -> Target:
    root = _root_of(folder / "__init__.py")
    prefix = ".".join(folder.relative_to(root).parts)
    modules = {
        name: module
        for name, module in _modules_below(root, below=folder).items()
        if f"{name}.".startswith(f"{prefix}.")
    }
    return _looked_at(Target(label=label, root=folder, modules=modules, paths=(root,)))


def _project(label: str, folder: Path, metadata: Metadata) -> Target:
    entry_points = metadata.declarations
    former = [entry for group in former_entry_point_groups() for entry in metadata.declared_in(group)]
    roots = [root for entry in entry_points or former if (root := _project_root(folder, entry.module)) is not None]
    if not roots:
        roots = [folder / "src" if (folder / "src").is_dir() else folder]
    modules: dict[str, SourceModule] = {}
    for root in dict.fromkeys(roots):
        modules.update(_modules_below(root, flat=root == folder))
    if not modules:
        reason = "there is no Python module in it"
        raise CheckError(target=label, reason=reason, fix="Name the folder that holds the plugin's package")
    return Target(
        label=label,
        root=folder,
        modules=modules,
        entry_points=entry_points,
        metadata=metadata,
        paths=tuple(dict.fromkeys(roots)),
    )


def _project_root(folder: Path, module: str) -> Path | None:
    """Return the folder that a project's module is imported from: ``src``, the project itself, or one below."""
    below = (path for path in sorted(folder.glob("*")) if path.is_dir() and not path.name.startswith("."))
    candidates = (folder / "src", folder, *(path for path in below if path.name not in _NOT_SHIPPED))
    return next((root for root in candidates if _find(root, module) is not None), None)


def _looked_at(target: Target, *, only: str | None = None) -> Target:
    """Give a target without metadata the plugins that its classes and instances look like."""
    code = PluginCode(target.label, target.modules, ())
    modules = [module for name, module in target.modules.items() if only in (None, name)]
    target.entry_points = tuple(
        Declaration(name="", module=module.name, attribute=attribute)
        for module in modules
        for attribute in code.plugins_in(module)
    )
    return target


def _root_of(path: Path) -> Path:
    """Return the first folder above a module that is no regular package."""
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def _module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _find(root: Path, module: str) -> Path | None:
    stem = root.joinpath(*module.split("."))
    return next((path for path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")) if path.is_file()), None)


def _modules_below(root: Path, *, flat: bool = False, below: Path | None = None) -> dict[str, SourceModule]:
    """Read the modules that are imported from a root.

    Args:
        root: The root.
        flat: Whether it also holds what is no part of the package: tests, docs, build folders.
        below: Only what lies below this folder.
    """
    found = {}
    for path in _python_files(below or root, flat=flat):
        parts = path.relative_to(root).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            name = _module_name(path, root)
            found[name] = read_module(name, path)
    return found


def _python_files(folder: Path, *, flat: bool) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            if path.is_symlink() and folder.resolve().is_relative_to(path.resolve()):
                continue  # a link to a folder above it has no end
            if not (flat and (path.name in _NOT_SHIPPED or (path / "pyvenv.cfg").exists())):
                yield from _python_files(path, flat=False)
        elif path.suffix == ".py" and not (flat and _NOT_SHIPPED_FILES.fullmatch(path.name)):
            yield path


def _reachable(names: Iterable[str], find: Callable[[str], Path | None]) -> dict[str, SourceModule]:
    """Read modules, and whatever they import that is found too; the packages above them included."""
    found: dict[str, SourceModule] = {}
    pending = list(names)
    while pending:
        name = pending.pop()
        path = find(name)
        if name in found or path is None:
            continue
        module = found[name] = read_module(name, path)
        pending += [name.rpartition(".")[0]] if "." in name else []
        for one in module.imports:
            pending += [one.module, f"{one.module}.{one.name}" if one.name else one.module]
    return found


# --- installed distributions ---------------------------------------------------------------------------


def _installed(name: str) -> Target:
    from importlib.metadata import PackageNotFoundError, distribution, entry_points

    group = ENTRY_POINT_GROUP
    is_builtin = any(row.name == name for row in lock().builtins)
    try:
        dist = distribution(name)
        if not is_builtin or dist.entry_points.select(group=group):
            return distribution_target(name, dist)
    except (PackageNotFoundError, ValueError):
        pass
    if is_builtin:  # and no vendor's SDK of that name, which announces no plugin
        return _builtin(f"{BUILTIN_PREFIX}{name}")
    announced = [entry for entry in entry_points(group=group) if canonical(entry.name) == canonical(name)]
    for entry in announced:
        if entry.dist is not None:
            return distribution_target(name, entry.dist)
    known = ", ".join(sorted(entry.name for entry in entry_points(group=group))) or "none"
    raise _unknown(
        name, f"no such file or folder, no installed distribution, no entry point (installed plugins: {known})"
    )


def distribution_target(label: str, dist: Distribution) -> Target:
    """Make a target of a distribution: an installed one, or an unpacked wheel.

    Args:
        label: What the user calls it.
        dist: The distribution.

    Returns:
        The target; an editable installation is read from its project.

    Raises:
        CheckError: It lists no Python module.
    """
    metadata = installed_metadata(dist)
    origin = origin_of(dist)
    if origin is not None and origin.is_editable and origin.path is not None and is_project(origin.path):
        return _project(label, origin.path, metadata)  # what was installed counts, whatever the folder declares by now
    files = [(Path(str(file)), Path(str(file.locate()))) for file in dist.files or [] if file.suffix == ".py"]
    shipped = [(name, path) for name, path in files if ".." not in name.parts and path.is_file()]
    modules = {}
    for relative, path in shipped:
        if all(part.isidentifier() for part in relative.with_suffix("").parts):
            name = _module_name(relative, Path())
            modules[name] = read_module(name, path.resolve())
    if not modules:
        fix = "Check its source folder instead"
        raise CheckError(target=label, reason="its installation lists no Python module", fix=fix)
    root = Path(str(dist.locate_file(""))).resolve()
    return Target(
        label=label,
        root=root,
        modules=modules,
        entry_points=metadata.declarations,
        metadata=metadata,
        paths=(root,),
    )


# --- built-ins -----------------------------------------------------------------------------------------


def _builtin(label: str) -> Target:
    """Make a target of a built-in: its generated class and closures, and the provider modules that they import."""
    name = label.removeprefix(BUILTIN_PREFIX)
    rows = {row.name: row for row in lock().builtins}
    if name not in rows:
        raise _unknown(label, f"there is no such built-in (there are: {', '.join(rows)})")
    everything = _reachable([BUILTINS_MODULE], _find_ours)
    generated = everything[BUILTINS_MODULE]
    plugin, imported = _builtin_class(generated, name)
    reached = _reachable(imported, _find_ours)
    judged = {BUILTINS_MODULE: generated, **dict(sorted(reached.items()))}
    return Target(
        label=label,
        root=_SOURCE_ROOT,
        modules=judged,
        context={key: module for key, module in everything.items() if key not in judged},
        entry_points=(Declaration(name=name, module=BUILTINS_MODULE, attribute=plugin),),
        builtin=rows[name],
        paths=(_SOURCE_ROOT,),
    )


def _find_ours(module: str) -> Path | None:
    """Find a module of a provider, or the generated one; what is published is not looked into."""
    if module == BUILTINS_MODULE or f"{module}.".startswith(f"{PROVIDERS}."):
        return _find(_SOURCE_ROOT, module)
    return None


def _builtin_class(generated: SourceModule, name: str) -> tuple[str, list[str]]:
    """Return the class of a built-in, and the modules that the functions it registers import."""
    for node in generated.tree.body:
        if not isinstance(node, ast.ClassDef) or _literal_name(node) != name:
            continue
        used = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
        functions = [
            generated.definitions[used_name] for used_name in sorted(used) if used_name in generated.definitions
        ]
        lines = [range(function.lineno, (function.end_lineno or function.lineno) + 1) for function in functions]
        return node.name, [one.module for one in generated.imports if any(one.node.lineno in span for span in lines)]
    reason = f"{BUILTINS_MODULE} has no class of this name"
    raise CheckError(target=f"{BUILTIN_PREFIX}{name}", reason=reason, fix="Run: python -m codegen")


def _literal_name(node: ast.ClassDef) -> str | None:
    for child in node.body:
        if isinstance(child, ast.AnnAssign) and ast.unparse(child.target) == "name":
            return (
                child.value.value
                if isinstance(child.value, ast.Constant) and isinstance(child.value.value, str)
                else None
            )
    return None
