"""Parameters that were renamed, added, removed or regrouped: on what implements a symbol and on what calls it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.upgrading.edits import Kept
from pipelex.upgrading.rewrites.step import plain

if TYPE_CHECKING:
    import libcst as cst

    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.rewrites.step import Step

    Function = cst.FunctionDef | cst.Lambda

KINDS = frozenset({"parameter-renamed", "parameter-added", "parameter-removed", "parameters-regrouped"})


def rewrite(step: Step, change: ApiChange) -> None:
    """Rewrite what implements and what calls a symbol whose parameters changed.

    Args:
        step: The module.
        change: The change.
    """
    symbol = plain(change.symbol)
    implementation, called, bound = {
        "parameter-renamed": (_rename, _rename_keyword, _rename_keyword),
        "parameter-added": (_add, _give, None),
        "parameter-removed": (_remove, _withhold, _withhold),
        "parameters-regrouped": (_regroup, _group, _leave_bound),
    }[change.kind]
    for function in step.implementers(symbol):
        if change.kind != "parameter-renamed" and _has_type_comment(step, function):
            step.leave(function, change, "its types are in a comment: write the parameters and the comment")
        else:
            implementation(step, function, change)
    for call in step.all_calls(symbol):
        if not _passes_all_on(step, call, symbol):
            called(step, call, change)
    for call in step.partials(symbol):
        if bound is not None:
            bound(step, call, change)


def _has_type_comment(step: Step, function: Function) -> bool:
    """Return whether the types of a function are in a comment below its head, where an annotation is not allowed."""
    text = step.source.text[step.source.start(function.name) :] if hasattr(function, "name") else ""
    return re.match(r"[^\n]*\n?\s*#\s*type:\s*\(", text[text.find(")") :]) is not None


def _passes_all_on(step: Step, call: cst.Call, symbol: str) -> bool:
    """Return whether a call passes on the ``**`` parameter of an implementation: what changed comes and goes in it."""
    function = step.around(call, symbol)
    if function is None or function.params.star_kwarg is None:
        return False
    name = function.params.star_kwarg.name.value
    return any(item.star == "**" and step.source.code(item.value) == name for item in call.args)


def _is_only_passed_on(step: Step, function: Function, symbol: str) -> bool:
    """Return whether a function's ``**`` parameter goes nowhere but into calls of the symbol."""
    parameter = function.params.star_kwarg
    if parameter is None:
        return False
    calls = [call for call in step.all_calls(symbol) if step.around(call, symbol) is function]
    passed = [item.value for call in calls for item in call.args if item.star == "**"]
    references = _references(step, parameter, parameter.name.value)
    return bool(references) and all(node in passed for node in references)


def _all(parameters: cst.Parameters) -> list[cst.Param]:
    return [*parameters.posonly_params, *parameters.params, *parameters.kwonly_params]


def _named(parameters: cst.Parameters, name: str) -> cst.Param | None:
    return next((item for item in _all(parameters) if item.name.value == name), None)


def _rename(step: Step, function: Function, change: ApiChange) -> None:
    old, new, parameters = change.old, change.new, function.params
    parameter = _named(parameters, old)
    if parameter is None:
        others = parameters.star_kwarg
        if others is None or _named(parameters, new) is not None:
            return
        if not _is_only_passed_on(step, function, plain(change.symbol)):
            step.leave(function, change, f"'{old}' may be in **{others.name.value}")
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


def _add(step: Step, function: Function, change: ApiChange) -> None:
    import libcst as cst

    text, parameters = change.new, function.params
    name = _name_of(text)
    if _named(parameters, name) is not None:
        return
    if parameters.star_kwarg is not None and _is_only_passed_on(step, function, plain(change.symbol)):
        return
    if isinstance(function, cst.Lambda):  # which has no annotations
        text = "=".join([name, *(part.strip() for part in text.partition("=")[2:])]).rstrip("=")
    takes_star = isinstance(parameters.star_arg, cst.ParamStar | cst.Param)
    if not _all(parameters) or _binds(step, function, name) or (takes_star and not parameters.kwonly_params):
        step.leave(function, change, f"write the parameter '{text}'")
        return
    if not takes_star and (_is_followed(step, change, name) or _ends_in_default(parameters, text)):
        step.leave(function, change, f"write the parameter '{text}'")
        return
    step.parameters(function).append((text,), change, f"takes {name}")
    step.gained.add((function, name))
    _need_type(step, function, text, change)


