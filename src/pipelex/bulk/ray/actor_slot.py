"""The place of one process of a run: where its process, or the node of it, is lost, another one is started."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipelex.bulk.exceptions import ClusterError
from pipelex.bulk.ray.cluster import ActorLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.bulk.ray.cluster import RemoteShardActor
    from pipelex.bulk.ray.orders import NodeAnswer

_MOST_LOST_STARTS = 5


class ActorSlot:
    """The place of one process.

    Args:
        new_actor: Has a process started.
        check: Raises where the process does not run what it should.
        timeout_s: How long the start may take where no other process runs, in seconds.
    """

    def __init__(
        self, new_actor: Callable[[], RemoteShardActor], check: Callable[[NodeAnswer], None], timeout_s: float
    ) -> None:
        self._new_actor = new_actor
        self._check = check
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self.actor: RemoteShardActor | None = None

    async def started(self, is_alone: Callable[[], bool]) -> RemoteShardActor:
        """Return the process, when it runs.

        Args:
            is_alone: Whether no other process of the run has started.

        Raises:
            ClusterError: It cannot be started.
            MapUsageError: It does not run what it should.
        """
        lost: ActorLostError | None = None
        async with self._lock:
            for _ in range(_MOST_LOST_STARTS):
                if self.actor is not None:
                    return self.actor
                actor = self._new_actor()
                try:
                    self._check(await self._answer(actor, is_alone))
                    self.actor = actor
                except ActorLostError as exc:
                    lost = exc
                finally:
                    if self.actor is None:
                        actor.kill()
        raise ClusterError(reason=f"a process died {_MOST_LOST_STARTS} times while it started: {lost}") from lost

    async def _answer(self, actor: RemoteShardActor, is_alone: Callable[[], bool]) -> NodeAnswer:
        starting = asyncio.ensure_future(actor.start())
        try:
            while not (await asyncio.wait([starting], timeout=self._timeout_s))[0]:
                if is_alone():
                    reason = f"no process was started within {self._timeout_s:g} s: are there free CPUs in the cluster"
                    raise ClusterError(reason=reason)
            return await starting
        finally:
            starting.cancel()

    def lose(self, actor: RemoteShardActor) -> None:
        """Give up a process that is lost, unless that has been done."""
        if self.actor is actor:
            self.actor = None
            actor.kill()
