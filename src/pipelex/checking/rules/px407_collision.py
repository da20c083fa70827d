"""PX407: the plugin takes what a built-in holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule
from pipelex.checking.spi_tree import lock
from pipelex.plugins.registrar import CORE_COMMANDS
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    if subject.target.builtin is not None:
        return
    rows = lock().builtins
    names = {canonical(row.name): row.name for row in rows}
    backends = {(family.lower(), sdk): row.name for row in rows for family, _, sdk in map(_split, row.backends)}
    listers = {sdk: row.name for row in rows for sdk in row.listers}
    for one in subject.plugins:
        member = subject.member(one, "name")
        name = subject.constant(member[0], member[2]) if member else None
        if isinstance(name, str) and member is not None and canonical(name) in names:
            yield RULE.finding(member[0].place(member[1]), f"the plugin's name '{name}' is that of a built-in")
    commands = {**dict.fromkeys(CORE_COMMANDS, "pipelex"), **{name: row.name for row in rows for name in row.commands}}
    for made in subject.contributions:
        match made.kind:
            case "backend":
                what, holder = f"the backend ({made.family}, {made.sdk})", backends.get((made.family.lower(), made.sdk))
            case "lister":
                what, holder = f"the lister of '{made.sdk}'", listers.get(made.sdk)
            case _:
                what, holder = f"the command '{made.name}'", commands.get(made.name)
        if holder is not None:
            yield RULE.finding(made.place, f"{what} is that of the built-in '{holder}'")


def _held(family: str, *others: str) -> str:
    """Return an sdk that a built-in holds in a family and in none of some others."""
    held = [key.partition("/") for row in lock().builtins for key in row.backends]
    elsewhere = {sdk for other, _, sdk in held if other in others}
    return max(sdk for other, _, sdk in held if other == family and sdk not in elsewhere)


def _split(key: str) -> tuple[str, str, str]:
    return key.partition("/")


_ORDER = '(family=InferenceFamily.LLM, sdk="acme", make_worker=make_acme_worker)'

RULE = Rule(
    id="PX407",
    name="collision",
    reason=(
        "A plugin's name, a (family, sdk) and a lister's sdk each stand for one thing. What a built-in holds cannot be "
        "taken over: the plugin would be broken wherever it is installed."
    ),
    expected="names of the plugin's own",
    fix="Choose another name; docs/spi.md lists what the built-ins hold. A family of its own makes another key.",
    positive=plugin(
        _ORDER, f"{_ORDER.replace('acme', _held('llm'), 1)}\n        registrar.add_inference_backend{_ORDER}"
    ),
    near_miss=plugin(
        _ORDER, f"{_ORDER.replace('acme', _held('extract', 'llm'), 1)}\n        registrar.add_inference_backend{_ORDER}"
    ),
    check=_check,
)
