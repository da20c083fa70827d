"""The metadata of a plugin: entry points, extras and requirements, of a project folder or of an installed distribution.

A project is read where it is described as text: ``[project]`` (PEP 621), ``[tool.poetry]``, ``setup.cfg``. What only a
build knows (``dynamic``, the arguments of ``setup()``) is never guessed: it raises ``UnreadableError``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pipelex.installation import DISTRIBUTION
from pipelex.plugins.installed import ENTRY_POINT_GROUP, EntryPoint
from pipelex.reading.place import Place, UnreadableError
from pipelex.reading.tables import assignments, strings, subtable, text_lines, texts
from pipelex.reading.wheel import PACKAGE_ARGUMENTS, Wheel, wheel_of_pyproject, wheel_of_setup_cfg
from pipelex.spi.names import canonical
from pipelex.spi.toml_text import TomlText, TomlTextError, parse_toml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from importlib.metadata import Distribution
    from pathlib import Path

    from pipelex.spi.toml_text import Path as TomlPath

PYPROJECT, SETUP_CFG, SETUP_PY = "pyproject.toml", "setup.cfg", "setup.py"
DESCRIBING_FILES = (PYPROJECT, SETUP_CFG, SETUP_PY)
"""The files of a project folder that may describe its distribution."""
_ENTRY_POINTS: TomlPath = ("project", "entry-points")
_POETRY_PLUGINS: TomlPath = ("tool", "poetry", "plugins")
INSTALL_IT = "Install the distribution and check it by its name"

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)")


class Declaration(NamedTuple):
    """How a plugin is found: an entry point, or a class that looks like a plugin.

    Attributes:
        name: The entry point's name; empty where the plugin was found by looking at the file.
        module: The module; empty where the value is not of the form ``module:attribute``.
        attribute: The dotted attribute of it.
        place: Where it is declared; ``None`` for a plugin that was found by looking.
        value: The value as it is written.
    """

    name: str
    module: str
    attribute: str
    place: Place | None = None
    value: str = ""

    @classmethod
    def parse(cls, name: str, value: str, place: Place | None) -> Declaration:
        """Read an entry point's value as ``importlib.metadata`` does: extras in brackets are allowed and ignored.

        Args:
            name: The entry point's name.
            value: Its value: ``module:attribute [extra]``.
            place: Where it is declared.
        """
        found = EntryPoint.parse(value.strip())
        module, attribute = (found.module, found.attr) if found is not None else ("", "")
        return cls(name, module, attribute, place, value)


class Requirement(NamedTuple):
    """One requirement that a distribution, an extra, a dependency group or a build has.

    Attributes:
        name: The canonical name of the distribution that is required.
        text: The requirement as it is written.
        keys: Where it is stated: the way to it in ``pyproject.toml``, in ``setup.cfg``, or below ``Requires-Dist``.
        is_direct: Whether it names an address or a folder instead of an index.
        is_shipped: Whether whoever installs the distribution gets it; a dependency group is for its authors alone.
    """

    name: str
    text: str
    keys: TomlPath
    is_direct: bool = False
    is_shipped: bool = True

    @property
    def table(self) -> str:
        """The table, section or field that states it."""
        return ".".join(map(str, self.keys[:-1]))


class Metadata(NamedTuple):
    """The metadata of a distribution.

    Attributes:
        name: The distribution's name; empty where it states none.
        file: The file that states it.
        lines: The text of that file.
        groups: Every entry-point group: name to value.
        extras: The requirements of each extra, by its canonical name.
        requirements: All requirements, those of the extras included.
        unknown: What only a build knows, and is not needed to find the plugin: ``dependencies``, or nothing.
        wheel: What a build puts into the wheel, where the project states it.
        document: ``pyproject.toml``, parsed; ``None`` where another file states the metadata.
        groups_at: The table of ``document`` that holds the entry-point groups.
    """

    name: str
    file: Path
    lines: tuple[str, ...]
    groups: dict[str, dict[str, str]]
    extras: dict[str, tuple[str, ...]]
    requirements: tuple[Requirement, ...] = ()
    unknown: tuple[str, ...] = ()
    wheel: Wheel | None = None
    document: TomlText | None = None
    groups_at: TomlPath = ("project", "entry-points")

    @property
    def declarations(self) -> tuple[Declaration, ...]:
        """The entry points of the plugins' group."""
        return self.declared_in(ENTRY_POINT_GROUP)

    def declared_in(self, group: str) -> tuple[Declaration, ...]:
        """Return the entry points of a group.

        Args:
            group: The group.
        """
        return tuple(
            Declaration.parse(name, value, self.place(value or name, name, keys=(*self.groups_at, group, name)))
            for name, value in self.groups.get(group, {}).items()
        )

    @property
    def misplaced_groups(self) -> list[TomlPath]:
        """The tables of ``pyproject.toml`` that look like the plugins' group, where no build tool looks for one."""
        data = self.document.data if self.document is not None else {}
        return [
            path
            for path in _tables(data)
            if _is_near("".join(map(str, path))) and path[:-1] not in (self.groups_at, _ENTRY_POINTS)
        ]

    @property
    def host_requirements(self) -> tuple[Requirement, ...]:
        """The requirements on pipelex that bring another project of that name from the public index, or may.

        An address or a folder in a dependency group is none: it names this project, and no user of the plugin gets it.
        """
        if canonical(self.name) == DISTRIBUTION:
            return ()
        named = (one for one in self.requirements if one.name == DISTRIBUTION)
        return tuple(one for one in named if one.is_shipped or not one.is_direct)

    def place(self, *needles: str, keys: TomlPath = ()) -> Place:
        """Return the place of a key, or of the first line that holds all of some texts, or of the first line.

        Args:
            needles: The texts.
            keys: The way to the key in ``pyproject.toml``; without that file, and without keys, the texts decide.
        """
        known = self.document.line(keys) if self.document is not None and keys else 0
        for number, line in enumerate(self.lines, start=1):
            if number == known:
                column = max(line.find(needles[0]) if needles else 0, 0) + 1
                return Place(file=self.file, line=number, column=column, source=line)
            if not known and all(needle in line for needle in needles) and not line.lstrip().startswith("#"):
                column = max(line.find(needles[0]), 0) + 1
                return Place(file=self.file, line=number, column=column, source=line)
        return Place(file=self.file, line=1, source=self.lines[0] if self.lines else "")


