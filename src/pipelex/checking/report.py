"""The findings as text for a person, as JSON, as annotations of GitHub's, and as SARIF."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipelex.checking.findings import CheckError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelex.checking.check import Checked, CheckResult
    from pipelex.checking.findings import Finding
    from pipelex.checking.rules.rule import Rule
    from pipelex.exceptions import PipelexError
    from pipelex.reading.place import Place

FORMATS = ("text", "json", "github", "sarif")


def rendered(result: CheckResult, form: str) -> str:
    """Write a result in one of the formats.

    Args:
        result: The result.
        form: The format.
    """
    import json

    match form:
        case "json":
            return json.dumps(_as_data(result), indent=2, ensure_ascii=False)
        case "sarif":
            return json.dumps(_as_sarif(result), indent=2, ensure_ascii=False)
        case "github":
            return "\n".join(_as_annotations(result))
        case _:
            return "\n".join(_as_text(result))


# --- text ----------------------------------------------------------------------------------------------


def _as_text(result: CheckResult) -> Iterator[str]:
    for checked in result.checked:
        for finding in checked.findings:
            yield from _finding_as_text(finding)
            yield ""
    for checked in result.checked:
        yield f"{checked.label}: {_verdict(checked)}"
    for failure in result.failures:
        yield _failure(failure)
    yield _summary(result)
    if not result.loaded:
        yield f"not loaded: {', '.join(_left_out(result))} were left out, and of other rules what only loading shows"


def _finding_as_text(finding: Finding) -> Iterator[str]:
    place = finding.place
    yield f"{shown(place.file)}:{place.line}:{place.column}: {finding.severity} {finding.rule} {finding.name}"
    yield f"  {finding.message}"
    if place.source.strip():
        number = str(place.line)
        yield f"    {number} | {place.source.expandtabs(4)}"
        yield f"    {' ' * len(number)} | {_caret(place)}"
    yield f"  expected: {finding.expected}"
    yield f"  fix:      {finding.fix}"


def _caret(place: Place) -> str:
    indent = len(place.source[: place.column - 1].expandtabs(4))
    end = min(place.end_column or place.column + 1, len(place.source) + 1)
    return " " * indent + "^" * max(end - place.column, 1)


def shown(path: Path) -> str:
    """Show a path as short as it can be, from the working directory.

    Args:
        path: The path.
    """
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith(os.path.join("..", "..", "..")) else relative


def _verdict(checked: Checked) -> str:
    if not checked.plugins and not checked.errors:
        return "no plugin"
    notes = len(checked.findings) - checked.errors
    noted = f" ({_count(notes, 'note')})" if notes else ""
    return (_count(checked.errors, "error") if checked.errors else "clean") + noted


def _failure(failure: PipelexError) -> str:
    text = str(failure)
    return text if isinstance(failure, CheckError) else f"could not be checked: {text}"


def _summary(result: CheckResult) -> str:
    errors = sum(checked.errors for checked in result.checked)
    modules = sum(checked.modules for checked in result.checked)
    parts = [_count(errors, "error") if errors else "no error"]
    parts += [f"{_count(len(result.failures), 'target')} could not be checked"] if result.failures else []
    looked_at = f"{_count(len(result.checked), 'target')}, {_count(modules, 'module')}"
    return f"{', '.join(parts)} in {looked_at}, against plugin API {result.api_version}"


def _left_out(result: CheckResult) -> list[str]:
    """Return the rules that were left out because no plugin was loaded."""
    if result.loaded:
        return []
    from pipelex.checking.rules.catalogue import RULES

    return [rule.id for rule in RULES if rule.needs_loading]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- for programs --------------------------------------------------------------------------------------


def _as_data(result: CheckResult) -> dict[str, object]:
    return {
        "api_version": result.api_version,
        "exit_code": result.exit_code,
        "loaded": result.loaded,
        "left_out": _left_out(result),
        "targets": [
            {
                "target": checked.label,
                "modules": checked.modules,
                "errors": checked.errors,
                "findings": [_finding_as_data(finding) for finding in checked.findings],
            }
            for checked in result.checked
        ],
        "failures": [failure.to_dict() for failure in result.failures],
    }


def _finding_as_data(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity,
        "file": shown(finding.place.file),
        "line": finding.place.line,
        "column": finding.place.column,
        "source": finding.place.source,
        "message": finding.message,
        "expected": finding.expected,
        "fix": finding.fix,
        "page": finding.page,
    }


def _as_annotations(result: CheckResult) -> Iterator[str]:
    for checked in result.checked:
        for finding in checked.findings:
            kind = "error" if finding.severity == "error" else "notice"
            place = finding.place
            where = f"file={_property(shown(place.file))},line={place.line},col={place.column}"
            text = f"{finding.message}\nexpected: {finding.expected}\nfix: {finding.fix}"
            yield f"::{kind} {where},title={_property(finding.rule)}::{_data(text)}"
    for failure in result.failures:
        yield f"::error title=could not be checked::{_data(_failure(failure))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _as_sarif(result: CheckResult) -> dict[str, object]:
    from pipelex.checking.rules.catalogue import RULES

    index = {rule.id: number for number, rule in enumerate(RULES)}
    findings = [finding for checked in result.checked for finding in checked.findings]
    notifications = [
        {"level": "error", "message": {"text": _failure(failure)}, "descriptor": {"id": type(failure).__name__}}
        for failure in result.failures
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "pipelex plugins check", "rules": [_sarif_rule(rule) for rule in RULES]}},
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": not result.failures,
                        "exitCode": result.exit_code,
                        "toolExecutionNotifications": notifications,
                    }
                ],
                "results": [_sarif_result(finding, index[finding.rule]) for finding in findings],
            }
        ],
    }


def _sarif_rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.name.replace("-", " ")},
        "fullDescription": {"text": rule.reason},
        "help": {"text": f"Expected: {rule.expected}. Fix: {rule.fix}"},
        "defaultConfiguration": {"level": rule.severity},
    }


def _sarif_result(finding: Finding, index: int) -> dict[str, object]:
    place = finding.place
    region: dict[str, object] = {"startLine": place.line, "startColumn": place.column}
    if place.end_column > place.column:
        region["endColumn"] = place.end_column
    text = f"{finding.message}. Expected: {finding.expected}. Fix: {finding.fix}"
    location = {"artifactLocation": {"uri": _uri(place.file)}, "region": region}
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
    }


def _uri(path: Path) -> str:
    from urllib.parse import quote

    relative = shown(path)
    return (
        path.as_uri() if os.path.isabs(relative) or relative.startswith("..") else quote(relative.replace(os.sep, "/"))
    )
