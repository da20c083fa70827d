"""What a plugin says of itself: ``targets_api`` in its modules, the entry-point group in its ``pyproject.toml``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import libcst as cst

    from pipelex.reading.metadata import Metadata
    from pipelex.reading.source import SourceModule
    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.rewrites.step import Step
    from pipelex.upgrading.source_text import SourceText

ATTRIBUTE = "targets_api"
IDIOM = "PLUGIN_API_VERSION"
KIND = "entry-point-group-changed"


def stated_versions(source: SourceText, constants: Iterable[str] = ()) -> list[cst.Integer]:
    """Return the literals that state the API version of a plugin: in a class, an instance, a call, a constant.

    Args:
        source: The module.
        constants: The constants by which other modules state it.
    """
    import libcst as cst

    found: list[cst.Integer] = []
    for value in _values(source):
        if isinstance(value, cst.Integer):
            found.append(value)
        elif isinstance(value, cst.Name):
            found += _constant(source, value.value)
    for name in constants:
        found += _constant(source, name)
    return list(dict.fromkeys(found))


def constants_of(modules: Mapping[str, SourceModule]) -> dict[str, set[str]]:
    """Return the constants of each module by which another one states the API version.

    Args:
        modules: The modules of a plugin.
    """
    import libcst as cst

    found: dict[str, set[str]] = {}
    for module in modules.values():
        values = _values(_source(module)) if ATTRIBUTE in module.text else ()
        named = (module.bindings.get(value.value) for value in values if isinstance(value, cst.Name))
        for one in named:
            if one is not None and one.name is not None:
                found.setdefault(one.module, set()).add(one.name)
    return found


def stated_in(modules: Mapping[str, SourceModule]) -> Iterator[tuple[SourceText, cst.Integer]]:
    """Yield the literals that state the API version of a plugin, each with its module.

    Args:
        modules: The modules of the plugin.
    """
    constants = constants_of(modules)
    for name, module in modules.items():
        if ATTRIBUTE in module.text or name in constants:
            source = _source(module)
            yield from ((source, node) for node in stated_versions(source, constants.get(name, ())))


def _source(module: SourceModule) -> SourceText:
    return _parsed(module.name, str(module.path), module.text)


@lru_cache(maxsize=32)  # what states the version is looked for in several steps
def _parsed(name: str, path: str, text: str) -> SourceText:
    from pipelex.upgrading.source_text import SourceText

    return SourceText(name, path, text)


def leave_unknown(step: Step, change: ApiChange) -> None:
    """Leave what states the API version in another way than by a number or ``PLUGIN_API_VERSION`` to the author.

    Args:
        step: A module of a plugin that states no number.
        change: What the marks are put down to.
    """
    import libcst as cst

    source = step.source
    for value in _values(source):
        name = value.attr if isinstance(value, cst.Attribute) else value
        scope = source.scope(value)
        bound = scope[name.value] if scope is not None and isinstance(name, cst.Name) else ()
        imported = [getattr(item, "node", None) for item in bound]
        is_idiom = any(IDIOM in source.code(node) for node in imported if isinstance(node, cst.ImportFrom))
        if not is_idiom and source.code(name) != IDIOM:
            step.leave(value, change, f"state the version as a number: {change.version}")


def _values(source: SourceText) -> Iterator[cst.BaseExpression]:
    import libcst as cst

    for node in source.nodes(cst.Assign, cst.AnnAssign, cst.Arg, cst.FunctionDef):
        value: cst.BaseExpression | None = None
        if isinstance(node, cst.Assign):
            value = next(filter(None, (_value_of(target.target, node.value) for target in node.targets)), None)
        elif isinstance(node, cst.AnnAssign):
            value = node.value if _is_attribute(node.target) else None
            yield from _literals(node.annotation) if value is not None else ()
        elif isinstance(node, cst.Arg):
            value = node.value if node.keyword is not None and node.keyword.value == ATTRIBUTE else None
        elif isinstance(node, cst.FunctionDef) and node.name.value == ATTRIBUTE:
            yield from _literals(node.returns) if node.returns is not None else ()
            yield from _returned(source, node)
        if value is not None:
            yield value


def _value_of(target: cst.BaseExpression, value: cst.BaseExpression) -> cst.BaseExpression | None:
    """Return what an assignment gives the attribute, in a tuple as well."""
    import libcst as cst

    if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
        pairs = zip(target.elements, value.elements, strict=False)
        return next((element.value for one, element in pairs if _is_attribute(one.value)), None)
    return value if _is_attribute(target) else None


def _literals(annotation: cst.Annotation) -> Iterator[cst.Integer]:
    """Yield the numbers in ``Literal[1]``."""
    import libcst.matchers as m

    literal = m.Name("Literal") | m.Attribute(attr=m.Name("Literal"))
    for node in m.findall(annotation, m.Subscript(value=literal)):
        yield from m.findall(node, m.Integer())  # type: ignore[misc]  # what the matcher of integers finds is integers


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
                yield from _literals(node.annotation) if isinstance(node, cst.AnnAssign) else ()
                yield value


def restate(step: Step, old: int, change: ApiChange, constants: Iterable[str] = ()) -> None:
    """Raise the version that a plugin states.

    Args:
        step: The module.
        old: The version before.
        change: What the edits are put down to.
        constants: The constants of the module by which other modules state it.
    """
    for node in stated_versions(step.source, constants):
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


def line_length(folder: Path) -> int:
    """Return the line length that a project's formatter is configured with, the usual 88 where none is.

    Args:
        folder: The plugin's folder; the project may be a folder above it.
    """
    import tomli

    for base in (folder, *folder.parents):
        for name in ("ruff.toml", ".ruff.toml", "pyproject.toml"):
            try:
                data = tomli.loads((base / name).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            tools = data.get("tool", {})
            for table in (data, tools.get("ruff", {}), tools.get("black", {}), tools.get("isort", {})):
                length = table.get("line-length", table.get("line_length"))
                if isinstance(length, int):
                    return length
            if name == "pyproject.toml":
                return _LINE_LENGTH
    return _LINE_LENGTH


_LINE_LENGTH = 88


def metadata_above(folder: Path) -> Metadata | None:
    """Return the metadata of the project that a package or a module belongs to; ``None`` where none can be read.

    Args:
        folder: The folder of the package or the module.
    """
    from pipelex.reading.metadata import is_project, project_metadata
    from pipelex.reading.place import UnreadableError

    project = next((base for base in (folder, *folder.parents) if is_project(base)), None)
    try:
        return project_metadata(project) if project is not None else None
    except UnreadableError:
        return None


def is_rewritten(file: Path) -> bool:
    """Return whether a file that states entry points can be rewritten.

    Args:
        file: The file.
    """
    return file.name in {"pyproject.toml", "setup.cfg"}


def regroup(text: str, change: ApiChange, file: Path) -> str:
    """Return a ``pyproject.toml`` or ``setup.cfg`` with its entry points in the new group, comments and order kept.

    Args:
        text: Its text.
        change: The change of the group.
        file: The file; of any other one the text is returned as it is.
    """
    if file.name == "setup.cfg":
        return _regroup_ini(text, change)
    return _regroup_toml(text, change) if file.name == "pyproject.toml" else text


def _regroup_ini(text: str, change: ApiChange) -> str:
    head, section, rest = text.partition("[options.entry_points]")
    body, bracket, tail = rest.partition("\n[")
    new = re.sub(rf"^{re.escape(change.old)}(?=\s*[=:])", change.new, body, flags=re.MULTILINE)
    return f"{head}{section}{new}{bracket}{tail}"


_TABLES = (("project", "entry-points"), ("tool", "poetry", "plugins"))
"""The tables of a ``pyproject.toml`` that have a table for each group."""


def _regroup_toml(text: str, change: ApiChange) -> str:
    import tomlkit

    document = tomlkit.parse(text.removeprefix("\ufeff"))
    wanted = document.unwrap()
    renamed = []
    for keys in _TABLES:
        table, old_table = wanted, document
        for key in keys[:-1]:
            table, old_table = table.get(key, {}), old_table.get(key, {})
        groups = table.get(keys[-1], {})
        if change.old in groups and change.new not in groups:
            table[keys[-1]] = {(change.new if key == change.old else key): groups[key] for key in groups}
            renamed.append(old_table[keys[-1]])
    if not renamed:
        return text
    above = r"""^[ \t]*\[?(?:[\w.\-" ]*?\.)?|^[^#\n]*[{,][ \t]*"""  # a table, a dotted key, an inline table
    spelled = rf"""({above})(["']){re.escape(change.old)}\2(?=[ \t]*[\].=])"""
    new = re.sub(spelled, rf"\g<1>\g<2>{change.new}\g<2>", text, flags=re.MULTILINE)
    if tomlkit.parse(new).unwrap() == wanted:
        return new
    for groups in renamed:
        groups[change.new] = groups.pop(change.old)
    return tomlkit.dumps(document)
