"""What runs in a process of the cluster: a ``Pipelex`` that makes the calls of one shard after the other."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from pathlib import Path
from socket import gethostname
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

from pipelex.boot import Pipelex
from pipelex.bulk.calls import limited
from pipelex.bulk.exceptions import ClusterError, LedgerInUseError
from pipelex.bulk.ledger import PROBE, Entry, open_ledger
from pipelex.bulk.options import MapOptions
from pipelex.bulk.ray.leases import Leases, Totals
from pipelex.bulk.ray.orders import NodeAnswer, Shard, ShardRow
from pipelex.bulk.ray.proof import facts_of_installation, facts_of_model
from pipelex.bulk.records import error_to_json
from pipelex.bulk.run import MapPlan, MapRun
from pipelex.exceptions import PipelexError
from pipelex.generated.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.bulk.ledger import Ledger
    from pipelex.bulk.options import MapRow
    from pipelex.bulk.ray.leases import LimiterActor
    from pipelex.bulk.ray.orders import RunOrder
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

_REPORT_EACH_S = 0.25
_LOCKED_S = 60.0  # how long a process that is taken for dead may take to end


def prove(order: RunOrder) -> NodeAnswer:
    """Return what this process runs, and whether it can make calls, and sees the folder of the ledgers.

    Args:
        order: What the run needs.
    """
    try:
        with _set_up(order) as px:
            _connect(px, _resolved(px, order))
            return _answer(px, order)
    except PipelexError as exc:
        return NodeAnswer(node=gethostname(), facts={}, error=str(exc))


def _set_up(order: RunOrder) -> Pipelex:
    project = Path(order.project)
    return Pipelex.setup(start=project if project.is_dir() else None, on_broken_plugin=lambda _error: None)


def _resolved(px: Pipelex, order: RunOrder) -> InferenceModelSpec:
    return px.hub.resolve(order.model, order.family)[1]


def _connect(px: Pipelex, spec: InferenceModelSpec) -> None:
    """Make a worker, which needs the SDK of the backend and its key."""
    px.hub.worker(FAMILIES[spec.family], spec)


def _answer(px: Pipelex, order: RunOrder) -> NodeAnswer:
    facts = {**facts_of_installation(), **facts_of_model(_resolved(px, order))}
    return NodeAnswer(node=gethostname(), facts=facts, folder_fault=_folder_fault(Path(order.folder)))


def _folder_fault(folder: Path) -> str | None:
    """Return why this process cannot use the folder of the ledgers, which holds what the driver put there."""
    if not (folder / PROBE).exists():
        return "what the driver wrote there is not to be seen"
    trial = folder / f"{PROBE}-{uuid4().hex}"
    try:
        open_ledger(trial).close()
        trial.unlink()
    except (OSError, PipelexError) as exc:
        return str(exc)
    return None


class ShardActor:
    """Makes the calls of shards. Runs as an actor with an event loop.

    Args:
        order: What the run needs.
        number: Which of the processes it is; one that replaces another has the number of that one.
        share: How many calls it makes at once.
        limiter: The limiter of the run.
    """

    def __init__(self, order: RunOrder, *, number: int, share: int, limiter: LimiterActor) -> None:
        self._order = order
        self._number = number
        self._share = share
        self._limiter = limiter
        self._runs: dict[MapRun[object], asyncio.Task[object] | None] = {}
        self._background: list[asyncio.Task[None]] = []
        self._totals = Totals()
        self._reported = 0
        self._is_report_due = asyncio.Event()
        self._is_draining = False
        self._fault: PipelexError | None = None

    async def start(self) -> NodeAnswer:
        """Bring the system up, and make a worker.

        Returns:
            What this process runs.
        """
        order = self._order
        try:
            px = self._px = _set_up(order)
            answer = _answer(px, order)
            self._options = MapOptions(
                concurrency=self._share,
                requests_per_minute=order.requests_per_minute,
                tokens_per_minute=order.tokens_per_minute,
                on_ambiguous=order.on_ambiguous,
            )
            spec = limited(_resolved(px, order), self._options)
            _connect(px, spec)
        except PipelexError as exc:
            return NodeAnswer(node=gethostname(), facts={}, error=str(exc))
        self._free = asyncio.Semaphore(self._share)
        self._pool = px.limiter.pool(spec)
        leases = Leases(self._pool, self._limiter, processes=order.processes)
        self._background = [
            asyncio.create_task(self._watched(work)) for work in (leases.keep(), self._keep_reporting())
        ]
        return answer

    async def run_shard(self, shard: Shard) -> str | None:
        """Make the calls of a shard that its ledger has no outcome of.

        Args:
            shard: The shard.

        Returns:
            The error that ended it, as JSON; ``None`` where there was none. The outcomes are in its ledger.
        """
        try:
            await self._seed(shard)
            await self._run(shard)
        except PipelexError as exc:
            return error_to_json(exc)
        except asyncio.CancelledError:
            if not self._is_draining:
                raise
        return error_to_json(self._fault) if self._fault is not None else None

    async def drain(self) -> None:
        """Begin no further call."""
        self._is_draining = True
        for run in self._runs:
            run.drain()

    async def stop(self) -> None:
        """Cancel the calls under way."""
        await self.drain()
        tasks = [task for task in self._runs.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _seed(self, shard: Shard) -> None:
        """Enter the rows that were under way when a process died: they run in processes of their own."""
        path, interrupted = Path(shard.ledger), [row for row in shard.rows if row.deaths]
        if not interrupted and not path.exists():
            return
        ledger = await _open_when_released(path)
        try:
            seeds = [_entry(row) for row in interrupted if ledger.find(row.key) is None]
            if seeds:
                ledger.mark_sent(seeds)
        finally:
            ledger.close()

    async def _run(self, shard: Shard) -> None:
        held = 0

        async def rows() -> AsyncIterator[ShardRow]:
            nonlocal held
            for row in shard.rows:
                await self._free.acquire()
                held += 1
                if self._is_draining:
                    return
                yield row

        run: MapRun[object] = MapRun(self._px.hub, self._plan(shard, rows()))
        self._runs[run] = asyncio.current_task()
        try:
            async with aclosing(run):
                async for row in run:
                    held -= 1
                    self._free.release()
                    self._count(row)
        finally:
            del self._runs[run]
            for _ in range(held):
                self._free.release()
            with suppress(Exception):  # where the limiter is lost, that is found in the background
                await self._report()

    def _plan(self, shard: Shard, rows: AsyncIterator[ShardRow]) -> MapPlan:
        return MapPlan(
            rows=rows,
            make_job=lambda row: row.job,  # type: ignore[attr-defined]  # the rows are those of the shard
            model=self._order.model,
            schema=self._order.schema,
            key=lambda row: row.key,  # type: ignore[attr-defined]  # as above
            ledger=Path(shard.ledger),
            options=self._options,
            source=_source if any(row.source is not None for row in shard.rows) else None,
        )

    def _count(self, row: MapRow[object]) -> None:
        if row.is_from_ledger:
            return
        unpriced = int(row.error is None and row.cost_usd is None)
        failed = int(row.error is not None)
        self._totals.add(Totals(done=1, failed=failed, cost_usd=row.cost_usd or 0.0, unpriced=unpriced))
        if self._order.has_limit:
            self._is_report_due.set()

    async def _keep_reporting(self) -> None:
        """Report each quarter of a second; where a limit may end the run, also as soon as rows have ended."""
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_report_due.wait(), _REPORT_EACH_S)
            self._is_report_due.clear()
            await self._report()

    async def _report(self) -> None:
        """Report what the calls came to, and do what the state of the run asks for: end, or pause."""
        under_way = sum(run.progress.under_way for run in self._runs)
        if self._totals == Totals() and under_way == self._reported == 0:
            return
        totals, self._totals, self._reported = self._totals, Totals(), under_way
        gate = self._pool.gate
        refused_for_s = gate.refused_for_s()
        state = await self._limiter.add(totals, process=self._number, under_way=under_way, refused_for_s=refused_for_s)
        if state.is_over:
            await self.drain()
        if state.refused_for_s > 0:
            gate.hold(state.refused_for_s, self._pool.policy)

    async def _watched(self, work: object) -> None:
        """Run what has to go on for as long as calls are made; where it fails, they end."""
        try:
            await work  # type: ignore[misc]  # a coroutine
        except Exception as exc:
            lines = str(exc).strip().splitlines() or [type(exc).__name__]
            self._fault = ClusterError(reason=f"a process has lost the limiter of the run: {lines[0]}")
            with suppress(Exception):
                await self.stop()


def _source(row: object) -> str:
    assert isinstance(row, ShardRow)
    return row.source or "{}"


def _entry(row: ShardRow) -> Entry:
    return Entry(row.key, row.position, row.fingerprint, "interrupted", deaths=row.deaths, source=row.source)


async def _open_when_released(path: Path) -> Ledger:
    """Open the ledger of a shard; the process that had it before may be about to end."""
    until = monotonic() + _LOCKED_S
    while True:
        try:
            return open_ledger(path)
        except LedgerInUseError:
            if monotonic() > until:
                raise
        await asyncio.sleep(0.1)
