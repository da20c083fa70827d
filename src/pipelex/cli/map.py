"""``pipelex map``."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.bulk.formats import FORMATS
from pipelex.cli.conversations import param_option
from pipelex.cli.map_jobs import FAMILY_NAMES
from pipelex.cli.map_results import MapResults, ledger_of
from pipelex.cli.output import FAILED, INTERRUPTED, MISUSED, OK, note, write_error, write_json
from pipelex.cli.session import answer_of_file, model_or_default, open_pipelex
from pipelex.cogt.exceptions import InferenceError
from pipelex.exceptions import InputFileError, MissingDependencyError, PipelexError
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipelex.bulk.formats import FileFormat
    from pipelex.bulk.options import MapOptions
    from pipelex.bulk.rows import RowSource
    from pipelex.bulk.run import MapEngine, MapPlan, MapProgress, MapRun
    from pipelex.cli.json_schema import SchemaAnswer
    from pipelex.cli.map_jobs import RowJobs


def _dashed(name: str) -> str:
    """Return a name as command lines spell it: ``img_gen``, the family's value, is ``img-gen`` there."""
    return name.replace("_", "-")


_POSITIVE = click.IntRange(min=1)
_FORMATS = tuple(dict.fromkeys(FORMATS.values()))


def _ending_with_2(command: Callable[..., int]) -> Callable[..., int]:
    """Let a command end with code 2 where it can make no call; the error of a call is that of its row."""

    @wraps(command)
    def checked(*, as_json: bool, **asked: object) -> int:
        try:
            return command(as_json=as_json, **asked)
        except (MissingDependencyError, InputFileError, InferenceError) as exc:
            write_error(exc, as_json=as_json)
            return MISUSED

    return checked


