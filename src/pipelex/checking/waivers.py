"""Applies the waivers of a target to its findings; one that is not needed, or cannot be read, is a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.rules.catalogue import rule_named
from pipelex.checking.rules.waivers import UNNEEDED_WAIVER, UNREADABLE_WAIVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipelex.checking.findings import Finding
    from pipelex.reading.source import SourceModule, Waiver


def apply_waivers(modules: Iterable[SourceModule], findings: list[Finding], *, loaded: bool = True) -> list[Finding]:
    """Take the waived findings away and add those about the waivers themselves.

    Args:
        modules: The judged modules.
        findings: What the rules found.
        loaded: Whether the plugin was loaded: without that, a waiver of a rule that needs it is not called unneeded.
    """
    waived: set[int] = set()
    about_waivers: list[Finding] = []
    for module in modules:
        for waiver in module.waivers:
            about_waivers += _unreadable(waiver)
            for rule_id in waiver.ids:
                hits = [n for n, finding in enumerate(findings) if _matches(finding, module, waiver, rule_id)]
                waived.update(hits if waiver.reason else ())
                rule = rule_named(rule_id)
                if not hits and rule is not None and (loaded or not rule.needs_loading):
                    about_waivers.append(
                        UNNEEDED_WAIVER.finding(waiver.place, f"{rule_id} finds nothing on line {waiver.line}")
                    )
    kept = [finding for number, finding in enumerate(findings) if number not in waived]
    return [*kept, *about_waivers]


def _matches(finding: Finding, module: SourceModule, waiver: Waiver, rule_id: str) -> bool:
    last = max(finding.last_line, finding.place.line)
    on_line = finding.place.line <= waiver.line <= last
    return finding.rule == rule_id and finding.place.file == module.path and on_line


def _unreadable(waiver: Waiver) -> Iterator[Finding]:
    for rule_id in waiver.ids:
        known = rule_named(rule_id)
        if known is None or known.id != rule_id:
            yield UNREADABLE_WAIVER.finding(waiver.place, f"there is no rule '{rule_id}'")
        elif known.id.startswith("PX9"):
            yield UNREADABLE_WAIVER.finding(waiver.place, f"{rule_id} is about waivers and cannot be waived")
    if not waiver.ids:
        yield UNREADABLE_WAIVER.finding(waiver.place, "the waiver names no rule")
    elif not waiver.reason:
        yield UNREADABLE_WAIVER.finding(waiver.place, "the waiver gives no reason")
