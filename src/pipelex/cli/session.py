"""What the commands for model calls have in common: the running system, and the model that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelex.cli.output import note

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.boot import Pipelex
    from pipelex.cli.json_schema import SchemaAnswer
    from pipelex.plugins.exceptions import PluginError
    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.reporting.reporting_protocol import InferenceRecord, ReportingProtocol


def open_pipelex(reporting_delegate: ReportingProtocol | None = None) -> Pipelex:
    """Bring the system up; a broken plugin costs one line on stderr."""
    from pipelex.boot import Pipelex

    return Pipelex.setup(reporting_delegate=reporting_delegate, on_broken_plugin=note_broken_plugin)


def note_broken_plugin(error: PluginError) -> None:
    """Say in one line that a plugin is left out."""
    note(f"warning: a plugin is left out: {error} 'pipelex plugins list' shows all.")


def model_or_default(px: Pipelex, model: str | None, family: InferenceFamily) -> str:
    """Return the model that was named, or the family's default.

    Raises:
        click.UsageError: None was named and none is configured.
    """
    chosen = model or px.settings.default_model(family)
    if chosen is None:
        msg = (
            f"No model is named and none is configured for this family. Name one with --model, "
            f"or set {family.value} in the table [defaults] of .pipelex/pipelex.toml."
        )
        raise click.UsageError(msg)
    return chosen


def call_report(record: InferenceRecord | None) -> dict[str, object]:
    """Return what is known of a call, for the JSON output."""
    if record is None:
        return {}
    usage = {name: value for name, value in vars(record.usage).items() if value is not None} if record.usage else None
    return {
        "model": record.model,
        "backend": record.backend_name,
        "sdk": record.sdk,
        "model_served": record.model_served,
        "finish_reason": record.finish_reason.value if record.finish_reason else None,
        "duration_s": round(record.duration_s, 3),
        "usage": usage,
        "cost_usd": record.cost_usd,
    }


def answer_of_file(path: Path) -> type[SchemaAnswer]:
    """Make the type of the answers that fit a JSON Schema file; what is not verified is said on stderr.

    Raises:
        ConfigurationError: The file is no JSON Schema.
    """
    from pipelex.cli.json_schema import answer_type, read_schema, unverified_keywords

    schema = read_schema(path)
    unverified = unverified_keywords(schema)
    if unverified:
        note(f"note: {path}: the model is sent these keywords, but the answer is not checked: {', '.join(unverified)}")
    return answer_type(schema)
