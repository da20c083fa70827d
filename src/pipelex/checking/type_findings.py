"""From mypy's errors to findings: each code of mypy's belongs to one of the PX1xx rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.rules.rule import Rule
    from pipelex.checking.subject import Subject
    from pipelex.reading.place import Place
    from pipelex.reading.source import SourceModule
    from pipelex.spi.type_check import Diagnostic

RULE_OF_CODE = {
    "call-arg": "PX101",
    "arg-type": "PX101",
    "call-overload": "PX101",
    "typeddict-item": "PX101",
    "override": "PX102",
    "attr-defined": "PX103",
    "union-attr": "PX103",
    "name-defined": "PX103",
    "import-not-found": "PX103",
    "import-untyped": "PX103",
    "no-untyped-def": "PX104",
    "no-untyped-call": "PX104",
    "type-arg": "PX104",
    "var-annotated": "PX104",
    "abstract": "PX105",
}
"""The rules of mypy's codes; any other code is PX100, and so is a name that is missing in the plugin's own code."""

TYPE_RULES = frozenset({"PX100", *RULE_OF_CODE.values()})

FINAL_ERROR = "Cannot override final"
CALLED_FIX = "Pass the function itself: delete the brackets behind its name, and what is between them."
FIX_OF_MESSAGE = {
    '"Coroutine[': "Write 'await' before the call.",
    FINAL_ERROR: "Write the hook that the public method calls: its name begins with an underscore.",
}
"""What to do about an error whose message has a part."""

_PASSED_FUNCTION = re.compile(r'Argument "(?:make_worker|lister|run)" to "add_\w+"')
_CALL = re.compile(r"[\w.]+\(.*\)", re.DOTALL)
_OWNER = re.compile(
    r'(?:Item )?"(?:(?P<type>type)\[)?(?P<owner>[\w.]+)[^"]*"(?: of "[^"]*")? has no attribute|'
    r'[Mm]odule (?:named )?"(?P<module>[\w.]+)"'
)


def type_findings(rule: Rule, subject: Subject) -> Iterator[Finding]:
    """Yield mypy's errors that fall under a rule.

    Args:
        rule: The rule.
        subject: What to look at.
    """
    for error in _missing_arguments_at_once(subject.mypy_errors):
        module = subject.target.module_at(Path(error.file))
        if module is None or _rule_of(error, module, subject) != rule.id:
            continue
        place = module.place_at(error.line, error.column, error.end_column)
        message = f"{error.message}  [mypy: {error.code}]"
        expected = " ".join(error.hint.split()) or _expected(error, subject)
        yield rule.finding(place, message, expected=expected, fix=_fix(error, place))


def _fix(error: Diagnostic, place: Place) -> str:
    """Return what to do about an error that is a known mistake; empty for any other."""
    argument = place.source[place.column - 1 : place.end_column - 1]
    if _PASSED_FUNCTION.match(error.message) and _CALL.fullmatch(argument):
        return CALLED_FIX
    return next((fix for part, fix in FIX_OF_MESSAGE.items() if part in error.message), "")


def _missing_arguments_at_once(errors: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield the errors, those about several missing arguments of one call as one."""
    calls: dict[tuple[object, ...], list[Diagnostic]] = {}
    for error in errors:
        is_missing = error.message.startswith('Missing named argument "')
        key = (error.file, error.line, error.column) if is_missing else (id(error),)
        calls.setdefault(key, []).append(error)
    for first, *others in calls.values():
        if not others:
            yield first
            continue
        names = ", ".join(error.message.split('"')[1] for error in (first, *others))
        called = first.message.partition(" for ")[2]
        yield first._replace(message=f'Missing named arguments "{names}" for {called}')


def _rule_of(error: Diagnostic, module: SourceModule, subject: Subject) -> str:
    """Return the id of the rule for an error: a missing name is PX103 only where it is missing in what is published."""
    rule = RULE_OF_CODE.get(error.code, "PX100")
    if error.message.startswith(FINAL_ERROR):
        return "PX102"
    if rule != "PX103":
        return rule
    match = _OWNER.search(error.message)
    imported = match["module"] if match is not None else _module_used(error, module)
    if match is None or imported is not None:  # a module's attribute, or a name that nothing defines
        return rule if f"{imported}.".startswith("pipelex.") else "PX100"
    owner = match["owner"].rpartition(".")[2]
    return rule if owner in subject.spi.home and owner not in module.definitions else "PX100"


def _module_used(error: Diagnostic, module: SourceModule) -> str | None:
    """Return the imported module at an error of "Module has no attribute", which does not name it."""
    text = module.place_at(error.line).source[error.column - 1 :]
    one = module.bindings.get(re.split(r"\W", text, maxsplit=1)[0])
    return one.module if one is not None and error.message.startswith("Module has") else None


def _expected(error: Diagnostic, subject: Subject) -> str:
    """Name the members of an enum that was asked for one that it does not have; empty for anything else."""
    match = _OWNER.search(error.message)
    members = subject.spi.enum_members(match["owner"]) if match is not None and match["type"] else ()
    return f"one of {', '.join(members)}" if members else ""
