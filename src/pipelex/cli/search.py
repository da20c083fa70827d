"""``pipelex search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.cli.inputs import text_or_stdin
from pipelex.cli.output import OK, write_json
from pipelex.cli.session import answer_of_file, call_report, model_or_default, noting_usage, open_pipelex, usage_option
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from datetime import datetime

    from pipelex.cogt.search.search_job import SearchAnswer, SearchSource

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.argument("query", required=False)
@click.option("-m", "--model", help="A name of the catalogue, or backend/model-id. Default: as configured.")
@click.option("--max-results", type=click.IntRange(min=1), help="The most sources.")
@click.option("--include-domain", "include_domains", multiple=True, help="Search this domain only. Repeatable.")
@click.option("--exclude-domain", "exclude_domains", multiple=True, help="Leave this domain out. Repeatable.")
@click.option("--from", "from_date", type=_DAY, metavar="YYYY-MM-DD", help="The earliest day of publication.")
@click.option("--to", "to_date", type=_DAY, metavar="YYYY-MM-DD", help="The latest day of publication.")
@click.option("--schema", type=click.Path(path_type=Path), help="Ask for JSON that fits this JSON Schema file.")
@usage_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def search(
    *,
    query: str | None,
    model: str | None,
    max_results: int | None,
    include_domains: tuple[str, ...],
    exclude_domains: tuple[str, ...],
    from_date: datetime | None,
    to_date: datetime | None,
    schema: Path | None,
    tells_usage: bool,
    as_json: bool,
) -> int:
    """Ask a search engine: QUERY, or what standard input holds where it is "-" or left out."""
    from pipelex.cogt.search.search_job import SearchJob, SearchJobParams
    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.reporting.usage_log import UsageLog

    params = SearchJobParams(
        max_results=max_results,
        include_domains=include_domains,
        exclude_domains=exclude_domains,
        from_date=from_date.date() if from_date else None,
        to_date=to_date.date() if to_date else None,
    )
    job = SearchJob(query=text_or_stdin(query, "query"), params=params)
    wanted = answer_of_file(schema) if schema is not None else None
    log = UsageLog()
    with noting_usage(log, wanted=tells_usage), open_pipelex(log) as px:
        worker = px.search(model_or_default(px, model, InferenceFamily.SEARCH))
        if wanted is not None:
            found = worker.search_structured_sync(job, wanted).value
            write_json({"object": found, **call_report(log)} if as_json else found)
        elif as_json:
            write_json({**_as_data(worker.search_sync(job)), **call_report(log)})
        else:
            _write(worker.search_sync(job))
    return OK


def _as_data(answer: SearchAnswer) -> dict[str, object]:
    return {"text": answer.text, "sources": [_source_as_data(source) for source in answer.sources]}


def _source_as_data(source: SearchSource) -> dict[str, object]:
    published_on = source.published_on.isoformat() if source.published_on is not None else None
    return {**vars(source), "published_on": published_on}


def _write(answer: SearchAnswer) -> None:
    if answer.text:
        write_text(answer.text)
    for number, source in enumerate(answer.sources, start=1):
        write_text(f"{'' if number > 1 or not answer.text else chr(10)}[{number}] {source.title or source.url}")
        write_text(f"    {source.url}{f'  ({source.published_on})' if source.published_on is not None else ''}")
        if source.snippet:
            write_text(f"    {' '.join(source.snippet.split())}")
