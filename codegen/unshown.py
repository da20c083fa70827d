"""The defaults that a stub shows as three dots, by their text in the source: versions are compared by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from codegen.reduce import default_of, walk_params

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.contract import Contract
    from codegen.reduce import SymbolPart


def unshown_defaults(contract: Contract) -> frozenset[str]:
    """Return each as ``module:Class.field = text``, that of a parameter as ``module:function(parameter) = text``.

    Args:
        contract: The contract.
    """
    code = cst.Module([]).code_for_node
    parts = (part for module in contract.modules.values() for one in module.symbols.values() for part in one.parts)
    return frozenset(f"{name} = {' '.join(code(value).split())}" for part in parts for name, value in _unshown(part))


def _unshown(part: SymbolPart) -> Iterator[tuple[str, cst.BaseExpression]]:
    match part.node, part.origin:
        case cst.FunctionDef() as stated, cst.FunctionDef() as written:
            known = {param.name.value: param.default for param in walk_params(written)}
            for param in walk_params(stated):
                value = known.get(param.name.value)
                if isinstance(param.default, cst.Ellipsis) and value is not None:
                    yield f"{part.where}({param.name.value})", value
        case (
            cst.SimpleStatementLine(body=[cst.AnnAssign(value=None | cst.Ellipsis())]),
            cst.SimpleStatementLine(body=[cst.AnnAssign(value=cst.BaseExpression() as written)]),
        ):
            value = default_of(written)
            if value is not None:
                yield part.where, value
