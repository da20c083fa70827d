"""PX504: a lister that is not async, or a make_worker that is."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipelex.checking.examples import closures
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for made in subject.contributions:
        if made.function is None:
            continue
        is_async = isinstance(made.function, ast.AsyncFunctionDef)
        place, name = made.module.place(made.function), made.function.name
        if made.kind == "lister" and not is_async and not _gives_awaitable(made.function):
            message = f"the lister '{name}' is not async, and is awaited"
            yield RULE.finding(place, message, expected=f"async def {name}", covers='Argument "lister"')
        elif made.kind == "backend" and is_async:
            message = f"'{name}' is async, and nobody awaits it"
            yield RULE.finding(place, message, expected=f"def {name}", covers='Argument "make_worker"')


def _gives_awaitable(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A plain function that says to return something to await does as well."""
    returns = ast.unparse(function.returns) if function.returns is not None else ""
    return returns.partition("[")[0].rpartition(".")[2] in {"Awaitable", "Coroutine"}


RULE = Rule(
    id="PX504",
    name="lister-not-async",
    reason=(
        "Listers are awaited, and make_worker is not. The wrong kind of function is refused when the plugin registers."
    ),
    expected="'async def' for a lister, 'def' for make_worker",
    fix="Write 'async' before the lister's 'def', or take it away from make_worker's.",
    positive=closures("async def list_acme_models(", "def list_acme_models("),
    near_miss=closures(
        '    return [ListedModel(id="acme-1")]\n',
        '    return _listed()\n\n\ndef _listed() -> list[ListedModel]:\n    return [ListedModel(id="acme-1")]\n',
    ),
    check=_check,
)
