"""Which modules a build puts into the wheel, where the project states it: no build runs, and nothing is guessed.

Read are the settings of hatchling, setuptools, flit, Poetry and uv. What a build hook adds, what another backend packs
and what a backend finds by itself is not known here: most backends refuse to build where they find nothing.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from pipelex.reading.tables import assignments, strings, subtable, text_lines, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

PACKAGE_ARGUMENTS = frozenset({"packages", "py_modules", "package_dir"})
"""The arguments of ``setup()`` that decide what is shipped."""
_HARMLESS_HOOKS = frozenset({"vcs", "version"})
"""The build hooks of hatchling that write a version and choose no files."""
_WILDCARDS = frozenset("*?[!")


class Wheel(NamedTuple):
    """What a build ships.

    Attributes:
        key: The key that states it, by which its line is found.
        table: The table of ``pyproject.toml`` that holds the key; empty where it is in ``setup.cfg``.
        path_of: From a file, as a POSIX path in the project, to its path in the wheel; empty where it is left out.
    """

    key: str
    path_of: Callable[[str], str]
    table: tuple[str, ...] = ()

    def module_of(self, file: str) -> str:
        """Return the name by which a file can be imported from the wheel; empty where it is left out.

        Args:
            file: The file, as a POSIX path in the project.
        """
        parts = PurePosixPath(self.path_of(file)).with_suffix("").parts if self.path_of(file) else ()
        return ".".join(parts[:-1] if parts[-1:] == ("__init__",) else parts)


def wheel_of_pyproject(folder: Path, data: Mapping[str, object]) -> Wheel | None:
    """Read what ``pyproject.toml`` states about the wheel.

    Args:
        folder: The folder of the project.
        data: The file, parsed.

    Returns:
        What is shipped; ``None`` where that is not stated, or by a build alone.
    """
    system = subtable(data, "build-system")
    backend = str(system.get("build-backend", "setuptools")).partition(".")[0]
    read = _BACKENDS.get(backend)
    return read(folder, data) if read is not None and "backend-path" not in system else None


# --- hatchling -----------------------------------------------------------------------------------------


def _hatchling(folder: Path, data: Mapping[str, object]) -> Wheel | None:
    """Follow ``hatchling.builders.config``: a key of the target replaces the one of all targets."""
    build = subtable(data, "tool", "hatch", "build")
    target = subtable(build, "targets", "wheel")
    stated = {**build, **target}
    packages = [_plain(path) for path in texts(stated.get("packages"))]
    included: list[str | None] = [*(_plain(path) for path in texts(stated.get("only-include")))] or [*packages]
    key = "packages" if included == packages else "only-include"
    if not included:
        key, included = "include", [_anchored(pattern) for pattern in texts(stated.get("include"))]
    is_hooked = "artifacts" in stated or set(subtable(stated, "hooks")) - _HARMLESS_HOOKS
    if not included or None in included or is_hooked or (folder / "hatch.toml").is_file():
        return None
    forced = {_plain(source): _plain(target) for source, target in strings(stated.get("force-include")).items()}
    sources = _sources(stated.get("sources"), packages)
    excluded = texts(stated.get("exclude"))

    def path_of(file: str) -> str:
        if any(_is_excluded(file, pattern) for pattern in excluded):
            return ""
        path = next((_join(forced[one], file[len(one) + 1 :]) for one in forced if _is_below(file, one)), "")
        if not path and not any(_is_below(file, str(one)) for one in included):
            return ""
        path = path or file
        prefix = next((source for source in sources if path.startswith(source)), "")
        return sources.get(prefix, "") + path[len(prefix) :]

    return Wheel(key, path_of, ("tool", "hatch", "build", *(("targets", "wheel") if key in target else ())))


def _is_excluded(file: str, pattern: str) -> bool:
    """Return whether a file is left out by a pattern; one with wildcards within is not followed."""
    stem = _stem(pattern)
    if stem is None:
        return False
    return _is_below(file, stem) if "/" in pattern.rstrip("/") else stem in file.split("/")


def _sources(stated: object, packages: Iterable[str]) -> dict[str, str]:
    """Return the prefixes that are replaced; each package brings the folder that it lies in."""
    listed = dict.fromkeys(texts(stated), "") or strings(stated)
    sources = {f"{_plain(old)}/": f"{_plain(new)}/" if _plain(new) else "" for old, new in listed.items()}
    for package in packages:
        parent = package.rpartition("/")[0]
        if parent and f"{package}/" not in sources:
            sources[f"{parent}/"] = ""
    return dict(sorted(sources.items()))


# --- setuptools ----------------------------------------------------------------------------------------


class _Setuptools(NamedTuple):
    packages: dict[str, str]
    modules: dict[str, str]
    takes_data: bool

    def path_of(self, file: str) -> str:
        folder, _, _ = file.rpartition("/")
        for package, place in self.packages.items():
            if folder == place or (self.takes_data and _is_below(file, place)):
                return _join(package.replace(".", "/"), file[len(place) :].lstrip("/"))
        return f"{self.modules[file].replace('.', '/')}.py" if file in self.modules else ""


def _setuptools(folder: Path, data: Mapping[str, object]) -> Wheel | None:
    stated = subtable(data, "tool", "setuptools")
    requires = " ".join(texts(subtable(data, "build-system").get("requires"))).lower().replace("_", "-")
    packages = stated.get("packages")
    find = subtable(packages, "find") if isinstance(packages, dict) else None
    wheel = _setuptools_wheel(
        folder,
        packages=find if find is not None else texts(packages) if packages is not None else None,
        modules=texts(stated["py-modules"]) if "py-modules" in stated else None,
        places=strings(stated.get("package-dir")),
        takes_data="setuptools-scm" in requires or "package-data" in stated,
    )
    key = "packages" if packages is not None else "py-modules"
    return wheel._replace(key=key, table=("tool", "setuptools")) if wheel is not None else None


def wheel_of_setup_cfg(folder: Path, sections: Mapping[str, Mapping[str, str]]) -> Wheel | None:
    """Read what ``setup.cfg`` states about the wheel.

    Args:
        folder: The folder of the project.
        sections: The sections of the file.

    Returns:
        What is shipped; ``None`` where that is not stated.
    """
    options = sections.get("options", {})
    packages: Mapping[str, object] | list[str] | None = None
    match options.get("packages", "").strip():
        case "find:" | "find_namespace:" as directive:
            find = sections.get("options.packages.find", {})
            listed = {key: text_lines(find[key]) for key in ("include", "exclude") if key in find}
            where = [find.get("where", ".")]
            packages = {**listed, "where": where, "namespaces": directive != "find:"}
        case "":
            packages = [] if "packages" in options else None
        case names:
            packages = _names(names)
    return _setuptools_wheel(
        folder,
        packages=packages,
        modules=_names(options["py_modules"]) if "py_modules" in options else None,
        places=assignments(options.get("package_dir", "")),
        takes_data="include_package_data" in options or "options.package_data" in sections,
    )


def _setuptools_wheel(
    folder: Path,
    *,
    packages: Mapping[str, object] | list[str] | None,
    modules: list[str] | None,
    places: Mapping[str, str],
    takes_data: bool,
) -> Wheel | None:
    """Follow setuptools: as soon as packages or modules are listed, it looks for nothing by itself."""
    if packages is None and modules is None:
        return None
    found = (
        {package: _place(places, package) for package in packages or ()}
        if not isinstance(packages, dict)
        else dict(_found_packages(folder, packages))
    )
    files = {f"{_place(places, module)}.py": module for module in modules or ()}
    takes_data = takes_data or (folder / "MANIFEST.in").is_file()
    key = "packages" if packages is not None else "modules"
    return Wheel(key, _Setuptools(found, files, takes_data).path_of)


def _place(places: Mapping[str, str], name: str) -> str:
    """Return where a package or module is looked for: the longest parent that has a folder of its own counts."""
    parts = name.split(".")
    for length in range(len(parts), -1, -1):
        place = places.get(".".join(parts[:length]))
        if place is not None:
            return _join(_plain(place), *parts[length:])
    return "/".join(parts)


def _found_packages(folder: Path, find: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the packages, with their folders, that ``find`` comes upon."""
    include, exclude = texts(find.get("include")) or ["*"], texts(find.get("exclude"))
    for where in map(_plain, texts(find.get("where")) or ["."]):
        for package in _packages_below(folder / where, (), regular_only=find.get("namespaces") is False):
            name = ".".join(package)
            if any(fnmatchcase(name, one) for one in include) and not any(fnmatchcase(name, one) for one in exclude):
                yield name, _join(where, *package)


