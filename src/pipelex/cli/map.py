"""``pipelex map``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.cli.output import FAILED, INTERRUPTED, OK, note, write_json
from pipelex.cli.session import answer_of_file, model_or_default, open_pipelex
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.boot import Pipelex
    from pipelex.bulk.options import MapOptions
    from pipelex.bulk.rows import RowSource
    from pipelex.bulk.run import MapRun
    from pipelex.cli.json_schema import SchemaAnswer
    from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams

_POSITIVE = click.IntRange(min=1)


@click.command("map")
@click.argument("rows")
@click.option("--prompt", help='What to ask of each row, with columns in braces: "Sentiment of: {text}".')
@click.option("-m", "--model", help="A name of the catalogue, or backend/model-id. Default: as configured.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="The results: .jsonl, .csv or .tsv.")
@click.option("-s", "--system", help="An instruction beside the prompt; it may name columns, too.")
@click.option("--schema", type=click.Path(path_type=Path), help="Ask for JSON that fits this JSON Schema file.")
@click.option("--key", metavar="COLUMN", help="The column that names a row. Default: rows are known by their number.")
@click.option("--image-column", metavar="COLUMN", help="The column with the file or address of an image.")
@click.option("--document-column", metavar="COLUMN", help="The column with the file or address of a PDF document.")
@click.option("--answer-column", default="answer", show_default=True, help="The column of the answers.")
@click.option("--temperature", type=click.FloatRange(min=0), help="Randomness; 0 is none.")
@click.option("--max-tokens", type=_POSITIVE, help="The longest answer, in tokens.")
@click.option("--seed", type=int, help="The seed of the randomness.")
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
@click.option("--new", is_flag=True, help="Start over: drop the answers of earlier runs.")
@click.option("--usage", "tells_usage", is_flag=True, help="Write what each row used and cost to the results.")
@click.option("--dry-run", is_flag=True, help="Show three rows as they would be sent and estimate tokens and cost.")
@click.option("--report", is_flag=True, help="Report on the results ROWS of an earlier run, and call nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def map_rows(
    *,
    rows: str,
    prompt: str | None,
    model: str | None,
    out: Path | None,
    system: str | None,
    schema: Path | None,
    key: str | None,
    image_column: str | None,
    document_column: str | None,
    answer_column: str,
    temperature: float | None,
    max_tokens: int | None,
    seed: int | None,
    limit: int | None,
    max_failures: int | None,
    max_cost: float | None,
    concurrency: int | None,
    rpm: int | None,
    tpm: int | None,
    retry_failed: bool,
    on_ambiguous: str | None,
    new: bool,
    tells_usage: bool,
    dry_run: bool,
    report: bool,
    as_json: bool,
) -> int:
    """Ask a language model for each row of ROWS: a .jsonl, .csv or .tsv file, or "-" for JSON Lines on standard input.

    The same command resumes: what is done is kept in the ledger beside the results (OUT.ledger). The first Ctrl-C lets
    the calls under way finish, the second one stops. Exit codes: 0 all rows have an answer, 1 some failed, 130 stopped.
    """
    from pipelex.bulk.options import MapOptions, OnAmbiguous
    from pipelex.cogt.llm.llm_job import LLMJobParams

    if report:
        return _report(Path(rows), as_json=as_json)
    if prompt is None:
        msg = "There is no prompt: give --prompt, with the columns of the rows in braces."
        raise click.UsageError(msg)
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
    params = LLMJobParams(temperature=temperature, max_tokens=max_tokens, seed=seed)
    jobs = RowJobs(prompt, system, params=params, image_column=image_column, document_column=document_column)
    source = jobs.open_rows(rows, key)
    if dry_run:
        return _dry_run(source, jobs, model, limit=limit, as_json=as_json)
    out = _checked_out(out, source, answer_column, new=new)
    answer = answer_of_file(schema) if schema is not None else None
    with open_pipelex() as px:
        chosen = _chosen(px, model)
        run = _start(px, source, jobs, model=chosen, schema=answer, key=key, out=out, options=options)
        total = source.count()
        ending = _Ending(run, out, answer_column=answer_column, with_usage=tells_usage)
        return ending.watch(min(total, limit) if total is not None and limit is not None else total)


class RowJobs:
    """Makes the job of a row.

    Args:
        prompt: The template of the prompt.
        system: The template of the instruction beside it.
        params: How the model is to answer.
        image_column: The column with the file or address of an image.
        document_column: The column with the file or address of a document.
    """

    def __init__(
        self,
        prompt: str,
        system: str | None,
        *,
        params: LLMJobParams,
        image_column: str | None,
        document_column: str | None,
    ) -> None:
        from pipelex.bulk.template import Template

        self._prompt = Template(prompt)
        self._system: Template | None = Template(system) if system is not None else None
        self._params = params
        self._media = {"images": image_column, "documents": document_column}

    def open_rows(self, name: str, key: str | None) -> RowSource:
        """Open the rows, and check that they have all columns that are named."""
        from pipelex.bulk.rows import RowSource
        from pipelex.bulk.template import check_columns

        source = RowSource(name)
        named = (*self._prompt.columns, *(self._system.columns if self._system else ()), *self._media.values(), key)
        if source.columns:
            check_columns([column for column in named if column is not None], source.columns)
        return source

    def make(self, row: Mapping[str, object]) -> LLMJob:
        """Make the job of a row. A file is read when it is sent.

        Raises:
            MissingColumnError: The row has no such column.
            InputFileError: A cell is no file and no address.
        """
        from pipelex.bulk.template import cell_text, check_columns
        from pipelex.cogt.inference.media import MediaSource
        from pipelex.cogt.llm.llm_job import LLMJob, LLMPrompt
        from pipelex.exceptions import InputFileError

        media: dict[str, tuple[MediaSource, ...]] = {"images": (), "documents": ()}
        for field, column in self._media.items():
            if column is None:
                continue
            check_columns([column], row, where="this row")
            name = cell_text(row[column])
            try:
                media[field] = (MediaSource.of(name),) if name.strip() else ()
            except ValueError as exc:
                raise InputFileError(file=name[:80], reason=f"column {column!r}: {exc}") from exc
        system_text = self._system.render(row) if self._system is not None else None
        prompt = LLMPrompt(
            user_text=self._prompt.render(row),
            system_text=system_text,
            images=media["images"],
            documents=media["documents"],
        )
        return LLMJob(prompt=prompt, params=self._params)

    def described(self) -> dict[str, str]:
        """Return what the jobs consist of, as texts by name."""
        stated = {name: value for name, value in vars(self._params).items() if value not in (None, (), False)}
        parts = {
            "prompt": self._prompt.text,
            "system": self._system.text if self._system is not None else "",
            "parameters": json.dumps(stated, sort_keys=True) if stated else "",
            **{f"column of {field}": column or "" for field, column in self._media.items()},
        }
        return {name: text for name, text in parts.items() if text}


def _chosen(px: Pipelex, model: str | None) -> str:
    from pipelex.plugins.inference_backend_registry import InferenceFamily

    return model_or_default(px, model, InferenceFamily.LLM)


def _ledger_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.ledger")


def _checked_out(out: Path | None, source: RowSource, answer_column: str, *, new: bool) -> Path:
    """Check where the results go before anything is called."""
    from pipelex.bulk.results import RESULT_FORMATS
    from pipelex.exceptions import OutputFileError

    if out is None:
        msg = "Name the file of the results: --out FILE."
        raise click.UsageError(msg)
    if out.suffix.lower() not in RESULT_FORMATS:
        msg = f"{out}: results are written to files that end in {', '.join(RESULT_FORMATS)}."
        raise click.UsageError(msg)
    if answer_column in source.columns:
        msg = f"The rows have a column {answer_column!r} already: name another one with --answer-column."
        raise click.UsageError(msg)
    if out.exists() and not _ledger_of(out).exists() and not new:
        reason = "it exists already, and no run of this command wrote it. Name another file, or pass --new"
        raise OutputFileError(file=str(out), reason=reason)
    if not out.parent.is_dir():
        raise OutputFileError(file=str(out), reason=f"there is no folder {out.parent}")
    return out


def _start(
    px: Pipelex,
    source: RowSource,
    jobs: RowJobs,
    *,
    model: str,
    schema: type[SchemaAnswer] | None,
    key: str | None,
    out: Path,
    options: MapOptions,
) -> MapRun[object]:
    from pipelex.bulk.run import MapPlan, MapRun
    from pipelex.bulk.template import cell_text

    plan = MapPlan(
        rows=source,
        make_job=jobs.make,  # type: ignore[arg-type]  # it gets the rows of the source
        model=model,
        schema=schema,
        key=None if key is None else lambda row: cell_text(row[key]),  # type: ignore[index]  # a row is a mapping
        ledger=_ledger_of(out),
        options=options,
        job=jobs.described(),
        source=lambda row: json.dumps(row, ensure_ascii=False),
    )
    return MapRun(px.hub, plan)


class _Ending:
    """Watches a run to its end: progress, interrupts, results, exit code.

    Args:
        run: The run.
        out: The file of the results.
        answer_column: The column of the answers.
        with_usage: Whether to write what each row used and cost.
    """

    def __init__(self, run: MapRun[object], out: Path, *, answer_column: str, with_usage: bool) -> None:
        self._run = run
        self._out = out
        self._answer_column = answer_column
        self._with_usage = with_usage
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
        self._write()
        progress = self._run.progress
        note(f"{progress.done:,} rows: {progress.failed:,} failed, {progress.resumed:,} from earlier runs. {self._out}")
        if limit is not None:
            raise limit
        if self._interrupts:
            note("stopped: the calls under way have ended, nothing is lost. Resume: the same command again.")
            return INTERRUPTED
        return FAILED if progress.failed else OK

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

        before = signal.signal(signal.SIGINT, interrupt)
        shown = asyncio.create_task(show_progress(self._run.progress, total))
        try:
            async with aclosing(self._run):
                async for _ in self._run:
                    pass
        finally:
            signal.signal(signal.SIGINT, before)
            shown.cancel()
            await asyncio.gather(shown, return_exceptions=True)

    def _write(self) -> None:
        from pipelex.bulk.ledger import open_ledger
        from pipelex.bulk.results import write_results
        from pipelex.cli.written_files import staged_files

        ledger = open_ledger(_ledger_of(self._out))
        try:
            with staged_files(self._out.parent, overwrite=True) as files:
                write_results(
                    files.add(self._out.name),
                    ledger,
                    suffix=self._out.suffix.lower(),
                    before=self._run.seen,
                    answer=self._answer_column,
                    with_usage=self._with_usage,
                )
                files.place()
        finally:
            ledger.close()


def _report(out: Path, *, as_json: bool) -> int:
    """Report on the results of an earlier run."""
    from pipelex.bulk.ledger import open_ledger
    from pipelex.bulk.report import MapReport
    from pipelex.exceptions import InputFileError

    path = out if out.suffix == ".ledger" else _ledger_of(out)
    if not path.is_file():
        raise InputFileError(file=str(path), reason=f"{path}: there is no ledger. Name the results of a run")
    ledger = open_ledger(path)
    try:
        found = MapReport.of(ledger)
    finally:
        ledger.close()
    if as_json:
        write_json(found.to_dict())
    else:
        write_text("\n".join(found.lines()))
    return OK


def _dry_run(source: RowSource, jobs: RowJobs, model: str | None, *, limit: int | None, as_json: bool) -> int:
    """Show what would be sent, and estimate what it would use and cost."""
    from itertools import islice

    from pipelex.bulk.estimate import estimate
    from pipelex.plugins.inference_backend_registry import InferenceFamily

    with open_pipelex() as px:
        spec = px.hub.resolve(_chosen(px, model), InferenceFamily.LLM)[1]
        found = estimate((jobs.make(row) for row in islice(source, limit)), spec)
    if as_json:
        write_json(found.to_dict())
    else:
        write_text("\n".join(found.lines()))
    return OK
