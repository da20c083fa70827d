"""All that is asked of Ray itself: a connection, its nodes, and actors on them."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelex.bulk.exceptions import (
    ClusterDiffersError,
    ClusterError,
    ClusterFolderError,
    ClusterNodeError,
    ClusterPlanError,
    ClusterUnreachableError,
)
from pipelex.bulk.ray.address import check_reachable
from pipelex.bulk.ray.leases import RunLimiter, RunState, Totals
from pipelex.bulk.ray.proof import differences
from pipelex.bulk.ray.shard_actor import ShardActor, prove

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from pipelex.bulk.ray.engine import Ray
    from pipelex.bulk.ray.orders import NodeAnswer, RunOrder, Shard

_RAY_ADDRESS = "RAY_ADDRESS"
_NEW = "local"  # what Ray calls the address of a cluster that it is to start
_NO_STATISTICS = ("RAY_USAGE_STATS_ENABLED", "0")
_ON_LOOPBACK = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray's only way to 127.0.0.1; read when it is imported


class ActorLostError(Exception):
    """The process of an actor, or its node, is gone."""


class Node(NamedTuple):
    """A node of a cluster.

    Attributes:
        id: What Ray calls it.
        name: Its address, and the beginning of its id.
        cpus: How many CPUs it has.
    """

    id: str
    name: str
    cpus: float


class RemoteLimiter:
    """The limiter of a run, called over Ray.

    Args:
        actor: The handle of its actor.
    """

    def __init__(self, actor: object) -> None:
        self._actor = actor

    async def lease(self, requests: int, tokens: int) -> tuple[float, float]:
        """Lease requests and tokens."""
        begin_in_s: tuple[float, float] = await self._answer("lease", requests, tokens)
        return begin_in_s

    async def add(self, totals: Totals, *, process: int, under_way: int, refused_for_s: float) -> RunState:
        """Add what rows came to."""
        state: RunState = await self._answer("add", totals, process, under_way, refused_for_s)
        return state

    async def totals(self) -> Totals:
        """Return what the rows of the run came to so far."""
        totals: Totals = await self._answer("totals")
        return totals

    async def _answer(self, method: str, *args: object) -> Any:
        try:
            return await _answer_of(self._actor, method, *args)
        except ActorLostError as exc:
            raise ClusterError(reason=f"the process of its limiter is lost: {exc}") from exc


class RemoteShardActor:
    """A process that runs shards, called over Ray.

    Args:
        actor: The handle of its actor.
    """

    def __init__(self, actor: object) -> None:
        self._actor = actor

    async def start(self) -> NodeAnswer:
        """Start it.

        Raises:
            ActorLostError: Its process, or its node, is gone.
        """
        answer: NodeAnswer = await _answer_of(self._actor, "start")
        return answer

    async def run_shard(self, shard: Shard) -> str | None:
        """Run a shard; returns the error that ended it as JSON.

        Raises:
            ActorLostError: Its process, or its node, is gone.
        """
        error: str | None = await _answer_of(self._actor, "run_shard", shard)
        return error

    def drain(self) -> None:
        """Let it begin no further call."""
        _send(self._actor.drain)  # type: ignore[attr-defined]  # a handle of Ray

    async def stop(self, within_s: float) -> None:
        """Cancel its calls under way, and wait for their end, but not for ever."""
        stopping = asyncio.ensure_future(_answer_of(self._actor, "stop"))
        await asyncio.wait([stopping], timeout=within_s)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)

    def kill(self) -> None:
        """End its process."""
        import ray

        ray.kill(self._actor)


class Cluster:
    """A connection to a cluster. Made by :meth:`connect`.

    Args:
        engine: The settings.
        is_ours: Whether the connection was made here, and ends with the run.
    """

    def __init__(self, engine: Ray, *, is_ours: bool) -> None:
        self._engine = engine
        self._is_ours = is_ours

    @classmethod
    def connect(cls, engine: Ray) -> Cluster:
        """Connect to a cluster, or start one on this machine.

        Args:
            engine: The settings.

        Raises:
            ClusterUnreachableError: There is none at the address, or none can be started.
        """
        address = engine.address or os.environ.get(_RAY_ADDRESS) or _NEW
        os.environ.setdefault(*_NO_STATISTICS)
        if address == _NEW:
            os.environ.setdefault(*_ON_LOOPBACK)
        import ray

        _keep_missing_unique()
        if ray.is_initialized():
            return cls(engine, is_ours=False)
        settings = {"include_dashboard": False} if address == _NEW else {}
        check_reachable(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **settings)
        except Exception as exc:  # ConnectionError, RuntimeError, ValueError: whatever it finds
            raise ClusterUnreachableError(address=address, reason=_first_line(exc)) from exc
        return cls(engine, is_ours=True)

    def close(self) -> None:
        """End the connection, and a cluster that was started with it."""
        import ray

        if self._is_ours:
            ray.shutdown()

    def nodes(self) -> list[Node]:
        """Return the nodes that can make calls.

        Raises:
            ClusterPlanError: There is none.
        """
        import ray

        alive = [
            Node(
                found["NodeID"],
                f"{found['NodeManagerAddress']} ({found['NodeID'][:8]})",
                found["Resources"].get("CPU", 0),
            )
            for found in ray.nodes()
            if found["Alive"]
        ]
        wanted = self._engine.cpus_per_actor
        able = [node for node in alive if node.cpus >= wanted]
        if not able:
            most = max((node.cpus for node in alive), default=0)
            reason = f"each process reserves {wanted:g} CPUs, and no node has more than {most:g}. Lower cpus_per_actor"
            raise ClusterPlanError(reason=reason)
        return able

    async def check_nodes(self, nodes: Iterable[Node], order: RunOrder, facts: Mapping[str, str]) -> None:
        """Let each node prove that it runs what this process runs.

        Args:
            nodes: The nodes.
            order: What the run needs.
            facts: What this process runs.

        Raises:
            ClusterDiffersError: Some do not.
            ClusterNodeError: One cannot make calls.
            ClusterFolderError: One cannot use the folder of the ledgers.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = ray.remote(prove)
        asked = {}
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node.id, soft=False)
            task_there = task.options(num_cpus=0, max_retries=0, scheduling_strategy=there)
            asked[node.name] = _send(task_there, order)
        answers = []
        for name, reference in asked.items():
            try:
                answer: NodeAnswer = await asyncio.wait_for(_answered(reference), self._engine.start_timeout_s)
            except (ActorLostError, ClusterError, TimeoutError) as exc:
                reason = f"it cannot prove what it runs: {_first_line(exc)}. Is the same pipelex installed there?"
                raise ClusterNodeError(node=name, reason=reason) from exc
            answers.append(replace(answer, node=name))
        check_answers(*answers, facts=facts, folder=order.folder)

    def new_limiter(self, order: RunOrder, *, max_failures: int | None, max_cost_usd: float | None) -> RemoteLimiter:
        """Start the limiter of a run, beside this process.

        Args:
            order: What the run needs.
            max_failures: How many rows may fail.
            max_cost_usd: What they may cost.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(RunLimiter).options(num_cpus=0, scheduling_strategy=here)
        return RemoteLimiter(
            actor.remote(
                requests_per_minute=order.requests_per_minute,
                tokens_per_minute=order.tokens_per_minute,
                max_failures=max_failures,
                max_cost_usd=max_cost_usd,
            )
        )

    def new_actor(self, order: RunOrder, *, number: int, share: int, limiter: RemoteLimiter) -> RemoteShardActor:
        """Have a process started that runs shards.

        Args:
            order: What the run needs.
            number: Which of the processes it is.
            share: How many calls it makes at once.
            limiter: The limiter of the run.
        """
        import ray

        actor = ray.remote(ShardActor).options(num_cpus=self._engine.cpus_per_actor, scheduling_strategy="SPREAD")
        return RemoteShardActor(_send(actor, order, number=number, share=share, limiter=limiter))


def check_answers(*answers: NodeAnswer, facts: Mapping[str, str], folder: str) -> None:
    """Check what nodes answered.

    Args:
        answers: The answers.
        facts: What this process runs.
        folder: The folder of the ledgers.

    Raises:
        ClusterDiffersError: Some do not run the same.
        ClusterNodeError: One cannot make calls.
        ClusterFolderError: One cannot use the folder.
    """
    for answer in answers:
        if answer.error is not None:
            raise ClusterNodeError(node=answer.node, reason=answer.error)
    found = {answer.node: differences(facts, answer.facts) for answer in answers}
    if any(found.values()):
        raise ClusterDiffersError(differences=found)
    for answer in answers:
        if answer.folder_fault is not None:
            raise ClusterFolderError(node=answer.node, folder=folder, reason=answer.folder_fault)


def _keep_missing_unique() -> None:
    """Let ``dataclasses.MISSING`` be sent by its name: a dataclass of a script is sent whole, and so are its fields."""
    import copyreg
    import dataclasses

    copyreg.pickle(type(dataclasses.MISSING), lambda _missing: "MISSING")


def _send(remote: object, *args: object, **kwargs: object) -> Any:
    """Call a task or a method of an actor, or have an actor started.

    Raises:
        ClusterPlanError: What it is called with cannot be sent to another process.
    """
    from pickle import PicklingError

    try:
        return remote.remote(*args, **kwargs)  # type: ignore[attr-defined]  # Ray makes it
    except (PicklingError, TypeError) as exc:  # Ray raises a TypeError of many lines around that of pickle
        reason = "the jobs, or the type of the answers, cannot be sent to another process"
        raise ClusterPlanError(reason=f"{reason}: {_first_line(exc.__cause__ or exc)}") from exc


async def _answer_of(actor: object, method: str, *args: object) -> Any:
    return await _answered(_send(getattr(actor, method), *args))


async def _answered(reference: Awaitable[Any]) -> Any:
    """Return the answer of a task.

    Raises:
        ActorLostError: The process that was to answer is gone.
        ClusterError: It failed in a way that is a fault of ours, or of the installation.
    """
    from ray.exceptions import RayError, RayTaskError

    try:
        return await reference
    except RayTaskError as exc:
        raise ClusterError(reason=f"a process failed: {_first_line(exc.cause or exc)}") from exc
    except RayError as exc:
        raise ActorLostError(_first_line(exc)) from exc


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