def _packages_below(folder: Path, above: tuple[str, ...], *, regular_only: bool) -> Iterator[tuple[str, ...]]:
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        is_package = one.is_dir() and one.name.isidentifier() and one.name != "__pycache__"
        if is_package and ((one / "__init__.py").is_file() or not regular_only):
            yield (*above, one.name)
            yield from _packages_below(one, (*above, one.name), regular_only=regular_only)


# --- flit, Poetry, uv ----------------------------------------------------------------------------------


def _flit(_folder: Path, data: Mapping[str, object]) -> Wheel | None:
    """Flit ships one module or package, of the folder or of ``src``."""
    name = subtable(data, "tool", "flit", "module").get("name")
    if not isinstance(name, str):
        return None
    path = name.replace(".", "/")
    return Wheel("name", lambda file: _within(file.removeprefix("src/"), [path]), ("tool", "flit", "module"))


def _poetry(_folder: Path, data: Mapping[str, object]) -> Wheel | None:
    listed = subtable(data, "tool", "poetry").get("packages")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    shipped = [row for row in rows if "wheel" in (texts(row.get("format")) or [str(row.get("format", "wheel"))])]
    stems = [_stem(str(row.get("include", ""))) for row in shipped]
    if not rows or None in stems:
        return None

    def path_of(file: str) -> str:
        for row, stem in zip(shipped, stems, strict=True):
            base, target = _plain(str(row.get("from", ""))), _plain(str(row.get("to", "")))
            below = file if not base else file[len(base) + 1 :] if _is_below(file, base) else ""
            if below and _within(below, [str(stem)]):
                return _join(target, below)
        return ""

    return Wheel("packages", path_of, ("tool", "poetry"))


