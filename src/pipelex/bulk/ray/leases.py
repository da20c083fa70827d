"""The limits that the processes of a run share: an actor leases requests and tokens, a second's worth at most.

Each lease has a time of its own, which follows that of the lease before: what all processes send is evenly spaced.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipelex.cogt.inference.gate import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.cogt.inference.slots import SlotPool

_LOOK_AGAIN_S = 0.05  # while a lease is on its way
_LATE_S = 0.1  # how long after its time a lease may be spent


@dataclass
class Totals:
    """What the rows of a run came to so far.

    Attributes:
        done: How many have an outcome.
        failed: How many of them failed.
        cost_usd: What they cost as far as that is known, in US dollars.
        unpriced: How many have an answer whose cost is not known.
        under_way: How many calls are under way.
    """

    done: int = 0
    failed: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    under_way: int = 0

    def add(self, other: Totals) -> None:
        """Add what further rows came to."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class RunState(NamedTuple):
    """The state of the whole run, as the limiter returns it to a process.

    Attributes:
        is_over: Whether it has reached a limit, and ends.
        refused_for_s: For how many seconds more no process sends a call, since the backend asked one of them to wait.
    """

    is_over: bool
    refused_for_s: float


class RunLimiter:
    """Leases the limits a minute of a run, and adds up what its rows came to. Runs as one actor, beside the driver.

    Args:
        requests_per_minute: How many requests may be sent in a minute; ``None``: no limit.
        tokens_per_minute: How many tokens.
        max_failures: After how many failed rows the run goes on; ``None``: no limit.
        max_cost_usd: What the rows may cost; ``None``: no limit.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        max_failures: int | None,
        max_cost_usd: float | None,
    ) -> None:
        self._requests = Rate(requests_per_minute) if requests_per_minute else None
        self._tokens = Rate(tokens_per_minute) if tokens_per_minute else None
        self._max_failures = max_failures
        self._max_cost_usd = max_cost_usd
        self._totals = Totals()
        self._under_way: dict[int, int] = {}
        self._refused_until = 0.0

    def lease(self, requests: int, tokens: int) -> tuple[float, float]:
        """Lease requests and tokens.

        Args:
            requests: How many requests.
            tokens: How many tokens.

        Returns:
            In how many seconds the time of the requests begins, and that of the tokens. From then on they are evenly
            spaced, in a time that is no one else's.
        """
        now = monotonic()
        return _begin(self._requests, requests, now), _begin(self._tokens, tokens, now)

    def add(self, totals: Totals, process: int, under_way: int, refused_for_s: float = 0.0) -> RunState:
        """Add what rows came to, and return the state of the run.

        Args:
            totals: What they came to.
            process: Which process it is that ran them.
            under_way: How many of its calls are under way.
            refused_for_s: For how many seconds more the backend asked it to wait.
        """
        self._totals.add(totals)
        self._under_way[process] = under_way
        now, whole = monotonic(), self._totals
        self._refused_until = max(self._refused_until, now + refused_for_s)
        is_too_bad = self._max_failures is not None and whole.failed > self._max_failures
        is_too_much = self._max_cost_usd is not None and (whole.unpriced > 0 or whole.cost_usd >= self._max_cost_usd)
        return RunState(is_too_bad or is_too_much, self._refused_until - now)

    def totals(self) -> Totals:
        """Return what the rows of the run came to so far."""
        return replace(self._totals, under_way=sum(self._under_way.values()))


def _begin(rate: Rate | None, count: int, now: float) -> float:
    if rate is None:
        return 0.0
    delay = rate.delay(now)
    rate.take(count, now)
    return delay


class LeasedRate(Rate):
    """A limit a minute whose parts are leased: what is leased is spent evenly, in its own time, or is lost.

    Args:
        per_minute: The whole limit.
        processes: How many processes share it.
        ask: Is called when a further lease is needed.
    """

    def __init__(self, per_minute: int, *, processes: int, ask: Callable[[], None]) -> None:
        super().__init__(per_minute)
        self._share = max(1, ceil(per_minute / 60 / processes))
        self._ask = ask
        self._left = 0
        self._latest = 1
        self._until = 0.0

    def wanted(self, waiting: int) -> int:
        """Return how much the next lease is to hold: what the calls that wait need, and what was used beyond the last.

        Args:
            waiting: How many calls wait. They need what the latest call took; a second's worth is the most.
        """
        return max(1, min(self._share, waiting * self._latest)) - self._left if self._left <= 0 else 0

    def delay(self, now: float) -> float:
        """Return in how many seconds the next may go, as far as that is known."""
        if self._left > 0 and now > self._until:
            self._left = 0
        if self._left <= 0:
            self._ask()
            return _LOOK_AGAIN_S
        return super().delay(now)

    def take(self, count: int, now: float) -> None:
        """Use up a part of the lease, or more than there is."""
        self._left -= count
        self._latest = count
        super().take(count, now)

    def correct(self, count: int) -> None:
        """Add what was used beyond the estimate, or give back what was not."""
        self._left -= count
        super().correct(count)

    def add(self, count: int, *, begins_at: float) -> None:
        """Add a lease.

        Args:
            count: How much it holds.
            begins_at: When its time begins.
        """
        self._left += count
        debt = count - self._left
        self._due = max(self._due, begins_at + debt * self._each_s)
        self._until = begins_at + count * self._each_s + _LATE_S


class LimiterActor(Protocol):
    """What the limiter does for a process, over Ray."""

    async def lease(self, requests: int, tokens: int) -> tuple[float, float]:
        """Lease requests and tokens."""
        ...

    async def add(self, totals: Totals, *, process: int, under_way: int, refused_for_s: float) -> RunState:
        """Add what rows came to."""
        ...


class Leases:
    """Keeps the limits of one process filled with leases, as long as calls wait for them.

    Args:
        pool: The slots of the process.
        limiter: The limiter.
        processes: How many processes share the limits.
    """

    def __init__(self, pool: SlotPool, limiter: LimiterActor, *, processes: int) -> None:
        self._pool = pool
        self._limiter = limiter
        self._loop = asyncio.get_running_loop()
        self._is_wanted = asyncio.Event()
        policy = pool.policy
        self._rates = tuple(
            LeasedRate(per_minute, processes=processes, ask=self._ask) if per_minute else None
            for per_minute in (policy.requests_per_minute, policy.tokens_per_minute)
        )
        pool.use_rates(requests=self._rates[0], tokens=self._rates[1])

    def _ask(self) -> None:
        with suppress(RuntimeError):  # a child process: the loop of its parent does not run here
            self._loop.call_soon_threadsafe(self._is_wanted.set)

    async def keep(self) -> None:
        """Lease whenever calls wait for it, until cancelled."""
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            requests, tokens = wanted = [
                rate.wanted(self._pool.waiting) if rate is not None else 0 for rate in self._rates
            ]
            if not any(wanted):
                continue
            begin_in_s = await self._limiter.lease(requests, tokens)
            now = monotonic()
            with self._pool.gate.lock:
                for rate, count, delay_s in zip(self._rates, wanted, begin_in_s, strict=True):
                    if rate is not None and count:
                        rate.add(count, begins_at=now + delay_s)
                self._pool.advance()
