"""Runs the whole check: targets in, ordered findings out. No target is imported into this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipelex.checking import verdicts
from pipelex.checking.findings import CheckError
from pipelex.checking.spi_tree import spi_tree
from pipelex.checking.targets import resolve
from pipelex.checking.type_check import mypy_version
from pipelex.plugins.contract import PLUGIN_API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipelex.checking.findings import Finding
    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target
    from pipelex.exceptions import PipelexError

CLEAN, FOUND, NOT_COMPLETED = 0, 1, 2


class Checked(NamedTuple):
    """What the check of one target came to.

    Attributes:
        label: The target.
        root: The folder that its files lie in.
        findings: What was found, in order.
        modules: How many modules were looked at.
        plugins: How many plugins it announces.
    """

    label: str
    root: Path
    findings: tuple[Finding, ...]
    modules: int
    plugins: int

    @property
    def errors(self) -> int:
        """How many of the findings count."""
        return sum(finding.severity == "error" for finding in self.findings)


class CheckResult(NamedTuple):
    """What the check came to.

    Attributes:
        api_version: The API version that was checked against.
        checked: What became of each target that could be checked.
        failures: Why others could not, and which of them hold no plugin.
        loaded: Whether the plugins were loaded, so that no rule was left out.
    """

    api_version: int
    checked: tuple[Checked, ...]
    failures: tuple[PipelexError, ...]
    loaded: bool = True

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 2 could not complete."""
        if self.failures or not self.checked:
            return NOT_COMPLETED
        return FOUND if any(one.errors for one in self.checked) else CLEAN


def check(
    names: Sequence[str],
    *,
    api_version: int | None = None,
    loads: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> CheckResult:
    """Check targets.

    Args:
        names: The targets, as on the command line.
        api_version: The API version to check against; the newest if not given.
        loads: Whether plugins are loaded, in a process of their own. Without it, the rules that need it find nothing.
        progress: Called with what is under way.

    Returns:
        What was found, and what could not be checked.

    Raises:
        CheckError: There are no stubs of that version.
        MissingDependencyError: The extra ``check`` is not installed.
    """
    spi = spi_tree(api_version)
    mypy_version()  # before anything else: without it there is no verdict
    failures: list[PipelexError] = []
    targets: list[Target] = []
    for name in names:
        try:
            targets += resolve(name)
        except CheckError as exc:
            failures.append(exc)
    found = _findings(targets, spi, progress, loads=loads)
    checked = [
        Checked(
            label=target.label,
            root=target.root,
            findings=found_there,
            modules=len(target.modules),
            plugins=len(target.entry_points),
        )
        for target, found_there in zip(targets, found, strict=True)
        if not isinstance(found_there, CheckError)
    ]
    failures += [one for one in found if isinstance(one, CheckError)]
    failures += [_no_plugin(target) for target in targets if target.metadata is None and not target.entry_points]
    loaded = loads and spi.api_version == PLUGIN_API_VERSION
    return CheckResult(spi.api_version, tuple(checked), tuple(failures), loaded=loaded)


def _no_plugin(target: Target) -> CheckError:
    """Return the failure of a target that was to be a plugin: what holds none is never clean."""
    reason = "it holds no plugin: no class has name, targets_api and register"
    fix = "Name the folder, the file or the installed distribution of a plugin"
    return CheckError(target=target.label, reason=reason, fix=fix)


def _findings(
    targets: Sequence[Target], spi: SpiTree, progress: Callable[[str], None], *, loads: bool
) -> list[tuple[Finding, ...] | CheckError]:
    """Look up what was found in each target, or work it out: what that takes is imported only then."""
    keys = [verdicts.key_of(target, spi, loads=loads) for target in targets]
    stored = [verdicts.recall(key) for key in keys]
    missing = [target for target, known in zip(targets, stored, strict=True) if known is None]
    if not missing:
        return [known for known in stored if known is not None]
    from pipelex.checking.judging import Judge

    judge = Judge(spi, missing, progress, loads=loads)
    found: list[tuple[Finding, ...] | CheckError] = []
    for number, (target, key, known) in enumerate(zip(targets, keys, stored, strict=True), start=1):
        progress(f"checking {number}/{len(targets)} {target.label}")
        if known is not None:
            found.append(known)
            continue
        try:
            findings, report = judge.findings(target)
        except CheckError as exc:
            found.append(exc)
            continue
        found.append(findings)
        if report.ended is None:
            verdicts.keep(key, target, findings, report.read)
    return found