def _uv(_folder: Path, data: Mapping[str, object]) -> Wheel | None:
    """Uv ships the modules that are named, each below one root."""
    stated = subtable(data, "tool", "uv", "build-backend")
    name = stated.get("module-name")
    names = [name] if isinstance(name, str) else texts(name)
    root = _plain(str(stated.get("module-root", "src")))
    if not names or stated.get("namespace") is True:
        return None
    prefix = f"{root}/" if root else ""
    paths = [one.replace(".", "/") for one in names]

    def path_of(file: str) -> str:
        return _within(file[len(prefix) :], paths) if file.startswith(prefix) else ""

    return Wheel("module-name", path_of, ("tool", "uv", "build-backend"))


_BACKENDS: dict[str, Callable[[Path, Mapping[str, object]], Wheel | None]] = {
    "hatchling": _hatchling,
    "setuptools": _setuptools,
    "flit_core": _flit,
    "poetry": _poetry,
    "uv_build": _uv,
}


# --- paths ---------------------------------------------------------------------------------------------


def _plain(path: str) -> str:
    """Return a path without ``./`` and slashes at its ends; empty for the folder itself."""
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _stem(pattern: str) -> str | None:
    """Return the folder or file that a pattern names as a whole; ``None`` where it describes a choice."""
    for ending in ("/**/*.py", "/**/*", "/**", "/*.py", "/*"):
        pattern = pattern.removesuffix(ending)
    return None if _WILDCARDS & set(pattern) or not _plain(pattern) else _plain(pattern)


def _anchored(pattern: str) -> str | None:
    """Return what a pattern names where it begins at the folder; one without a slash fits at any depth."""
    return _stem(pattern) if "/" in pattern.rstrip("/") else None


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _is_below(file: str, path: str) -> bool:
    return not path or file == path or file.startswith(f"{path}/")


def _within(file: str, paths: Iterable[str]) -> str:
    """Return a file that lies below one of some paths, or is one without its suffix; else nothing."""
    return file if any(_is_below(file, path) or file == f"{path}.py" for path in paths) else ""


def _names(text: str) -> list[str]:
    return text.replace(",", " ").split()