def near_groups(groups: Iterable[str]) -> list[str]:
    """Return the entry-point groups that are probably meant to be the plugins' group and are misspelt.

    Args:
        groups: The groups that a distribution declares.
    """
    return [name for name in groups if name != ENTRY_POINT_GROUP and _is_near(name, whole=True)]


def _is_near(name: str, *, whole: bool = False) -> bool:
    """Return whether a name is that of the group but for its punctuation, its case and its last letter."""
    letters, wanted = (re.sub(r"[^a-z]", "", text.lower()) for text in (name, ENTRY_POINT_GROUP))
    return letters in (wanted, wanted[:-1]) if whole else letters.endswith((wanted, wanted[:-1]))


def _tables(data: object, path: TomlPath = ()) -> Iterator[TomlPath]:
    if isinstance(data, dict):
        yield path
        for key, value in data.items():
            yield from _tables(value, (*path, key))


# --- an installed distribution -------------------------------------------------------------------------


def installed_metadata(dist: Distribution) -> Metadata:
    """Read the metadata of an installed distribution, editable or not.

    Args:
        dist: The distribution.
    """
    from pathlib import Path

    groups: dict[str, dict[str, str]] = {}
    for entry in dist.entry_points:
        groups.setdefault(entry.group, {})[entry.name] = entry.value
    extras: dict[str, list[str]] = {canonical(str(name)): [] for name in dist.metadata.get_all("Provides-Extra") or []}
    for line in dist.requires or []:
        match = _EXTRA.search(line)
        if match is not None:
            extras.setdefault(canonical(match[1]), []).append(line.partition(";")[0].strip())
    listed = (Path(str(file.locate())) for file in dist.files or [] if file.name == "entry_points.txt")
    return Metadata(
        name=str(dist.metadata["Name"] or ""),
        file=next(listed, Path(str(dist.locate_file("METADATA")))),
        lines=tuple((dist.read_text("entry_points.txt") or "").splitlines()),
        groups=groups,
        extras={name: tuple(lines) for name, lines in extras.items()},
        requirements=tuple(_requirements(dist.requires or [], ("Requires-Dist",))),
    )


# --- a project folder ----------------------------------------------------------------------------------


