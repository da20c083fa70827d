"""Stamps the ``PLUGIN_API_VERSION`` literal into ``contract.py``, which is handwritten otherwise."""

from __future__ import annotations

import libcst as cst

from codegen.errors import CodegenError, Problem
from codegen.source import parse

CONTRACT_FILE = "src/pipelex/plugins/contract.py"
NAME = "PLUGIN_API_VERSION"


def emit(text: str, api_version: int) -> str:
    """Return the module with the literal of this version.

    Args:
        text: The module.
        api_version: The version.

    Raises:
        CodegenError: The module is not valid Python, or has no such literal.
    """
    stamp = _Stamp(str(api_version))
    stamped = parse(CONTRACT_FILE, text).visit(stamp)
    if not stamp.done:
        text = f"not found; expected a line '{NAME}: Final = {api_version}'"
        raise CodegenError(Problem(CONTRACT_FILE, 0, NAME, text))
    return stamped.code


class _Stamp(cst.CSTTransformer):
    """Replaces the integer that is assigned to the name."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self._value = value
        self.done = False

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> cst.AnnAssign:
        match original_node:
            case cst.AnnAssign(target=cst.Name(value=name), value=cst.Integer()) if name == NAME:
                self.done = True
                return updated_node.with_changes(value=cst.Integer(self._value))
        return updated_node
