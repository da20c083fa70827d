"""Parameters that were renamed, added, removed or regrouped: on what implements a symbol and on what calls it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.upgrading.rewrites.step import plain

if TYPE_CHECKING:
    import libcst as cst

    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.rewrites.step import Step

KINDS = frozenset({"parameter-renamed", "parameter-added", "parameter-removed", "parameters-regrouped"})


def rewrite(step: Step, change: ApiChange, own: set[str]) -> None:
    """Rewrite what implements and what calls a symbol whose parameters changed.

    Args:
        step: The module.
        change: The change.
        own: The plugin's functions that implement the symbol, anywhere in it: their callers follow.
    """
    symbol = plain(change.symbol)
    functions: list[cst.FunctionDef | cst.Lambda] = [*step.implementations(symbol), *step.lambdas(symbol)]
    for function in functions:
        _implementation(step, function, function.params, change)
    for call in step.calls({symbol, *own}):
        _call(step, call, change, symbol)


def _implementation(
    step: Step, function: cst.FunctionDef | cst.Lambda, parameters: cst.Parameters, change: ApiChange
) -> None:
    if change.kind == "parameter-renamed":
        _rename(step, function, parameters, change)
    elif change.kind == "parameter-added":
        _add(step, function, parameters, change, change.new)
    elif change.kind == "parameter-removed":
        _remove(step, parameters, change, [change.old])
    else:
        _regroup(step, function, parameters, change)


def _all(parameters: cst.Parameters) -> list[cst.Param]:
    return [*parameters.posonly_params, *parameters.params, *parameters.kwonly_params]


def _named(parameters: cst.Parameters, name: str) -> cst.Param | None:
    return next((item for item in _all(parameters) if item.name.value == name), None)


def _rename(
    step: Step,
    function: cst.FunctionDef | cst.Lambda,
    parameters: cst.Parameters,
    change: ApiChange,
) -> None:
    old, new = change.old, change.new
    parameter = _named(parameters, old)
    if parameter is None:
        if parameters.star_kwarg is not None and _named(parameters, new) is None:
            step.leave(function, change, f"'{old}' may be in **{parameters.star_kwarg.name.value}")
        return
    if _named(parameters, new) is not None or _binds(step, function, new):
        step.leave(parameter, change, f"'{new}' is already a name in here")
        return
    if _reads_names_at_run_time(step, function):
        step.leave(function, change, "it reads its names at run time (locals, eval or exec)")
        return
    source = step.source
    what = f"{old} is {new}"
    step.replace(source.start(parameter.name), source.end(parameter.name), new, change, what)
    for node in _references(step, parameter, old):
        step.replace(source.start(node), source.end(node), new, change, what)
    _rename_in_docstring(step, function, change, old, new)


def _references(step: Step, parameter: cst.Param, name: str) -> list[cst.Name]:
    """Return what refers to a parameter, from nested functions too; what shadows it does not count."""
    import libcst as cst

    found: list[cst.Name] = []
    for scope in step.source.scopes():
        for item in scope.assignments:
            if item.name == name and getattr(item, "node", None) in (parameter, parameter.name):
                nodes = (access.node for access in item.references)
                found += [node for node in map(_leftmost, nodes) if isinstance(node, cst.Name)]
                found += [
                    target
                    for other in scope.assignments
                    if other.name == name and isinstance(target := getattr(other, "node", None), cst.Name)
                    if target is not parameter.name
                ]
    return list(dict.fromkeys(found))


def _leftmost(node: cst.CSTNode) -> cst.CSTNode:
    import libcst as cst

    while isinstance(node, cst.Attribute):
        node = node.value
    return node


def _binds(step: Step, function: cst.FunctionDef | cst.Lambda, name: str) -> bool:
    """Tell whether a name is bound or read anywhere in a function."""
    import libcst as cst

    body = function.body
    start, end = step.source.start(body), step.source.end(body)
    for node in step.source.nodes(cst.Name):
        assert isinstance(node, cst.Name)
        if node.value != name or not start <= step.source.start(node) < end:
            continue
        around = step.source.parent(node)
        is_attribute = isinstance(around, cst.Attribute) and around.attr is node
        is_keyword = isinstance(around, cst.Arg) and around.keyword is node
        if not is_attribute and not is_keyword:
            return True
    return False


def _reads_names_at_run_time(step: Step, function: cst.FunctionDef | cst.Lambda) -> bool:
    return re.search(r"(?<![\w.])(locals|eval|exec|vars)\s*\(", step.source.code(function.body)) is not None


def _rename_in_docstring(
    step: Step, function: cst.FunctionDef | cst.Lambda, change: ApiChange, old: str, new: str
) -> None:
    """Rename the line of a parameter in a docstring's list of arguments, and nothing else in it."""
    import libcst as cst

    if not isinstance(function, cst.FunctionDef) or not function.body.body:
        return
    first = function.body.body[0]
    statement = first.body[0] if isinstance(first, cst.SimpleStatementLine) else first
    if not isinstance(statement, cst.Expr) or not isinstance(statement.value, cst.SimpleString):
        return
    code = step.source.code(statement.value)
    found = re.search(rf"^[ \t]+{re.escape(old)}(?=(?: \([^)]*\))?:)", code, re.MULTILINE)
    if found is not None:
        at = step.source.start(statement.value) + found.end()
        step.replace(at - len(old), at, new, change, f"{old} is {new}, in the docstring")


