"""PX6xx: what the async functions of a plugin do while the event loop waits for them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipelex.checking.examples import worker
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.source import SourceModule

_VERBS = frozenset({"delete", "get", "head", "options", "patch", "post", "put", "request"})
_BLOCKING = frozenset(
    {
        "time.sleep",
        "os.system",
        "socket.create_connection",
        "urllib.request.urlopen",
        "urllib.request.urlretrieve",
        *(f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "getoutput")),
        "subprocess.getstatusoutput",
        *(f"requests.{verb}" for verb in _VERBS),
        *(f"httpx.{verb}" for verb in (_VERBS | {"stream"})),
    }
)
"""Functions that return when the work is done."""
_CLIENTS = {
    **dict.fromkeys(("requests.Session", "requests.session"), _VERBS | {"send"}),
    "httpx.Client": _VERBS | {"send", "stream"},
    "http.client.HTTPConnection": frozenset({"connect", "getresponse", "request"}),
    "http.client.HTTPSConnection": frozenset({"connect", "getresponse", "request"}),
    "subprocess.Popen": frozenset({"communicate", "wait"}),
}
"""Classes, each with its methods that do so."""
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _check_blocking_call(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for module in subject.modules:
        for function in module.nodes:
            if isinstance(function, ast.AsyncFunctionDef):
                for call, name in _blocking_calls(module, function):
                    message = f"the async function '{function.name}' calls '{name}', which blocks the event loop"
                    fix = "Write 'await asyncio.sleep(...)'." if name == "time.sleep" else ""
                    yield rule.finding(module.place(call), message, fix=fix)


def _blocking_calls(module: SourceModule, function: ast.AsyncFunctionDef) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls that the body of a function makes itself and that block, each with its full name."""
    own = tuple(_run_by(function.body))
    arguments = function.args
    names = dict.fromkeys((one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)), "")
    names |= {name: _full_name(module, value, names) for name, value in _assigned(own)}
    for node in own:
        if isinstance(node, ast.Call):
            name = _full_name(module, node.func, names)
            owner, _, method = name.rpartition(".")
            if name in _BLOCKING or method in _CLIENTS.get(owner, ()):
                yield node, name


def _run_by(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a body, but not those of the functions in it: whoever calls those may be a thread."""
    for node in body:
        if not isinstance(node, _LATER):
            yield node
            yield from _run_by(ast.iter_child_nodes(node))


def _assigned(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that are assigned to, each with what it is assigned."""
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                yield name, value


def _full_name(module: SourceModule, node: ast.expr, names: dict[str, str]) -> str:
    """Return the dotted name of what an expression is; that of its class for a call, empty for anything unknown.

    Args:
        module: The module.
        node: The expression.
        names: What the function's own names are; empty for a parameter, which hides an import of that name.
    """
    match node:
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id=name) if name in module.bindings:
            one = module.bindings[name]
            if one.name is not None:
                return f"{one.module}.{one.name}"
            return name if one.module.startswith(f"{name}.") else one.module  # "import a.b" binds "a"
        case ast.Attribute(value=value, attr=attr):
            owner = _full_name(module, value, names)
            return f"{owner}.{attr}" if owner else ""
        case ast.Call(func=func):
            made = _full_name(module, func, names)
            return made if made in _CLIENTS else ""
    return ""


_HOOK = "        answer: str = await acme.complete(job.prompt.user_text)\n"

BLOCKING_CALL = Rule(
    id="PX601",
    name="blocking-call",
    reason=(
        "While an async function blocks, nothing else runs in its event loop: calls that were made at once run one "
        "after the other, and no time-out is kept."
    ),
    expected="a call that is awaited, or one that runs on a thread",
    fix=(
        "Use the SDK's async client, or write 'await on_daemon_thread(lambda: ...)' around the call "
        "(docs/write-a-plugin.md, A synchronous SDK)."
    ),
    positive=worker(_HOOK, f"        from time import sleep\n\n        sleep(0.1)\n{_HOOK}"),
    near_miss=worker(
        _HOOK,
        "        import asyncio\n        import time\n\n"
        "        def ask() -> str:\n            time.sleep(0.1)\n            return job.prompt.user_text\n\n"
        "        answer = await asyncio.to_thread(ask)\n",
    ),
    check=_check_blocking_call,
)


RULES = (BLOCKING_CALL,)
