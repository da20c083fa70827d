"""PX301: ``register`` does something else than order from the menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.register_purity import PurityReader
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        for module, node, what in PurityReader(subject).read(one):
            yield RULE.finding(module.place(node), f"'register' has a side effect: {what}")


_LINE = '        registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n'

RULE = Rule(
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
    check=_check,
)
