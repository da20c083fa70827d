"""What a plugin says of itself: ``targets_api`` in its modules, the entry-point group in its ``pyproject.toml``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import libcst as cst

    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.rewrites.step import Step
    from pipelex.upgrading.source_text import SourceText

ATTRIBUTE = "targets_api"
IDIOM = "PLUGIN_API_VERSION"
KIND = "entry-point-group-changed"


def stated_versions(source: SourceText) -> list[cst.Integer]:
    """Return the literals that state the API version of a plugin: in a class, an instance, a call, a constant.

    Args:
        source: The module.
    """
    import libcst as cst

    found: list[cst.Integer] = []
    for value in _values(source):
        if isinstance(value, cst.Integer):
            found.append(value)
        elif isinstance(value, cst.Name):
            found += _constant(source, value.value)
    return list(dict.fromkeys(found))


def _values(source: SourceText) -> Iterator[cst.BaseExpression]:
    import libcst as cst

    for node in source.nodes(cst.Assign, cst.AnnAssign, cst.Arg, cst.FunctionDef):
        value: cst.BaseExpression | None = None
        if isinstance(node, cst.Assign):
            value = node.value if any(_is_attribute(target.target) for target in node.targets) else None
        elif isinstance(node, cst.AnnAssign):
            value = node.value if _is_attribute(node.target) else None
        elif isinstance(node, cst.Arg):
            value = node.value if node.keyword is not None and node.keyword.value == ATTRIBUTE else None
        elif isinstance(node, cst.FunctionDef) and node.name.value == ATTRIBUTE:
            yield from _returned(source, node)
        if value is not None:
            yield value


def _returned(source: SourceText, function: cst.FunctionDef) -> Iterator[cst.BaseExpression]:
    import libcst as cst

    for node in source.nodes(cst.Return):
        assert isinstance(node, cst.Return)
        if node.value is not None and any(around is function for around in source.ancestors(node)):
            yield node.value


def _is_attribute(target: cst.BaseExpression) -> bool:
    import libcst as cst

    if isinstance(target, cst.Attribute):
        return target.attr.value == ATTRIBUTE
    return isinstance(target, cst.Name) and target.value == ATTRIBUTE


def _constant(source: SourceText, name: str) -> Iterator[cst.Integer]:
    import libcst as cst

    for statement in source.tree.body:
        for node in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            targets: list[cst.BaseExpression] = []
            if isinstance(node, cst.Assign):
                targets = [target.target for target in node.targets]
            elif isinstance(node, cst.AnnAssign):
                targets = [node.target]
            value = getattr(node, "value", None)
            if isinstance(value, cst.Integer) and any(
                isinstance(item, cst.Name) and item.value == name for item in targets
            ):
                yield value


def restate(step: Step, old: int, change: ApiChange) -> None:
    """Raise the version that a plugin states.

    Args:
        step: The module.
        old: The version before.
        change: What the edits are put down to.
    """
    for node in stated_versions(step.source):
        if node.evaluated_value == old:
            text, what = str(change.version), f"{ATTRIBUTE} is {change.version}"
            step.replace(step.source.start(node), step.source.end(node), text, change, what)


def regroup_strings(step: Step, change: ApiChange) -> None:
    """Rewrite strings that are the old entry-point group, and nothing else."""
    import libcst as cst

    for node in step.source.nodes(cst.SimpleString):
        if isinstance(node, cst.SimpleString) and node.evaluated_value == change.old:
            quote = node.quote
            text = f"{node.prefix}{quote}{change.new}{quote}"
            step.replace(step.source.start(node), step.source.end(node), text, change, f"the group is {change.new}")


def regroup(text: str, change: ApiChange) -> str:
    """Return a ``pyproject.toml`` with its entry points in the new group, comments and order kept.

    Args:
        text: Its text.
        change: The change of the group.
    """
    import tomlkit

    document = tomlkit.parse(text)
    wanted = document.unwrap()
    groups = wanted.get("project", {}).get("entry-points", {})
    if change.old not in groups or change.new in groups:
        return text
    wanted["project"]["entry-points"] = {(change.new if key == change.old else key): groups[key] for key in groups}
    spelled = rf"""(^[ \t]*\[?(?:[\w.\-" ]*?\.)?)(["']){re.escape(change.old)}\2(?=[ \t]*[\].=])"""
    new = re.sub(spelled, rf"\g<1>\g<2>{change.new}\g<2>", text, flags=re.MULTILINE)
    if tomlkit.parse(new).unwrap() == wanted:
        return new
    entry_points = document["project"]["entry-points"]
    entry_points[change.new] = entry_points.pop(change.old)
    return tomlkit.dumps(document)
