"""How many calls of a backend run at once, and the queue of those that wait."""

from __future__ import annotations

from collections import OrderedDict
from contextvars import ContextVar
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceConnectionError, InferenceRateLimitError, InferenceTimeoutError
from pipelex.cogt.inference.gate import Rate

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.inference.gate import Gate
    from pipelex.cogt.model_backends.model_spec import CallPolicy

_TICK_S = 0.001  # what is due within it is due


class Slot:
    """The leave of one attempt to be made. It is given back once.

    Attributes:
        is_probe: Whether the attempt tries for all the others whether the backend takes calls again.
        is_kept: Whether it is given back by somebody else than the attempt: a stream, or a thread that runs on.
        is_counted: Whether a refusal counts among the attempts that its call may make.
        saw_answers: Whether the backend answered others between two refusals of the call: then it counts anew.
        verdict: The error that ends the call, where the backend refused for too long.
    """

    is_probe = is_kept = is_counted = saw_answers = _is_stream = False
    verdict: InferenceError | None = None

    def __init__(self, pool: SlotPool, *, seen: int) -> None:
        self._pool: SlotPool | None = pool
        self._began = monotonic()
        self._seen = seen  # how many calls were answered before this one began to wait

    def release(self) -> None:
        """Give the slot back; a second time is without effect."""
        pool = self._pool
        if pool is not None:
            pool.take_back(self)

    def note_answer(self) -> None:
        """Take note that the backend answered: whoever waits for it may go on."""
        pool = self._pool
        if pool is not None:
            pool.gate.note_answer(self)

    def note_failure(self, error: InferenceError) -> None:
        """Take note that the attempt failed: a refusal holds all calls to the backend.

        Args:
            error: The failure.
        """
        pool = self._pool
        if pool is None:
            return
        if pool.is_refusal(error):
            pool.gate.refuse(self, error, pool.policy)
        elif self.is_probe:
            pool.gate.open()


class KeptSlot:
    """A slot that outlives its attempt, as that of a stream does. It is given back by ``release``, or when collected.

    Args:
        slot: The slot.
    """

    __slots__ = ("_slot",)

    def __init__(self, slot: Slot | None) -> None:
        self._slot = slot
        if slot is not None and slot._pool is not None:
            slot.is_kept = slot._is_stream = True
            slot._pool.open_streams += 1

    def release(self) -> None:
        """Give the slot back."""
        if self._slot is not None:
            self._slot.release()

    __del__ = release


current_slot: ContextVar[Slot | None] = ContextVar("current_slot", default=None)
"""The slot of the attempt that runs in this context: a thread that cannot be stopped keeps it until it ends."""


class _Waiter:
    """A call in the queue.

    Args:
        loop: Its event loop.
        tokens: How many tokens it will use.
        seen: How many calls were answered before.
    """

    __slots__ = ("error", "future", "has_left", "loop", "seen", "slot", "tokens")

    def __init__(self, loop: AbstractEventLoop, *, tokens: int, seen: int) -> None:
        self.loop = loop
        self.tokens = tokens
        self.seen = seen
        self.future: Future[None] = loop.create_future()
        self.has_left = False
        self.slot: Slot | None = None
        self.error: InferenceError | None = None

    def wake(self) -> bool:
        """Let the call look again; returns whether its event loop is still there."""
        try:
            self.loop.call_soon_threadsafe(_settle, self.future)
        except RuntimeError:  # the loop was closed
            return False
        return True


