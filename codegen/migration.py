"""The ``migration`` code of an entry, parsed before anybody runs it: an author must not be the first to see a typo."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.spec import Change

_MEMBERS = {"abstract-added", "protocol-member-added"}
_PLACE = re.compile(r"\{(\w*)\}")


def fault_of(change: Change) -> str:
    """Return what is wrong with the migration of an entry; nothing where it is in order, or where there is none.

    Args:
        change: The entry.
    """
    code = change.migration
    if code is None:
        return ""
    try:
        return _fault(change, code)
    except SyntaxError as exc:
        return f"no Python: {exc.msg} (line {exc.lineno} of it)"


def _fault(change: Change, code: str) -> str:
    if change.kind in _MEMBERS:
        statements = ast.parse(code).body
        wanted = change.symbol.rpartition(".")[2]
        if not any(wanted == name for one in statements for name in _defined(one)):
            return f"defines no '{wanted}'; expected the member that plugins have to write"
    elif change.kind == "parameter-added":
        call = ast.parse(f"call({code})", mode="eval").body
        name = (change.to or "").partition(":")[0].strip()
        given = [one.arg for one in call.keywords] if isinstance(call, ast.Call) else []
        if given != [name]:
            return f"gives no '{name}'; expected what calls give, as in '{name}=None'"
    elif change.kind == "parameters-regrouped":
        ast.parse(_PLACE.sub("_", code), mode="eval")
        taken = {part.partition(":")[0].strip() for part in (change.from_ or "").split(",")}
        if unknown := sorted({place for place in _PLACE.findall(code) if place not in taken}):
            return f"mentions '{{{unknown[0]}}}', which is none of the parameters in 'from'"
    elif change.kind == "return-wrapped":
        ast.parse(_PLACE.sub("_", code), mode="eval")
        if not _PLACE.search(code):
            return "has no place for what is returned; expected '{}' in it"
    else:
        ast.parse(_PLACE.sub("_", code))
    return ""


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [one.id for one in targets if isinstance(one, ast.Name)]