def _name_of(parameter: str) -> str:
    """Return the name of a parameter that is written out: ``seed: int | None = None``."""
    return parameter.partition(":")[0].partition("=")[0].strip().lstrip("*")


def _is_followed(step: Step, change: ApiChange, name: str) -> bool:
    """Return whether the new version has a positional parameter behind the added one: appending it would be wrong."""
    signature = step.new.tree.signature(plain(change.symbol))
    names = [one.name for one in signature.params if one.by_position] if signature is not None else []
    return name in names[:-1]


def _ends_in_default(parameters: cst.Parameters, text: str) -> bool:
    last = _all(parameters)[-1]
    return last.default is not None and "=" not in text


def need(step: Step, code: str, change: ApiChange, *, runtime: bool = False) -> None:
    """Note what an inserted piece of code has to import: the published names in it.

    Args:
        step: The module.
        code: The code.
        change: The change.
        runtime: Whether it runs, and is no annotation.
    """
    for word in re.findall(r"(?<![\w.])[A-Za-z_]\w*", code):
        if word in step.new.home:
            reference = f"{step.new.home[word]}:{word}"
            before = step.imports.get(reference, (change, False))
            step.imports[reference] = (before[0], before[1] or runtime)


def _need_type(step: Step, function: Function, parameter: str, change: ApiChange) -> None:
    """Note the type of a parameter that a function gets; a lambda has no annotations."""
    import libcst as cst

    if isinstance(function, cst.FunctionDef):
        need(step, parameter.partition(":")[2], change)


def _remove(step: Step, function: Function, change: ApiChange) -> None:
    name = change.old
    parameter = _named(function.params, name)
    if parameter is None:
        return
    passed = [item.value for item in _passed_by_keyword(step, plain(change.symbol), name)]
    used = [node for node in _references(step, parameter, name) if not any(node is value for value in passed)]
    deleted = {id(node): statement for node in used if (statement := _deletion_of(step, node)) is not None}
    if len(deleted) < len(used):
        step.leave(parameter, change, f"'{name}' is used in here and no longer comes")
        return
    for node in used:
        _no_longer_delete(step, node, deleted[id(node)], change)
    step.parameters(function).remove(parameter, change, f"no longer takes {name}")


def _passed_by_keyword(step: Step, symbol: str, name: str) -> list[cst.Arg]:
    """Return the arguments of a name in the calls of a symbol."""
    calls = [*step.all_calls(symbol), *step.partials(symbol)]
    return [item for call in calls for item in call.args if item.keyword is not None and item.keyword.value == name]


def _deletion_of(step: Step, node: cst.Name) -> cst.Del | None:
    """Return the ``del`` statement that a name is a target of."""
    import libcst as cst

    around = step.source.parent(node)
    if isinstance(around, cst.Element):
        around = step.source.parent(step.source.parent(around) or around)
    return around if isinstance(around, cst.Del) else None


def _no_longer_delete(step: Step, node: cst.Name, statement: cst.Del, change: ApiChange) -> None:
    """Take a name out of a ``del``; of the only one nothing remains, or ``pass`` where the block needs it."""
    import libcst as cst

    what = f"no longer deletes {node.value}"
    if isinstance(statement.target, cst.Tuple):
        targets = step.targets(statement.target)
        targets.remove(next(item for item in targets.items if getattr(item, "value", None) is node), change, what)
        if targets.keeps_any:
            return
    start, end, text = step.source.start(statement), step.source.end(statement), "pass"
    line = step.source.parent(statement)
    block = step.source.parent(line) if line is not None else None
    if isinstance(block, cst.IndentedBlock) and len(block.body) > 1 and line is not None and len(line.children) == 2:
        start, end, text = step.source.text.rfind("\n", 0, start) + 1, step.source.line_end(end) + 1, ""
    step.replace(start, end, text, change, what, rank=1)


