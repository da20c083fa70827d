"""PX2xx: what a plugin may import and touch, and when."""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING, TypeGuard

from pipelex.checking.examples import closures, closures_importing, helper, plugin
from pipelex.checking.import_shapes import ROOT, findings_of, imports_of_ours, is_ours
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.source import SourceModule
    from pipelex.spi.imports import Import


OUTSIDE_SPI = Rule(
    id="PX201",
    name="outside-spi",
    reason=(
        "What is not published is ours to change in any release. A plugin that reaches for it breaks without any "
        "change of the API version, and its users do not learn why."
    ),
    expected="a symbol of docs/spi.md",
    fix="Use what is published. What is missing there is a gap in the plugin API: report it.",
    positive=helper("from pipelex.hub import get_hub\n\nHUB = get_hub\n"),
    near_miss=helper("from pipelex_extras.hub import get_hub\n\nHUB = get_hub\n"),
    check=findings_of,
)


RE_EXPORT = Rule(
    id="PX202",
    name="re-export",
    reason=(
        "Each published name has one module. That another module imports it, too, is that module's own affair and may "
        "end in any release."
    ),
    expected="the import from the module that docs/spi.md names",
    fix="Import the name from its own module.",
    positive=helper("from pipelex.plugins.registrar import InferenceFamily\n\nFAMILY = InferenceFamily.LLM\n"),
    near_miss=helper(
        "from pipelex.plugins.inference_backend_registry import InferenceFamily as Family\n\nFAMILY = Family.LLM\n"
    ),
    check=findings_of,
)


UNPUBLISHED_NAME = Rule(
    id="PX203",
    name="unpublished-name",
    reason="A module of the plugin API holds more than it publishes. The rest is ours to change in any release.",
    expected="a name that the module publishes",
    fix="Use what is published. What is missing there is a gap in the plugin API: report it.",
    positive=helper(
        "from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry\n\n"
        "REGISTRY = InferenceBackendRegistry\n"
    ),
    near_miss=helper(
        "from __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
        "    from pipelex.plugins.inference_backend_registry import MakeWorkerFn\n\n\n"
        "def keep(make_worker: MakeWorkerFn) -> MakeWorkerFn:\n    return make_worker\n"
    ),
    check=findings_of,
)


def _check_private_attribute(rule: Rule, subject: Subject) -> Iterator[Finding]:
    yield from findings_of(rule, subject)
    for module in subject.modules:
        for node, owner in _private_accesses(subject, module):
            yield rule.finding(
                module.place(node),
                f"'{node.attr}' is private to {owner}",
                covers=(f'has no attribute "{node.attr}"',),
            )


def _private_accesses(subject: Subject, module: SourceModule) -> Iterator[tuple[ast.Attribute, str]]:
    """Yield ``x._name`` where ``x`` is a published name, or a parameter that is annotated with one."""
    for function in module.nodes:
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = function.args
        typed = {
            argument.arg: symbol
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
            if isinstance(argument.annotation, ast.Name)
            and (symbol := subject.published(module, argument.annotation.id))
        }
        for node in ast.walk(function):
            if _is_private(node) and isinstance(node.value, ast.Name) and node.value.id in typed:
                yield node, f"'{typed[node.value.id].partition(':')[2]}'"
    for node in module.nodes:
        if _is_private(node) and isinstance(node.value, ast.Name):
            symbol = subject.published(module, node.value.id)
            if symbol:
                yield node, f"'{symbol.partition(':')[2]}'"


