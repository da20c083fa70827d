"""The methods of ``Pipelex`` for many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from typing_extensions import TypeForm

    from pipelex.bulk.options import MapOptions, MapRow
    from pipelex.bulk.run import MapEngine, MapRun
    from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob
    from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob
    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.cogt.search.search_job import SearchAnswer, SearchJob
    from pipelex.hub import PipelexHub

RowT = TypeVar("RowT")
ObjectT = TypeVar("ObjectT")


class MapMethods:
    """Runs a job for many rows. What derives from it has a hub.

    Attributes:
        hub: Where the workers are made.
    """

    hub: PipelexHub

    @overload
    def map(
        self,
        rows: Iterable[RowT] | AsyncIterable[RowT],
        make_job: Callable[[RowT], LLMJob | SearchJob | str],
        *,
        model: InferenceModelSpec | str,
        schema: TypeForm[ObjectT],
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> MapRun[ObjectT]: ...

    @overload
    def map(
        self,
        rows: Iterable[RowT] | AsyncIterable[RowT],
        make_job: Callable[[RowT], LLMJob | str],
        *,
        model: InferenceModelSpec | str,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> MapRun[str]: ...

    @overload
    def map(
        self,
        rows: Iterable[RowT] | AsyncIterable[RowT],
        make_job: Callable[[RowT], SearchJob],
        *,
        model: InferenceModelSpec | str,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> MapRun[SearchAnswer]: ...

    @overload
    def map(
        self,
        rows: Iterable[RowT] | AsyncIterable[RowT],
        make_job: Callable[[RowT], ExtractJob],
        *,
        model: InferenceModelSpec | str,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> MapRun[list[ExtractedPage]]: ...

    @overload
    def map(
        self,
        rows: Iterable[RowT] | AsyncIterable[RowT],
        make_job: Callable[[RowT], ImgGenJob],
        *,
        model: InferenceModelSpec | str,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> MapRun[list[GeneratedImage]]: ...

    def map(
        self,
        rows: Iterable[RowT] | AsyncIterable[RowT],
        make_job: Callable[[RowT], object],
        *,
        model: InferenceModelSpec | str,
        schema: object = None,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> MapRun[object]:
        """Run a job for each row: so many at once as the backend takes, in memory that does not grow.

        Each row is run at least once. With a ledger, the same call resumes after a crash or an interrupt: rows that are
        done come from it, and only the calls that were under way are made again.

        Args:
            rows: The rows, of any kind, in an order that stays the same from run to run.
            make_job: Makes the job of a row: of one family for all rows, or a text for a language model.
            model: A name in the catalogue, ``"backend/model-id"``, or a resolved model record.
            schema: The type of the answers: any type that pydantic can validate.
            key: Returns the key of a row, which no other row has; by default a row is known by its index.
            ledger: The SQLite file that keeps the outcome of each row; by default nothing is kept.
            options: Limits, and what becomes of rows that failed or were interrupted.
            engine: Where the calls are made, such as ``Ray(...)``; by default in this process.

        Returns:
            The run, to iterate over once: each row when it is done, with its answer or its error. ``drain()`` ends it
            after the calls under way.

        Raises:
            MapError: While it is iterated over: the ledger cannot be used, the job has changed, a limit is reached.
            PipelexError: The worker cannot be made.

        Example:
            >>> async for row in px.map(reviews, lambda text: f"Sentiment of: {text}", model="smollm2"):
            ...     print(row.index, row.error or row.value)
        """
        return _new_run(
            self.hub, rows, make_job, model=model, schema=schema, key=key, ledger=ledger, options=options, engine=engine
        )

    @overload
    def map_sync(
        self,
        rows: Iterable[RowT],
        make_job: Callable[[RowT], LLMJob | SearchJob | str],
        *,
        model: InferenceModelSpec | str,
        schema: TypeForm[ObjectT],
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> Iterator[MapRow[ObjectT]]: ...

    @overload
    def map_sync(
        self,
        rows: Iterable[RowT],
        make_job: Callable[[RowT], LLMJob | str],
        *,
        model: InferenceModelSpec | str,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> Iterator[MapRow[str]]: ...

    @overload
    def map_sync(
        self,
        rows: Iterable[RowT],
        make_job: Callable[[RowT], SearchJob],
        *,
        model: InferenceModelSpec | str,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> Iterator[MapRow[SearchAnswer]]: ...

    @overload
    def map_sync(
        self,
        rows: Iterable[RowT],
        make_job: Callable[[RowT], ExtractJob],
        *,
        model: InferenceModelSpec | str,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> Iterator[MapRow[list[ExtractedPage]]]: ...

    @overload
    def map_sync(
        self,
        rows: Iterable[RowT],
        make_job: Callable[[RowT], ImgGenJob],
        *,
        model: InferenceModelSpec | str,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> Iterator[MapRow[list[GeneratedImage]]]: ...

    def map_sync(
        self,
        rows: Iterable[RowT],
        make_job: Callable[[RowT], object],
        *,
        model: InferenceModelSpec | str,
        schema: object = None,
        key: Callable[[RowT], str] | None = None,
        ledger: Path | str | None = None,
        options: MapOptions | None = None,
        engine: MapEngine | None = None,
    ) -> Iterator[MapRow[object]]:
        """Do what :meth:`map` does, from code that runs no event loop.

        Args:
            rows: The rows.
            make_job: Makes the job of a row; called on the thread of the background loop, as ``key`` is.
            model: A name in the catalogue, ``"backend/model-id"``, or a resolved model record.
            schema: The type of the answers.
            key: Returns the key of a row.
            ledger: The SQLite file that keeps the outcome of each row.
            options: Limits, and what becomes of rows that failed or were interrupted.
            engine: Where the calls are made.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            MapError: As for :meth:`map`.
        """
        from pipelex.cogt.inference.sync_calls import iterate_sync

        run = _new_run(
            self.hub, rows, make_job, model=model, schema=schema, key=key, ledger=ledger, options=options, engine=engine
        )
        return _each(iterate_sync("map", run.batches()))


def _each(batches: Generator[list[MapRow[object]], None, None]) -> Iterator[MapRow[object]]:
    """Return row after row of batches; leaving the loop early ends the run."""
    from contextlib import closing

    with closing(batches):
        for batch in batches:
            yield from batch


def _new_run(
    hub: PipelexHub,
    rows: Iterable[RowT] | AsyncIterable[RowT],
    make_job: Callable[[RowT], object],
    *,
    model: InferenceModelSpec | str,
    schema: object,
    key: Callable[[RowT], str] | None,
    ledger: Path | str | None,
    options: MapOptions | None,
    engine: MapEngine | None,
) -> MapRun[object]:
    from pathlib import Path

    from pipelex.bulk.options import MapOptions
    from pipelex.bulk.run import MapPlan, MapRun

    plan = MapPlan(
        rows=rows,
        make_job=make_job,  # type: ignore[arg-type]  # it gets the rows that are given beside it
        model=model,
        schema=schema,
        key=key,  # type: ignore[arg-type]  # as above
        ledger=Path(ledger) if ledger is not None else None,
        options=options if options is not None else MapOptions(),
    )
    return MapRun(hub, plan) if engine is None else engine.run(hub, plan)
