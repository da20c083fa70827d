"""The diagnosis, part by part. No plugin is imported, and no part dies of what it looks at or takes others with it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelex.diagnosis import plugins as plugins_part
from pipelex.diagnosis.report import BackendReport, Diagnosis, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelex.diagnosis.configuration import Configuration
    from pipelex.diagnosis.report import BuiltinPlugin, ExternalPlugin

_CONFIGURATION = ".pipelex/pipelex.toml"


def diagnose(start: Path | None = None) -> Diagnosis:
    """Look at the environment, the plugins and the configuration.

    Args:
        start: Where the search for the project's ``.pipelex`` begins; the current directory if not given.

    Returns:
        What was found, and what could not be looked at.
    """
    found = Diagnosis()
    configuration = _configuration(found, start)
    disabled = configuration.disabled if configuration is not None else ()
    with _part(found, "environment"):
        found.environment = _environment(configuration)
    with _part(found, "built-ins"):
        from pipelex.spi.lock import read_spi_lock

        found.builtins = plugins_part.builtin_plugins(read_spi_lock().builtins, disabled)
    with _part(found, "plugins"):
        found.plugins, faults = plugins_part.external_plugins(disabled, found.builtins)
        found.findings += faults
    with _part(found, "metadata"):
        found.findings += plugins_part.installed_faults(found.plugins)
    with _part(found, "conflicts"):
        found.findings += plugins_part.conflicts(found.plugins, found.builtins)
    if configuration is not None:
        with _part(found, "denylist"):
            found.findings += plugins_part.denylist_findings(disabled, found.plugins, found.builtins)
        with _part(found, "backends"):
            _look_at_backends(found, configuration)
    return found


@contextmanager
def _part(found: Diagnosis, name: str) -> Iterator[None]:
    """Run one part: what it dies of is reported, and the others go on."""
    try:
        yield
    except Exception as exc:
        found.incomplete.append((name, f"{type(exc).__name__}: {exc}"))


def _configuration(found: Diagnosis, start: Path | None) -> Configuration | None:
    with _part(found, "configuration"):
        from pipelex.diagnosis.configuration import Configuration, config_errors

        configuration = Configuration(start)
        found.findings += config_errors(configuration.problems)
        return configuration
    return None


def _environment(configuration: Configuration | None) -> dict[str, object]:
    from pathlib import Path

    from pipelex.installation import installed_origin, installed_version
    from pipelex.spi.lock import read_spi_lock

    origin = installed_origin()
    lock = read_spi_lock()
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "executable": sys.executable,
        "pipelex": installed_version(),
        "origin": origin.url if origin is not None else None,
        "location": str(Path(__file__).parents[1]),
        "plugin_api": f"{lock.api_version}.{lock.revision}",
        "config_files": [str(path) for path in configuration.paths] if configuration is not None else None,
        "disabled": list(configuration.disabled) if configuration is not None else None,
    }


def _look_at_backends(found: Diagnosis, configuration: Configuration) -> None:
    used = configuration.used_backends()
    needed: set[str] = set()
    for name in configuration.settings.backend_names():
        report = BackendReport(
            name=name,
            is_used=name in used,
            sdks=configuration.sdks_of(name),
            unset_variables=configuration.unset_variables(name),
            statements=tuple(configuration.statements(name)),
        )
        found.backends.append(report)
        (found.findings if report.is_used else found.notes).extend(_unserved(report, found))
        if report.is_used:  # the table of the backends shows what is unset for the others
            found.findings += _unset(report)
            found.findings += configuration.invalid_values(name)
            found.notes += configuration.plain_http_notes(name)
            needed.update(report.sdks)
    found.findings += configuration.trust_findings()
    found.findings += configuration.default_model_findings()
    _look_at_packages(found, needed)


def _unset(report: BackendReport) -> Iterator[Finding]:
    for variable in report.unset_variables:
        message = f"backend '{report.name}' takes a value from {variable}, which is not set"
        fix = f"export {variable}=..., or change [backends.{report.name}] in {_CONFIGURATION}"
        yield Finding("unset_variable", report.name, message, fix)


def _unserved(report: BackendReport, found: Diagnosis) -> Iterator[Finding]:
    """Yield each sdk of a backend that no plugin serves, as far as plugins can be known without loading them."""
    everybody: list[ExternalPlugin | BuiltinPlugin] = [*found.plugins, *found.builtins]
    for key in report.sdks:
        if any(_serves(plugin, key) for plugin in everybody if not plugin.is_disabled):
            continue
        if any(not plugin.are_claims_complete for plugin in found.plugins if not plugin.is_disabled):
            message = f"whether anybody serves '{key}' of backend '{report.name}' is only known when plugins are loaded"
            found.notes.append(Finding("sdk_not_known", report.name, message, "pipelex plugins list"))
            continue
        holder = next((one for one in everybody if _serves(one, key)), None)
        message = f"no plugin serves '{key}', which backend '{report.name}' needs"
        fix = f"install a plugin that serves it, or change 'sdk' of [backends.{report.name}] in {_CONFIGURATION}"
        if holder is not None:
            message += f": plugin '{holder.name}' would, and is disabled"
            fix = f'take "{holder.name}" out of disabled under [plugins] in {_CONFIGURATION}'
        yield Finding("unserved_sdk", report.name, message, fix)


def _serves(plugin: ExternalPlugin | BuiltinPlugin, key: str) -> bool:
    family, _, sdk = key.partition("/")
    return any(
        claim.kind == "inference_backend" and claim.sdk == sdk and family in ("any", claim.family)
        for claim in plugin.claims
    )


def _look_at_packages(found: Diagnosis, needed: set[str]) -> None:
    """Look for missing packages: a finding where a backend in use needs them, worth knowing elsewhere."""
    for builtin in found.builtins:
        if not builtin.missing or builtin.is_disabled:
            continue
        is_needed = builtin.extra is None or any(_serves(builtin, key) for key in needed)
        message = f"built-in plugin '{builtin.name}' needs {', '.join(builtin.missing)}, which is not installed"
        finding = Finding("missing_extra", builtin.name, message, builtin.install or "")
        (found.findings if is_needed else found.notes).append(finding)
    for plugin in found.plugins:
        if plugin.is_disabled:
            continue
        is_needed = any(_serves(plugin, key) for key in needed)
        for spec, extra in plugins_part.missing_sdks(plugin):
            message = f"plugin {plugin.label} needs {spec}, which is not installed"
            finding = Finding("missing_extra", plugin.name, message, plugins_part.install_line(spec, extra))
            (found.findings if is_needed else found.notes).append(finding)