def _add(
    step: Step, function: cst.FunctionDef | cst.Lambda, parameters: cst.Parameters, change: ApiChange, text: str
) -> None:
    import libcst as cst

    name = text.partition(":")[0].partition("=")[0].strip().lstrip("*")
    if _named(parameters, name) is not None:
        return
    if isinstance(function, cst.Lambda):
        text = name
    names = _all(parameters)
    if not names or _binds(step, function, name):
        step.leave(function, change, f"write the parameter '{text}'")
        return
    if not parameters.kwonly_params and isinstance(parameters.star_arg, cst.Param):
        step.leave(function, change, f"write the parameter '{text}'")
        return
    last = names[-1]
    at = step.source.item_end(last)
    before = step.source.text[: step.source.start(last)]
    own_line = before[before.rfind("\n") + 1 :].strip() == ""
    glue = f",\n{step.source.indent_at(step.source.start(last))}" if own_line else ", "
    step.replace(at, at, f"{glue}{text}", change, f"takes {name}")
    need(step, text.partition(":")[2], change)


def need(step: Step, code: str, change: ApiChange, *, runtime: bool = False) -> None:
    """Note what an inserted piece of code has to import: the published names in it.

    Args:
        step: The module.
        code: The code.
        change: The change.
        runtime: Whether it runs, and is no annotation.
    """
    for word in re.findall(r"(?<![\w.])[A-Za-z_]\w*", code):
        if word in step.published:
            reference = f"{step.published[word]}:{word}"
            before = step.imports.get(reference, (change, False))
            step.imports[reference] = (before[0], before[1] or runtime)


def _remove(
    step: Step,
    parameters: cst.Parameters,
    change: ApiChange,
    names: list[str],
) -> None:
    for name in names:
        parameter = _named(parameters, name)
        if parameter is None:
            continue
        if _references(step, parameter, name):
            step.leave(parameter, change, f"'{name}' is used in here and no longer comes")
            continue
        _drop(
            step,
            _all(parameters),
            parameter,
            change,
            f"no longer takes {name}",
            keep_star=len(parameters.kwonly_params) == 1,
        )


def _drop(
    step: Step,
    items: list[cst.Param] | list[cst.Arg],
    item: cst.Param | cst.Arg,
    change: ApiChange,
    what: str,
    *,
    keep_star: bool = False,
) -> None:
    """Take one item out of a list, with the comma and the line that were its own."""
    source = step.source
    place = next(number for number, other in enumerate(items) if other is item)
    if keep_star:
        step.leave(item, change, f"{what}: it was the only keyword behind the star")
    elif place + 1 < len(items):
        step.replace(source.start(item), source.start(items[place + 1]), "", change, what)
    elif place > 0:
        end = source.item_end(item)
        before = items[place - 1]
        start = source.item_end(before)
        step.replace(start, end, "", change, what)
    else:
        end = source.end(item)
        step.replace(source.start(item), end, "", change, what)


def _regroup(step: Step, function: cst.FunctionDef | cst.Lambda, parameters: cst.Parameters, change: ApiChange) -> None:
    """Replace several parameters by one; what referred to them refers to its attributes."""
    olds = [name.strip() for name in change.old.split(",")]
    new = change.new.partition(":")[0].strip()
    present = [item for name in olds if (item := _named(parameters, name)) is not None]
    if not present:
        return
    if len(present) < len(olds) or _binds(step, function, new) or _reads_names_at_run_time(step, function):
        step.leave(function, change, f"write '{change.new}' in place of {change.old}")
        return
    for item in present:
        for node in _references(step, item, item.name.value):
            step.replace(
                step.source.start(node),
                step.source.end(node),
                f"{new}.{item.name.value}",
                change,
                f"{item.name.value} is in {new}",
            )
    first, *others = sorted(present, key=step.source.start)
    start = step.source.start(first)
    step.replace(start, step.source.item_end(first), change.new, change, f"takes {new}")
    for item in others:
        _drop(step, _all(parameters), item, change, f"no longer takes {item.name.value}")
    need(step, change.new.partition(":")[2], change)