def is_project(folder: Path) -> bool:
    """Return whether a folder holds a file that describes a distribution.

    Args:
        folder: The folder.
    """
    return any((folder / name).is_file() for name in (PYPROJECT, SETUP_PY)) or bool(_setup_cfg(folder / SETUP_CFG))


def project_metadata(folder: Path) -> Metadata:
    """Read the metadata of a project folder.

    Args:
        folder: The folder.

    Raises:
        UnreadableError: A file cannot be read, or entry points or extras are known only after a build.
    """
    path = folder / PYPROJECT
    text, document = _toml(path) if path.is_file() else ("", TomlText({}, ""))
    data = document.data
    _refuse_wrong_shapes(path, document)
    if "project" in data:
        found = _pep621(path, text, document)
    elif "poetry" in subtable(data, "tool"):
        found = _poetry(path, text, document)
    else:
        found = _setuptools(folder)
    build = _requirements(subtable(data, "build-system").get("requires"), ("build-system", "requires"))
    groups = _group_requirements(data)
    wheel = found.wheel or wheel_of_pyproject(folder, data)
    return found._replace(requirements=(*found.requirements, *build, *groups), wheel=wheel)


def _toml(path: Path) -> tuple[str, TomlText]:
    text = read_text(path)
    try:
        return text, parse_toml(text)
    except TomlTextError as exc:
        where = f"{path}:{exc.line}" if exc.line else str(path)
        reason = f"it is no TOML ({exc.reason})"
        raise UnreadableError(
            subject=where, reason=reason, fix="Correct it and run again", line=exc.line or None
        ) from exc


_TABLES = (
    ("project",),
    ("project", "entry-points"),
    ("project", "entry-points", ENTRY_POINT_GROUP),
    ("project", "optional-dependencies"),
    ("tool",),
    ("tool", "poetry"),
    ("tool", "poetry", "plugins"),
    ("tool", "poetry", "plugins", ENTRY_POINT_GROUP),
)


def _refuse_wrong_shapes(path: Path, document: TomlText) -> None:
    """Refuse a file in which a value that is read is of another type: no build tool would take it."""
    for keys in _TABLES:
        found: object = document.data
        for key in keys:
            found = found.get(key, {}) if isinstance(found, dict) else {}
        if not isinstance(found, dict):
            raise _wrong_shape(path, document, keys, "table")
    project = subtable(document.data, "project")
    optional = subtable(project, "optional-dependencies")
    arrays: dict[TomlPath, object] = {("project", key): project.get(key) for key in ("dependencies", "dynamic")}
    arrays[("build-system", "requires")] = subtable(document.data, "build-system").get("requires")
    arrays |= {("project", "optional-dependencies", name): lines for name, lines in optional.items()}
    for where, value in arrays.items():
        if value is not None and (not isinstance(value, list) or len(texts(value)) != len(value)):
            raise _wrong_shape(path, document, where, "array of strings")
    for name, value in subtable(project, "entry-points", ENTRY_POINT_GROUP).items():
        if not isinstance(value, str):
            raise _wrong_shape(path, document, (*_ENTRY_POINTS, ENTRY_POINT_GROUP, name), "string")


def _wrong_shape(path: Path, document: TomlText, keys: TomlPath, shape: str) -> UnreadableError:
    where = f"{path}:{document.line(keys)}"
    fix = "Correct it and run again"
    return UnreadableError(subject=where, reason=f"{dotted(keys)} is no {shape}", fix=fix, line=document.line(keys))


def dotted(keys: TomlPath) -> str:
    """Return keys as TOML writes them, those with a dot in quotes.

    Args:
        keys: The keys.
    """
    return ".".join(f'"{key}"' if "." in str(key) else str(key) for key in keys)


def _pep621(path: Path, text: str, document: TomlText) -> Metadata:
    data = document.data
    project = subtable(data, "project")
    dynamic = texts(project.get("dynamic"))
    for key in ("entry-points", "optional-dependencies"):
        if key in dynamic:
            raise _after_a_build(path, f"project.{key} is dynamic, so its value is known only after a build")
    poetry = _poetry_tables(data if _is_built_by_poetry(data) else {})  # where [project] does not state the same
    groups = {group: strings(entries) for group, entries in subtable(project, "entry-points").items()}
    optional = subtable(project, "optional-dependencies")
    extras = {canonical(name): tuple(texts(lines)) for name, lines in optional.items()}
    requirements = list(_requirements(project.get("dependencies"), ("project", "dependencies")))
    for name, stated in optional.items():
        requirements += _requirements(stated, ("project", "optional-dependencies", name))
    return Metadata(
        name=str(project.get("name", "")),
        file=path,
        lines=tuple(text.splitlines()),
        groups=groups or poetry.groups,
        extras=extras or poetry.extras,
        requirements=tuple(requirements),
        unknown=("dependencies",) if "dependencies" in dynamic else (),
        document=document,
        groups_at=_POETRY_PLUGINS if poetry.groups and not groups else _ENTRY_POINTS,
    )