@click.command("map", context_settings={"token_normalize_func": _dashed})
@click.argument("rows")
@click.option(
    "--family", type=click.Choice(FAMILY_NAMES), default="llm", show_default=True, help="What is called for each row."
)
@click.option("--prompt", help='The text for each row, with columns in braces: "Sentiment of: {text}".')
@click.option("-m", "--model", help="A name of the catalogue, or backend/model-id. Default: as configured.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="The results: .jsonl, .csv, .parquet, ..."
)
@click.option("-s", "--system", help="An instruction beside the prompt; it may name columns, too.")
@click.option("--negative", metavar="TEXT", help="What an image does not show; it may name columns, too.")
@click.option("--schema", type=click.Path(path_type=Path), help="Ask for JSON that fits this JSON Schema file.")
@click.option("--key", metavar="COLUMN", help="The column that names a row. Default: rows are known by their number.")
@click.option("--image-column", metavar="COLUMN", help="The column with the file or address of an image.")
@click.option("--document-column", metavar="COLUMN", help="The column with the file or address of a PDF document.")
@click.option("--format", "file_format", type=click.Choice(_FORMATS), help="The format of ROWS. Default: by its name.")
@click.option("--answer-column", default="answer", show_default=True, help="The column of the answers.")
@click.option("--temperature", type=click.FloatRange(min=0), help="Randomness; 0 is none.")
@click.option("--max-tokens", type=_POSITIVE, help="The longest answer, in tokens.")
@click.option("--seed", type=int, help="The seed of the randomness.")
@param_option
@click.option("--limit", type=_POSITIVE, help="Run the first rows only; they count when you go on without it.")
@click.option("--max-failures", type=click.IntRange(min=0), help="Stop when more rows than these fail.")
@click.option("--max-cost", type=click.FloatRange(min=0, min_open=True), help="Stop when this is spent, in US dollars.")
@click.option("--concurrency", type=_POSITIVE, help="How many calls run at once. Default: as configured.")
@click.option("--rpm", type=_POSITIVE, help="The most requests a minute.")
@click.option("--tpm", type=_POSITIVE, help="The most tokens a minute.")
@click.option("--retry-failed", is_flag=True, help="Run the rows again that failed before.")
@click.option(
    "--on-ambiguous",
    type=click.Choice(["retry", "skip", "fail"]),
    help="What becomes of calls that may have been charged when a run was interrupted.",
)
@click.option(
    "--on",
    metavar="ray[:HOST:PORT]",
    help="Make the calls on a Ray cluster: the one at this address, or that of RAY_ADDRESS, or one on this machine.",
)
@click.option("--actors", type=_POSITIVE, help="How many processes of the cluster make calls. Default: by its size.")
@click.option("--new", is_flag=True, help="Start over: drop the answers of earlier runs.")
@click.option("--usage", "tells_usage", is_flag=True, help="Write what each row used and cost to the results.")
@click.option("--dry-run", is_flag=True, help="Show three rows as they would be sent and estimate tokens and cost.")
@click.option("--report", is_flag=True, help="Report on the results ROWS of an earlier run, and call nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@_ending_with_2
def map_rows(
    *,
    rows: str,
    family: str,
    prompt: str | None,
    model: str | None,
    out: Path | None,
    system: str | None,
    negative: str | None,
    schema: Path | None,
    key: str | None,
    image_column: str | None,
    document_column: str | None,
    file_format: FileFormat | None,
    answer_column: str,
    temperature: float | None,
    max_tokens: int | None,
    seed: int | None,
    named_params: tuple[str, ...],
    limit: int | None,
    max_failures: int | None,
    max_cost: float | None,
    concurrency: int | None,
    rpm: int | None,
    tpm: int | None,
    retry_failed: bool,
    on_ambiguous: str | None,
    on: str | None,
    actors: int | None,
    new: bool,
    tells_usage: bool,
    dry_run: bool,
    report: bool,
    as_json: bool,
) -> int:
    """Call a model for each row of ROWS: a .jsonl, .csv, .tsv, .parquet or .arrow file, or "-" for standard input.

    The same command resumes: what is done is kept in the ledger beside the results (OUT.ledger). The first Ctrl-C lets
    the calls under way finish, the second one stops. Exit codes: 0 all rows have an answer, 1 some failed, 130 stopped.
    """
    from pipelex.bulk.options import MapOptions, OnAmbiguous
    from pipelex.bulk.rows import RowSource
    from pipelex.bulk.run import MapRun
    from pipelex.cli.map_jobs import MapRequest, RowJobs

    if report:
        return _report(Path(rows), as_json=as_json)
    options = MapOptions(
        concurrency=concurrency,
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        limit=limit,
        max_failures=max_failures,
        max_cost_usd=max_cost,
        retry_failed=retry_failed,
        on_ambiguous=OnAmbiguous(on_ambiguous) if on_ambiguous is not None else None,
        new=new,
    )
    request = MapRequest(
        family=family,
        texts={"prompt": prompt, "system": system, "negative": negative},
        media={"image-column": image_column, "document-column": document_column},
        params={"temperature": temperature, "max-tokens": max_tokens, "seed": seed},
        named_params=named_params,
        others={"schema": schema},
    )
    engine = _engine(on, actors)
    jobs = RowJobs(request)
    source = RowSource(rows, file_format)
    jobs.check(source, key)
    answer = answer_of_file(schema) if schema is not None else None
    if key is not None:
        source.check_keys(key, limit=limit)
    if dry_run:
        return _dry_run(source, jobs, model, limit=limit, as_json=as_json)
    results = MapResults(
        _named(out),
        source,
        jobs.family,
        answer_column=answer_column,
        is_object=schema is not None,
        with_usage=tells_usage,
    )
    results.check(new=new)
    with open_pipelex() as px:
        chosen = model_or_default(px, model, jobs.family.member)
        plan = _plan(source, jobs, model=chosen, schema=answer, key=key, ledger=results.ledger, options=options)
        run = MapRun(px.hub, plan) if engine is None else engine.run(px.hub, plan)
        total = source.count()
        return _Ending(run, results, as_json=as_json).watch(
            min(total, limit) if total is not None and limit is not None else total
        )


def _named(out: Path | None) -> Path:
    if out is None or not out.name:
        msg = "Name the file of the results: --out FILE."
        raise click.UsageError(msg)
    return out


def _engine(on: str | None, actors: int | None) -> MapEngine | None:
    """Return what makes the calls; ``None``: this process."""
    if on is None:
        if actors is not None:
            msg = "--actors is the number of processes of a cluster: name the cluster, too (--on ray)."
            raise click.UsageError(msg)
        return None
    from pipelex.bulk.ray.engine import Ray

    kind, _, address = on.partition(":")
    if kind != "ray":
        msg = f"--on {on}: expected ray, or ray:HOST:PORT."
        raise click.UsageError(msg)
    return Ray(address=f"ray:{address}" if address.startswith("//") else address or None, actors=actors)


def _plan(
    source: RowSource,
    jobs: RowJobs,
    *,
    model: str,
    schema: type[SchemaAnswer] | None,
    key: str | None,
    ledger: Path,
    options: MapOptions,
) -> MapPlan:
    from pipelex.bulk.cells import row_json
    from pipelex.bulk.rows import row_key
    from pipelex.bulk.run import MapPlan

    return MapPlan(
        rows=source,
        make_job=jobs.make,  # type: ignore[arg-type]  # it gets the rows of the source
        model=model,
        schema=schema,
        key=None if key is None else lambda row: row_key(row, key),  # type: ignore[arg-type]  # as above
        ledger=ledger,
        options=options,
        job=jobs.described(),
        source=row_json,  # type: ignore[arg-type]  # as above
        key_column=key or "",
    )


class _Ending:
    """Watches a run to its end: progress, interrupts, results, exit code.

    Args:
        run: The run.
        results: Where its results go.
        as_json: Whether to write the counts to stdout as JSON.
    """

    def __init__(self, run: MapRun[object], results: MapResults, *, as_json: bool) -> None:
        self._run = run
        self._results = results
        self._as_json = as_json
        self._interrupts = 0

    def watch(self, total: int | None) -> int:
        """Run all rows, write the results, and return the exit code."""
        import asyncio

        from pipelex.bulk.exceptions import MapLimitError

        limit: MapLimitError | None = None
        try:
            asyncio.run(self._iterate(total))
        except MapLimitError as exc:
            limit = exc
        except asyncio.CancelledError:
            note("stopped: calls under way were cancelled, what was answered is kept. Resume: the same command again.")
            return INTERRUPTED
        self._results.write(seen=self._run.seen)
        progress = self._run.progress
        self._write_counts(progress)
        if limit is not None:
            raise limit
        if self._interrupts:
            note("stopped: the calls under way have ended, nothing is lost. Resume: the same command again.")
            return INTERRUPTED
        return FAILED if progress.failed else OK

    def _write_counts(self, progress: MapProgress) -> None:
        from pipelex.bulk.cells import counted

        out = self._results.out
        if self._as_json:
            names = ("done", "failed", "resumed", "interrupted", "unpriced")
            cost = progress.cost_usd or None
            write_json({**{name: vars(progress)[name] for name in names}, "cost_usd": cost, "out": str(out)})
            return
        counts = f"{counted(progress.done, 'row')}: {progress.failed:,} failed, {progress.resumed:,} from earlier runs"
        if progress.interrupted:
            counts += f", {progress.interrupted:,} interrupted before"
        note(f"{counts}. {out}")

    async def _iterate(self, total: int | None) -> None:
        import asyncio
        import signal
        from contextlib import aclosing

        from pipelex.cli.map_progress import show_progress

        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def interrupt(*_: object) -> None:
            self._interrupts += 1
            if self._interrupts == 1:
                loop.call_soon_threadsafe(self._run.drain)
                note("stopping: the calls under way finish. Ctrl-C again cancels them.")
            elif task is not None:
                loop.call_soon_threadsafe(task.cancel)

        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        shown = asyncio.create_task(show_progress(self._run.progress, total))
        try:
            async with aclosing(self._run):
                async for _ in self._run:
                    pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            shown.cancel()
            await asyncio.gather(shown, return_exceptions=True)


def _report(out: Path, *, as_json: bool) -> int:
    """Report on the results of an earlier run."""
    from pipelex.bulk.exceptions import RowsFileError
    from pipelex.bulk.ledger import read_ledger
    from pipelex.bulk.report import MapReport

    if out.is_dir():
        raise RowsFileError(file=str(out), reason=f"{out}: it is a folder. Name the results of a run")
    path = out if out.suffix == ".ledger" else ledger_of(out)
    if not path.is_file():
        raise RowsFileError(file=str(path), reason=f"{path}: there is no ledger. Name the results of a run")
    ledger = read_ledger(path)
    try:
        found = MapReport.of(ledger)
    finally:
        ledger.close()
    if as_json:
        write_json(found.to_dict())
    else:
        write_text("\n".join(found.lines()))
    return OK


def _job_or_error(jobs: RowJobs, row: Mapping[str, object]) -> object:
    """Return the job of a row, or the error of a row that would fail alone."""
    try:
        return jobs.make(row)
    except PipelexError as exc:
        return exc


def _dry_run(source: RowSource, jobs: RowJobs, model: str | None, *, limit: int | None, as_json: bool) -> int:
    """Show what would be sent, and estimate what it would use and cost."""
    from itertools import islice

    from pipelex.bulk.estimate import estimate

    with open_pipelex() as px:
        spec = px.hub.resolve(model_or_default(px, model, jobs.family.member), jobs.family.member)[1]
        rows = jobs.noting_empty(islice(source, limit))
        found = estimate((_job_or_error(jobs, row) for row in rows), spec, empty=jobs.empty)
    if as_json:
        write_json(found.to_dict())
    else:
        write_text("\n".join(found.lines()))
    return OK