# --- calls ---------------------------------------------------------------------------------------------


def _call(step: Step, call: cst.Call, change: ApiChange, symbol: str) -> None:
    by_keyword = {item.keyword.value: item for item in call.args if item.keyword is not None}
    spread = any(item.star for item in call.args)
    positions = step.positions(symbol)
    given = dict(by_keyword)
    for name, item in zip(
        positions, (item for item in call.args if item.keyword is None and not item.star), strict=False
    ):
        given.setdefault(name, item)
    match change.kind:
        case "parameter-renamed":
            _rename_keyword(step, call, change, by_keyword, spread=spread)
        case "parameter-added":
            _give(step, call, change, given, spread=spread)
        case "parameter-removed":
            _withhold(step, call, change, given, spread=spread)
        case _:
            _group(step, call, change, given, spread=spread)


def _rename_keyword(
    step: Step, call: cst.Call, change: ApiChange, by_keyword: dict[str, cst.Arg], *, spread: bool
) -> None:
    item = by_keyword.get(change.old)
    if item is not None and item.keyword is not None:
        keyword = item.keyword
        step.replace(
            step.source.start(keyword), step.source.end(keyword), change.new, change, f"{change.old} is {change.new}"
        )
    elif spread and change.new not in by_keyword:
        step.leave(call, change, f"'{change.old}' may be in what is spread with ** or *")


def _give(step: Step, call: cst.Call, change: ApiChange, given: dict[str, cst.Arg], *, spread: bool) -> None:
    name = change.new.partition(":")[0].partition("=")[0].strip()
    if name in given or "=" in change.new:
        return
    if spread or not change.migration or not call.args:
        step.leave(call, change, f"give '{name}'" + (f" ({change.todo})" if change.todo else ""))
        return
    text = change.migration.strip()
    text = text if text.startswith(f"{name}=") else f"{name}={text}"
    last = call.args[-1]
    at = step.source.item_end(last)
    before = step.source.text[: step.source.start(last)]
    own_line = before[before.rfind("\n") + 1 :].strip() == ""
    glue = f",\n{step.source.indent_at(step.source.start(last))}" if own_line else ", "
    step.replace(at, at, f"{glue}{text}", change, f"gives {name}")
    need(step, text.partition("=")[2], change, runtime=True)


def _withhold(step: Step, call: cst.Call, change: ApiChange, given: dict[str, cst.Arg], *, spread: bool) -> None:
    item = given.get(change.old)
    if item is None:
        if spread:
            step.leave(call, change, f"'{change.old}' may be in what is spread with ** or *")
    elif item.keyword is None or not _is_plain(item.value):
        step.leave(item, change, f"'{change.old}' is no longer taken")
    else:
        _drop(step, list(call.args), item, change, f"no longer gives {change.old}")


def _is_plain(node: cst.BaseExpression) -> bool:
    """Tell whether an expression does nothing but name or state a value, so that it can go."""
    import libcst as cst

    return isinstance(node, cst.Name | cst.SimpleString | cst.Integer | cst.Float) or (
        isinstance(node, cst.Attribute) and _is_plain(node.value)
    )


def _group(step: Step, call: cst.Call, change: ApiChange, given: dict[str, cst.Arg], *, spread: bool) -> None:
    olds = [name.strip() for name in change.old.split(",")]
    new = change.new.partition(":")[0].strip()
    items = [given[name] for name in olds if name in given]
    if new in given and not items:
        return
    if spread or len(items) < len(olds) or not change.migration or any(item.keyword is None for item in items):
        step.leave(call, change, f"give '{new}' in place of {change.old}")
        return
    values = {name: step.source.code(given[name].value) for name in olds}
    text = change.migration.strip()
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    first, *others = sorted(items, key=step.source.start)
    start = step.source.start(first)
    step.replace(start, step.source.item_end(first), f"{new}={text}", change, f"gives {new}")
    for item in others:
        _drop(step, list(call.args), item, change, f"no longer gives {item.keyword.value if item.keyword else ''}")
    need(step, text, change, runtime=True)