class _PoetryTables(NamedTuple):
    groups: dict[str, dict[str, str]]
    extras: dict[str, tuple[str, ...]]


def _is_built_by_poetry(data: dict[str, object]) -> bool:
    return str(subtable(data, "build-system").get("build-backend", "")).startswith("poetry")


def _poetry_tables(data: dict[str, object]) -> _PoetryTables:
    poetry = subtable(data, "tool", "poetry")
    groups = {group: strings(entries) for group, entries in subtable(poetry, "plugins").items()}
    extras = {canonical(name): tuple(texts(lines)) for name, lines in subtable(poetry, "extras").items()}
    return _PoetryTables(groups, extras)


def _poetry(path: Path, text: str, document: TomlText) -> Metadata:
    data = document.data
    poetry = subtable(data, "tool", "poetry")
    groups, extras = _poetry_tables(data)
    stated = subtable(poetry, "dependencies")
    requirements = list(_poetry_requirements(stated, ("tool", "poetry", "dependencies")))
    known = {requirement.name for requirement in requirements}
    for name, lines in extras.items():  # they name dependencies; a name that is none brings nothing
        extras[name] = tuple(line for line in lines if canonical(line) in known)
    return Metadata(
        name=str(poetry.get("name", "")),
        file=path,
        lines=tuple(text.splitlines()),
        groups=groups,
        extras=extras,
        requirements=tuple(requirements),
        document=document,
        groups_at=_POETRY_PLUGINS,
    )


def _poetry_requirements(
    stated: Mapping[str, object], keys: TomlPath, *, is_shipped: bool = True
) -> Iterator[Requirement]:
    for name, value in stated.items():
        if name == "python":
            continue
        several = value if isinstance(value, list) else [value]
        is_direct = all(isinstance(one, dict) and {"path", "git", "url", "file"} & set(one) for one in several)
        text = f"{name} = {value!r}"
        yield Requirement(canonical(name), text, (*keys, name), is_direct=is_direct, is_shipped=is_shipped)


def _group_requirements(data: dict[str, object]) -> Iterator[Requirement]:
    """Yield the requirements of dependency groups (PEP 735 and each tool's own): no user of the plugin gets them."""
    tool = subtable(data, "tool")
    redirected = {canonical(name) for name in subtable(tool, "uv", "sources")}
    stated: dict[TomlPath, object] = {
        ("dependency-groups", name): lines for name, lines in subtable(data, "dependency-groups").items()
    }
    stated["tool", "uv", "dev-dependencies"] = subtable(tool, "uv").get("dev-dependencies")
    for name, lines in subtable(tool, "pdm", "dev-dependencies").items():
        stated["tool", "pdm", "dev-dependencies", name] = lines
    for name, environment in subtable(tool, "hatch", "envs").items():
        for key in ("dependencies", "extra-dependencies"):
            lines = environment.get(key) if isinstance(environment, dict) else None
            stated["tool", "hatch", "envs", name, key] = lines
    for keys, lines in stated.items():
        for one in _requirements(lines, keys):
            yield one._replace(is_direct=one.is_direct or one.name in redirected, is_shipped=False)
    poetry = subtable(tool, "poetry")
    groups: dict[TomlPath, dict[str, object]] = {
        ("group", name, "dependencies"): subtable(group, "dependencies")
        for name, group in subtable(poetry, "group").items()
    }
    groups["dev-dependencies",] = subtable(poetry, "dev-dependencies")
    for keys, group in groups.items():
        yield from _poetry_requirements(group, ("tool", "poetry", *keys), is_shipped=False)


# --- setuptools without [project] ----------------------------------------------------------------------


