"""PX5xx: the callables that a plugin registers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipelex.checking.call_shapes import shape_findings
from pipelex.checking.examples import closures, misspelled_keyword, plugin, quoted_keyword, worker
from pipelex.checking.rules.rule import Rule
from pipelex.reading.plugin_code import LAMBDA
from pipelex.spi.call_shapes import LIST_MODELS, MAKE_WORKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.plugin_code import Contribution


def _check_make_worker_shape(rule: Rule, subject: Subject) -> Iterator[Finding]:
    return shape_findings(rule, subject, kind="backend", keyword="make_worker", protocol="MakeWorkerFn")


MAKE_WORKER_SHAPE = Rule(
    id="PX501",
    name="make-worker-shape",
    reason=(
        "The signature of make_worker is the contract: it is always called with the same keywords. A parameter of "
        "another name or type fails when the model is first used. What is taken beyond that, and works, is a note."
    ),
    expected="the signature of MakeWorkerFn, all parameters by keyword",
    fix="Copy the signature from docs/write-a-plugin.md, or from MakeWorkerFn in the stubs.",
    positive=misspelled_keyword(MAKE_WORKER),
    near_miss=quoted_keyword(MAKE_WORKER),
    check=_check_make_worker_shape,
)


def _check_lister_shape(rule: Rule, subject: Subject) -> Iterator[Finding]:
    return shape_findings(rule, subject, kind="lister", keyword="lister", protocol="ListModelsFn")


LISTER_SHAPE = Rule(
    id="PX502",
    name="lister-shape",
    reason="The signature of a lister is the contract: it is always called with the same keywords.",
    expected="the signature of ListModelsFn, all parameters by keyword",
    fix="Copy the signature from docs/write-a-plugin.md, or from ListModelsFn in the stubs.",
    positive=misspelled_keyword(LIST_MODELS),
    near_miss=quoted_keyword(LIST_MODELS),
    check=_check_lister_shape,
)


def _check_foreign_worker(rule: Rule, subject: Subject) -> Iterator[Finding]:
    families = subject.spi.families
    for made in subject.contributions:
        if made.kind != "backend" or made.function is None or made.family not in families:
            continue
        for node, name, bases in _built(subject, made):
            foreign = [family for family, base in families.items() if base in bases and family != made.family]
            if foreign and families[made.family] not in bases:
                message = f"'{made.function.name}' serves {made.family} and gives '{name}', a worker of {foreign[0]}"
                expected = f"a worker that derives from {families[made.family]}"
                yield rule.finding(made.module.place(node), message, expected=expected)


def _built(subject: Subject, made: Contribution) -> Iterator[tuple[ast.AST, str, set[str]]]:
    """Yield the classes that a function returns or is annotated with, each with the published classes above it."""
    function = made.function
    if function is None:
        return
    names: list[tuple[ast.AST, ast.expr | None]] = [(function, function.returns)]
    returned = (node for node in ast.walk(function) if isinstance(node, ast.Return))
    names += [(node, node.value.func) for node in returned if isinstance(node.value, ast.Call)]
    for node, name in names:
        if not isinstance(name, ast.Name):
            continue
        symbol = subject.published(made.module, name.id)
        found = subject.resolve(made.module, name.id)
        if symbol:
            yield node, name.id, {symbol.partition(":")[2]}
        elif found is not None and isinstance(found[1], ast.ClassDef):
            yield node, name.id, subject.published_base(found[0], found[1])


FOREIGN_WORKER = Rule(
    id="PX503",
    name="foreign-worker",
    reason=(
        "A backend is registered for one family, and the caller is given a worker of that family. make_worker may be "
        "annotated with the base of all workers, so no type checker sees what it builds."
    ),
    expected="a worker of the family that it is registered for",
    fix="Register it for the worker's own family, or build a worker of the family that it is registered for.",
    positive=plugin("family=InferenceFamily.LLM", "family=InferenceFamily.SEARCH"),
    near_miss=plugin("family=InferenceFamily.LLM", "family=InferenceFamily['LLM']"),
    check=_check_foreign_worker,
)


def _check_lister_not_async(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for made in subject.contributions:
        if made.function is None or made.function.name == LAMBDA:  # what it returns, the type checker sees
            continue
        is_async = isinstance(made.function, ast.AsyncFunctionDef)
        place, name = made.module.place(made.function), made.function.name
        if made.kind == "lister" and not is_async and not _gives_awaitable(made.function):
            message = f"the lister '{name}' is not async, and is awaited"
            yield rule.finding(place, message, expected=f"async def {name}", covers=('Argument "lister"',))
        elif made.kind == "backend" and is_async:
            message = f"'{name}' is async, and is not awaited"
            yield rule.finding(place, message, expected=f"def {name}", covers=('Argument "make_worker"',))


def _gives_awaitable(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A plain function that is annotated to return an awaitable does as well."""
    returns = ast.unparse(function.returns) if function.returns is not None else ""
    return returns.partition("[")[0].rpartition(".")[2] in {"Awaitable", "Coroutine"}


LISTER_NOT_ASYNC = Rule(
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
    check=_check_lister_not_async,
)


_LLM_HOOKS = ("_gen_text", "_generate", "_stream")


def _check_hookless_worker(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for made in subject.contributions:
        if made.kind != "backend" or made.function is None:
            continue
        for name in dict.fromkeys(name for _, name, _ in _built(subject, made)):
            found = subject.resolve(made.module, name)
            if found is None:
                continue
            where, node = found
            if not isinstance(node, ast.ClassDef):
                continue
            if "LLMWorkerAbstract" not in subject.published_base(where, node):
                continue
            defined = {
                inner.name
                for _, current in subject.bases(where, node)
                for inner in current.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            overridden = {hook.removeprefix("_") for hook in _LLM_HOOKS}  # in place of the hook: PX102
            if not defined & {*_LLM_HOOKS, *overridden}:
                yield rule.finding(where.place(node), f"the worker '{name}' defines none of {', '.join(_LLM_HOOKS)}")


HOOKLESS_WORKER = Rule(
    id="PX505",
    name="hookless-worker",
    reason=(
        "An LLM worker answers by one of three hooks, so none of them is abstract, and no type checker misses one. A "
        "worker without any of them raises at every call."
    ),
    expected="a method '_stream', '_generate' or '_gen_text'",
    fix="Define one of the hooks; a misspelt name defines none.",
    positive=worker("async def _gen_text(", "async def _gen_texts("),
    near_miss=worker(
        "class AcmeLLMWorker(LLMWorkerAbstract):",
        "class AcmeBase(LLMWorkerAbstract):\n    pass\n\n\nclass AcmeLLMWorker(AcmeBase):",
    ),
    check=_check_hookless_worker,
)


RULES = (
    MAKE_WORKER_SHAPE,
    LISTER_SHAPE,
    FOREIGN_WORKER,
    LISTER_NOT_ASYNC,
    HOOKLESS_WORKER,
)
