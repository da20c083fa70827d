"""What the source of a plugin's module states in so many words, read as a syntax tree. Nothing is run."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pipelex.diagnosis.report import Claim
from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LiteralT = TypeVar("_LiteralT", str, int)

_MENU = {"add_inference_backend", "add_model_lister", "add_command"}


class Statement(NamedTuple):
    """What a plugin's module states.

    Attributes:
        name: The plugin's own name, where it is a literal.
        targets_api: The API version that it targets, where it is a literal.
        follows_api: Whether ``targets_api`` is the installed version, whichever that is.
        claims: The contributions whose keys are literals.
        are_claims_complete: Whether there is a call of the menu, and all of them could be read.
        sdks: The ``(spec, extra)`` of each guard whose arguments are literals.
    """

    name: str | None
    targets_api: int | None
    follows_api: bool
    claims: tuple[Claim, ...]
    are_claims_complete: bool
    sdks: tuple[tuple[str, str], ...]


def read_statement(path: Path, attribute: str) -> Statement:
    """Read what a module states about the plugin that its entry point names.

    Args:
        path: The module's file.
        attribute: The attribute that the entry point names.

    Raises:
        OSError: The file cannot be read.
        SyntaxError: It is no Python.
        ValueError: It is no text.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a doubtful escape in a stranger's string is not ours to judge
        tree = ast.parse(path.read_bytes())
    plugin = _plugin_class(tree, attribute)
    stated = _assignments(plugin.body) if plugin is not None else {}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    menu = [call for call in calls if _called(call) in _MENU]
    claims = [_claim(call) for call in menu]
    name, targets_api = stated.get("name"), stated.get("targets_api")
    return Statement(
        name=_literal(name, str),
        targets_api=_literal(targets_api, int),
        follows_api=_last_name(targets_api) == "PLUGIN_API_VERSION",
        claims=tuple(claim for claim in claims if claim is not None),
        are_claims_complete=bool(claims) and None not in claims,
        sdks=tuple(dict.fromkeys(_guards(calls))),
    )


def _plugin_class(tree: ast.Module, attribute: str) -> ast.ClassDef | None:
    """Find the class behind an entry point: the class itself, or the one that an instance or factory is made of."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if attribute in classes:
        return classes[attribute]
    for node in tree.body:
        made: ast.expr | None = None
        if isinstance(node, ast.FunctionDef) and node.name == attribute:
            made = next((inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)), None)
        elif attribute in _assignments([node]):
            made = _assignments([node])[attribute]
        if isinstance(made, ast.Call) and isinstance(made.func, ast.Name):
            return classes.get(made.func.id)
    return None


def _assignments(body: list[ast.stmt]) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in body:
        if isinstance(node, ast.Assign):
            found.update({target.id: node.value for target in node.targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def _literal(node: ast.expr | None, kind: type[_LiteralT]) -> _LiteralT | None:
    if isinstance(node, ast.Constant) and type(node.value) is kind:
        return node.value
    return None


def _last_name(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _called(call: ast.Call) -> str | None:
    return _last_name(call.func)


def _claim(call: ast.Call) -> Claim | None:
    """Read one call of the menu; ``None`` where its keys are not literals."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    sdk, name = _literal(given.get("sdk"), str), _literal(given.get("name"), str)
    match _called(call):
        case "add_inference_backend":
            member = _last_name(given.get("family"))
            family = InferenceFamily.__members__.get(member) if member is not None else None
            if family is not None and sdk is not None:
                return Claim("inference_backend", family.value, sdk)
        case "add_model_lister" if sdk is not None:
            return Claim("model_lister", sdk=sdk)
        case "add_command" if name is not None:
            return Claim("command", name=name)
    return None


def _guards(calls: list[ast.Call]) -> Iterator[tuple[str, str]]:
    for call in calls:
        if _called(call) != "require_sdk":
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        spec, extra = _literal(given.get("spec"), str), _literal(given.get("extra"), str)
        if spec is not None and extra is not None:
            yield spec, extra