def _settle(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class SlotPool:
    """The slots of a backend for one set of limits, and the queue before them.

    The lock is reentrant: the end of a call that is collected as garbage may come in the middle of any method. It
    then finds ``_is_advancing`` set, and leaves its slot for the method under way.

    Args:
        gate: Whether the backend takes calls.
        policy: Its limits.

    Attributes:
        gate: Whether the backend takes calls.
        policy: The limits.
        open_streams: How many slots are those of streams.
    """

    def __init__(self, gate: Gate, policy: CallPolicy) -> None:
        self.gate = gate
        self.policy = policy
        self.open_streams = 0
        self._free = policy.max_concurrency
        self._requests = Rate(policy.requests_per_minute) if policy.requests_per_minute else None
        self._tokens = Rate(policy.tokens_per_minute) if policy.tokens_per_minute else None
        self._has_limits = self._requests is not None or self._tokens is not None
        self._queue: OrderedDict[_Waiter, None] = OrderedDict()
        self._head: _Waiter | None = None  # it looks again when a pause is over
        self._returned: list[Slot] = []
        self._is_advancing = False
        gate.pools.append(self)

    @property
    def running(self) -> int:
        """How many slots are taken."""
        return self.policy.max_concurrency - self._free

    @property
    def waiting(self) -> int:
        """How many calls are in the queue."""
        return len(self._queue)

    def use_rates(self, *, requests: Rate | None, tokens: Rate | None) -> None:
        """Replace the limits per minute, where several processes share them.

        Args:
            requests: The limit of requests.
            tokens: That of tokens.
        """
        with self.gate.lock:
            self._requests, self._tokens = requests, tokens

    def is_refusal(self, error: InferenceError) -> bool:
        """Return whether a failure concerns all calls to the backend, and not the one alone."""
        if isinstance(error, InferenceRateLimitError):
            return error.retry_after is None or error.retry_after <= self.policy.max_retry_after_s
        return isinstance(error, InferenceConnectionError) and self.policy.max_outage_s > 0

    def take(self, tokens: int = 0) -> Slot | None:
        """Return a slot where one is to be had at once.

        Args:
            tokens: How many tokens the call will use.
        """
        gate = self.gate
        with gate.lock:
            if gate.cause is not None:
                gate.forget_if_old()
            is_plain = gate.is_wide_open and not self._has_limits  # nearly always: few steps
            if self._queue or self._free <= 0 or not (is_plain or self._delay() == 0.0):
                return None
            return self._admit(tokens, gate.answered)

    async def wait(self, *, tokens: int, goes_first: bool, until: float) -> Slot:
        """Wait for a slot, for a share of the minute, and while the backend refuses.

        Args:
            tokens: How many tokens the call will use; 0 where they are counted already.
            goes_first: Whether the call is before the others, since it waited once.
            until: When the call has to be over, by ``monotonic``.

        Raises:
            InferenceTimeoutError: All slots were taken for longer than the time-out of an attempt.
            InferenceError: The backend refused for too long, or asks to wait for longer than the call may take.
        """
        from asyncio import get_running_loop

        from pipelex.cogt.inference.time_limit import forget_closed_loops

        forget_closed_loops()  # a call that was left in one may hold the slot that this one waits for
        loop = get_running_loop()
        waiter = _Waiter(loop, tokens=tokens, seen=self.gate.answered)
        with self.gate.lock:
            self._queue[waiter] = None
            if goes_first:
                self._queue.move_to_end(waiter, last=False)
        limit = monotonic() + self.policy.timeout_s
        try:
            while True:
                with self.gate.lock:
                    self._advance(waiter)
                    if waiter.slot is not None:
                        slot, waiter.slot = waiter.slot, None
                        return slot
                    now, delay = monotonic(), self._delay()
                    self._refuse_to_wait(waiter, now=now, until=until, is_overdue=now >= limit and delay == inf)
                    if now >= limit:  # it is no slot that is missing
                        limit = now + self.policy.timeout_s
                    is_head = self._head is waiter
                    waiter.future = loop.create_future()
                self.gate.announce()
                next_look_s = min(delay, limit - now) if is_head else limit - now
                timer = loop.call_later(next_look_s, _settle, waiter.future)
                try:
                    await waiter.future
                finally:
                    timer.cancel()
        finally:
            self._leave(waiter)

    def _refuse_to_wait(self, waiter: _Waiter, *, now: float, until: float, is_overdue: bool) -> None:
        if waiter.error is not None:
            raise waiter.error
        if now + self.gate.delay(now) > until:
            raise self.gate.named_refusal()
        if is_overdue:
            raise InferenceTimeoutError(self._overdue())

    def _overdue(self) -> str:
        name, most = self.gate.backend_name, self.policy.max_concurrency
        of_them = f", {self.open_streams} of them open streams" if self.open_streams else ""
        advice = "Close streams that are left early (contextlib.aclosing), or raise " if self.open_streams else "Raise "
        return (
            f"No slot was free within {self.policy.timeout_s:g} s: {self.running} of {most} calls run{of_them}. "
            f"Nothing was sent. {advice}max_concurrency in [backends.{name}], or timeout_s to wait longer"
        )

    def take_back(self, slot: Slot) -> None:
        """Free a slot, and give it to the first in the queue."""
        with self.gate.lock:
            if self._is_advancing:
                self._returned.append(slot)
                return
            self._free_slot(slot)
            if self._queue:
                self._advance(None)

    def correct(self, tokens: int) -> None:
        """Count tokens beyond those that were estimated; fewer where the number is negative."""
        with self.gate.lock:
            if self._tokens is not None:
                self._tokens.correct(tokens)
                self.advance()

    def fail_all(self, make_error: Callable[[], InferenceError]) -> None:
        """Fail every call in the queue. The lock is held."""
        waiting, self._queue = list(self._queue), OrderedDict()
        for waiter in waiting:
            waiter.error = make_error()
            waiter.wake()

    def advance(self) -> None:
        """Give out what can be given out, unless that is under way. The lock is held."""
        if not self._is_advancing:
            self._advance(None)

    def _advance(self, caller: _Waiter | None) -> None:
        self._is_advancing = True
        try:
            while True:
                while self._returned:
                    self._free_slot(self._returned.pop())
                head = self._head = next(iter(self._queue), None)
                if head is None:
                    return
                if head.has_left:
                    del self._queue[head]
                    continue
                delay = self._delay()
                if self._returned:
                    continue
                if not delay:
                    del self._queue[head]
                    head.slot = self._admit(head.tokens, head.seen)
                    if not head.wake():
                        self._returned.append(head.slot)
                    continue
                if delay < inf and head is not caller and not head.wake():  # it times the next look
                    del self._queue[head]
                    continue
                return
        finally:
            self._is_advancing = False

    def _delay(self) -> float:
        """Return in how many seconds the next call may be sent: 0 now, infinity when a slot is given back."""
        if self._free <= 0:
            return inf
        gate = self.gate
        if gate.is_wide_open and not self._has_limits:
            return 0.0
        now = monotonic()
        delays = [rate.delay(now) for rate in (self._requests, self._tokens) if rate is not None]
        delay = max(gate.delay(now), gate.ramp_delay(self.running, self.policy.max_concurrency, now), *delays)
        return delay if delay > _TICK_S else 0.0

    def _admit(self, tokens: int, seen: int) -> Slot:
        self._free -= 1
        slot = Slot(self, seen=seen)
        if self.gate.cause is not None:
            slot.is_probe = True
            self.gate.probe = slot
        if self._requests is not None:
            self._requests.take(1, slot._began)
        if self._tokens is not None and tokens:
            self._tokens.take(tokens, slot._began)
        return slot

    def _free_slot(self, slot: Slot) -> None:
        if slot._pool is None:
            return
        slot._pool = None
        self._free += 1
        self.open_streams -= slot._is_stream
        if self.gate.probe is slot:  # given up before it had an outcome: the next one is the probe
            self.gate.probe = None

    def _leave(self, waiter: _Waiter) -> None:
        with self.gate.lock:
            waiter.has_left = True
            if waiter.slot is not None:
                self.take_back(waiter.slot)
            if not self._is_advancing:
                self._queue.pop(waiter, None)
                self._advance(None)
