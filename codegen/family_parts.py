"""What a ``[[family]]`` row needs that is not generated: published types, modules, a command, a kit, templates.

A row alone is enough to generate from once its worker base and its job are published. Whatever else is missing is named
at each run, one problem a part, until it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.errors import CodegenError
from codegen.tree_checks import check_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.errors import Problem
    from codegen.project import Project
    from codegen.spec import Family, SpecFile
    from pipelex.spi.toml_text import Path as KeyPath

TEMPLATES = "src/pipelex/scaffold/templates/family"


def missing_parts(project: Project, spec_file: SpecFile) -> list[Problem]:
    """Find the handwritten parts of the families that are missing.

    Args:
        project: Where they are looked for.
        spec_file: The spec.

    Returns:
        A problem for each part that nothing is generated from.

    Raises:
        CodegenError: A worker base or a job is not published; with every other part that is missing.
    """
    unpublished: list[Problem] = []
    missing: list[Problem] = []
    for index, family in enumerate(spec_file.spec.family):
        key: KeyPath = ("family", index)
        unpublished += _unpublished(spec_file, key, family)
        missing += [*_modules(project, spec_file, key, family), *_templates(project, spec_file, key, family)]
    if unpublished:
        raise CodegenError(*unpublished, *missing)
    return missing


def command_of(family: Family) -> str:
    """Return where the command of a family is, as ``module:function``.

    Args:
        family: The family.
    """
    return f"pipelex.cli.{family.value}:{family.value}"


def templates_of(family: Family) -> tuple[str, ...]:
    """Return the files from which ``pipelex plugins new`` writes the family's part of a plugin.

    Args:
        family: The family.
    """
    names = (
        "capabilities.toml",  # what the worker of the template can do
        "protocol.md",  # what it sends, for the README
        f"src/__package__/{family.value}.py",
        f"tests/test_{family.value}.py",
        f"tests/test_{family.value}_conformance.py",
    )
    return tuple(f"{TEMPLATES}/{family.value}/{name}.tmpl" for name in names)


def _unpublished(spec_file: SpecFile, key: KeyPath, family: Family) -> Iterator[Problem]:
    for name, reference in (("worker", family.worker), ("job", family.job)):
        if reference not in spec_file.spec.symbols:
            text = f"'{reference}' is not published; expected it under [symbols]"
            yield spec_file.problem((*key, name), text)


def _modules(project: Project, spec_file: SpecFile, key: KeyPath, family: Family) -> Iterator[Problem]:
    parts = (("worker", family.worker), ("job", family.job), ("kit", family.kit), ("command", command_of(family)))
    for name, reference in parts:
        yield from check_reference(project, spec_file, (*key, name), reference)


def _templates(project: Project, spec_file: SpecFile, key: KeyPath, family: Family) -> Iterator[Problem]:
    for path in templates_of(family):
        if not project.has(path):
            text = f"no template '{path}'; expected it: 'pipelex plugins new --family {family.value}' writes from it"
            yield spec_file.problem((*key, "value"), text)