def _regroup(step: Step, function: Function, change: ApiChange) -> None:
    """Replace several parameters by one; what referred to them refers to its attributes."""
    import libcst as cst

    olds, new = _grouped(change)
    symbol, parameters = plain(change.symbol), function.params
    present = [item for name in olds if (item := _named(parameters, name)) is not None]
    if not present and (_named(parameters, new) is not None or _is_only_passed_on(step, function, symbol)):
        return
    is_bound = _named(parameters, new) is not None or _binds(step, function, new)
    if len(present) < len(olds) or is_bound or _reads_names_at_run_time(step, function):
        if present or parameters.star_kwarg is not None:
            step.leave(function, change, f"write '{change.new}' in place of {change.old}")
        return
    references = [node for item in present for node in _references(step, item, item.name.value)]
    if any(_is_assigned(step, node) for node in references):
        step.leave(function, change, f"write '{change.new}' in place of {change.old}, which is assigned in here")
        return
    deletions = {id(node): statement for node in references if (statement := _deletion_of(step, node)) is not None}
    is_idle = len(deletions) == len(references)
    for place, node in enumerate(sorted(references, key=step.source.start)):
        if id(node) in deletions and not (is_idle and place == 0):
            _no_longer_delete(step, node, deletions[id(node)], change)
            continue
        text = new if is_idle else f"{new}.{node.value}"
        step.replace(step.source.start(node), step.source.end(node), text, change, f"{node.value} is in {new}")
    first, *others = sorted(present, key=step.source.start)
    items = step.parameters(function)
    items.replace(first, (new if isinstance(function, cst.Lambda) else change.new,), change, f"takes {new}")
    if references:
        _no_longer_excuse(step, items.behind(first), change)
    for item in others:
        items.remove(item, change, f"no longer takes {item.name.value}")
    step.gained.add((function, new))
    _need_type(step, function, change.new, change)


def _no_longer_excuse(step: Step, at: int, change: ApiChange) -> None:
    """Take out the ``noqa`` of an unused parameter, whose place one has taken that is used."""
    end = step.source.line_end(at)
    if re.fullmatch(r"\s*#\s*noqa:\s*ARG\d+(?!\s*[\d,]).*", step.source.text[at:end]):
        step.replace(at, end, "", change, "no longer excuses that it is unused")


def _grouped(change: ApiChange) -> tuple[list[str], str]:
    """Return the names of the parameters that become one, and the name of that one."""
    return [name.strip() for name in change.old.split(",")], _name_of(change.new)


def _is_assigned(step: Step, node: cst.Name) -> bool:
    """Return whether a name is the target of an assignment, a loop or the like."""
    import libcst as cst

    target: cst.CSTNode = node
    around = step.source.parent(node)
    while isinstance(around, cst.Element | cst.StarredElement | cst.Tuple | cst.List):
        target, around = around, step.source.parent(around)
    if isinstance(around, cst.Del):
        return _deletion_of(step, node) is None  # in brackets within the list
    if isinstance(around, cst.For | cst.CompFor | cst.NamedExpr | cst.AugAssign | cst.AnnAssign):
        return around.target is target
    return isinstance(around, cst.AssignTarget | cst.NameItem) or (
        isinstance(around, cst.AsName) and around.name is target
    )


# --- calls ---------------------------------------------------------------------------------------------


def _by_keyword(call: cst.Call) -> dict[str, cst.Arg]:
    return {item.keyword.value: item for item in call.args if item.keyword is not None}


def _is_spread(call: cst.Call) -> bool:
    return any(item.star for item in call.args)


def _rename_keyword(step: Step, call: cst.Call, change: ApiChange) -> None:
    by_keyword = _by_keyword(call)
    item = by_keyword.get(change.old)
    if item is not None and item.keyword is not None:
        start, end = step.source.start(item.keyword), step.source.end(item.keyword)
        step.replace(start, end, change.new, change, f"{change.old} is {change.new}")
    elif _is_spread(call) and change.new not in by_keyword:
        step.leave(call, change, f"'{change.old}' may be in what is spread with ** or *")


