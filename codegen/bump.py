"""``python -m codegen bump`` and ``freeze``: the present contract becomes a version that is never edited again."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from codegen import freshness
from codegen.changes import IGNORED_FINDINGS, declares, entry_for, match, summary_of, summary_of_finding
from codegen.emit.spi_changes_doc import what_to_do
from codegen.errors import CodegenError, FrozenError, Problem
from codegen.freeze import PENDING, add_folder, freeze_project, refuse
from codegen.frozen import check_frozen, folder_of, read_frozen
from codegen.project import SPEC_FILE, Project
from codegen.spec import parse_spec
from codegen.writer import FileChange, changes, write
from pipelex.spi.files import finish_interrupted

if TYPE_CHECKING:
    from codegen.compat.affected import PluginOutcome
    from codegen.compat.model import CompatFinding, Verdict
    from codegen.spec import Change, Spec, SpecFile
    from codegen.writer import Outputs

DONE, REFUSED, COULD_NOT_TELL = 0, 1, 2
CHANGELOG = "CHANGELOG.md"
NEXT_MARK = "# --- Next"
"""The comment in ``spi.toml`` before which the rows of frozen versions are."""
_UNRELEASED = re.compile(r"^## \[Unreleased\]\n", re.MULTILINE)
_STATING = ("README.md", "docs/*.md", "docs/examples/**/*.md")
"""Handwritten pages that may state the version in an example of a plugin. Plugins themselves are upgraded instead."""


@dataclass
class Plan:
    """What a bump would do.

    Attributes:
        before: The version and revision that are stated.
        after: Those that will be.
        verdict: What changed since the last frozen version.
        files: Every file that differs.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    verdict: Verdict | None
    files: list[FileChange] = field(default_factory=list)


class BumpRefusedError(CodegenError):
    """The contract and the entries do not agree."""


def bump(project: Project, verdict: Verdict) -> Plan:
    """Work out a bump; nothing is written.

    Args:
        project: The project.
        verdict: What changed since the last frozen version.

    Returns:
        The plan; without files where nothing changed.

    Raises:
        BumpRefusedError: A break without an entry, an entry that matches no change, or one whose code does not fit.
        CodegenError: The input is wrong.
    """
    text = project.read(SPEC_FILE)
    spec_file = parse_spec(text)
    spec = spec_file.spec
    if not spec.version:
        raise refuse("no version is frozen yet: 'python -m codegen freeze' begins")
    check_frozen(project, spec)
    _hold_entries_to_findings(spec_file, verdict)
    _try_migrations(project, spec_file)
    before = (spec.api_version, spec.revision)
    seen = [finding for finding in verdict.findings if finding.kind not in IGNORED_FINDINGS]
    if not seen:
        return Plan(before, before, verdict)
    after = (spec.api_version, spec.revision + 1) if verdict.compatible else (spec.api_version + 1, 0)
    outputs, gone = _bumped(project, spec, text, after, seen)
    return Plan(before, after, verdict, [*changes(project.root, outputs), *gone])


def _hold_entries_to_findings(spec_file: SpecFile, verdict: Verdict) -> None:
    entries = spec_file.spec.next.change
    matching = match(entries, verdict.findings)
    problems = [_undeclared(finding) for finding in matching.undeclared]
    for index in matching.idle:
        entry = entries[index]
        text = f"'{entry.kind}' of '{entry.symbol}' matches no change; see 'python -m codegen diff'"
        problems.append(spec_file.problem(("next", "change", index), text))
    if problems:
        raise BumpRefusedError(*problems)


def _try_migrations(project: Project, spec_file: SpecFile) -> None:
    """Refuse code of an entry that does not fit the new contract: an author would be the first to see it."""
    from codegen.compat.proving.migrations import faults
    from codegen.compat.reading.trees import baseline, working_tree

    entries = spec_file.spec.next.change
    if any(entry.migration for entry in entries):
        found = faults(entries, baseline(project), working_tree(project)).items()
        places = [
            (("next", "change", place, "migration"), f"does not fit the new contract: {text}") for place, text in found
        ]
        if places:
            raise BumpRefusedError(*(spec_file.problem(place, text) for place, text in places))


def _undeclared(finding: CompatFinding) -> Problem:
    lines = "".join(f"\n    {line}" for line in entry_for(finding))
    text = f"a break without an entry ({finding.kind}; {finding.who or 'plugins break'}). Declare it in {SPEC_FILE}:"
    return Problem(SPEC_FILE, 0, finding.symbol, text + lines)


