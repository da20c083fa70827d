"""``pipelex doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelex.cli.output import FAILED, MISUSED, OK, note, write_json, write_table
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.diagnosis.report import BackendReport, BuiltinPlugin, Diagnosis, ExternalPlugin, Finding, Statement

_EXIT_CODES = {"healthy": OK, "findings": FAILED, "incomplete": MISUSED}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def doctor(as_json: bool) -> int:
    """Look for what is wrong with installation, plugins and configuration, and say how to fix it.

    Imports no plugin and calls nobody. Exits with 0 where nothing is wrong, 1 where something is, 2 where something
    could not be looked at. What concerns only backends that no file of yours uses is noted, and is no finding.

    \b
    JSON: status (healthy, findings, incomplete), environment, plugins[], builtins[], backends[],
    findings[] and notes[] {id, subject, message, fix, file, line}, incomplete[] {part, reason}.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from pipelex.diagnosis.diagnose import diagnose

    found = diagnose()
    if as_json:
        write_json(_as_data(found))
    else:
        _write(found)
    return _EXIT_CODES[found.status]


def _as_data(found: Diagnosis) -> dict[str, object]:
    return {
        "status": found.status,
        "environment": found.environment,
        "plugins": [_external_as_data(plugin) for plugin in found.plugins],
        "builtins": [_builtin_as_data(plugin) for plugin in found.builtins],
        "backends": [
            {
                "name": backend.name,
                "used": backend.is_used,
                "sdks": list(backend.sdks),
                "unset_variables": list(backend.unset_variables),
                "stated": [statement._asdict() for statement in backend.statements],
            }
            for backend in found.backends
        ],
        "findings": [finding._asdict() for finding in found.findings],
        "notes": [finding._asdict() for finding in found.notes],
        "incomplete": [{"part": part, "reason": reason} for part, reason in found.incomplete],
    }


def _external_as_data(plugin: ExternalPlugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "own_name": plugin.own_name,
        "status": "disabled" if plugin.is_disabled else "enabled",
        "distribution": plugin.distribution,
        "version": plugin.version,
        "entry_point": plugin.entry_point,
        "file": plugin.file,
        "targets_api": plugin.targets_api,
        "targets_api_note": plugin.targets_api_note,
        "contributions": [claim._asdict() for claim in plugin.claims],
        "contributions_complete": plugin.are_claims_complete,
    }


def _builtin_as_data(plugin: BuiltinPlugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "status": "disabled" if plugin.is_disabled else "enabled",
        "core_unconditional": plugin.is_core_unconditional,
        "contributions": [claim._asdict() for claim in plugin.claims],
        "extra": plugin.extra,
        "requirements": list(plugin.requirements),
        "missing": list(plugin.missing),
        "install": plugin.install,
    }


def _write(found: Diagnosis) -> None:
    _write_environment(found)
    if found.plugins:
        write_text("\nInstalled plugins (not imported)")
        columns = ("NAME", "STATUS", "DISTRIBUTION", "API", "STATES THAT IT CONTRIBUTES", "FILE")
        write_table(columns, [_external_cells(plugin) for plugin in found.plugins])
    write_text("\nBuilt-in plugins")
    write_table(("NAME", "STATUS", "CONTRIBUTES", "NEEDS"), [_builtin_cells(plugin) for plugin in found.builtins])
    if found.backends:
        write_text("\nBackends")
        rows = [
            (backend.name, "yes" if backend.is_used else "no", ", ".join(backend.sdks), _unset(backend.unset_variables))
            for backend in found.backends
        ]
        write_table(("NAME", "IN USE", "SERVED BY", "NOT SET"), rows)
        _write_statements([backend for backend in found.backends if backend.is_used])
    _write_findings("Worth knowing", found.notes)
    _write_findings("Findings", found.findings)
    for part, reason in found.incomplete:
        note(f"error: the part '{part}' could not be looked at: {reason}")
    write_text(f"\n{_verdict(found)}")
    if any(not plugin.is_disabled for plugin in found.plugins):
        write_text("Not loaded: run 'pipelex plugins list'")


def _write_environment(found: Diagnosis) -> None:
    shown = found.environment
    files = shown.get("config_files")
    disabled = shown.get("disabled")
    write_text(f"python    {shown.get('python')}  {shown.get('executable')}")
    write_text(f"pipelex   {shown.get('pipelex') or '(not installed)'}  plugin API {shown.get('plugin_api')}")
    write_text(f"from      {shown.get('origin') or '(not noted by the installer)'}")
    write_text(f"runs in   {shown.get('location')}")
    write_text(f"reads     {', '.join(files) if isinstance(files, list) and files else 'packaged defaults alone'}")
    if isinstance(disabled, list) and disabled:
        write_text(f"disabled  {', '.join(disabled)}")


def _external_cells(plugin: ExternalPlugin) -> tuple[str, ...]:
    api = str(plugin.targets_api) if plugin.targets_api is not None else plugin.targets_api_note
    claims = ", ".join(map(str, plugin.claims))
    if not plugin.are_claims_complete:
        claims = f"{claims} and what only loading tells" if claims else "only known when it is loaded"
    return (
        plugin.name,
        "disabled" if plugin.is_disabled else "enabled",
        f"{plugin.distribution} {plugin.version}",
        api,
        claims,
        plugin.file or "(not found)",
    )


def _builtin_cells(plugin: BuiltinPlugin) -> tuple[str, ...]:
    needs = ", ".join(plugin.requirements)
    if plugin.missing:
        needs += " (missing)"
    status = "disabled" if plugin.is_disabled else "enabled"
    return plugin.name, status, ", ".join(map(str, plugin.claims)), needs


def _write_statements(backends: Sequence[BackendReport]) -> None:
    """Write where the calls of backends go, and which file says so."""
    rows = [(backend.name, row.key, row.value, _where(row)) for backend in backends for row in backend.statements]
    if rows:
        write_text("\nWhere the calls of the backends in use go")
        write_table(("NAME", "KEY", "VALUE", "STATED IN"), rows)


def _where(found: Statement | Finding) -> str:
    return f"{found.file}:{found.line}" if found.line else found.file or ""


def _unset(variables: Sequence[str]) -> str:
    return ", ".join(variables)


def _write_findings(heading: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    write_text(f"\n{heading}")
    for finding in findings:
        where = _where(finding)
        write_text(f"  {finding.id}: {f'{where}: ' if where else ''}{finding.message}. Fix: {finding.fix}")


def _verdict(found: Diagnosis) -> str:
    match found.status:
        case "healthy":
            return "Nothing is wrong."
        case "incomplete":
            return f"Not all could be looked at. Findings so far: {len(found.findings)}."
    return f"Findings: {len(found.findings)}."
