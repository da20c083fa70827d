"""A run over many rows: a fixed number of workers draws rows, calls the model, and enters the outcome in the ledger.

The promise: each row is run at least once, and is returned when its outcome is committed. After a crash the calls that
were under way are made again, never more of them than run at once, and no row is lost.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from pipelex.bulk.calls import Caller, current_records, schema_text
from pipelex.bulk.cells import cell_text, counted, encodable
from pipelex.bulk.child import CAN_FORK, children_of_running_loop
from pipelex.bulk.exceptions import (
    AmbiguousRowError,
    AmbiguousRowsError,
    DuplicateRowKeyError,
    JobChangedError,
    MapLimitError,
    MapUsageError,
    RowKeyError,
    RowKilledProcessError,
)
from pipelex.bulk.kinds import KINDS
from pipelex.bulk.ledger import Entry, open_ledger
from pipelex.bulk.options import MapRow, OnAmbiguous
from pipelex.bulk.records import error_from_json, error_to_json, totals_of, usage_from_json, usage_to_json
from pipelex.cogt.exceptions import InferenceRateLimitError, InferenceTimeoutError
from pipelex.cogt.inference.fingerprint import fingerprint_of, parts_of
from pipelex.cogt.llm.llm_job import LLMJob
from pipelex.exceptions import PipelexError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from pipelex.bulk.child import Children
    from pipelex.bulk.ledger import Ledger
    from pipelex.bulk.options import MapOptions
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.hub import PipelexHub
    from pipelex.reporting.reporting_protocol import InferenceRecord, InferenceUsage

    _Drawn: TypeAlias = tuple[int, object, object]
    """The index of a row, the row, and its job."""

ValueT_co = TypeVar("ValueT_co", covariant=True)

_END = object()
_MOST_WITHOUT_JOB = 1_000
_KEY_END = 1 << 63  # SQLite's integers have 64 bits
_MOST_DEATHS = 2
# A call that takes much longer than a transaction does not wait for those of other rows: its connection would be idle.
_LONG_CALL_S = 0.005
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 5.0  # before a refused call is made again
_MAYBE_CHARGED = ("InferenceAmbiguousError", "AmbiguousRowError")


@dataclass(frozen=True, kw_only=True)
class MapPlan:
    """What a run is to do.

    Attributes:
        rows: The rows: an iterable, or an async one.
        make_job: Makes the job of a row.
        model: A name in the catalogue, ``"backend/model-id"``, or a resolved model record.
        schema: The type of the answers; ``None`` for what the family returns by itself.
        key: Returns the key of a row; ``None``: rows are known by their index.
        ledger: The file of the ledger; ``None``: nothing is kept.
        options: How it goes.
        job: Further parts of the job, as texts by name: a change of one is an error that names it.
        source: Returns what of a row is kept in the ledger, as JSON.
        key_column: The column of the keys, for messages; empty where they come from no column.
    """

    rows: Iterable[object] | AsyncIterable[object]
    make_job: Callable[[object], object]
    model: InferenceModelSpec | str
    schema: object
    key: Callable[[object], str | int] | None
    ledger: Path | None
    options: MapOptions
    job: Mapping[str, str] | None = None
    source: Callable[[object], str] | None = None
    key_column: str = ""


@dataclass
class MapProgress:
    """How far a run is.

    Attributes:
        done: How many rows have an outcome, those of earlier runs included.
        failed: How many of them failed.
        resumed: How many of them earlier runs had done.
        under_way: How many calls are under way.
        cost_usd: What all runs of the ledger have cost as far as that is known, in US dollars.
        unpriced: How many rows of this run have no known cost.
        interrupted: How many rows were under way when an earlier run was interrupted.
    """

    done: int = 0
    failed: int = 0
    resumed: int = 0
    under_way: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    interrupted: int = 0


class MapEngine(Protocol):
    """Makes the calls of a run elsewhere than in this process."""

    def run(self, hub: PipelexHub, plan: MapPlan) -> MapRun[object]:
        """Return a run whose calls the engine makes.

        Args:
            hub: Where models are resolved.
            plan: What is to be done.
        """
        ...


class MapRun(AsyncIterator[MapRow[ValueT_co]], Generic[ValueT_co]):
    """A run over many rows; iterating over it gives each row when it is done. To be iterated over once.

    Args:
        hub: Where the worker is made.
        plan: What is to be done.

    Attributes:
        progress: How far it is.
        seen: How many rows the input has; ``None`` where it was not read to its end.
    """

    _makes_calls = True  # whether its calls are made in this process

    def __init__(self, hub: PipelexHub, plan: MapPlan) -> None:
        self.progress = MapProgress()
        self.seen: int | None = None
        self._hub = hub
        self._plan = plan
        _check_plan(plan)
        self._source = None if isinstance(plan.rows, AsyncIterable) else iter(plan.rows)
        self._async_source = aiter(plan.rows) if isinstance(plan.rows, AsyncIterable) else _no_rows()
        self._drawn = 0
        self._put_back: list[_Drawn] = []
        self._draws = asyncio.Lock()
        self._last_known = -1  # the last position of a row of an earlier run
        self._unknown: dict[str | int, int] = {}  # the positions of the rows with keys that the ledger will know
        self._done: deque[MapRow[ValueT_co] | None] = deque()
        self._some_done = asyncio.Event()
        self._most_waiting = 0  # how many rows may wait to be taken before no further one is drawn
        self._taken_some = asyncio.Event()
        self._working = 0
        self._ready: deque[MapRow[ValueT_co]] = deque()
        self._ledger: Ledger | None = None
        self._caller: Caller | None = None
        self._job: dict[str, str] = {}  # as the ledger describes it
        self._stopped: BaseException | None = None
        self._is_draining = False
        self._failures = 0
        self._reached: MapLimitError | None = None  # the limit that earlier runs have reached: no call is made
        self._unsent: list[Entry] = []
        self._uncommitted: list[MapRow[ValueT_co] | None] = []
        self._committed: Future[BaseException | None] | None = None
        self._are_calls_long = False
        self._children: Children  # those of the event loop, from when the calls begin
        self._rows = self._run()

    def __aiter__(self) -> MapRun[ValueT_co]:
        return self

    async def __anext__(self) -> MapRow[ValueT_co]:
        """Return the next row that is done.

        Raises:
            MapLimitError: A limit was reached, and all rows before it were returned.
            PipelexError: The run cannot go on; the error names the cause.
        """
        if not self._ready:
            first = await anext(self._rows)
            self._ready.extend((first, *self._taken()))  # one step of the generators for all that are done
        return self._ready.popleft()

    async def batches(self) -> AsyncGenerator[list[MapRow[ValueT_co]], None]:
        """Return the rows in batches, each with all that are done at the moment; in place of iterating row by row."""
        async with aclosing(self._rows):
            async for row in self._rows:
                yield [row, *self._taken()]

    async def aclose(self) -> None:
        """Stop: calls under way are cancelled. May be called again."""
        await self._rows.aclose()

    def drain(self) -> None:
        """Draw no further rows: iteration ends when the calls under way have."""
        self._is_draining = True

    async def _run(self) -> AsyncGenerator[MapRow[ValueT_co], None]:
        plan = self._plan
        first = await self._draw_first()
        if first is not None:
            await self._prepare(first[2])  # what is refused here leaves no ledger behind
        if plan.ledger is not None:
            self._ledger = open_ledger(plan.ledger, new=plan.options.new)
        try:
            if first is not None:
                self._begin(first[2])
                async with aclosing(self._pooled(first)) as rows:  # it ends before the ledger is closed
                    async for row in rows:
                        yield row
            if self._stopped is not None:
                raise self._stopped
        finally:
            if self._ledger is not None:
                self._ledger.close()

    async def _prepare(self, job: object) -> None:
        """Resolve the model for the first job, and make the worker where this process makes the calls."""
        plan = self._plan
        self._caller = Caller(self._hub, job, model=plan.model, schema=plan.schema, options=plan.options)
        if plan.ledger is not None:
            self._job = self._described(self._caller)
        if self._makes_calls:
            self._caller.connect()

    def _described(self, caller: Caller) -> dict[str, str]:
        """Return what the job consists of, as texts by name."""
        plan = self._plan
        described = {"family": caller.family.member.value, "model": caller.spec.name, **(plan.job or {})}
        key = f"their column {plan.key_column!r}" if plan.key_column else "their key"
        described["rows are known by"] = key if plan.key else "their number"
        if plan.schema is not None:
            described.setdefault("schema", schema_text(plan.schema))
        return described

    def _begin(self, job: object) -> None:
        """Compare the job with that of the ledger, before the first call."""
        plan, ledger = self._plan, self._ledger
        if ledger is None:
            return
        first = json.dumps({"job": _fingerprint(job), "parts": parts_of(job)}) if plan.source is None else ""
        ledger.check_job(self._job, first=first, is_retried=self._on_ambiguous() is OnAmbiguous.RETRY)
        self.progress.interrupted = ledger.count_deaths()
        self.progress.cost_usd = ledger.cost_usd()
        if plan.options.max_cost_usd is not None:
            self._reached = self._cost_limit(is_unpriced=ledger.has_unpriced())
        if self.progress.interrupted and self._on_ambiguous() is OnAmbiguous.FAIL:
            raise AmbiguousRowsError(file=str(ledger.path), count=self.progress.interrupted)
        self._last_known = ledger.last_position()
        if plan.key is not None:
            ledger.forget_positions()

    def _on_ambiguous(self) -> OnAmbiguous:
        if self._plan.options.on_ambiguous is not None:
            return self._plan.options.on_ambiguous
        return OnAmbiguous.FAIL if self._begun.family.charged_on_arrival else OnAmbiguous.RETRY

    @property
    def _begun(self) -> Caller:
        assert self._caller is not None, "the run has begun"
        return self._caller

    async def _pooled(self, first: _Drawn) -> AsyncGenerator[MapRow[ValueT_co], None]:
        """Run the workers, and give what they have done; no more rows wait to be taken than calls run at once."""
        size = self._most_waiting = self._working = self._begun.spec.policy.max_concurrency
        self._children = children_of_running_loop()
        firsts = [first]
        workers = [asyncio.create_task(self._work(firsts)) for _ in range(size)]
        try:
            while self._working:
                row = await self._take()
                if row is None:
                    self._working -= 1
                else:
                    yield row
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _take(self) -> MapRow[ValueT_co] | None:
        """Return the next row that is done; ``None``: a worker has ended."""
        while not self._done:
            self._some_done.clear()
            await self._some_done.wait()
        self._taken_some.set()
        return self._done.popleft()

    def _taken(self) -> list[MapRow[ValueT_co]]:
        """Return the rows that are done and wait to be taken."""
        taken = [row for row in self._done if row is not None]
        self._working -= len(self._done) - len(taken)
        self._done.clear()
        self._taken_some.set()
        return taken

    async def _work(self, firsts: list[_Drawn]) -> None:
        """Settle row after row. What is no outcome of a row ends the run; the other workers end their calls."""
        records: list[InferenceRecord] = []
        current_records.set(records)
        try:
            while (drawn := firsts.pop() if firsts else await self._draw()) is not None:
                records.clear()
                found = self._look_up(*drawn)
                self._give(found if isinstance(found, MapRow) else await self._run_row(found, drawn[2], records))
                while len(self._done) + len(self._uncommitted) >= self._most_waiting:
                    await self._wait_until_taken()
        except BaseException as exc:  # the caller's code may raise any, and a worker that is lost would be waited for
            self._stop(exc)
        self._give(None)

    def _give(self, row: MapRow[ValueT_co] | None) -> None:
        """Give a row to whoever iterates, as soon as what the ledger keeps of it is committed; ``None``: the end."""
        if self._committed is not None:
            self._uncommitted.append(row)
        else:
            self._put(row)

    async def _wait_until_taken(self) -> None:
        """Wait until a row is taken."""
        self._taken_some.clear()
        await self._taken_some.wait()

    def _put(self, *rows: MapRow[ValueT_co] | None) -> None:
        """Let rows be taken by whoever iterates."""
        self._done.extend(rows)
        self._some_done.set()

    async def _draw_first(self) -> _Drawn | None:
        """Return the first row that has a job: what the job is compared by. Those before it fail when the run begins.

        Raises:
            PipelexError: The error of the first row, where no row has a job, or none of the first thousand.
        """
        without_job: list[_Drawn] = []
        while (drawn := await self._draw()) is not None and isinstance(drawn[2], PipelexError):
            without_job.append(drawn)
            if len(without_job) == _MOST_WITHOUT_JOB:
                break
        else:
            if drawn is not None:
                self._put_back = without_job[::-1]
                return drawn
        if without_job and isinstance(without_job[0][2], PipelexError):
            raise without_job[0][2]
        return None

    async def _draw(self) -> _Drawn | None:
        """Return the index of the next row, the row, and its job; ``None`` where no further one is to be run."""
        if self._put_back:
            return self._put_back.pop()
        if self._source is not None:
            drawn = self._counted(next(self._source, _END)) if self._may_draw() else None
        else:
            async with self._draws:
                drawn = self._counted(await anext(self._async_source, _END)) if self._may_draw() else None
        if drawn is None:
            return None
        index, row = drawn
        try:
            job = self._plan.make_job(row)
        except PipelexError as exc:  # the row alone is wrong, and fails with it
            return index, row, exc
        return index, row, LLMJob.of(job) if isinstance(job, str) else job

    def _may_draw(self) -> bool:
        limit = self._plan.options.limit
        return not self._is_draining and self._stopped is None and (limit is None or self._drawn < limit)

    def _counted(self, row: object) -> tuple[int, object] | None:
        """Return the index of a row that was drawn, and the row; ``None`` for the end of the input."""
        if row is _END:
            self.seen = self._drawn
            return None
        self._drawn += 1
        return self._drawn - 1, row

    def _look_up(self, index: int, row: object, job: object) -> MapRow[ValueT_co] | Entry:
        """Return the outcome that a row has without a call, or what is to be entered of one that is to be run."""
        plan, ledger = self._plan, self._ledger
        key = index if plan.key is None else plan.key(row)
        if isinstance(key, str):
            key = encodable(key)
        elif type(key) is not int or not -_KEY_END <= key < _KEY_END:
            raise RowKeyError(key=key, index=index)
        fingerprint, source = "", None
        if ledger is not None:
            fingerprint, source = _fingerprint(job), plan.source(row) if plan.source else None
        entry = Entry(key, index, fingerprint, "sent", 0, source)
        if ledger is not None:
            before = self._before(ledger, entry)
            if before is not None:
                settled = self._settled(before, entry, job)
                if settled is not None:
                    return self._row(settled, is_from_ledger=True)
                entry = entry._replace(deaths=before.deaths if before.state == "interrupted" else 0)
        if isinstance(job, PipelexError):
            return self._new_row(self._failed(entry, job), None, job, None)
        if self._reached is not None:
            raise self._reached
        return entry

    def _before(self, ledger: Ledger, now: Entry) -> Entry | None:
        """Return what the ledger knows of a row from an earlier run.

        Raises:
            DuplicateRowKeyError: It is a row of this run that has the same key.
        """
        if self._plan.key is None:
            return ledger.find(now.key) if now.position <= self._last_known else None
        before = ledger.find(now.key)
        first = self._unknown.setdefault(now.key, now.position)
        if before is not None and before.position >= 0:
            first = before.position
        if first != now.position:
            column = self._plan.key_column
            raise DuplicateRowKeyError(key=str(now.key), first=first, second=now.position, column=column)
        return before

    def _settled(self, before: Entry, now: Entry, job: object) -> Entry | None:
        """Return the outcome that a row of the ledger has; ``None`` where it is to be run."""
        ledger, plan = self._ledger, self._plan
        assert ledger is not None, "the row is in it"
        if plan.key is not None:
            ledger.move(now.key, now.position)
        if before.state == "failed" and plan.options.retry_failed and self._may_retry(before):
            return None
        if before.job != now.job:
            row = f"row {now.position + 1}" + (f" (key {now.key!r})" if plan.key else "")
            differences = _row_differences(ledger, before, now, job)
            named = {f"{row}, {name}": pair for name, pair in differences.items()}
            raise JobChangedError(file=str(ledger.path), differences=named)
        if before.source != now.source:
            ledger.keep_source(now)
        before = before._replace(position=now.position, source=now.source)
        if before.state in ("ok", "failed"):
            return before
        if before.deaths >= _MOST_DEATHS:
            return self._failed(before, RowKilledProcessError(deaths=before.deaths))
        if self._on_ambiguous() is OnAmbiguous.SKIP:
            return self._failed(before, AmbiguousRowError())
        return None

    def _may_retry(self, failed: Entry) -> bool:
        """Return whether a row that failed may be run again; one that may have been charged only if that is asked."""
        name = json.loads(failed.error or "{}").get("error")
        return name not in _MAYBE_CHARGED or self._on_ambiguous() is OnAmbiguous.RETRY

    def _failed(self, entry: Entry, error: PipelexError) -> Entry:
        failed = entry._replace(state="failed", error=error_to_json(error))
        self._keep(failed)
        return failed

    async def _run_row(self, entry: Entry, job: object, records: list[InferenceRecord]) -> MapRow[ValueT_co]:
        """Make the call of a row: in a process of its own where it was under way when a process died."""
        self.progress.under_way += 1
        try:
            if self._ledger is not None:
                self._unsent.append(entry)
                committed = self._commit_soon()
                if self._are_calls_long:
                    self._commit(committed)
                error = await committed
                if error is not None:
                    raise error
            if entry.deaths and CAN_FORK:
                return self._row(self._kept(await self._ended_in_child(entry, job)))
            if self._children.forks:
                await self._children.wait_for_forks()
            self._children.calls += 1
            try:
                ended, value, error, usage = await self._ended(entry, job, records)
            finally:
                self._children.end_call()
            return self._new_row(self._kept(ended), value, error, usage)
        except asyncio.CancelledError:
            self._keep(entry._replace(state="interrupted"))
            raise
        finally:
            self.progress.under_way -= 1

    async def _ended(
        self, entry: Entry, job: object, records: list[InferenceRecord]
    ) -> tuple[Entry, object, PipelexError | None, InferenceUsage | None]:
        """Make the call of a row, and return what is to be kept of it, its answer, its error, and what it used."""
        caller, began = self._begun, monotonic()
        value: object = None
        error: PipelexError | None = None
        try:
            value = await self._call(job, records, until=began + caller.spec.policy.deadline_s)
        except PipelexError as exc:
            error = exc
        usage, cost, attempts = totals_of(records)
        is_kept = self._ledger is not None
        ended = Entry(
            entry.key,
            entry.position,
            entry.job,
            "ok" if error is None else "failed",
            entry.deaths,
            entry.source,
            caller.to_json(value) if is_kept and error is None else None,
            error_to_json(error) if is_kept and error is not None else None,
            usage_to_json(usage) if is_kept else None,
            cost,
            duration_s := monotonic() - began,
            attempts,
        )
        self._are_calls_long = duration_s > _LONG_CALL_S
        return ended, value, error, usage

    async def _call(self, job: object, records: list[InferenceRecord], *, until: float) -> object:
        """Make a call, and make it again while it waits for the backend or is refused: many rows share its limits.

        Raises:
            PipelexError: The call failed in another way, or was refused until its deadline.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._begun.call(job)
            except InferenceTimeoutError as exc:
                if exc.attempts:
                    raise
                records.clear()  # nothing was sent: it waited for its share of the minute, or for a slot
                continue
            except InferenceRateLimitError as exc:
                if not exc.retryable or monotonic() + pause_s > until:
                    raise
            records.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _ended_in_child(self, entry: Entry, job: object) -> Entry:
        async def work() -> str:
            records: list[InferenceRecord] = []
            current_records.set(records)
            ended, *_ = await self._ended(entry, job, records)
            return json.dumps(ended)

        text = await self._children.run(work)
        if text is not None:
            return Entry(*json.loads(text))
        deaths = entry.deaths + 1
        error = error_to_json(RowKilledProcessError(deaths=deaths))
        return entry._replace(deaths=deaths, state="failed", error=error)

    def _kept(self, ended: Entry) -> Entry:
        self._keep(ended)
        self._count(ended)
        return ended

    def _keep(self, entry: Entry) -> None:
        """Enter an outcome in the ledger. Where that fails, the row is returned all the same, and the run ends."""
        if self._ledger is not None:
            self._ledger.save(entry)
            self._commit_soon()

    def _count(self, ended: Entry) -> None:
        """Add up what a call cost, and stop where a limit is reached."""
        options, progress = self._plan.options, self.progress
        progress.cost_usd += ended.cost_usd or 0.0
        progress.unpriced += ended.cost_usd is None
        self._failures += ended.state == "failed"
        if options.max_failures is not None and self._failures > options.max_failures:
            self._stop(too_many_failed(self._failures, options.max_failures))
        if options.max_cost_usd is not None:
            limit = self._cost_limit(is_unpriced=ended.state == "ok" and ended.cost_usd is None)
            if limit is not None:
                self._stop(limit)

    def _cost_limit(self, *, is_unpriced: bool) -> MapLimitError | None:
        """Return the error for the limit of cost, where it is reached, or cannot be kept."""
        limit, spent = self._plan.options.max_cost_usd, self.progress.cost_usd
        if limit is not None and spent >= limit:
            return cost_reached(spent, limit)
        if limit is not None and is_unpriced:
            reason = "the cost of this model's calls is unknown, so that no limit can be kept"
            return MapLimitError(limit="max_cost", reason=reason)
        return None

    def _stop(self, error: BaseException) -> None:
        """End the run with an error when the calls under way have ended."""
        if self._stopped is None:
            self._stopped = error

    def _commit_soon(self) -> Future[BaseException | None]:
        """Return the error of the commit that ends this turn of the event loop: one transaction for all rows in it."""
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            loop.call_soon(self._commit, self._committed)
        return self._committed

    def _commit(self, committed: Future[BaseException | None]) -> None:
        """Commit what has ended and what is sent; then the rows that have ended are given, and the calls begin."""
        if committed.done():  # a call that did not wait for the end of the turn has committed it
            return
        assert self._ledger is not None, "rows are entered in a ledger only"
        self._committed = None
        unsent, self._unsent = self._unsent, []
        given, self._uncommitted = self._uncommitted, []
        error = self._stopped
        if error is not None:
            unsent = []  # the run has ended before these calls began
        try:
            self._ledger.mark_sent(unsent)
        except Exception as exc:  # whatever it is, the rows that have ended are given, and no worker waits for ever
            error = exc
            self._stop(exc)
        self._put(*given)
        if self._unknown:
            for entry in unsent:
                self._unknown.pop(entry.key, None)
        if not committed.cancelled():
            committed.set_result(error)

    def _row(self, entry: Entry, *, is_from_ledger: bool = False) -> MapRow[ValueT_co]:
        """Return a row as the ledger has it."""
        value = self._begun.from_json(entry.answer) if entry.answer is not None else None
        error = error_from_json(entry.error) if entry.error is not None else None
        return self._new_row(entry, value, error, usage_from_json(entry.usage), is_from_ledger=is_from_ledger)

    def _new_row(
        self,
        entry: Entry,
        value: object,
        error: PipelexError | None,
        usage: InferenceUsage | None,
        *,
        is_from_ledger: bool = False,
    ) -> MapRow[ValueT_co]:
        progress = self.progress
        progress.done += 1
        progress.failed += error is not None
        progress.resumed += is_from_ledger
        return MapRow(
            index=entry.position,
            key=entry.key,
            value=cast("ValueT_co | None", value),
            error=error,
            usage=usage,
            cost_usd=entry.cost_usd,
            duration_s=entry.duration_s,
            attempts=entry.attempts,
            is_from_ledger=is_from_ledger,
        )


