"""Holds the functions that a plugin hands to the menu against the published call shapes, word for word.

A type checker lets more through: a default, a parameter that may be given by position, a wider type. They work
today, and are not the contract.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipelex.reading.plugin_code import Function
    from pipelex.reading.source import SourceModule


def differences(
    module: SourceModule, function: Function, wanted: Mapping[str, str]
) -> Iterator[tuple[ast.AST, str, str]]:
    """Yield where a function differs from a call shape: the node, what is wrong, what was expected.

    Args:
        module: The function's module.
        function: The function.
        wanted: The keywords of the call shape, each with its annotation.
    """
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args][1 if _is_method(module, function) else 0 :]
    yield from _kind_differences(arguments, positional, wanted)
    yield from _name_differences(function, positional, wanted)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None and argument.arg in wanted:
            text = f"'{argument.arg}' has a default, and is always given"
            yield argument, text, f"{argument.arg}: {wanted[argument.arg]}"
    for argument in (*positional, *arguments.kwonlyargs):
        annotation, expected = argument.annotation, wanted.get(argument.arg)
        if expected is not None and annotation is not None and spelled(module, annotation) != _parsed(expected):
            text = f"'{argument.arg}' is annotated as {ast.unparse(annotation)}"
            yield argument, text, f"{argument.arg}: {expected}"


def _kind_differences(
    arguments: ast.arguments, positional: list[ast.arg], wanted: Mapping[str, str]
) -> Iterator[tuple[ast.AST, str, str]]:
    keywords = f"the keywords {', '.join(wanted)}"
    for argument in positional:
        expected = f"'*, {argument.arg}'" if argument.arg in wanted else keywords
        yield argument, f"'{argument.arg}' may be given by position", expected
    for star, mark in ((arguments.vararg, "*"), (arguments.kwarg, "**")):
        if star is not None:
            yield star, f"'{mark}{star.arg}' takes anything", keywords


def _name_differences(
    function: Function, positional: list[ast.arg], wanted: Mapping[str, str]
) -> Iterator[tuple[ast.AST, str, str]]:
    keywords = function.args.kwonlyargs
    given = {argument.arg for argument in (*positional, *keywords)}
    missing = [name for name in wanted if name not in given and function.args.kwarg is None]
    for argument in keywords:
        if argument.arg not in wanted:
            text = f"'{argument.arg}' is no parameter of the call shape"
            yield argument, text, _nearest(argument.arg, missing)
    for name in missing:
        yield function, f"the parameter '{name}' is missing", f"{name}: {wanted[name]}"


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
