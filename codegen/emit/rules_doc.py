"""Emits ``docs/rules.md`` from the rules of the check, which it imports: no other emitter imports of the package."""

from __future__ import annotations

from codegen.errors import CodegenError, Problem

_RULES = "src/pipelex/checking/rules"


def emit() -> str:
    """Render the page.

    Raises:
        CodegenError: The rules cannot be imported.
    """
    try:
        from pipelex.checking.rules_page import page
    except Exception as exc:  # whatever a broken package raises
        reason = f"cannot be imported ({type(exc).__name__}: {exc}); docs/rules.md is made of the rules"
        raise CodegenError(Problem(_RULES, 0, "", reason)) from exc
    return page()
