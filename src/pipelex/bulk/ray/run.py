"""A run whose calls are made on a cluster: this process draws the rows, and takes up the outcomes shard by shard.

Each shard has a ledger of its own in a folder that all nodes share. Its lock belongs to one process at a time, so that
no two make the calls of one shard, whatever the cluster takes for dead.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from pipelex.bulk.exceptions import AmbiguousRowsError, ClusterError, LedgerError
from pipelex.bulk.ledger import PROBE, SHARD_SUFFIX, remove_shard_folder, shard_folder
from pipelex.bulk.options import MapRow
from pipelex.bulk.ray.actor_slot import ActorSlot
from pipelex.bulk.ray.cluster import ActorLostError, Cluster, check_answers
from pipelex.bulk.ray.datasets import rows_of
from pipelex.bulk.ray.orders import RunOrder, Shard, ShardRow
from pipelex.bulk.ray.progress import ReportedProgress
from pipelex.bulk.ray.proof import facts_of_installation, facts_of_model
from pipelex.bulk.records import error_from_json
from pipelex.bulk.run import MapRun, cost_reached, too_many_failed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from pipelex.bulk.exceptions import MapLimitError
    from pipelex.bulk.ray.cluster import Node, RemoteLimiter
    from pipelex.bulk.ray.engine import Ray
    from pipelex.bulk.ray.leases import Totals
    from pipelex.bulk.run import MapPlan
    from pipelex.exceptions import PipelexError
    from pipelex.hub import PipelexHub

ValueT_co = TypeVar("ValueT_co", covariant=True)

_CALLS_PER_ACTOR = 8
_FIRST_ROWS_PER_CALL, _ROWS_PER_CALL, _LEAST_ROWS = 2, 8, 64  # of a shard: the first ones are small
_SHARDS_AT_ONCE = 2  # for each process: the next one begins while the last calls of the one before run
_FOLLOW_EACH_S = 0.5
_STOP_WITHIN_S = 5.0
_LOSSES_BEYOND_ROWS = 3  # a process may die once for each row of a shard, and so often without a row to blame


class _Proved(NamedTuple):
    """A cluster whose nodes have proved that they can make the calls of a run.

    Attributes:
        cluster: The cluster.
        order: What the run needs.
        facts: What this process and all nodes run.
        shares: How many calls each process makes at once.
    """

    cluster: Cluster
    order: RunOrder
    facts: dict[str, str]
    shares: list[int]


class RayRun(MapRun[ValueT_co], Generic[ValueT_co]):
    """A run whose calls are made on a cluster.

    Args:
        hub: Where models are resolved.
        plan: What is to be done.
        engine: The settings of the cluster.
    """

    _makes_calls = False

    def __init__(self, hub: PipelexHub, plan: MapPlan, engine: Ray) -> None:
        super().__init__(hub, replace(plan, rows=rows_of(plan.rows)))
        self._engine = engine
        self._slots: list[ActorSlot] = []
        self._drawing = asyncio.Lock()
        self._waiting: list[ShardRow] = []  # drawn, and in no shard
        self._is_drawn_out = False
        self._shards = 0
        self._running = 0
        self._given_back: list[Shard] = []
        self._losses: dict[str, int] = {}
        self._change = asyncio.Event()
        self._reported = ReportedProgress(self.progress)
        self._cluster: Cluster | None = None
        self._proved: _Proved | None = None
        self._has_made_folder = False

    def drain(self) -> None:
        """Draw no further rows: iteration ends when the calls under way have."""
        super().drain()
        self._drain_actors()

    def _stop(self, error: BaseException) -> None:
        super()._stop(error)
        self._drain_actors()

    def _drain_actors(self) -> None:
        self._note_change()
        for slot in self._slots:
            if slot.actor is not None:
                slot.actor.drain()

    async def _run(self) -> AsyncGenerator[MapRow[ValueT_co], None]:
        """Run with a ledger in any case: it is where outcomes come from."""
        with TemporaryDirectory(prefix="pipelex-") as folder:
            if self._plan.ledger is None:
                self._plan = replace(self._plan, ledger=Path(folder) / "run")
            try:
                async with aclosing(super()._run()) as rows:
                    async for row in rows:
                        yield row
            finally:
                self._disconnect()

    async def _prepare(self, job: object) -> None:
        """Prove the nodes, too, where a row is to be run in any case: what they refuse changes no ledger then."""
        await super()._prepare(job)
        if self._plan.options.new or not self._path.exists():
            await self._connect()

    @property
    def _path(self) -> Path:
        assert self._plan.ledger is not None, "there is always one"
        return self._plan.ledger

    async def _pooled(self, first: tuple[int, object, object]) -> AsyncGenerator[MapRow[ValueT_co], None]:
        """Return the rows that are settled; connect to the cluster when one is to be run."""
        drawn: tuple[int, object, object] | None = first
        while drawn is not None and not self._waiting:
            row = self._enter(drawn)
            if row is not None:
                yield row
                drawn = await self._draw()
        if not self._waiting:
            return
        async with aclosing(self._on(self._proved or await self._connect())) as rows:
            async for row in rows:
                yield row

    async def _on(self, proved: _Proved) -> AsyncGenerator[MapRow[ValueT_co], None]:
        """Run the rows on a cluster whose nodes have proved that they can."""
        self._make_folder()  # it was empty when the ledger was opened, and removed then
        limiter = self._new_limiter(proved)
        self._new_slots(proved, limiter)
        lanes = [self._work_on(slot, limiter) for _ in range(_SHARDS_AT_ONCE) for slot in self._slots]
        tasks = [asyncio.create_task(work) for work in (*lanes, self._follow(limiter), self._report_end())]
        self._working = 1
        try:
            while self._working:
                row = await self._take()
                if row is None:
                    self._working = 0
                else:
                    yield row
        finally:
            is_aborted = self._running > 0
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end(is_aborted=is_aborted)

    async def _connect(self) -> _Proved:
        """Connect to the cluster, and let its nodes prove that they can make the calls of the run."""
        self._make_folder()
        self._cluster = cluster = Cluster.connect(self._engine)
        nodes = cluster.nodes()
        shares = shares_of(self._begun.spec.policy.max_concurrency, nodes, self._engine)
        order = self._order(processes=len(shares))
        spec = self._hub.resolve(order.model, order.family)[1]
        facts = {**facts_of_installation(), **facts_of_model(spec)}
        await cluster.check_nodes(nodes, order, facts)
        self._proved = _Proved(cluster, order, facts, shares)
        return self._proved

    def _disconnect(self) -> None:
        if self._has_made_folder:
            remove_shard_folder(self._path)
        if self._cluster is not None:
            self._cluster.close()

    def _make_folder(self) -> None:
        """Make the folder of the ledgers, with the file by which nodes know it.

        Raises:
            LedgerError: It cannot be made.
        """
        folder = self._folder = shard_folder(self._path).absolute()
        try:
            self._has_made_folder = self._has_made_folder or not folder.exists()
            folder.mkdir(exist_ok=True)
            (folder / PROBE).touch()
        except OSError as exc:
            reason = f"the folder of its shards cannot be made: {exc.strerror}. Name another output"
            raise LedgerError(file=str(self._path), reason=reason) from exc

    def _new_limiter(self, proved: _Proved) -> RemoteLimiter:
        options = self._plan.options
        left = None if options.max_cost_usd is None else options.max_cost_usd - self.progress.cost_usd
        return proved.cluster.new_limiter(proved.order, max_failures=options.max_failures, max_cost_usd=left)

    def _new_slots(self, proved: _Proved, limiter: RemoteLimiter) -> None:
        """Prepare the places of the processes."""
        cluster, order, facts, shares = proved
        for number, share in enumerate(shares):
            new_actor = partial(cluster.new_actor, order, number=number, share=share, limiter=limiter)
            check = partial(check_answers, facts=facts, folder=order.folder)
            self._slots.append(ActorSlot(new_actor, check, self._engine.start_timeout_s))
        self._share = max(shares)

    def _order(self, *, processes: int) -> RunOrder:
        caller, plan = self._begun, self._plan
        assert isinstance(plan.model, str), "the engine refuses records"
        return RunOrder(
            model=plan.model,
            family=caller.family.member,
            schema=plan.schema,
            project=str((self._engine.project or Path.cwd()).absolute()),
            requests_per_minute=caller.spec.policy.requests_per_minute,
            tokens_per_minute=caller.spec.policy.tokens_per_minute,
            processes=processes,
            on_ambiguous=self._on_ambiguous(),
            folder=str(self._folder),
            has_limit=plan.options.max_failures is not None or plan.options.max_cost_usd is not None,
        )

    def _enter(self, drawn: tuple[int, object, object]) -> MapRow[ValueT_co] | None:
        """Return the outcome of a row that is settled, or put it among those that wait for a shard."""
        found = self._look_up(*drawn)
        if isinstance(found, MapRow):
            return found
        row = ShardRow(
            key=found.key,
            position=found.position,
            job=drawn[2],
            fingerprint=found.job,
            source=found.source,
            deaths=found.deaths,
        )
        self._waiting.append(row)
        return None

    async def _work_on(self, slot: ActorSlot, limiter: RemoteLimiter) -> None:
        """Run shard after shard on one process. What ends the run is kept; the other shards end their calls."""
        try:
            while True:
                actor = await slot.started(self._is_without_actors)
                shard = await self._next_shard()
                if shard is None:
                    break
                try:
                    error = await actor.run_shard(shard)
                    left = await self._take_up(shard)
                    if error is not None:
                        raise self._named(error_from_json(error))
                    if left and not self._is_ending():
                        raise self._limit_reached(await limiter.totals())
                except ActorLostError as exc:
                    slot.lose(actor)
                    self._give_back(shard, exc)
                finally:
                    self._running -= 1
                    self._note_change()
        except (Exception, KeyboardInterrupt, SystemExit) as exc:  # whatever the caller's code raises
            self._stop(exc)

    async def _report_end(self) -> None:
        """Report behind the last row that no shard runs and none will, whatever processes still start."""
        while self._running or not (self._is_ending() or (self._is_drawn_out and not self._given_back)):
            await self._changed()
        self._put(None)

    def _note_change(self) -> None:
        """Wake whoever waits for a shard to end or come back, or for the end of the run."""
        change, self._change = self._change, asyncio.Event()
        change.set()

    async def _changed(self) -> None:
        await self._change.wait()

    def _is_ending(self) -> bool:
        return self._is_draining or self._stopped is not None

    def _is_without_actors(self) -> bool:
        return all(slot.actor is None for slot in self._slots)

    async def _next_shard(self) -> Shard | None:
        """Return a shard that is to be run, and count it as running; ``None`` where there will be none."""
        while not self._is_ending():
            if self._given_back:
                self._running += 1
                return self._given_back.pop()
            if not self._is_drawn_out:
                async with self._drawing:
                    shard = await self._draw_shard()
                if shard is not None:
                    return shard
                self._note_change()
            elif self._running:
                await self._changed()
            else:
                break
        return None

    async def _draw_shard(self) -> Shard | None:
        """Draw the rows of a shard; those that are settled go to where the outcomes go."""
        size = self._rows_of_shard()
        while len(self._waiting) < size:
            drawn = await self._draw()
            if drawn is None:
                self._is_drawn_out = True
                break
            row = self._enter(drawn)
            if row is not None:
                await self._put_soon(row)
        if not self._waiting or self._is_ending():
            return None
        rows, self._waiting = tuple(self._waiting), []
        self._shards += 1
        self._running += 1
        return Shard(ledger=str(self._folder / f"{self._shards:08}{SHARD_SUFFIX}"), rows=rows)

    async def _put_soon(self, row: MapRow[ValueT_co]) -> None:
        """Let a row be taken by whoever iterates, as soon as not too many wait for that."""
        while len(self._done) >= _LEAST_ROWS:
            await self._wait_until_taken()
        self._put(row)

    def _rows_of_shard(self) -> int:
        """Return how many rows the next shard gets: few at first, so that a short input keeps all processes busy."""
        most = self._engine.rows_per_shard or max(_LEAST_ROWS, _ROWS_PER_CALL * self._share)
        turn = self._shards // (_SHARDS_AT_ONCE * len(self._slots))
        return min(most, _FIRST_ROWS_PER_CALL * self._share << min(turn, 16))

    def _give_back(self, shard: Shard, lost: ActorLostError) -> None:
        """Let another process run a shard on; its ledger knows what is done.

        Raises:
            ClusterError: Processes keep dying, and no row is to blame.
        """
        self._losses[shard.ledger] = losses = self._losses.get(shard.ledger, 0) + 1
        if losses > len(shard.rows) + _LOSSES_BEYOND_ROWS:
            raise ClusterError(reason=f"{losses} processes died while they ran the same {len(shard.rows)} rows: {lost}")
        self._given_back.append(shard)

    async def _take_up(self, shard: Shard) -> int:
        """Take up the outcomes of a shard into the ledger of the run; returns how many rows have none."""
        assert self._ledger is not None, "there is always one"
        entries = self._ledger.take_up(Path(shard.ledger), {row.key: row.position for row in shard.rows})
        for row in shard.rows:
            self._unknown.pop(row.key, None)
        settled = [entry for entry in entries if entry.state in ("ok", "failed")]
        for entry in settled:
            self._reported.take_up(entry)
            self._count(entry)
            await self._put_soon(self._row(entry))
        return len(shard.rows) - len(settled)

    def _named(self, error: PipelexError) -> PipelexError:
        """Return the error that ended a shard; calls that may have been charged are in the ledger of the run now."""
        if isinstance(error, AmbiguousRowsError) and self._ledger is not None:
            return AmbiguousRowsError(file=str(self._ledger.path), count=error.count)
        return error

    def _limit_reached(self, totals: Totals) -> MapLimitError:
        """Return the error for the limit that the processes reached together."""
        self._reported.report(totals)
        options, spent = self._plan.options, self.progress.cost_usd
        if options.max_failures is not None and totals.failed > options.max_failures:
            return too_many_failed(totals.failed, options.max_failures)
        limit = self._cost_limit(is_unpriced=totals.unpriced > 0)
        return limit or cost_reached(spent, options.max_cost_usd or spent)  # sums of costs may differ by rounding

    async def _follow(self, limiter: RemoteLimiter) -> None:
        """Show the progress that the processes report."""
        while True:
            await asyncio.sleep(_FOLLOW_EACH_S)
            self._reported.report(await limiter.totals())

    async def _end(self, *, is_aborted: bool) -> None:
        """End all processes, and take up what they leave."""
        assert self._ledger is not None, "there is always one"
        actors = [slot.actor for slot in self._slots if slot.actor is not None]
        if is_aborted:
            await asyncio.gather(*(actor.stop(_STOP_WITHIN_S) for actor in actors), return_exceptions=True)
        for actor in actors:
            actor.kill()
        self._reported.end()
        with suppress(LedgerError):  # the next run takes them up, or says why not
            self._ledger.take_up_shards()


def shares_of(calls: int, nodes: Sequence[Node], engine: Ray) -> list[int]:
    """Return how many calls each process makes at once.

    Args:
        calls: How many they make at once together.
        nodes: The nodes.
        engine: The settings.
    """
    wanted = engine.actors
    if wanted is None:
        most = int(sum(node.cpus for node in nodes) / engine.cpus_per_actor) if engine.cpus_per_actor else calls
        wanted = min(most, max(len(nodes), ceil(calls / _CALLS_PER_ACTOR)))
    processes = max(1, min(wanted, calls))
    return [calls // processes + (number < calls % processes) for number in range(processes)]
