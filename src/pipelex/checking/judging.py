"""Works out what is found in targets: mypy for many of them at once, the sandbox and the rules for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.findings import CheckError
from pipelex.checking.repetitions import without_explained_events, without_repetitions
from pipelex.checking.rules.catalogue import RULES
from pipelex.checking.subject import Subject
from pipelex.checking.targets import unchecked
from pipelex.checking.type_check import type_errors
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


class Judge:
    """The judge of several targets.

    Args:
        spi: The API version to check against.
        targets: The targets; their modules are type-checked at once, as far as their names do not clash.
        progress: Called with what is under way.
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
        found = apply_waivers(subject.modules, without_repetitions(found), loaded=self._loads)
        found = without_explained_events(found)
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
    """Run a rule; one that fails over something that was not thought of leaves the target unchecked, not clean."""
    try:
        return list(rule.check(rule, subject))
    except CheckError:
        raise
    except Exception as exc:
        reason = f"rule {rule.id} failed over it ({type(exc).__name__}: {exc})"
        raise CheckError(
            target=subject.target.label, reason=reason, fix="This is a fault of the check: report it"
        ) from exc
