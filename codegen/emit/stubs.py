"""Emits the stub tree of the current API version: a closed world that a type checker needs nothing beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from codegen.render import quote
from pipelex.spi.python_text import call, imports

if TYPE_CHECKING:
    from codegen.contract import Contract, PublishedModule
    from codegen.reduce import Reduced


def folder(api_version: int) -> str:
    """Return the folder of a version's stub tree, relative to the project.

    Args:
        api_version: The version.
    """
    return f"src/pipelex/spi/v{api_version}"


def emit(contract: Contract) -> dict[str, str]:
    """Render the stubs of all SPI modules and the packages that hold them.

    Args:
        contract: The contract.

    Returns:
        The texts by path, relative to the folder of the tree.
    """
    texts = {}
    for name, module in contract.modules.items():
        path = name.replace(".", "/")
        texts[f"{path}.pyi"] = _stub(module)
        while "/" in path:
            path = path.rpartition("/")[0]
            texts[f"{path}/__init__.pyi"] = ""
    return texts


def code_of(reduced: Reduced) -> str:
    """Write a reduced symbol as Python.

    Args:
        reduced: The symbol.
    """
    return cst.Module(body=reduced.statements).code


def _stub(module: PublishedModule) -> str:
    source = module.source
    parts = [cst.Module(body=[source.docstring]).code] if source.docstring else []
    standard = [reference for reference in module.used.values() if not reference.startswith("pipelex.")]
    ours = [reference for reference in module.used.values() if reference.startswith("pipelex.")]
    parts += [f"\n{imports(group)}\n" for group in (standard, ours) if group]
    parts.append(f"\n{call('__all__ = ', [quote(name) for name in sorted(source.exported or [])], brackets='[]')}\n")
    parts += [code_of(helper) for _, helper in sorted(module.helpers.items())]
    parts += [code_of(symbol) for symbol in module.symbols.values()]
    return "".join(parts)