def _setuptools(folder: Path) -> Metadata:
    """Read ``setup.cfg``; whatever ``setup.py`` computes, or another build tool keeps elsewhere, is not known."""
    path = folder / SETUP_CFG
    sections = _setup_cfg(path)
    script = folder / SETUP_PY
    computed = _setup_arguments(script, _DESCRIBING_ARGUMENTS)
    if computed:
        raise _after_a_build(script, f"setup() is called with {', '.join(computed)}, which a build alone evaluates")
    if not sections:
        reason = "it has no [project] table, so entry points and extras are known only after a build"
        raise _after_a_build(folder / PYPROJECT if (folder / PYPROJECT).is_file() else script, reason)
    options = sections.get("options", {})
    stated = {**options, **sections.get("options.entry_points", {}), **sections.get("options.extras_require", {})}
    for key, value in stated.items():
        if value.strip().startswith(("file:", "attr:")):
            raise _after_a_build(path, f"{key} is read from elsewhere ({value.strip()})")
    groups = {name: assignments(value) for name, value in sections.get("options.entry_points", {}).items()}
    listed = sections.get("options.extras_require", {})
    extras = {canonical(name.partition(":")[0].strip()): tuple(text_lines(value)) for name, value in listed.items()}
    requirements: list[Requirement] = []
    for key in ("install_requires", "setup_requires"):
        requirements += _requirements(text_lines(options.get(key, "")), ("options", key))
    for name, lines in extras.items():
        requirements += _requirements(lines, ("options", "extras_require", name))
    return Metadata(
        name=sections.get("metadata", {}).get("name", ""),
        file=path,
        lines=tuple(read_text(path).splitlines()),
        groups=groups,
        extras=extras,
        requirements=tuple(requirements),
        wheel=None if _setup_arguments(script, PACKAGE_ARGUMENTS) else wheel_of_setup_cfg(folder, sections),
    )


def _setup_cfg(path: Path) -> dict[str, dict[str, str]]:
    """Return the sections of a ``setup.cfg`` that describe a distribution; none where it configures tools alone."""
    from configparser import ConfigParser, Error

    class Parser(ConfigParser):
        def optionxform(self, optionstr: str) -> str:
            return optionstr  # keys keep their case, as in setuptools

    if not path.is_file():
        return {}
    parser = Parser(interpolation=None, default_section="", comment_prefixes=("#", ";"))
    try:
        parser.read_string(read_text(path), source=str(path))
    except Error as exc:
        reason = f"it is no setup.cfg ({' '.join(str(exc).split())})"
        raise UnreadableError(subject=str(path), reason=reason, fix="Correct it and run again") from exc
    if not {"metadata", "options", "options.entry_points"} & set(parser.sections()):
        return {}
    return {name: dict(parser.items(name)) for name in parser.sections()}


_DESCRIBING_ARGUMENTS = frozenset({"entry_points", "extras_require", "install_requires", "pbr", None})
"""The arguments of ``setup()`` that may state entry points, extras or requirements; pbr reads sections of its own."""


def _setup_arguments(path: Path, wanted: Collection[str | None]) -> tuple[str, ...]:
    """Return those of some arguments that ``setup()`` is called with; none where there is no such script."""
    import ast

    from pipelex.reading.source import read_module

    if not path.is_file():
        return ()
    module = read_module("setup", path)
    names = {"setup", *(one.bound for one in module.imports if one.name == "setup")}
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    called = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] in names]
    return tuple(f"'{word.arg or '**'}'" for call in called for word in call.keywords if word.arg in wanted)


# --- shared --------------------------------------------------------------------------------------------


def _after_a_build(path: Path, reason: str) -> UnreadableError:
    return UnreadableError(subject=str(path), reason=reason, fix=INSTALL_IT)


def _requirements(stated: object, keys: TomlPath) -> Iterator[Requirement]:
    """Yield the requirements of an array; what in it is no string, and what is no array, states none."""
    for index, line in enumerate(stated if isinstance(stated, list | tuple) else ()):
        match = _NAME.match(line) if isinstance(line, str) else None
        if match is not None:
            yield Requirement(canonical(match[1]), line, (*keys, index), is_direct="@" in line.partition(";")[0])


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file.

    Args:
        path: The file.

    Raises:
        UnreadableError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = f"it cannot be read ({type(exc).__name__}: {exc})"
        raise UnreadableError(subject=str(path), reason=reason, fix="Correct it and run again") from exc