def _bumped(
    project: Project, spec: Spec, text: str, after: tuple[int, int], seen: list[CompatFinding]
) -> tuple[Outputs, list[FileChange]]:
    """Render the project as it will be, and list the files that go."""
    old_folder = folder_of(spec.api_version, spec)
    kept, gone = {}, []
    if after[0] > spec.api_version:
        kept = read_frozen(project, old_folder)
        gone = [FileChange(f"{old_folder}/{path}", old, None) for path, old in kept.items()]
    final = f"src/pipelex/spi/v{spec.api_version}"
    for path, content in kept.items():
        project.overlay(f"{final}/{path}", content)
    outputs = freeze_project(project, folded(text, after, spec.next.change))
    if kept:
        add_folder(outputs, final, kept)
    outputs.add_bare(CHANGELOG, _changelog(project, after, spec.next.change, seen))
    for path, new in _restated(project, spec.api_version, after[0]).items():
        outputs.add_bare(path, new)
    return outputs, gone


# --- spi.toml ------------------------------------------------------------------------------------------


def folded(text: str, after: tuple[int, int], entries: list[Change]) -> str:
    """Return ``spi.toml`` with the entries of ``[next]`` moved into the row of a version.

    Args:
        text: Its text.
        after: The version and revision.
        entries: The entries.
    """
    import tomlkit

    document = tomlkit.parse(text)
    document["api_version"], document["revision"] = after
    for row in document["symbols"].values():
        if row["since"] == "next":
            row["since"] = f"{after[0]}.{after[1]}"
    if "next" in document:
        del document["next"]
    return with_row(tomlkit.dumps(document), after, entries)


def with_row(text: str, numbers: tuple[int, int], entries: list[Change]) -> str:
    """Return ``spi.toml`` with the row of one more frozen version, its digest pending.

    Args:
        text: Its text.
        numbers: The version and revision.
        entries: What changed.
    """
    lines = ["[[version]]", f"number = {numbers[0]}", f"revision = {numbers[1]}", "released = false"]
    lines += [f'digest = "{PENDING}"', ""]
    for entry in entries:
        values = entry.model_dump(by_alias=True, exclude_none=True)
        lines += ["[[version.change]]", *(f"{key} = {_toml(str(value))}" for key, value in values.items()), ""]
    row = "\n".join(lines) + "\n"
    at = text.find(NEXT_MARK)
    if at < 0:
        return f"{text.rstrip()}\n\n{row.rstrip()}\n"
    return f"{text[:at]}{row}{text[at:].rstrip()}\n"


def _toml(value: str) -> str:
    if "\n" in value and "'''" not in value:
        return f"'''\n{value}'''" if not value.startswith("\n") else f"'''{value}'''"
    return json.dumps(value, ensure_ascii=False)


# --- what states the version beside --------------------------------------------------------------------


def _changelog(project: Project, after: tuple[int, int], entries: list[Change], seen: list[CompatFinding]) -> str:
    text = project.read(CHANGELOG)
    if not _UNRELEASED.search(text):
        raise CodegenError(Problem(CHANGELOG, 0, "", "no line '## [Unreleased]'; expected one to write below"))
    lines = [
        f"- {_capital(summary_of(entry))}: {_ended(entry.why)} What to do: {what_to_do(entry)}." for entry in entries
    ]
    untold = [finding for finding in seen if not any(declares(entry, finding) for entry in entries)]
    lines += [f"- {_capital(summary_of_finding(finding))}." for finding in untold]
    page = f"docs/api-versions/v{after[0]}.md"
    section = [f"### Plugin API {after[0]}.{after[1]}", "", *dict.fromkeys(lines), "", f"See [{page}]({page}).", ""]
    body = "\n".join(section)
    return _UNRELEASED.sub(lambda found: f"{found[0]}\n{body}", text, count=1)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _restated(project: Project, old: int, new: int) -> dict[str, str]:
    """Return the handwritten files whose examples state the version, with the new one."""
    if old == new:
        return {}
    statement = re.compile(rf"(\btargets_api(?:: [\w.\[\]]+)? = ){old}\b")
    found = {}
    for pattern in _STATING:
        for path in sorted(project.root.glob(pattern)):
            name = path.relative_to(project.root).as_posix()
            text = path.read_text(encoding="utf-8")
            if statement.search(text) and "Generated by" not in text.partition("\n")[0]:
                found[name] = statement.sub(rf"\g<1>{new}", text)
    return found


# --- freeze --------------------------------------------------------------------------------------------


def freeze(project: Project) -> Plan:
    """Work out the freezing of the present contract under its present number; nothing is written.

    Args:
        project: The project.

    Raises:
        CodegenError: The version is released, or the input is wrong.
    """
    import tomlkit

    text = project.read(SPEC_FILE)
    spec = parse_spec(text).spec
    numbers = (spec.api_version, spec.revision)
    if not spec.version:
        if numbers != (1, 0):
            raise refuse(f"the first frozen version is 1.0; {SPEC_FILE} states {numbers[0]}.{numbers[1]}")
        return Plan(numbers, numbers, None, changes(project.root, freeze_project(project, with_row(text, numbers, []))))
    last = spec.version[-1]
    if last.released:
        raise refuse(f"version {last.number}.{last.revision} is released and stays as it is: 'bump' makes the next one")
    if spec.next.change:
        raise refuse("[next] has entries: 'python -m codegen bump' folds them, 'freeze' would forget them")
    document = tomlkit.parse(text)
    document["version"][-1]["digest"] = PENDING
    outputs = freeze_project(project, tomlkit.dumps(document))
    return Plan(numbers, numbers, None, changes(project.root, outputs))


