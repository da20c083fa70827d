"""A verdict as text for people, as JSON, as annotations of GitHub, as Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from codegen.compat.reading.directions import short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codegen.compat.model import CompatFinding, Declared, Verdict


def as_text(verdict: Verdict, declared: Declared | None = None) -> str:
    """Write a verdict for people: breaks first, each with its witness.

    Args:
        verdict: The verdict.
        declared: Returns whether a break is declared.
    """
    parts = [f"{verdict.old} -> {verdict.new}: {summary(verdict, declared)}"]
    parts += ["\n".join(_break(verdict, finding, declared)) for finding in verdict.breaks]
    rest = [line for finding in verdict.additions for line in _addition(finding)]
    if rest:
        parts.append("\n".join(["Breaks no plugin:", *rest]))
    return "\n\n".join(parts) + "\n"


def summary(verdict: Verdict, declared: Declared | None = None) -> str:
    """Return a verdict in one line.

    Args:
        verdict: The verdict.
        declared: Returns whether a break is declared.
    """
    if not verdict.findings:
        return "nothing changed."
    breaks, others = len(verdict.breaks), len(verdict.additions)
    if not breaks:
        return f"compatible, {_count(others, 'change')} that no plugin breaks by."
    open_ones = sum(finding.undecided for finding in verdict.breaks)
    unconfirmed = sum(not finding.confirmed for finding in verdict.breaks) - open_ones if verdict.witnesses else 0
    notes = [f"{unconfirmed} of them unconfirmed"] if unconfirmed > 0 else []
    undeclared = len(verdict.undeclared(declared))
    notes.append("none declared" if undeclared == breaks else f"{undeclared} undeclared" if undeclared else "declared")
    tail = f", {_count(others, 'other change')}" if others else ""
    if open_ones == breaks:
        return f"COULD NOT TELL: {_count(breaks, 'change')} that no rule judges ({', '.join(notes)}){tail}."
    found = f"{_count(breaks - open_ones, 'break')}" + (f" and {open_ones} undecided" if open_ones else "")
    return f"BREAKING: {found} ({', '.join(notes)}){tail}. A bump of the API version is required."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _break(verdict: Verdict, finding: CompatFinding, declared: Declared | None) -> Iterator[str]:
    yield f"{'COULD NOT TELL' if finding.undecided else 'BREAK'} {finding.kind}: {finding.symbol}{change(finding)}"
    yield f"  direction  {finding.direction.value}"
    yield f"  breaks     {finding.who}"
    if finding.path:
        yield f"  because    {' > '.join(finding.path)}"
    yield from _both(finding)
    if finding.cascades:
        yield f"  also       {', '.join(short(symbol) for symbol in finding.cascades)}: only because of this"
    if finding.note:
        yield f"  note       {finding.note}"
    is_declared = declared is not None and declared(finding)
    yield f"  bump       required, {'declared' if is_declared else 'not declared'}"
    yield f"  id         {finding.id}"
    if finding.witness is not None:
        fails = f"line {finding.witness.line}: {finding.witness.message} [{finding.witness.code}]"
        yield "  witness    clean before; now"
        yield f"             {fails}"
        yield from (f"    | {line}".rstrip() for line in finding.witness.source.splitlines())
    elif verdict.witnesses and not finding.undecided:
        yield "  witness    none found: unconfirmed (a type checker cannot see it, but the rule stands)"


def _both(finding: CompatFinding) -> Iterator[str]:
    for label, text in (("old", finding.old), ("new", finding.new)):
        for place, line in enumerate(text.splitlines()):
            yield f"  {label if place == 0 else '':<9}  {line}"


def _addition(finding: CompatFinding) -> Iterator[str]:
    yield f"  {finding.kind}: {finding.symbol}{change(finding)}{f' ({finding.note})' if finding.note else ''}"


def change(finding: CompatFinding) -> str:
    """Return in brackets what became what.

    Args:
        finding: The finding.
    """
    detail = finding.detail
    parameter = detail.get("parameter", "") or detail.get("member", "")
    if detail.get("from") and detail.get("to"):
        what = f"{detail['from']} -> {detail['to']}"
        return f" [{parameter}: {what}]" if parameter and parameter != detail["from"] else f" [{what}]"
    return f" [{parameter}]" if parameter else ""


def as_json(verdict: Verdict, declared: Declared | None = None, **more: object) -> str:
    """Write a verdict for programs.

    Args:
        verdict: The verdict.
        declared: Returns whether a break is declared.
        more: What else the report has, by its key.
    """
    report = {
        "old": verdict.old,
        "new": verdict.new,
        "compatible": verdict.compatible,
        "findings": [_record(finding, declared) for finding in verdict.findings],
        **more,
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _record(finding: CompatFinding, declared: Declared | None) -> dict[str, object]:
    witness = finding.witness
    return {
        "id": finding.id,
        "kind": finding.kind,
        "symbol": finding.symbol,
        "direction": finding.direction.value,
        "path": list(finding.path),
        "old": finding.old,
        "new": finding.new,
        "breaking": finding.breaking,
        "who": finding.who,
        "bump_required": finding.bump_required,
        "declared": finding.breaking and declared is not None and declared(finding),
        "confirmed": finding.confirmed,
        "witness": None if witness is None else vars(witness),
        "detail": dict(finding.detail),
        "cascades": list(finding.cascades),
        "note": finding.note,
    }


def as_github(verdict: Verdict, declared: Declared | None = None) -> str:
    """Write a verdict as workflow commands, which GitHub shows at the module that changed.

    Args:
        verdict: The verdict.
        declared: Returns whether a break is declared.
    """
    undeclared = verdict.undeclared(declared)
    lines = []
    for finding in verdict.findings:
        level = "notice" if not finding.breaking else "error" if finding in undeclared else "warning"
        module = finding.symbol.partition(":")[0].replace(".", "/")
        body = "\n".join(_break(verdict, finding, declared)) if finding.breaking else "".join(_addition(finding))
        title = f"{finding.kind} {short(finding.symbol)}"
        lines.append(f"::{level} file=src/{module}.py,title={_property(title)}::{_escaped(body)}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def as_markdown(verdict: Verdict, declared: Declared | None = None) -> str:
    """Write a verdict for a pull request.

    Args:
        verdict: The verdict.
        declared: Returns whether a break is declared.
    """
    lines = [f"## {verdict.old} → {verdict.new}", "", summary(verdict, declared), ""]
    if verdict.findings:
        lines += ["| | kind | symbol | direction | what |", "|---|---|---|---|---|"]
        for finding in verdict.findings:
            mark = "**could not tell**" if finding.undecided else "**break**" if finding.breaking else "ok"
            what = change(finding).strip(" []").replace("|", "\\|")
            row = (mark, finding.kind, f"`{finding.symbol}`", finding.direction.value, what)
            lines.append(f"| {' | '.join(row)} |")
    for finding in verdict.breaks:
        lines += ["", f"### {finding.kind}: `{finding.symbol}`", "", f"Breaks {finding.who}.", ""]
        lines += ["```diff", *_diff("-", finding.old), *_diff("+", finding.new), "```"]
        if finding.cascades:
            names = ", ".join(f"`{short(symbol)}`" for symbol in finding.cascades)
            lines += ["", f"Incompatible only because of this: {names}."]
        if finding.witness is not None:
            lines += ["", "Clean before, and now:", "", f"> {finding.witness.message}", ""]
            lines += ["```python", finding.witness.source.rstrip(), "```"]
        elif verdict.witnesses and not finding.undecided:
            lines += ["", "No witness found: unconfirmed."]
    return "\n".join(lines) + "\n"


def _diff(mark: str, text: str) -> Iterator[str]:
    return (f"{mark} {line}" for line in text.splitlines())


FORMATS: dict[str, Callable[[Verdict, Declared | None], str]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
    "md": as_markdown,
}
"""The formats of ``--format``."""