def _is_private(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__")


PRIVATE_ATTRIBUTE = Rule(
    id="PX204",
    name="private-attribute",
    reason=(
        "An underscore marks a name as its owner's alone. What a plugin does to the inside of the registrar, a "
        "spec or a job does not count, or breaks with the next release."
    ),
    expected="a public name",
    fix="Use what is published. What is missing there is a gap in the plugin API: report it.",
    positive=plugin(
        "        registrar.add_model_lister", "        registrar._listers.clear()\n        registrar.add_model_lister"
    ),
    near_miss=plugin(
        "    def register(",
        '    _title = "Acme"\n\n    def title(self) -> str:\n        return self._title\n\n    def register(',
    ),
    check=_check_private_attribute,
)


STAR_IMPORT = Rule(
    id="PX205",
    name="star-import",
    reason="Which names of the plugin API a module uses cannot be read from it where it imports them all.",
    expected="the names that are used",
    fix="Import each name that is used.",
    positive=helper("from pipelex.plugins.registrar import *\n"),
    near_miss=helper("from acme import *\n"),
    check=findings_of,
)


WHOLE_MODULE = Rule(
    id="PX206",
    name="whole-module",
    reason=(
        "Through a module one reaches whatever it holds, published or not, and through a package whatever happens to "
        "be loaded. The plugin API is a list of names: they are imported by name, each from its module."
    ),
    expected="'from module import name'",
    fix="Import the names that are used, each from its module.",
    positive=helper("import pipelex.plugins.registrar as r\n\nREGISTRAR = r.PluginRegistrar\n"),
    near_miss=helper(
        "from pipelex.plugins.registrar import PluginRegistrar\n\n\n"
        "def served(registrar: PluginRegistrar) -> int:\n    return len(registrar.inference_backends)\n"
    ),
    check=findings_of,
)


_IMPORTERS = {"import_module", "__import__", "resolve_name", "find_spec", "run_module", "exec", "eval", "compile"}


_RUNNERS = {"exec", "eval", "compile"}


def _check_dynamic_import(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for module in subject.modules:
        for node in module.nodes:
            if isinstance(node, ast.Call):
                name = _called(module, node.func)
                texts = [
                    _text(subject, module, argument) for argument in (*node.args, *(k.value for k in node.keywords))
                ]
                if name in _IMPORTERS and any(_names_ours(text, loosely=name in _RUNNERS) for text in texts):
                    yield rule.finding(module.place(node), f"'{name}' fetches something of pipelex by a string")
                elif name in {"get", "pop"} and _is_sys_modules(module, node.func) and any(map(_names_ours, texts)):
                    yield rule.finding(module.place(node), "'sys.modules' gives a module of pipelex")
            elif isinstance(node, ast.Subscript) and _is_our_item(subject, module, node):
                yield rule.finding(module.place(node), "'sys.modules' gives a module of pipelex")


def _called(module: SourceModule, func: ast.expr) -> str:
    """Return the name that a function was imported under, whatever it is called here."""
    if isinstance(func, ast.Attribute):
        return func.attr
    if isinstance(func, ast.Name):
        one = module.bindings.get(func.id)
        return one.name if one is not None and one.name is not None else func.id
    return ""


def _is_our_item(subject: Subject, module: SourceModule, node: ast.Subscript) -> bool:
    return _is_modules(module, node.value) and _names_ours(_text(subject, module, node.slice))


def _is_sys_modules(module: SourceModule, func: ast.expr) -> bool:
    return isinstance(func, ast.Attribute) and _is_modules(module, func.value)


def _is_modules(module: SourceModule, node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "modules"
    one = module.bindings.get(node.id) if isinstance(node, ast.Name) else None
    return one is not None and (one.module, one.name) == ("sys", "modules")


def _text(subject: Subject, module: SourceModule, node: ast.expr) -> str:
    """Return a string, or what it begins with, as far as it can be read."""
    if isinstance(node, ast.JoinedStr):
        return _text(subject, module, node.values[0]) if node.values else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return _text(subject, module, node.left)
    value = subject.constant(module, node)
    return value if isinstance(value, str) else ""


def _names_ours(text: str, *, loosely: bool = False) -> bool:
    if loosely:
        return f"import {ROOT}" in text or f"from {ROOT}" in text or f"{ROOT}." in text
    return is_ours(text.partition(":")[0])


DYNAMIC_IMPORT = Rule(
    id="PX207",
    name="dynamic-import",
    reason="No type checker follows a name in a string, so a use of it is not seen, nor that the name is gone.",
    expected="an import statement",
    fix="Import the name from its module; inside a function, where it is needed only there.",
    positive=helper('from importlib import import_module\n\nHUB = import_module("pipelex.hub")\n'),
    near_miss=helper('from importlib import import_module\n\nACME = import_module("acme.pipelex")\n'),
    check=_check_dynamic_import,
)


def _check_hidden_import(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for module, one in imports_of_ours(subject):
        if one.hidden:
            message = f"'{one.name or one.module}' is imported where no type checker looks"
            yield rule.finding(module.place(one.node), message, last_line=one.node.end_lineno or 0)


HIDDEN_IMPORT = Rule(
    id="PX208",
    name="hidden-import",
    reason="Under 'if not TYPE_CHECKING' a type checker sees nothing, so nothing there is held to what is published.",
    expected="an import that the type checker sees as well",
    fix="Import the name once, outside the guard, or under 'if TYPE_CHECKING' where it is used in annotations alone.",
    positive=helper(
        "from typing import TYPE_CHECKING\n\nif not TYPE_CHECKING:\n"
        "    from pipelex.plugins.model_handle import ModelHandle\n"
    ),
    near_miss=helper(
        "from __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
        "    from pipelex.plugins.model_handle import ModelHandle\n\n\n"
        "def sdk_of(handle: ModelHandle) -> str:\n    return handle.sdk\n"
    ),
    check=_check_hidden_import,
)


_IGNORE = re.compile(r"#\s*(type:\s*ignore|pyright:\s*ignore|ty:\s*ignore)")


_WHOLE_FILE = re.compile(r"#\s*(mypy:\s*|pyright:\s*(basic|standard|report|false|ignore))")


def _check_ignored_type(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for module in subject.modules:
        first = min((node.lineno for node in module.tree.body), default=0)
        for line, column, text in module.comments:
            place = module.place_at(line, column, column + len(text))
            alone = not module.lines[line - 1][: column - 1].strip()
            if _WHOLE_FILE.match(text) and alone:
                yield rule.finding(place, "the file changes the type checker's settings")
            elif not _IGNORE.search(text):
                continue
            elif alone and line < first:
                yield rule.finding(place, "the type checker is silenced for the whole file")
            elif line in _lines_that_touch(subject, module):
                yield rule.finding(place, "the type checker is silenced on a line that touches the plugin API")
        if "no_type_check" in module.text:
            yield from _unchecked(module)


def _unchecked(module: SourceModule) -> Iterator[Finding]:
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                if ast.unparse(decorator).rpartition(".")[2] == "no_type_check":
                    yield IGNORED_TYPE.finding(module.place(decorator), "'no_type_check' silences the type checker")


def _lines_that_touch(subject: Subject, module: SourceModule) -> set[int]:
    """Return the lines of the statements that use a published name, or something whose type is one."""
    published = {name for name in module.bindings if is_ours(module.bindings[name].module)}
    lines = _lines_that_use(published, module.nodes)
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            typed = {one.arg for one in arguments if one.annotation is not None and _touches(one.annotation, published)}
            lines |= _lines_that_use(typed, ast.walk(node)) if typed else set()
        elif isinstance(node, ast.ClassDef) and subject.published_base(module, node):
            for method in node.body:  # a hook's signature is the base's business
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines |= {*_own_lines(method), *_lines_that_use({"self"}, ast.walk(method))}
    return lines


def _lines_that_use(names: set[str], nodes: Iterable[ast.AST]) -> set[int]:
    return {line for node in nodes if isinstance(node, ast.stmt) and _touches(node, names) for line in _own_lines(node)}


def _touches(node: ast.AST, names: set[str]) -> bool:
    """Return whether a statement uses one of some names itself; the statements in its body are on their own."""
    if isinstance(node, ast.Import):
        return any(is_ours(alias.name) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.level == 0 and is_ours(node.module or "")
    if isinstance(node, ast.Name):
        return node.id in names
    return any(_touches(child, names) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt))


def _own_lines(node: ast.stmt) -> range:
    """Return the lines of a statement; of one with a body, those of its head."""
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
        return range(node.lineno, max(body[0].lineno, node.lineno + 1))
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


IGNORED_TYPE = Rule(
    id="PX209",
    name="ignored-type",
    reason=(
        "An ignore on a line that uses the plugin API hides exactly what this check is for. An ignore that an SDK's "
        "own types make necessary is the author's business and stays unnoticed, needed or not."
    ),
    expected="code that needs no ignore",
    fix="Take the comment away and fix what mypy then reports; put an ignore for the SDK on a line of its own.",
    positive=plugin("make_worker=make_acme_worker)", "make_worker=make_acme_worker)  # type: ignore[arg-type]"),
    near_miss={
        "src/my_pkg/helper.py": "from acme import count\n\n"
        "NUMBER: int = count(1)  # type: ignore[call-arg]  # of the SDK\n"
    },
    check=_check_ignored_type,
)


def _check_heavy_import(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for module, way in _loaded_with_the_plugin(subject):
        for one in module.imports:
            if _runs_at_load(one) and _is_foreign(subject, module, one.module):
                through = f" (loaded through {' -> '.join(way)})" if len(way) > 1 else ""
                message = f"'{one.module}' is imported when the plugin is loaded{through}"
                yield rule.finding(module.place(one.node), message, last_line=one.node.end_lineno or 0)


def _loaded_with_the_plugin(subject: Subject) -> Iterator[tuple[SourceModule, tuple[str, ...]]]:
    """Yield the entry-point modules and whatever they import when they are loaded, each with the way to it."""
    modules = subject.target.modules
    pending: list[tuple[str, tuple[str, ...]]] = [
        (entry.module, (entry.module,)) for entry in subject.target.entry_points
    ]
    seen: set[str] = set()
    while pending:
        name, way = pending.pop(0)
        parts = name.split(".")
        for depth in range(1, len(parts)):
            package = ".".join(parts[:depth])
            if package in modules and package not in seen:
                pending.append((package, (*way, package)))
        if name in seen or name not in modules:
            continue
        seen.add(name)
        yield modules[name], way
        for one in modules[name].imports:
            if _runs_at_load(one):
                names = (one.module, f"{one.module}.{one.name}")
                pending += [(imported, (*way, imported)) for imported in names]


def _runs_at_load(one: Import) -> bool:
    return not one.in_function and not one.type_only


def _is_foreign(subject: Subject, module: SourceModule, name: str) -> bool:
    return not (
        name.partition(".")[0] in sys.stdlib_module_names or is_ours(name) or subject.target.is_own(module.name, name)
    )


HEAVY_IMPORT = Rule(
    id="PX210",
    name="heavy-import",
    reason=(
        "Every command loads every plugin. A plugin that imports an SDK at its top costs all of them the SDK's start-"
        "up time, and fails all of them where the SDK is missing."
    ),
    expected="the standard library, the plugin API and the plugin's own modules",
    fix="Import it inside the function that uses it, behind require_sdk; or in a module that is imported there.",
    positive=closures_importing("import acme\n"),
    near_miss=closures(
        "    from my_pkg.worker import", "    import acme\n\n    acme.warm_up()\n    from my_pkg.worker import"
    ),
    check=_check_heavy_import,
)


RULES = (
    OUTSIDE_SPI,
    RE_EXPORT,
    UNPUBLISHED_NAME,
    PRIVATE_ATTRIBUTE,
    STAR_IMPORT,
    WHOLE_MODULE,
    DYNAMIC_IMPORT,
    HIDDEN_IMPORT,
    IGNORED_TYPE,
    HEAVY_IMPORT,
)