def _give(step: Step, call: cst.Call, change: ApiChange) -> None:
    """Pass an added parameter on where the function around the call has it, and give the entry's value elsewhere."""
    symbol, name = plain(change.symbol), _name_of(change.new)
    if name in step.given(call, symbol):
        return
    function = step.around(call, symbol)
    if function is not None and (_named(function.params, name) is not None or (function, name) in step.gained):
        step.arguments(call).append((f"{name}={name}",), change, f"passes {name} on")
    elif "=" not in change.new:
        give(step, call, change, name)


def give(step: Step, call: cst.Call, change: ApiChange, name: str) -> None:
    """Give an argument in a call, as the entry of the change writes it.

    Args:
        step: The module.
        call: The call.
        change: The change.
        name: The parameter.
    """
    if _is_spread(call) or not change.migration:
        step.leave(call, change, f"give '{name}'" + (f" ({change.todo})" if change.todo else ""))
        return
    text = change.migration.strip()
    text = text if text.startswith(f"{name}=") else f"{name}={text}"
    step.arguments(call).append((text,), change, f"gives {name}")
    need(step, text.partition("=")[2], change, runtime=True)


def _withhold(step: Step, call: cst.Call, change: ApiChange) -> None:
    item = step.given(call, plain(change.symbol)).get(change.old)
    if item is None:
        if _is_spread(call):
            step.leave(call, change, f"'{change.old}' may be in what is spread with ** or *")
    elif item.keyword is None or not _is_plain(item.value):
        step.leave(item, change, f"'{change.old}' is no longer taken")
    else:
        step.arguments(call).remove(item, change, f"no longer gives {change.old}")


def _is_plain(node: cst.BaseExpression) -> bool:
    """Return whether an expression only names or states a value, so that it can be removed."""
    import libcst as cst

    return isinstance(node, cst.Name | cst.SimpleString | cst.Integer | cst.Float) or (
        isinstance(node, cst.Attribute) and _is_plain(node.value)
    )


def _leave_bound(step: Step, call: cst.Call, change: ApiChange) -> None:
    """Leave a partial that binds a regrouped parameter to the author."""
    olds, new = _grouped(change)
    if _by_keyword(call).keys() & {*olds}:
        step.leave(call, change, f"bind '{new}' in place of {change.old}")


def _group(step: Step, call: cst.Call, change: ApiChange) -> None:
    """Give the one argument in place of several: the function's own where it is passed on, else a new object."""
    olds, new = _grouped(change)
    given = step.given(call, plain(change.symbol))
    items = [given[name] for name in olds if name in given]
    if new in given and not items:
        return
    is_complete = len(items) == len(olds) and all(item.keyword is not None for item in items)
    if _is_spread(call) or not is_complete or not change.migration:
        step.leave(call, change, f"give '{new}' in place of {change.old}")
        return
    parts = (new,) if _passes_group_on(step, call, change, given) else _filled(step, change, given)
    first, *others = sorted(items, key=step.source.start)
    arguments = step.arguments(call)
    arguments.replace(first, (f"{new}=", *parts), change, f"gives {new}")
    for item in others:
        arguments.remove(item, change, f"no longer gives {item.keyword.value if item.keyword else ''}")
    if parts != (new,):
        need(step, change.migration, change, runtime=True)


def _passes_group_on(step: Step, call: cst.Call, change: ApiChange, given: dict[str, cst.Arg]) -> bool:
    """Return whether all regrouped arguments are the regrouped parameters of the function around the call."""
    olds, new = _grouped(change)
    function = step.around(call, plain(change.symbol))
    if function is None or (function, new) not in step.gained:
        return False
    parameters = [(name, _named(function.params, name)) for name in olds]
    return all(
        parameter is not None and any(node is given[name].value for node in _references(step, parameter, name))
        for name, parameter in parameters
    )


def _filled(step: Step, change: ApiChange, given: dict[str, cst.Arg]) -> tuple[str | Kept, ...]:
    """Return the entry's code with the arguments in it."""
    parts = re.split(r"\{(\w+)\}", change.migration.strip())  # text and names in turns
    values = {name: given[name].value for name in parts[1::2] if name in given}
    return tuple(
        Kept(*step.outer(values[part])) if number % 2 and part in values else part
        for number, part in enumerate(parts)
        if part
    )