# --- the command line ----------------------------------------------------------------------------------


def main(arguments: list[str], *, default_root: str, command: str) -> int:
    """Run ``bump`` or ``freeze``.

    Args:
        arguments: Those of the command.
        default_root: The project that is meant where none is named.
        command: Which of the two.

    Returns:
        0: done; 1: refused; 2: it could not tell.
    """
    options = _parser(command).parse_args(arguments)
    project = Project(Path(options.root or default_root))
    try:
        if not options.dry_run:
            finish_interrupted(project.root)
        verdict = _verdict(project, options.plugins is not None) if command == "bump" else None
        plugins = _plugins(project, verdict, options.plugins)
        plan = bump(project, verdict) if verdict is not None else freeze(project)
        if not options.dry_run:
            write(project.root, plan.files)
    except (BumpRefusedError, FrozenError) as exc:
        return _say_problems(exc, REFUSED, as_json=options.json)
    except CodegenError as exc:
        return _say_problems(exc, COULD_NOT_TELL, as_json=options.json)
    _report(plan, command, plugins, dry_run=options.dry_run, as_json=options.json)
    if not options.dry_run:
        (project.root / freshness.CACHE).unlink(missing_ok=True)
    return DONE


def _plugins(project: Project, verdict: Verdict | None, names: list[str] | None) -> list[PluginOutcome]:
    """Return what the new version does to real plugins, where the command asks for it."""
    from codegen.compat.affected import affected
    from codegen.compat.reading.trees import baseline, working_tree

    if verdict is None or names is None:
        return []
    return affected(verdict, baseline(project), working_tree(project), names)


def _verdict(project: Project, witnesses: bool) -> Verdict:
    from codegen.compat.compare import compare
    from codegen.compat.reading.trees import baseline, working_tree
    from pipelex.spi.type_check import UndecidedError

    try:
        return compare(baseline(project), working_tree(project), witnesses=witnesses)
    except UndecidedError as exc:
        raise CodegenError(Problem(SPEC_FILE, 0, "", f"no verdict on what changed: {exc}")) from exc


def _parser(command: str) -> argparse.ArgumentParser:
    about = {
        "bump": "Fold [next] of spi.toml into a new version or revision, and freeze it.",
        "freeze": "Freeze the present contract under its present number; anew, as long as it is not released.",
    }
    parser = argparse.ArgumentParser(
        prog=f"python -m codegen {command}",
        description=about[command],
        epilog="Exit codes: 0 done, 1 refused, 2 could not tell.",
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing; print what would be written")
    parser.add_argument("--json", action="store_true", help="report as JSON on standard output")
    if command == "bump":
        parser.add_argument(
            "--plugins",
            nargs="*",
            metavar="PLUGIN",
            help="report which real plugins the new version breaks, as 'diff --plugins' does; the exit code stays",
        )
    parser.set_defaults(plugins=None)
    parser.add_argument("--root", metavar="FOLDER", help="the project to work on; this one by default")
    return parser


def _report(plan: Plan, command: str, plugins: list[PluginOutcome], *, dry_run: bool, as_json: bool) -> None:
    from codegen.compat.affected import as_data, as_text

    before, after = (f"{number}.{revision}" for number, revision in (plan.before, plan.after))
    if as_json:
        files = [{"path": item.path, "action": _action(item)} for item in plan.files]
        data = {"command": command, "before": before, "after": after, "dry_run": dry_run, "files": files}
        data |= {"plugins": as_data(plugins)} if plugins else {}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    for item in plan.files:
        sys.stdout.write(f"{_DRY[_action(item)] if dry_run else _action(item)} {item.path}\n")
    if not plan.files:
        sys.stdout.write(f"Nothing to do: the contract is that of {before}.\n")
    elif command == "freeze":
        sys.stdout.write(f"{'Would be frozen' if dry_run else 'Frozen'}: {after}.\n")
    else:
        kind = "breaking" if plan.after[1] == 0 else "additive"
        sys.stdout.write(f"{'Would go' if dry_run else 'Gone'} from {before} to {after} ({kind}).\n")
    sys.stdout.write(as_text(plugins) if plugins else "")


_DRY = {"removed": "would remove", "wrote": "would write"}


def _action(item: FileChange) -> str:
    return "removed" if item.new is None else "wrote"


def _say_problems(error: CodegenError, code: int, *, as_json: bool) -> int:
    if as_json:
        data = {"problems": [vars(problem) for problem in error.problems], "exit_code": code}
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return code
    for problem in error.problems:
        sys.stderr.write(f"{problem}\n")
    sys.stderr.write("Nothing was written.\n")
    return code
