"""Emits ``docs/errors.md``: every error class, where ``PipelexError.page`` points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from codegen.docstrings import Docstring, parse_docstring
from codegen.errors import CodegenError, Problem, raise_any
from codegen.reduce import self_assignments
from codegen.render import template
from codegen.source import assigned_name, dotted_name, read_module

if TYPE_CHECKING:
    from codegen.project import Project
    from codegen.source import SourceModule
    from codegen.spec import Spec

MODULES = ("pipelex.exceptions", "pipelex.cogt.exceptions", "pipelex.plugins.exceptions", "pipelex.bulk.exceptions")


@dataclass(frozen=True)
class _Error:
    """What the page shows of one class."""

    name: str
    bases: list[str]
    is_published: bool
    doc: Docstring
    attributes: list[tuple[str, str]]
    constants: list[tuple[str, str]]


def emit(project: Project, spec: Spec) -> str:
    """Render the page.

    Args:
        project: Where the modules of the errors are read from.
        spec: The spec, which states what is published.
    """
    sections = [(name, list(_errors(_module(project, name), spec))) for name in MODULES]
    return template("errors.md.j2").render(
        sections=sections, known={error.name for _, errors in sections for error in errors}
    )


def _module(project: Project, name: str) -> SourceModule:
    path = project.module_path(name)
    if path is None:
        raise CodegenError(Problem(f"src/{name.replace('.', '/')}.py", 0, "", "no such file; expected the errors"))
    return read_module(project, name, path)


def _errors(module: SourceModule, spec: Spec) -> list[_Error]:
    nodes = {
        name: definition.node
        for name, definition in module.definitions.items()
        if name.endswith("Error") and isinstance(definition.node, cst.ClassDef)
    }
    undocumented = [
        module.problem(node, f"{module.name}:{name}", "no docstring; expected one, for docs/errors.md")
        for name, node in nodes.items()
        if not node.get_docstring()
    ]
    raise_any(undocumented)
    return [_error(module, name, node, spec) for name, node in nodes.items()]


def _error(module: SourceModule, name: str, node: cst.ClassDef, spec: Spec) -> _Error:
    doc = parse_docstring(node)
    own = _own_attributes(node)
    return _Error(
        name=name,
        bases=[dotted_name(base.value) for base in node.bases],
        is_published=f"{module.name}:{name}" in spec.symbols,
        doc=doc,
        attributes=[(argument, text) for argument, text in doc.arguments.items() if argument in own],
        constants=_constants(node),
    )


def _own_attributes(node: cst.ClassDef) -> set[str]:
    inits = [child for child in node.body.body if isinstance(child, cst.FunctionDef) and child.name.value == "__init__"]
    return {name for init in inits for name, *_ in self_assignments(init) if not name.startswith("_")}


def _constants(node: cst.ClassDef) -> list[tuple[str, str]]:
    """List what a class states of all its instances: its category, its retry verdict."""
    found = []
    for statement in node.body.body:
        name = assigned_name(statement)
        if name is not None and not name.startswith("_") and isinstance(statement, cst.SimpleStatementLine):
            small = statement.body[0]
            if isinstance(small, cst.Assign | cst.AnnAssign) and small.value is not None:
                found.append((name, cst.Module([]).code_for_node(small.value)))
    return found
