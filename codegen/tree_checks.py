"""What ``spi.toml`` states of other files, held against those files: package metadata and provider modules."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from codegen.errors import Problem, raise_any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.project import Project
    from codegen.spec import Builtin, SpecFile
    from pipelex.spi.toml_text import Path as KeyPath
    from pipelex.spi.toml_text import TomlText

PYPROJECT = "pyproject.toml"
PROVIDERS = "pipelex.providers"


def check_tree(project: Project, spec_file: SpecFile) -> None:
    """Check the rows of the built-ins against the files that they name.

    Args:
        project: Where the files are read from.
        spec_file: The spec.

    Raises:
        CodegenError: With every row that names what is not there, and every extra that no row explains.
    """
    raise_any([*_check_metadata(project, spec_file), *_check_providers(project, spec_file)])


def _check_metadata(project: Project, spec_file: SpecFile) -> Iterator[Problem]:
    """Rows and package metadata agree both ways: extras by name and content, base dependencies by content."""
    pyproject = project.read_toml(PYPROJECT)
    metadata = pyproject.data.get("project", {})
    extras: dict[str, list[str]] = metadata.get("optional-dependencies", {})
    for index, builtin in enumerate(spec_file.spec.builtin):
        if builtin.extra is not None and builtin.extra not in extras:
            text_ = f"no extra '{builtin.extra}' in {PYPROJECT}; expected one of {', '.join(sorted(extras)) or 'none'}"
            yield spec_file.problem(("builtin", index, "extra"), text_)
            continue
        there = metadata.get("dependencies", []) if builtin.extra is None else extras[builtin.extra]
        yield from _check_requirements(spec_file, index, builtin, there)
    yield from _check_extras(spec_file, pyproject, extras)


def _check_requirements(spec_file: SpecFile, index: int, builtin: Builtin, there: list[str]) -> Iterator[Problem]:
    place = f"the extra '{builtin.extra}'" if builtin.extra else "the base dependencies"
    for position, needed in enumerate(builtin.requires):
        if needed.requirement not in there:
            key: KeyPath = ("builtin", index, "requires", position, "requirement")
            known = ", ".join(there) or "none"
            text = f"'{needed.requirement}' is not in {place} of {PYPROJECT}; expected one of {known}"
            yield spec_file.problem(key, text)


def _check_extras(spec_file: SpecFile, pyproject: TomlText, extras: dict[str, list[str]]) -> Iterator[Problem]:
    spec = spec_file.spec
    for extra, requirements in extras.items():
        rows = [builtin for builtin in spec.builtin if builtin.extra == extra]
        key = ("project", "optional-dependencies", extra)
        if not rows and extra not in spec.extras:
            text = "an extra that spi.toml does not explain; expected it in a [[builtin]] row or under [extras]"
            yield Problem(PYPROJECT, pyproject.line(key), f"optional-dependencies.{extra}", text)
        explained = {needed.requirement for builtin in rows for needed in builtin.requires}
        for place, requirement in enumerate(requirements if rows else []):
            if requirement not in explained:
                text = f"no row of spi.toml with this extra has '{requirement}'; expected it under 'requires'"
                yield Problem(PYPROJECT, pyproject.line((*key, place)), f"optional-dependencies.{extra}", text)
    for extra in spec.extras:
        if extra not in extras:
            yield spec_file.problem(("extras", extra), f"no such extra in {PYPROJECT}")
        elif any(builtin.extra == extra for builtin in spec.builtin):
            yield spec_file.problem(("extras", extra), "a [[builtin]] row explains this extra; expected it there alone")


def _check_providers(project: Project, spec_file: SpecFile) -> Iterator[Problem]:
    for index, builtin in enumerate(spec_file.spec.builtin):
        for key, reference in _references(builtin):
            yield from check_reference(project, spec_file, ("builtin", index, *key), f"{PROVIDERS}.{reference}")


def _references(builtin: Builtin) -> Iterator[tuple[KeyPath, str]]:
    if builtin.client is not None:
        yield ("client",), builtin.client
    if builtin.lister is not None:
        yield ("lister", "list"), builtin.lister.function
        yield ("lister", "errors"), builtin.lister.errors
    for place, command in enumerate(builtin.commands):
        yield ("commands", place, "run"), command.run
    for place, row in enumerate(builtin.workers):
        yield ("workers", place, "worker"), row.worker
        if row.client is not None:
            yield ("workers", place, "client"), row.client


def check_reference(project: Project, spec_file: SpecFile, key: KeyPath, reference: str) -> Iterator[Problem]:
    """Check that a module exists and defines a class or a function, without importing it.

    Args:
        project: Where the module is read from.
        spec_file: The spec.
        key: The key that names it.
        reference: What it names, as ``module:name``.

    Yields:
        What is missing, at the key; or the line of the module that is not valid Python.
    """
    module, _, name = reference.partition(":")
    path = project.module_path(module)
    if path is None:
        yield spec_file.problem(key, f"no module '{module}' under src/")
        return
    try:
        tree = ast.parse(project.read(path))
    except SyntaxError as exc:
        yield Problem(path, exc.lineno or 0, "", f"not valid Python: {exc.msg}")
        return
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    if name not in names:
        text = f"{path} defines no '{name}' at its top level; expected one of {', '.join(names) or 'none'}"
        yield spec_file.problem(key, text)
