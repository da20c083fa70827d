"""One mistake is one finding: of several rules that find the same thing, the one that names it best reports it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.type_findings import CALLED_FIX, FINAL_ERROR, TYPE_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipelex.checking.findings import Finding

    _Is = Callable[[Finding], bool]

_SEEN = ("PX302", "PX304")
"""The rules about what the sandbox saw: its cause may be reported by a rule that reads the code."""
_NAMING_RULES = ("PX403", "PX407")
"""The rules whose findings cover messages of the registrar."""
_SUBJECTS = {'Argument "make_worker"': " make_worker of ", 'Argument "lister"': " lister of "}
"""How the registrar names the arguments that other findings cover in the words of mypy."""
_REGISTRAR_ERRORS = (
    *("InvalidContributionError", "DuplicatePluginError", "DuplicateInferenceBackendError"),
    *("DuplicateModelListerError", "DuplicateCommandError"),
)


def without_repetitions(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without those that another one reports better; what the sandbox saw stays.

    Args:
        findings: What the rules found in one target.
    """
    known = _Known(findings)
    return [finding for finding in known.findings if finding.rule in _SEEN or not known.repeats(finding)]


def without_explained_events(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without what the sandbox saw and another one reports as a fault of the code.

    Args:
        findings: What is left when the waivers are applied: a cause that is waived explains nothing.
    """
    known = _Known(findings)
    return [finding for finding in known.findings if finding.rule not in _SEEN or not known.repeats(finding)]


# --- what a finding is about ---------------------------------------------------------------------------


def _by_rule(*ids: str) -> _Is:
    return lambda one: one.rule in ids


def _by_code(*codes: str) -> _Is:
    return lambda one: one.message.endswith(tuple(f"[mypy: {code}]" for code in codes))


def _is_import(one: Finding) -> bool:
    """Return whether it is about an import that is wrong by itself."""
    return one.rule.startswith("PX2") and one.rule not in ("PX209", "PX210")


def _is_of_types(one: Finding) -> bool:
    return one.rule in TYPE_RULES


def _is_called(one: Finding) -> bool:
    """Return whether it is about a function that is called where it is to be passed."""
    return one.fix == CALLED_FIX


def _is_consequence_of_call(one: Finding) -> bool:
    return not _is_called(one) and (_is_of_types(one) or _is_impure_call(one))


def _is_impure_call(one: Finding) -> bool:
    """Return whether it is about a call in ``register``, or a use of the registrar."""
    return one.rule == "PX301" and (" side effect: it calls " in one.message or " of the registrar, " in one.message)


def _is_impure_state(one: Finding) -> bool:
    return one.rule == "PX301" and not _is_impure_call(one)


def _is_of_registrar(one: Finding) -> bool:
    """Return whether the registrar refused something: its message names what it expected and what came."""
    return one.rule == "PX304" and any(name in one.message for name in _REGISTRAR_ERRORS)


def _is_failure(one: Finding) -> bool:
    return one.rule == "PX304" and not _is_of_registrar(one)


def _is_final(one: Finding) -> bool:
    return one.message.startswith(FINAL_ERROR)


_ON_ONE_LINE: tuple[tuple[_Is, _Is], ...] = (
    (_is_consequence_of_call, _is_called),
    (_is_impure_call, _by_code("attr-defined", "name-defined", "call-arg")),
    (_by_rule("PX302"), _by_rule("PX301")),
    (_by_rule("PX303"), _is_import),
    (_by_rule("PX303"), _by_rule("PX210")),
    (_is_failure, _is_of_types),
    (_is_failure, _is_import),
    (_is_of_types, _by_rule("PX501", "PX502")),
    (_by_code("import-not-found", "import-untyped", "attr-defined", "name-defined", "misc"), _is_import),
    (_by_code("attr-defined"), _is_impure_state),
    (_by_code("override"), _is_final),
)
"""Findings, and those that report the same better where they are on the same line."""


class _Known:
    """The findings of a target, by what decides which of them are repetitions.

    Args:
        findings: The findings.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)
        self._covers = {(one.rule, cover) for one in self.findings for cover in one.covers}
        self._pairs = [(is_repetition, self._lines(is_better)) for is_repetition, is_better in _ON_ONE_LINE]
        refused = self._lines(lambda one: _is_of_registrar(one) and not self._is_covered(one))
        self._pairs.append((_is_of_types, refused))

    def repeats(self, finding: Finding) -> bool:
        """Return whether another finding reports the same mistake."""
        line = (finding.place.file, finding.place.line)
        return self._is_covered(finding) or any(is_one(finding) and line in lines for is_one, lines in self._pairs)

    def _lines(self, is_meant: _Is) -> set[tuple[Path, int]]:
        return {
            (one.place.file, line)
            for one in self.findings
            if is_meant(one)
            for line in range(one.place.line, max(one.place.line, one.last_line) + 1)
        }

    def _is_covered(self, finding: Finding) -> bool:
        """Return whether the message is about something that another finding covers."""
        if _is_of_types(finding):
            return any(cover in finding.message for _, cover in self._covers)
        return _is_of_registrar(finding) and any(
            (cover if rule in _NAMING_RULES else _SUBJECTS.get(cover, "\0")) in finding.message
            for rule, cover in self._covers
        )