def _check_plan(plan: MapPlan) -> None:
    """Check what a type checker does not see, or was not asked for.

    Raises:
        MapUsageError: The rows are a text, or what makes a job or a key cannot be called.
    """
    if isinstance(plan.rows, str | bytes):
        msg = f"The rows are the text {plan.rows[:80]!r}: expected an iterable. RowSource(name) reads a file"
        raise MapUsageError(msg)
    for name, given in (("make_job", plan.make_job), ("key", plan.key)):
        if given is not None and not callable(given):
            msg = f"{name} is {given!r}: expected a function of the row, such as lambda row: row['id']"
            raise MapUsageError(msg)


def too_many_failed(failed: int, most: int) -> MapLimitError:
    """Return the error for a run in which more rows failed than may.

    Args:
        failed: How many failed.
        most: How many may.
    """
    return MapLimitError(limit="max_failures", reason=f"{counted(failed, 'row')} failed, and {most:,} may")


def cost_reached(spent: float, limit: float) -> MapLimitError:
    """Return the error for a run that has spent what it may.

    Args:
        spent: What all runs of the ledger have spent, in US dollars.
        limit: What they may spend.
    """
    return MapLimitError(limit="max_cost", reason=f"${spent:.4f} of ${limit:g} are spent")


async def _no_rows() -> AsyncIterator[object]:
    """Yield nothing."""
    return
    yield


def _row_differences(ledger: Ledger, before: Entry, now: Entry, job: object) -> dict[str, tuple[str, str]]:
    """Return what differs in the job of a row: columns, or parts of the job; digests, where only those are known."""
    first = json.loads(ledger.first_job() or "{}")
    if before.source is not None and now.source is not None:
        kind, old, new = "column ", json.loads(before.source), json.loads(now.source)
    elif first.get("job") == before.job and not isinstance(job, PipelexError):
        kind, old, new = "", first["parts"], parts_of(job)
    else:
        kind, old, new = "", {}, {}
    differences = {
        f"{kind}{name}": (cell_text(old.get(name, "nothing")), cell_text(new.get(name, "nothing")))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }
    return differences or {"its job or a file that it names": (before.job[:12], now.job[:12])}


def _fingerprint(job: object) -> str:
    return fingerprint_of(job) if type(job) in KINDS else ""
