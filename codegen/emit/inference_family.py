"""Stamps the members of ``InferenceFamily`` into its handwritten module: one per ``[[family]]`` row, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from codegen.errors import CodegenError, Problem
from codegen.render import quote
from codegen.source import assigned_name, is_docstring, parse

if TYPE_CHECKING:
    from codegen.spec import Family, Spec

REGISTRY_FILE = "src/pipelex/plugins/inference_backend_registry.py"
NAME = "InferenceFamily"


def emit(text: str, spec: Spec) -> str:
    """Return the module with the members of these families.

    Args:
        text: The module.
        spec: The spec.

    Raises:
        CodegenError: The module is not valid Python, or defines no such class.
    """
    stamp = _Stamp(spec)
    stamped = parse(REGISTRY_FILE, text).visit(stamp)
    if not stamp.done:
        text = f"not found; expected a class '{NAME}' with a docstring; its members are written below it"
        raise CodegenError(Problem(REGISTRY_FILE, 0, NAME, text))
    return stamped.code


class _Stamp(cst.CSTTransformer):
    """Replaces the members of the enum; its docstring and its methods stay."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self._spec = spec
        self.done = False

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        if (
            original_node.name.value != NAME
            or not isinstance(body, cst.IndentedBlock)
            or not is_docstring(body.body[0])
        ):
            return updated_node
        self.done = True
        kept = [one for one in body.body[1:] if assigned_name(one) is None and not is_docstring(one)]
        members = [line for family in self._spec.family for line in _member(family)]
        members[0] = members[0].with_changes(leading_lines=[cst.EmptyLine(indent=False)])
        return updated_node.with_changes(body=body.with_changes(body=[body.body[0], *members, *kept]))


def _member(family: Family) -> list[cst.SimpleStatementLine]:
    """Return the line of a member and its docstring."""
    lines = (f"{family.name} = {quote(family.value)}", f'"""{family.about}"""')
    return [cst.ensure_type(cst.parse_statement(line), cst.SimpleStatementLine) for line in lines]
