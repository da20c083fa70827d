"""PX3xx: loading and registering a plugin has no side effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelex.checking.examples import closures, closures_importing, plugin
from pipelex.checking.register_purity import PurityReader
from pipelex.checking.rules.packaging import is_of_builtin
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check_impure_register(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        for module, node, what in PurityReader(subject).read(one):
            yield rule.finding(module.place(node), f"'register' has a side effect: {what}")


_LINE = '        registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n'


IMPURE_REGISTER = Rule(
    id="PX301",
    name="impure-register",
    reason=(
        "'register' runs at every start, and more than once in a process. It may call the registrar's menu methods and "
        "nothing else, so that starting up costs nothing, cannot fail and gives the same result each time."
    ),
    expected="calls of the registrar's menu methods, and plain values to call them with",
    fix="Move it into make_worker, which runs when the model is used.",
    positive=plugin(_LINE, f'        print("acme is here")\n{_LINE}'),
    near_miss=plugin(
        _LINE,
        "        for sdk, family in {'acme_chat': InferenceFamily.LLM}.items():\n"
        "            registrar.add_inference_backend(family=family, sdk=sdk, make_worker=make_acme_worker)\n"
        "        self._add_listers(registrar)\n\n"
        "    def _add_listers(self, registrar: PluginRegistrar) -> None:\n" + _LINE,
    ),
    check=_check_impure_register,
)


def _check_forbidden_at_register(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for line in subject.sandbox.of("refused"):
        message = f"while {line['phase']}, the plugin tries to do this: {line['event']}({line['detail']})"
        yield rule.finding(subject.reported_place(line), message)


FORBIDDEN_AT_REGISTER = Rule(
    id="PX302",
    name="forbidden-at-register",
    reason=(
        "The check loads the plugin and calls 'register' in a process that refuses to open files, sockets and "
        "processes and to start threads. While the module is loaded, reading files is allowed; in 'register' nothing "
        "is."
    ),
    expected="nothing of the kind before a worker is built",
    fix="Move it into make_worker, or into the worker.",
    positive=plugin(
        "\n\nclass AcmePlugin:", "\nopen('acme.log', 'w', encoding='utf-8').close()\n\n\nclass AcmePlugin:"
    ),
    near_miss=plugin(
        "\n\nclass AcmePlugin:",
        "\nwith open(__file__, encoding='utf-8') as own_source:\n    VERSION = len(own_source.read())\n\n"
        "\nclass AcmePlugin:",
    ),
    check=_check_forbidden_at_register,
    needs_loading=True,
)


def _check_sdk_at_load(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for line in subject.sandbox.of("import"):
        message = f"while {line['phase']}, the plugin imports '{line['name']}'"
        yield rule.finding(subject.reported_place(line), message)


SDK_AT_LOAD = Rule(
    id="PX303",
    name="sdk-at-load",
    reason=(
        "The check loads the plugin where no package but its own can be imported. What is imported by a string, or by "
        "a function that runs at load, is seen here and nowhere else."
    ),
    expected="the standard library, the plugin API and the plugin's own modules",
    fix="Import it inside the function that uses it, behind require_sdk.",
    positive=closures_importing(
        "from importlib import import_module\n\n"
        "try:\n    ACME = import_module('acme')\nexcept ImportError:\n    pass\n",
    ),
    near_miss=closures(
        "    from my_pkg.worker import",
        "    from importlib import import_module\n\n    import_module('acme')\n    from my_pkg.worker import",
    ),
    check=_check_sdk_at_load,
    needs_loading=True,
)


def _check_plugin_fails(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for line in subject.sandbox.of("failed"):
        if (
            line["step"] == "entry point"
            or line["refused"]
            or _is_blocked_import(subject, line)
            or _is_of_others(subject, line)
        ):
            continue
        doing = "loading" if line["step"] == "import" else "registering"
        message = f"{doing} the plugin fails: {line['error']}: {line['message']}"
        yield rule.finding(subject.reported_place(line), message)
    if subject.sandbox.ended is not None:
        index = max((line["entry"] for line in subject.sandbox.lines), default=0)
        message = f"loading or registering the plugin did not come to an end: {subject.sandbox.ended}"
        yield rule.finding(subject.register_place(index), message)


def _is_of_others(subject: Subject, line: dict[str, Any]) -> bool:
    """Return whether PX402, PX403, PX404 or PX407 reports the same."""
    plugin = subject.plugins[line["entry"]]
    if line["what"] == "register" or (line["step"] == "import" and plugin.module is None):
        return bool(plugin.problem)
    if line["error"] == "DuplicatePluginError":  # another plugin of the target is no built-in
        return is_of_builtin(subject, plugin)
    return line["error"] == "PluginApiVersionMismatchError" or line["what"] in ("name", "targets_api")


def _is_blocked_import(subject: Subject, line: dict[str, object]) -> bool:
    blocked = subject.sandbox.of("import")
    return line["error"] == "ModuleNotFoundError" and any(one["name"] in str(line["message"]) for one in blocked)


PLUGIN_FAILS = Rule(
    id="PX304",
    name="plugin-fails",
    reason=(
        "A plugin that raises, hangs or ends the process when it is loaded or registered is reported as broken at "
        "every start, and none of its models can be used."
    ),
    expected="'register' returns, with contributions that the registrar accepts",
    fix="Correct what the message names; the registrar's own messages name what it expected.",
    positive=plugin('sdk="acme", make_worker', 'sdk="Acme SDK", make_worker'),
    near_miss=plugin(
        "        registrar.add_inference_backend(",
        "        registrar.add_inference_backend(\n"
        '            family=InferenceFamily.LLM, sdk="acme-sdk", make_worker=make_acme_worker\n        )\n'
        "        registrar.add_inference_backend(",
    ),
    check=_check_plugin_fails,
    needs_loading=True,
)


def _check_not_repeatable(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        runs = [line["contributions"] for line in subject.sandbox.of("registered", one.index)]
        if len(runs) == 2 and runs[0] != runs[1]:
            first, second = (", ".join(sorted(_shown(row) for row in run)) or "nothing" for run in runs)
            message = f"'register' contributes {first} the first time, and {second} the second time"
            yield rule.finding(subject.register_place(one.index), message)


def _shown(row: list[object]) -> str:
    return " ".join(str(part) for part in row[:3] if part)


NOT_REPEATABLE = Rule(
    id="PX305",
    name="not-repeatable",
    reason="'register' runs at start-up and again when the command line is built. Both runs have to come to the same.",
    expected="the same contributions each time",
    fix="Let 'register' depend on nothing that it, or anything before it, changes.",
    positive=plugin(
        '        registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n',
        "        if self.__dict__.setdefault('seen', 0) == 0:\n"
        '            registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n'
        "        self.__dict__['seen'] += 1\n",
    ),
    near_miss=plugin(
        '        registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n',
        "        if self.targets_api == 1:\n"
        '            registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n',
    ),
    check=_check_not_repeatable,
    needs_loading=True,
)


RULES = (
    IMPURE_REGISTER,
    FORBIDDEN_AT_REGISTER,
    SDK_AT_LOAD,
    PLUGIN_FAILS,
    NOT_REPEATABLE,
)
