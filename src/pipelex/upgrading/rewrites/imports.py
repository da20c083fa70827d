"""The imports that inserted code needs: beside those that are there, and where the code can see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libcst as cst

    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.rewrites.step import Step
    from pipelex.upgrading.source_text import SourceText


def write_imports(step: Step) -> None:
    """Import what the edits of a module need and it does not have.

    Args:
        step: The module.
    """
    lazy = _annotations_are_lazy(step)
    wanted: dict[tuple[str, bool], list[str]] = {}
    changes: dict[str, ApiChange] = {}
    for reference, (change, runtime) in step.imports.items():
        module, _, name = reference.partition(":")
        bound = _bindings(step, name)
        if any(not type_only for type_only in bound) or (bound and lazy and not runtime):
            continue
        type_only = lazy and not runtime and _type_only_block(step) is not None
        wanted.setdefault((module, type_only), []).append(name)
        changes.setdefault(module, change)
    for (module, type_only), names in sorted(wanted.items()):
        _write(step, module, sorted(names), changes[module], type_only=type_only)


def _annotations_are_lazy(step: Step) -> bool:
    return "from __future__ import annotations" in step.source.text


def _bindings(step: Step, name: str) -> list[bool]:
    """Tell of each import at the module's level that binds a name whether it is for types alone."""
    import libcst as cst

    found = []
    for node in step.source.nodes(cst.ImportFrom):
        assert isinstance(node, cst.ImportFrom)
        if isinstance(node.names, cst.ImportStar) or _in_function(step, node):
            continue
        if any((alias.evaluated_alias or alias.evaluated_name) == name for alias in node.names):
            found.append(is_type_only(step.source, node))
    return found


def _in_function(step: Step, node: cst.CSTNode) -> bool:
    import libcst as cst

    return any(isinstance(around, cst.FunctionDef | cst.ClassDef) for around in step.source.ancestors(node))


def is_type_only(source: SourceText, node: cst.CSTNode) -> bool:
    """Return whether a type checker alone sees a node: it is under ``if TYPE_CHECKING``.

    Args:
        source: The module.
        node: The node.
    """
    import libcst as cst

    from pipelex.spi.imports import type_checking_guard_in

    inside: cst.CSTNode = node
    for around in source.ancestors(node):
        if isinstance(around, cst.If):
            in_body = inside is around.body
            if type_checking_guard_in(source.code(around.test)) is in_body:
                return True
        inside = around
    return False


def _type_only_block(step: Step) -> cst.ImportFrom | None:
    return next((node for node in reversed(_ours(step)) if is_type_only(step.source, node)), None)


def _ours(step: Step) -> list[cst.ImportFrom]:
    """Return the imports of published names at the module's level."""
    import libcst as cst

    return [
        node
        for node in step.source.nodes(cst.ImportFrom)
        if isinstance(node, cst.ImportFrom)
        and node.module is not None
        and not node.relative
        and step.source.code(node.module).startswith("pipelex.")
        and not _in_function(step, node)
    ]


def _write(step: Step, module: str, names: list[str], change: ApiChange, *, type_only: bool) -> None:
    import libcst as cst

    source = step.source
    what = f"imports from {module}"
    line = f"from {module} import {', '.join(names)}"
    around = [node for node in _ours(step) if is_type_only(step.source, node) == type_only]
    for node in around:
        if (
            node.module is not None
            and source.code(node.module) == module
            and not isinstance(node.names, cst.ImportStar)
        ):
            last = node.names[-1]
            at = source.item_end(last)
            step.replace(at, at, "".join(f", {name}" for name in names), change, what)
            return
    before = [node for node in around if node.module is not None and source.code(node.module) < module]
    if before:
        at = source.line_end(source.end(before[-1]))
        step.replace(at, at, f"\n{source.indent_at(source.start(before[-1]))}{line}", change, what)
    elif around:
        at = source.start(around[0])
        step.replace(at, at, f"{line}\n{source.indent_at(at)}", change, what)
    else:
        at, above, below = _after_imports(step)
        is_first = not any(edit.start == edit.end == at for edit in step.edits)
        step.replace(at, at, f"{above if is_first else ''}{line}\n{below if is_first else ''}", change, what)


def _after_imports(step: Step) -> tuple[int, str, str]:
    """Return where the module's imports of other packages end, and what parts an import there from what is around it.

    Relative imports are behind them. A blank line parts a docstring, and the imports of the standard library, from
    those of other packages.
    """
    import sys

    import libcst as cst

    source, body = step.source, step.source.tree.body
    statements = [node.body[0] if isinstance(node, cst.SimpleStatementLine) else None for node in body]
    at = source.text.rfind("\n", 0, source.start(body[0])) + 1 if body else len(source.text)
    above, behind = "", 0
    for number, inner in enumerate(statements):
        is_import = isinstance(inner, cst.Import | cst.ImportFrom) and not getattr(inner, "relative", False)
        if inner is not None and (is_import or (number == 0 and isinstance(inner, cst.Expr))):
            at, behind = min(source.line_end(source.end(body[number])) + 1, len(source.text)), number + 1
            words = source.code(inner).split()
            above = "\n" if not is_import or _root(words[1]) in sys.stdlib_module_names else ""
    is_above_relative = behind < len(body) and getattr(statements[behind], "relative", False)
    return at, above, "\n" if is_above_relative and not source.text.startswith("\n", at) else ""


def _root(module: str) -> str:
    return module.partition(".")[0].rstrip(",")
