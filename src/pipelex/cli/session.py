"""What the commands for model calls have in common: the running system, and the model that is meant."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pipelex.cli.output import note, show_warnings
from pipelex.terminal import reserve_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipelex.boot import Pipelex
    from pipelex.cli.json_schema import SchemaAnswer
    from pipelex.cogt.inference.gate import Refusal
    from pipelex.plugins.exceptions import PluginError
    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.reporting.reporting_protocol import InferenceUsage, ReportingProtocol
    from pipelex.reporting.usage_log import UsageLog
    from pipelex.reporting.usage_report import UsageTotals

usage_option: Callable[[Callable[..., int]], Callable[..., int]] = click.option(
    "--usage", "tells_usage", is_flag=True, help="Say on stderr what was used, how long it took and what it cost."
)


def open_pipelex(reporting_delegate: ReportingProtocol | None = None) -> Pipelex:
    """Bring the system up; a broken plugin costs one line on stderr, where all goes that plugins print."""
    from pipelex.boot import Pipelex

    reserve_stdout()
    show_warnings()
    px = Pipelex.setup(reporting_delegate=reporting_delegate, on_broken_plugin=note_broken_plugin)
    px.limiter.on_refusal = note_refusal
    return px


def note_refusal(refusal: Refusal) -> None:
    """Write in one line that calls wait for a backend, why, and how long at most."""
    what = "cannot be reached: trying again for up to" if refusal.is_outage else "asks to slow down: waiting"
    note(f"note: [{refusal.backend_name}] {what} {refusal.up_to_s:.3g} s. {refusal.reason}")


def note_broken_plugin(error: PluginError) -> None:
    """Say in one line that a plugin is left out."""
    note(f"warning: a plugin is left out: {error} 'pipelex plugins list' shows all.")


def trust_what_was_written(folder: Path) -> None:
    """Trust a ``.pipelex`` that a command has just written; where that cannot be recorded, one line says so."""
    from pipelex.config.trust import trust_written
    from pipelex.exceptions import OutputFileError

    try:
        trust_written(folder)
    except OutputFileError as exc:
        note(f"warning: it is written, but not trusted: {exc}. 'pipelex trust' does that.")


def model_or_default(px: Pipelex, model: str | None, family: InferenceFamily) -> str:
    """Return the model that was named, or the family's default.

    Raises:
        click.UsageError: None was named and none is configured.
    """
    chosen = model or px.settings.default_model(family)
    if chosen is None:
        known = ", ".join(spec.name for spec in px.settings.models(family))
        msg = (
            f"No model is named and none is configured for this family. Name one with --model"
            f"{f' ({known})' if known else ''}, or set {family.value} in the table [defaults] of .pipelex/pipelex.toml."
        )
        raise click.UsageError(msg)
    return chosen


def call_report(log: UsageLog) -> dict[str, object]:
    """Return what is known of the one call of a log, for the JSON output."""
    if not log.records:
        return {}
    record = log.records[-1]
    return {
        "model": record.model,
        "backend": record.backend_name,
        "sdk": record.sdk,
        "model_served": record.model_served,
        "finish_reason": record.finish_reason.value if record.finish_reason else None,
        **usage_report(log),
    }


def usage_report(log: UsageLog) -> dict[str, object]:
    """Return what all calls of a log used, for the JSON output."""
    totals = log.report().overall
    counts = {name: count for name, count in vars(totals.usage).items() if count is not None}
    return {"duration_s": round(totals.duration_s, 3), "usage": counts or None, "cost_usd": totals.cost_usd}


@contextmanager
def noting_usage(log: UsageLog, *, wanted: bool) -> Iterator[None]:
    """Say at the end, a bad one too, what the calls of a log used, how long they took and what they cost."""
    try:
        yield
    finally:
        if wanted:
            note_usage(log)


def note_usage(log: UsageLog) -> None:
    """Write in one line what the calls of a log used, how long they took and what they cost."""
    totals = log.report().overall
    if not totals.calls:
        return
    note(f"usage: {', '.join((*_counts(totals.usage), f'{totals.duration_s:.1f} s', _cost(totals)))}")


def _counts(usage: InferenceUsage) -> Iterator[str]:
    if usage.input_tokens is not None:
        cached = f" ({usage.cached_input_tokens:,} cached)" if usage.cached_input_tokens else ""
        yield f"{usage.input_tokens:,} tokens in{cached}"
    if usage.output_tokens is not None:
        thought = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
        yield f"{usage.output_tokens:,} tokens out{thought}"
    for count, one, many in (
        (usage.images, "image", "images"),
        (usage.pages, "page", "pages"),
        (usage.searches, "search", "searches"),
    ):
        if count is not None:
            yield f"{count:,} {one if count == 1 else many}"


def _cost(totals: UsageTotals) -> str:
    if totals.cost_usd is None:
        return "cost unknown"
    partly = f" without {totals.unpriced_calls} of {totals.calls} calls" if totals.unpriced_calls else ""
    return f"${totals.cost_usd:.6f}{partly}" if totals.cost_usd >= 1e-6 else f"less than $0.000001{partly}"


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
