"""PX406: a guarded SDK whose extra the distribution does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import closures
from pipelex.checking.rules.rule import Rule
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.place import Place
    from pipelex.reading.source import SourceModule


def _check(subject: Subject) -> Iterator[Finding]:
    target = subject.target
    for place, spec, extra in _guards(subject):
        if target.builtin is not None:
            yield from _check_builtin(subject, place, spec, extra)
        elif target.metadata is not None and extra is not None:
            extras = target.metadata.extras
            if canonical(extra) not in extras:
                there = ", ".join(sorted(extras)) or "none"
                message = f"'{spec}' is said to come with the extra '{extra}', which the distribution does not have"
                yield RULE.finding(place, message, expected=f"one of its extras ({there})")
            elif not extras[canonical(extra)] and not _is_own(subject, spec):
                message = f"'{spec}' is said to come with the extra '{extra}', which brings nothing"
                yield RULE.finding(place, message)


def _is_own(subject: Subject, spec: str | None) -> bool:
    """Tell whether the distribution itself brings what is guarded, as a stand-in for an SDK that is yet to come."""
    top = (spec or "").partition(".")[0]
    return any(name.partition(".")[0] == top for name in subject.target.modules)


def _check_builtin(subject: Subject, place: Place, spec: str | None, extra: str | None) -> Iterator[Finding]:
    row = subject.target.builtin
    if row is not None and (spec not in row.imports or extra != row.extra):
        message = f"the guard of '{spec}' with the extra '{extra}' is not in the row of '{row.name}'"
        yield RULE.finding(place, message, expected=f"{', '.join(row.imports)} with the extra '{row.extra}'")


def _guards(subject: Subject) -> Iterator[tuple[Place, str | None, str | None]]:
    """Yield each guard of the target's own code with what it guards, as far as that can be read."""
    for guard in subject.guards(subject.modules):
        spans = _spans(subject, guard.module)
        if spans is None or any(guard.node.lineno in span for span in spans):
            yield guard.module.place(guard.node), guard.spec, guard.extra


def _spans(subject: Subject, module: SourceModule) -> list[range] | None:
    """Return the lines of the functions that a built-in registers: its module holds those of the others, too."""
    if subject.target.builtin is None:
        return None
    functions = [one.function for one in subject.contributions if one.module is module and one.function is not None]
    return [range(function.lineno, (function.end_lineno or function.lineno) + 1) for function in functions]


RULE = Rule(
    id="PX406",
    name="extra-missing",
    reason=(
        "A user without the SDK is told to install the extra that require_sdk names. An extra that does "
        "not exist leaves "
        "them with a command that installs nothing."
    ),
    expected="an extra under [project.optional-dependencies] that brings the SDK",
    fix="Add the extra to pyproject.toml, or correct the name in require_sdk.",
    positive=closures('extra="acme"', 'extra="acme-sdk"'),
    near_miss=closures('extra="acme"', 'extra="ACME"'),
    check=_check,
)
