"""Works out what is found in targets: mypy for many of them at once, the sandbox and the rules for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.findings import CheckError
from pipelex.checking.rules.catalogue import RULES
from pipelex.checking.subject import Subject
from pipelex.checking.targets import unchecked
from pipelex.checking.type_check import type_errors
from pipelex.checking.type_findings import TYPE_RULES
from pipelex.checking.waivers import apply_waivers
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.reading.place import UnreadableError
from pipelex.sandbox.run import Order, SandboxError, SandboxReport, run_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipelex.checking.findings import Finding
    from pipelex.checking.rules.rule import Rule
    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target
    from pipelex.spi.type_check import Diagnostic

_IMPORT_ERRORS = ("import-not-found", "import-untyped", "attr-defined", "name-defined", "misc")


class Judge:
    """The judge of several targets.

    Args:
        spi: The API version to check against.
        targets: The targets; their modules are type-checked at once, as far as their names do not clash.
        progress: Told what is under way.
        loads: Whether the plugins are loaded, in the sandbox. Without it, what is found by reading is all.
    """

    def __init__(
        self, spi: SpiTree, targets: Sequence[Target], progress: Callable[[str], None], *, loads: bool = True
    ) -> None:
        self._spi = spi
        # what is installed is the registrar of one version: a plugin for another is judged by its stubs alone
        self._loads = loads and spi.api_version == PLUGIN_API_VERSION
        self._progress = progress
        self._types: dict[int, list[Diagnostic] | CheckError] = {}
        sound = [target for target in targets if self._is_python(target)]
        for group in _groups_without_clashes(sound):
            self._check_types(group)

    def findings(self, target: Target) -> tuple[tuple[Finding, ...], SandboxReport]:
        """Return what is found in a target, in order, and what the sandbox saw on the way.

        Args:
            target: The target.

        Raises:
            CheckError: There is no verdict on it.
        """
        errors = self._types[id(target)]
        if isinstance(errors, CheckError):
            raise errors
        report = _sandbox_report(target) if self._loads else SandboxReport()
        subject = Subject(target, self._spi, errors, report)
        found = [finding for rule in RULES for finding in _apply(rule, subject)]
        found = apply_waivers(subject.modules, _without_repetitions(found), loaded=self._loads)
        return tuple(sorted(dict.fromkeys(found), key=lambda finding: finding.order)), report

    def _is_python(self, target: Target) -> bool:
        try:
            for module in target.modules.values():
                module.tree  # noqa: B018 - asking for it parses it
        except UnreadableError as exc:
            self._types[id(target)] = unchecked(exc)
        return id(target) not in self._types

    def _check_types(self, group: list[Target]) -> None:
        self._progress(f"type-checking {len(group)} target{'s' if len(group) > 1 else ''}")
        try:
            errors = type_errors(group, self._spi)
        except CheckError as exc:
            if len(group) > 1:  # find out whose fault it is
                for target in group:
                    self._check_types([target])
            else:
                self._types[id(group[0])] = exc
            return
        for target in group:
            own = {str(module.path) for module in target.modules.values()}
            self._types[id(target)] = [error for error in errors if error.file in own]


def _sandbox_report(target: Target) -> SandboxReport:
    """Load and register the plugins of a target in the sandbox.

    Raises:
        CheckError: The sandbox cannot be started.
    """
    order = Order(
        entries=tuple((entry.module, entry.attribute, entry.name or entry.module) for entry in target.entry_points),
        paths=tuple(map(str, target.paths)),
        own=(*target.modules, *target.context),
    )
    try:
        return run_sandbox(order)
    except SandboxError as exc:
        advice = "Run it again on a machine with free memory and processes, or report this"
        raise CheckError(target=target.label, reason=str(exc), fix=advice) from exc


def _groups_without_clashes(targets: Sequence[Target]) -> Iterator[list[Target]]:
    """Put together what mypy can check in one run: targets in which a module name means the same file."""
    groups: list[tuple[dict[str, Path], list[Target]]] = []
    for target in targets:
        paths = {name: module.path for name, module in {**target.modules, **target.context}.items()}
        for known, members in groups:
            if all(known.get(name, path) == path for name, path in paths.items()):
                known.update(paths)
                members.append(target)
                break
        else:
            groups.append((paths, [target]))
    yield from (members for _, members in groups)


def _apply(rule: Rule, subject: Subject) -> list[Finding]:
    """Run a rule; one that fails over something that nobody thought of leaves the target unchecked, not clean."""
    try:
        return list(rule.check(rule, subject))
    except CheckError:
        raise
    except Exception as exc:
        reason = f"rule {rule.id} failed over it ({type(exc).__name__}: {exc})"
        raise CheckError(
            target=subject.target.label, reason=reason, fix="This is a fault of the check: report it"
        ) from exc


def _without_repetitions(findings: list[Finding]) -> list[Finding]:
    """Drop what mypy says about something that a rule has said better."""
    imports = {
        (finding.place.file, line)
        for finding in findings
        if finding.rule.startswith("PX2") and finding.rule not in ("PX209", "PX210")
        for line in range(finding.place.line, max(finding.place.line, finding.last_line) + 1)
    }
    heavy = {(finding.place.file, finding.place.line) for finding in findings if finding.rule == "PX210"}
    covers = {finding.covers for finding in findings if finding.covers}
    wrong_calls = {(finding.place.file, finding.place.line) for finding in findings if finding.rule == "PX101"}
    findings = [one for one in findings if not _is_wrong_call_again(one, wrong_calls)]
    return [finding for finding in findings if not _is_repetition(finding, imports, heavy, covers)]


def _is_wrong_call_again(finding: Finding, wrong_calls: set[tuple[Path, int]]) -> bool:
    """Return whether a failure of loading is the ``TypeError`` of a call that mypy refuses on that line."""
    at_once = (finding.place.file, finding.place.line) in wrong_calls
    return finding.rule == "PX304" and "TypeError" in finding.message and at_once


def _is_repetition(
    finding: Finding, imports: set[tuple[Path, int]], heavy: set[tuple[Path, int]], covers: set[str]
) -> bool:
    if finding.rule == "PX304" and finding.message.partition("InvalidContributionError")[1]:  # what the registrar says
        said = {"make_worker": " make_worker of ", "lister": " lister of "}
        return any(text in finding.message and f'Argument "{name}"' in covers for name, text in said.items())
    if finding.rule == "PX303":
        return (finding.place.file, finding.place.line) in heavy | imports
    if finding.rule not in TYPE_RULES:
        return False
    of_import = finding.message.endswith(tuple(f"[mypy: {code}]" for code in _IMPORT_ERRORS))
    if of_import and (finding.place.file, finding.place.line) in imports:
        return True
    return any(cover in finding.message for cover in covers)
