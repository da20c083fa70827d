"""Compares the functions that a plugin contributes with the published call shapes.

What a type checker refuses is an error. What it accepts beyond the contract (a parameter that may be given by position,
a default, an optional parameter more) works, and is one note per function.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.rules.rule import Rule
    from pipelex.checking.subject import Subject
    from pipelex.reading.plugin_code import Function
    from pipelex.reading.source import SourceModule


class Difference(NamedTuple):
    """One difference between a function and a call shape.

    Attributes:
        node: Where.
        what: What is different.
        expected: What the call shape has there.
        fails: Whether calling the function as the contract does fails, or hides a misspelt keyword; ``None`` where the
            types decide.
    """

    node: ast.AST
    what: str
    expected: str
    fails: bool | None


def _listed(found: Iterable[Difference]) -> str:
    return "; ".join(one.what for one in found)


def shape_findings(rule: Rule, subject: Subject, kind: str, keyword: str, protocol: str) -> Iterator[Finding]:
    """Yield the findings about the call shapes of a kind of contribution.

    Args:
        rule: The rule that reports them.
        subject: What is checked.
        kind: The kind of contribution.
        keyword: The menu method's keyword that takes the function.
        protocol: The published protocol.
    """
    shape = subject.spi.call_shape(protocol)
    covers = f'Argument "{keyword}"'
    is_refused = any(covers in error.message for error in subject.mypy_errors)
    for made in subject.contributions:
        if made.kind != kind or made.function is None:
            continue
        found = list(differences(made.module, made.function, shape))
        if any(one.fails or (one.fails is None and is_refused) for one in found):
            message = f"'{made.function.name}' is not of the call shape {protocol}: {_listed(found)}"
            names = tuple(f'Name "{name}" is not defined' for name in shape)  # of a parameter that it should have
            expected = found[0].expected if len(found) == 1 else ""
            place = made.module.place(found[0].node)
            yield rule.finding(place, message, expected=expected, covers=(covers, *names))
        elif found:
            message = f"'{made.function.name}' takes more than {protocol} asks for: {_listed(found)}"
            yield rule.finding(made.module.place(made.function), message, severity="note")


def differences(module: SourceModule, function: Function, wanted: dict[str, str]) -> Iterator[Difference]:
    """Yield where a function differs from a call shape.

    Args:
        module: The function's module.
        function: The function.
        wanted: The annotations of the call shape's parameters, all of which are keywords.
    """
    keywords = f"the keywords {', '.join(wanted)}"
    parameters = list(_parameters(function.args))[1 if _is_method(module, function) else 0 :]
    given = {argument.arg for argument, _, _ in parameters}
    missing = [name for name in wanted if name not in given and function.args.kwarg is None]
    for argument, kind, is_optional in parameters:
        name, expected = argument.arg, wanted.get(argument.arg)
        if expected is None:
            text = f"'{name}' is no parameter of the call shape"
            yield Difference(argument, text, _nearest(name, missing), fails=not is_optional or bool(missing))
            continue
        if kind != "keyword":
            text = (
                f"'{name}' may be given by position" if kind == "either" else f"'{name}' can be given by position alone"
            )
            yield Difference(argument, text, f"'*, {name}'", fails=kind == "position")
        if is_optional:
            yield Difference(
                argument, f"'{name}' has a default, and is always given", f"{name}: {expected}", fails=False
            )
        annotation = argument.annotation
        if annotation is not None and spelled(module, annotation) != _parsed(expected):
            text = f"'{name}' is annotated as {ast.unparse(annotation)}"
            yield Difference(argument, text, f"{name}: {expected}", fails=None)
    for star, mark in ((function.args.vararg, "*"), (function.args.kwarg, "**")):
        if star is not None:
            yield Difference(star, f"'{mark}{star.arg}' takes anything", keywords, fails=True)
    for name in missing:
        text = f"the parameter '{name}' is missing"
        yield Difference(function, text, f"{name}: {wanted[name]}", fails=True)


def _parameters(arguments: ast.arguments) -> Iterator[tuple[ast.arg, str, bool]]:
    """Yield each parameter, how it may be given (``position``, ``either``, ``keyword``), and whether it is optional."""
    positional = [*arguments.posonlyargs, *arguments.args]
    first_optional = len(positional) - len(arguments.defaults)
    for index, argument in enumerate(positional):
        yield argument, "position" if argument in arguments.posonlyargs else "either", index >= first_optional
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield argument, "keyword", default is not None


def spelled(module: SourceModule, node: ast.expr) -> frozenset[str]:
    """Return the members of an annotation as a set, whatever way it is spelled.

    Args:
        module: The module that contains it.
        node: The annotation.
    """
    match node:
        case ast.Constant(value=str(text)):
            return _spelled_text(module, text)
        case ast.BinOp(op=ast.BitOr()):
            return spelled(module, node.left) | spelled(module, node.right)
        case ast.Subscript() if ast.unparse(node.value).rpartition(".")[2] in {"Optional", "Union"}:
            return _spelled_union(module, node)
        case ast.Name(id=name):
            one = module.bindings.get(name)
            return frozenset({one.name if one is not None and one.name is not None else name})
        case ast.Attribute(attr=name):
            return frozenset({name})
    return frozenset({ast.unparse(node)})


def _spelled_text(module: SourceModule, text: str) -> frozenset[str]:
    try:
        return spelled(module, ast.parse(text, mode="eval").body)
    except SyntaxError:
        return frozenset({text})


def _spelled_union(module: SourceModule, node: ast.Subscript) -> frozenset[str]:
    members = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    extra = {"None"} if ast.unparse(node.value).endswith("Optional") else set()
    return frozenset(extra).union(*(spelled(module, member) for member in members))


def _parsed(annotation: str) -> frozenset[str]:
    return frozenset(part.strip() for part in annotation.split("|"))


def _nearest(name: str, missing: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, missing, n=1, cutoff=0.4)
    return f"'{near[0]}'" if near else f"one of {', '.join(missing)}" if missing else "no further parameter"


def _is_method(module: SourceModule, function: Function) -> bool:
    static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
    classes = (node for node in module.nodes if isinstance(node, ast.ClassDef))
    return not static and any(function in node.body for node in classes)
