"""Runs the whole check: targets in, ordered findings out. Nothing of a target is imported into this process."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.checking import cache
from pipelex.checking.findings import CheckError
from pipelex.checking.purity_probe import CHILD, ProbeReport, probe
from pipelex.checking.rules.catalogue import all_rules
from pipelex.checking.spi_tree import spi_tree
from pipelex.checking.subject import Subject
from pipelex.checking.targets import resolve
from pipelex.checking.type_check import MypyError, mypy_version, type_errors
from pipelex.checking.type_findings import TYPE_RULES
from pipelex.checking.waivers import apply_waivers
from pipelex.plugins.contract import PLUGIN_API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipelex.checking.findings import Finding
    from pipelex.checking.rules.rule import Rule
    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target
    from pipelex.exceptions import PipelexError

CLEAN, FOUND, NOT_COMPLETED = 0, 1, 2
_IMPORT_ERRORS = ("import-not-found", "import-untyped", "attr-defined", "name-defined", "misc")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the check of one target came to.

    Attributes:
        label: The target.
        root: The folder that its files lie in.
        findings: What was found, in order.
        modules: How many modules were looked at.
    """

    label: str
    root: Path
    findings: tuple[Finding, ...]
    modules: int

    @property
    def errors(self) -> int:
        """How many of the findings count."""
        return sum(finding.severity == "error" for finding in self.findings)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What the check came to.

    Attributes:
        api_version: The API version that was checked against.
        checked: What became of each target that could be checked.
        failures: Why others could not.
    """

    api_version: int
    checked: tuple[Checked, ...]
    failures: tuple[PipelexError, ...]

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 2 could not complete."""
        if self.failures or not self.checked:
            return NOT_COMPLETED
        return FOUND if any(one.errors for one in self.checked) else CLEAN


def check(
    names: Sequence[str], *, api_version: int | None = None, progress: Callable[[str], None] = lambda _: None
) -> CheckResult:
    """Check targets.

    Args:
        names: The targets, as on the command line.
        api_version: The API version to check against; the newest if not given.
        progress: Told what is under way.

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
    judged = _Judged(spi, targets, progress)
    checked = []
    for number, target in enumerate(targets, start=1):
        progress(f"checking {number}/{len(targets)} {target.label}")
        try:
            checked.append(_check_one(target, spi, judged))
        except CheckError as exc:
            failures.append(exc)
    return CheckResult(api_version=spi.api_version, checked=tuple(checked), failures=tuple(failures))


def _check_one(target: Target, spi: SpiTree, judged: _Judged) -> Checked:
    errors, report = judged.verdict(target)
    subject = Subject(target, spi, errors, report)
    findings = [finding for rule in all_rules() for finding in _apply(rule, subject)]
    findings = apply_waivers(subject.modules, _without_repetitions(findings))
    ordered = tuple(sorted(dict.fromkeys(findings), key=lambda finding: finding.order))
    return Checked(label=target.label, root=target.root, findings=ordered, modules=len(target.modules))


def _apply(rule: Rule, subject: Subject) -> list[Finding]:
    """Run a rule; one that fails over something that nobody thought of leaves the target unchecked, not clean."""
    try:
        return list(rule.check(subject))
    except CheckError:
        raise
    except Exception as exc:
        reason = f"rule {rule.id} failed over it ({type(exc).__name__}: {exc})"
        raise CheckError(
            target=subject.target.label, reason=reason, mend="This is a fault of the check: report it"
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
    return [finding for finding in findings if not _is_repetition(finding, imports, heavy, covers)]


def _is_repetition(
    finding: Finding, imports: set[tuple[Path, int]], heavy: set[tuple[Path, int]], covers: set[str]
) -> bool:
    if finding.rule == "PX304" and finding.message.partition("InvalidContributionError")[1]:  # what the registrar says
        said = {"make_worker": " make_worker of ", "lister": " lister of "}
        return any(text in finding.message and f'Argument "{name}"' in covers for name, text in said.items())
    if finding.rule == "PX303":
        return (finding.place.file, finding.place.line) in heavy
    if finding.rule not in TYPE_RULES:
        return False
    of_import = finding.message.endswith(tuple(f"[mypy: {code}]" for code in _IMPORT_ERRORS))
    if of_import and (finding.place.file, finding.place.line) in imports:
        return True
    return any(cover in finding.message for cover in covers)


class _Judged:
    """What takes time, mypy and the probe, looked up in the store, or worked out for many targets at once."""

    def __init__(self, spi: SpiTree, targets: Sequence[Target], progress: Callable[[str], None]) -> None:
        self._spi = spi
        self._progress = progress
        self._keys = {id(target): _key(target, spi) for target in targets}
        self._types: dict[int, list[MypyError] | CheckError] = {}
        self._probes: dict[int, ProbeReport] = {}
        self._fresh: set[int] = set()
        for target in targets:
            self._recall(target)
        missing = [target for target in targets if id(target) not in self._types]
        for group in _groups_without_clashes(missing):
            self._check_types(group)

    def verdict(self, target: Target) -> tuple[list[MypyError], ProbeReport]:
        """Return what mypy and the probe say of a target.

        Raises:
            CheckError: One of them came to no verdict.
        """
        errors = self._types[id(target)]
        if isinstance(errors, CheckError):
            raise errors
        report = self._probes.get(id(target))
        if report is None:
            # what is installed is the registrar of one version: a plugin for another is judged by its stubs alone
            report = probe(target) if self._spi.api_version == PLUGIN_API_VERSION else ProbeReport()
        if id(target) in self._fresh and report.ended is None:
            stored = {"types": [asdict(error) for error in errors], "probe": list(report.lines)}
            cache.write_verdict(self._keys[id(target)], stored)
        return errors, report

    def _recall(self, target: Target) -> None:
        stored = cache.read_verdict(self._keys[id(target)])
        if isinstance(stored, dict):
            try:
                self._types[id(target)] = [MypyError(**error) for error in stored["types"]]
                self._probes[id(target)] = ProbeReport(lines=tuple(stored["probe"]))
            except (KeyError, TypeError):  # of another make: as if it were not there
                self._types.pop(id(target), None)

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
            self._fresh.add(id(target))


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


def _key(target: Target, spi: SpiTree) -> str:
    """Return a digest of all that the verdict on a target depends on."""
    import hashlib
    import sys

    whole = hashlib.sha256()

    def add(*texts: str) -> None:
        for text in texts:
            whole.update(f"{len(text)}:".encode())
            whole.update(text.encode("utf-8", "surrogateescape"))

    add(sys.version, sys.platform, mypy_version(), str(spi.api_version), spi.digest, _own_digest())
    add(*(f"{entry.name} {entry.module}:{entry.attribute}" for entry in target.entry_points))
    for name, module in sorted({**target.modules, **target.context}.items()):
        add(name, str(module.path), module.text)
    add(*map(str, target.paths))
    return whole.hexdigest()


def _own_digest() -> str:
    """Return a digest of what judges: the type check, the probe, and what the probe hands to a plugin."""
    import hashlib

    package = Path(__file__).resolve().parents[1]
    files = [CHILD, CHILD.with_name("purity_probe.py"), CHILD.with_name("type_check.py")]
    files += [package / "exceptions.py", *sorted((package / "plugins").glob("*.py"))]
    stats = (f"{path.name} {(stat := os.stat(path)).st_size} {stat.st_mtime_ns}" for path in files)
    return hashlib.sha256("\n".join(stats).encode()).hexdigest()
