"""``pipelex plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelex.cli.check import check
from pipelex.cli.new import new
from pipelex.cli.output import FAILED, OK, write_json, write_table
from pipelex.cli.upgrade import upgrade
from pipelex.terminal import reserve_stdout, write_text

if TYPE_CHECKING:
    from pipelex.config.plugins_config import PluginsConfig
    from pipelex.plugins.discovery import Contribution, PluginRow, PluginSurvey


@click.group()
def plugins() -> None:
    """See which plugins are there and what became of them, and write new ones."""


plugins.add_command(check)
plugins.add_command(new)
plugins.add_command(upgrade)


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_plugins(as_json: bool) -> int:
    """List every discovered plugin, what it contributed, and whether it is disabled or broken.

    Exits with 1 where a plugin is broken.
    """
    from pipelex.config.plugins_config import load_plugins_config

    reserve_stdout()  # a plugin's threads may print when it was loaded
    config = load_plugins_config()
    survey = _survey(config)
    if as_json:
        write_json(_as_data(survey, config))
    else:
        _write(survey, config)
    return FAILED if survey.failures else OK


def _survey(config: PluginsConfig) -> PluginSurvey:
    """Survey the plugins; what would be logged is a finding of this command and stays out of the log."""
    from pipelex.plugins.discovery import survey_plugins

    if not config.disabled:
        return survey_plugins(config)
    import logging

    logger = logging.getLogger("pipelex.plugins")
    before, logger.disabled = logger.disabled, True
    try:
        return survey_plugins(config)
    finally:
        logger.disabled = before


def _as_data(survey: PluginSurvey, config: PluginsConfig) -> dict[str, object]:
    return {
        "plugins": [
            {
                "name": row.name,
                "origin": row.origin,
                "status": row.status,
                "distribution": row.distribution,
                "version": row.version,
                "targets_api": row.targets_api,
                "contributions": [contribution._asdict() for contribution in row.contributions],
                "core_unconditional": row.core_unconditional,
                "phase": row.phase,
                "reason": row.reason,
                "fix": _fix(row, survey, config) if row.error is not None else None,
            }
            for row in survey.rows
        ],
        "findings": [
            {"finding": "unknown_disabled", "name": name, "nearest": nearest, "message": _finding(name, nearest)}
            for name, nearest in survey.unknown_disabled
        ],
    }


def _write(survey: PluginSurvey, config: PluginsConfig) -> None:
    columns = ("NAME", "STATUS", "ORIGIN", "DISTRIBUTION", "API", "CONTRIBUTES")
    write_table(columns, [_cells(row) for row in survey.rows])
    for row in survey.rows:
        if row.error is None:
            continue
        write_text(f"\n{row.name} is broken")
        write_text(f"  phase    {row.phase}")
        write_text(f"  reason   {' '.join((row.reason or '').split())}")
        write_text(f"  fix      {_fix(row, survey, config)}")
    for name, nearest in survey.unknown_disabled:
        write_text(f"\nfinding: {_finding(name, nearest)}")


def _cells(row: PluginRow) -> tuple[str, ...]:
    return (
        row.name,
        row.status,
        row.origin,
        f"{row.distribution} {row.version}" if row.distribution else "",
        str(row.targets_api) if row.targets_api is not None else "",
        ", ".join(_describe(contribution) for contribution in row.contributions),
    )


def _describe(contribution: Contribution) -> str:
    match contribution.kind:
        case "inference_backend":
            return f"{contribution.family}/{contribution.sdk}"
        case "model_lister":
            return f"lists {contribution.sdk}"
        case "command":
            return f"command {contribution.name}"


def _fix(row: PluginRow, survey: PluginSurvey, config: PluginsConfig) -> str:
    """Return what gets rid of a broken plugin and of no other: a line of the configuration, or a command."""
    import json

    from pipelex.config.plugins_config import name_on_denylist
    from pipelex.plugins.exceptions import CoreUnconditionalPluginDisabledError

    if isinstance(row.error, CoreUnconditionalPluginDisabledError):
        return f'take "{row.name}" out of disabled under [plugins] in .pipelex/pipelex.toml'
    others = [name for other in survey.rows if other is not row for name in other.names]
    name = name_on_denylist(row.names, others)
    if name is None:
        return f"pip uninstall {row.distribution}"
    names = json.dumps(list(dict.fromkeys((*config.disabled, name))), ensure_ascii=False)
    return f"disabled = {names}   under [plugins] in .pipelex/pipelex.toml"


def _finding(name: str, nearest: str | None) -> str:
    meant = f" Did you mean '{nearest}'?" if nearest else ""
    return f"plugins.disabled names '{name}', which no plugin bears.{meant}"
