"""The limits that the calls of one ``Pipelex`` instance share, or those of a worker that was built by hand.

Async and synchronous callers share them: a limiter is safe under threads, and those who wait may belong to several
event loops. Nothing of asyncio loads with this module: it is made when the first worker is.
"""

from __future__ import annotations

from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from pipelex.cogt.inference.forking import renew_after_fork
from pipelex.cogt.inference.gate import Gate
from pipelex.cogt.inference.slots import SlotPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.cogt.inference.gate import Refusal
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.model_spec import CallPolicy, InferenceModelSpec


class BackendLoad(NamedTuple):
    """What the calls to a backend do at a moment.

    Attributes:
        running: How many hold a slot, open streams included.
        open_streams: How many of them are streams that gave their first piece and are not closed.
        waiting: How many wait for a slot, for their share of a minute, or for the backend.
        closed_for_s: For how many seconds no call is sent because the backend refuses; 0 where calls are sent.
    """

    running: int
    open_streams: int
    waiting: int
    closed_for_s: float


class Limiter:
    """The limits of all backends of one ``Pipelex`` instance.

    Attributes:
        on_refusal: Is called when calls begin to wait for a backend that refuses.
    """

    def __init__(self) -> None:
        self.on_refusal: Callable[[Refusal], None] | None = None
        self._lock = RLock()
        self._gates: dict[str, Gate] = {}
        self._pools: dict[tuple[str, int, int | None, int | None], SlotPool] = {}
        _limiters.add(self)

    def pool(self, model: InferenceModelSpec) -> SlotPool:
        """Return the slots of a model's backend. Models with the same limits share them.

        Args:
            model: The model's record; its policy sets the limits.
        """
        policy, name = model.policy, model.backend_name
        key = (name, policy.max_concurrency, policy.requests_per_minute, policy.tokens_per_minute)
        return self._pools.get(key) or self._new_pool(key, policy)

    def _new_pool(self, key: tuple[str, int, int | None, int | None], policy: CallPolicy) -> SlotPool:
        with self._lock:
            gate = self._gates.get(key[0])
            if gate is None:
                gate = self._gates[key[0]] = Gate(self, key[0])
            if key not in self._pools:
                self._pools[key] = SlotPool(gate, policy)
            return self._pools[key]

    def load(self, backend_name: str) -> BackendLoad:
        """Return what the calls to a backend do now.

        Args:
            backend_name: The configured backend.
        """
        gate = self._gates.get(backend_name)
        if gate is None:
            return BackendLoad(0, 0, 0, 0.0)
        with gate.lock:
            return BackendLoad(
                sum(pool.running for pool in gate.pools),
                sum(pool.open_streams for pool in gate.pools),
                sum(pool.waiting for pool in gate.pools),
                gate.delay(monotonic()),
            )

    def renew_after_fork(self) -> None:
        """Forget the calls of the parent process, which hold slots and locks here and end over there."""
        self._lock = RLock()
        for gate in self._gates.values():
            gate.lock = RLock()
        self._gates, self._pools = {}, {}


def limiter_of(worker: InferenceWorkerAbstract) -> Limiter:
    """Return the limiter of a worker: that of its ``Pipelex`` instance, or one of its own if it was built by hand.

    Args:
        worker: The worker.
    """
    limiter: Limiter | None = worker._limiter
    return limiter if limiter is not None else worker.__dict__.setdefault("_limiter", Limiter())


_limiters: WeakSet[Limiter] = WeakSet()


def _renew() -> None:
    for limiter in list(_limiters):
        limiter.renew_after_fork()


renew_after_fork(_renew)
