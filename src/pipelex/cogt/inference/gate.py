"""When none of a backend's calls is sent: it refuses, or its calls of this minute are used up."""

from __future__ import annotations

from math import inf, log2
from random import uniform
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from pipelex.cogt.exceptions import InferenceConnectionError, InferenceRateLimitError

if TYPE_CHECKING:
    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.inference.limiter import Limiter
    from pipelex.cogt.inference.slots import Slot, SlotPool
    from pipelex.cogt.model_backends.model_spec import CallPolicy

_FIRST_PAUSE_S = 0.5  # the upper end of the first random pause; it doubles with each further one
_LONGEST_PAUSE_S = 30.0
_FIRST_PROBE_S, _LONGEST_PROBE_PAUSE_S = 0.1, 1.0  # while a backend cannot be reached
_ACCEPTED_S = 1.0  # a probe that runs so much longer than the refused call did is taken as accepted


def pause_s(error: InferenceError, failures: int) -> float:
    """Return the pause before the next attempt: as long as the backend asks, or random and growing (full jitter).

    Args:
        error: How the latest attempt failed.
        failures: How many attempts failed so far.
    """
    if error.retry_after is not None:
        return error.retry_after
    return uniform(0.0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (failures - 1)))  # noqa: S311 - not for secrets


class Rate:
    """A limit per minute, kept by even spacing: a window of whatever length never sees more than its share.

    Args:
        per_minute: How many a minute.
    """

    def __init__(self, per_minute: int) -> None:
        self._each_s = 60.0 / per_minute
        self._due = -inf

    def delay(self, now: float) -> float:
        """Return in how many seconds the next may go."""
        return max(0.0, self._due - now)

    def take(self, count: int, now: float) -> None:
        """Use up a part of the limit."""
        self._due = max(now, self._due) + count * self._each_s

    def correct(self, count: int) -> None:
        """Add what was used beyond the estimate, or give back what was not."""
        self._due += count * self._each_s


class Refusal(NamedTuple):
    """A backend that refuses calls, so that they wait.

    Attributes:
        backend_name: The configured backend.
        is_outage: Whether it cannot be reached; else it asks to slow down (429).
        reason: What it said.
        up_to_s: How long the calls wait at most, in seconds, before they fail or the next one is sent.
    """

    backend_name: str
    is_outage: bool
    reason: str
    up_to_s: float


class Gate:
    """Whether a backend takes calls. A refusal closes it for all of them; then one call probes at a time.

    Args:
        limiter: Whose gate it is.
        backend_name: The configured backend.

    Attributes:
        lock: Held by whoever changes the gate or the pools behind it.
        pools: The slots of the backend, for each set of limits.
        answered: How many calls were answered.
        cause: The refusal that closed it; ``None`` where it is open.
        is_wide_open: Whether as many calls may run as there are slots.
        probe: The slot of the call that tries whether the backend takes calls again.
    """

    def __init__(self, limiter: Limiter, backend_name: str) -> None:
        self.backend_name = backend_name
        self.lock = RLock()
        self.pools: list[SlotPool] = []
        self.answered = 0
        self.cause: InferenceError | None = None
        self.probe: Slot | None = None
        self._limiter = limiter
        self._is_announced = True
        self._closed_at = self._until = self._closed_at_most_s = self._refused_after_s = 0.0
        self.is_wide_open = True
        self._is_held = False
        self._opened_at = 0.0
        self._refusals = self._answered_since = 0

    def delay(self, now: float) -> float:
        """Return in how many seconds a call may be sent."""
        if self.cause is None:
            return 0.0
        if self.probe is None:
            return max(0.0, self._until - now)
        accepted = self.probe._began + self._refused_after_s + _ACCEPTED_S
        if now < accepted:
            return accepted - now
        self._ramp_up()
        return 0.0

    def ramp_delay(self, running: int, most: int, now: float) -> float:
        """Return in how many seconds one more call may run: after a refusal they come back little by little.

        Twice as many each second, and one more for each answer; so that few are refused where the next limit is.

        Args:
            running: How many calls run.
            most: How many may run at all.
            now: The time.
        """
        if self.is_wide_open or self.cause is not None:
            return 0.0
        elapsed = now - self._opened_at
        if 2 ** (1 + elapsed) + self._answered_since >= most:
            self.is_wide_open = True
            return 0.0
        wanted = running + 1 - self._answered_since
        return max(0.0, log2(wanted) - 1 - elapsed) if wanted > 0 else 0.0

    def note_answer(self, slot: Slot) -> None:
        """Take note that the backend answered a call."""
        self.answered += 1
        if slot.is_probe:
            self.open()
        elif not self.is_wide_open:
            with self.lock:
                self._answered_since += 1
                self._advance_all()

    def open(self) -> None:
        """Let all calls go on."""
        with self.lock:
            self._ramp_up()
            self._advance_all()

    def _ramp_up(self) -> None:
        self.cause = self.probe = None
        self._refusals = self._answered_since = 0
        self._opened_at = monotonic()

    def _advance_all(self) -> None:
        for pool in self.pools:
            pool.advance()

    def forget_if_old(self) -> None:
        """Open the gate where its pause is over and no call waited for it. The lock is held."""
        if self.probe is None and monotonic() >= self._until and not any(pool.waiting for pool in self.pools):
            self.cause = None
            self.is_wide_open = True
            self._refusals = 0

    def refuse(self, slot: Slot, error: InferenceError, policy: CallPolicy) -> None:
        """Close the gate, or keep it closed.

        A refusal counts among the attempts of its call where it closed the gate, unless the backend could not be
        reached: then all calls fail together.

        Args:
            slot: The slot of the call that was refused.
            error: The refusal.
            policy: That of the call.
        """
        is_outage = isinstance(error, InferenceConnectionError)
        with self.lock:
            now = monotonic()
            is_news = self.cause is None or self.probe is slot or type(error) is not type(self.cause)
            if self.cause is None or type(error) is not type(self.cause):
                self._closed_at, self._refusals, self._is_announced = now, 0, False
                self._closed_at_most_s = policy.max_outage_s if is_outage else 2 * policy.max_retry_after_s
            self.cause, self.is_wide_open, self._is_held = error, False, False
            if is_news:
                self.probe = None
                self._refusals += 1
                self._refused_after_s = now - slot._began
                self._until = now + self._pause_s(error, now)
            elif error.retry_after is not None:
                self._until = max(self._until, now + error.retry_after)
            if now - self._closed_at >= self._closed_at_most_s > 0:
                self._give_up(slot)
            self._advance_all()
            slot.saw_answers = slot._seen != self.answered
            slot.is_counted = is_news and not is_outage and not slot.saw_answers

    def refused_for_s(self) -> float:
        """Return for how many seconds more the backend asked this process to wait (429)."""
        with self.lock:
            is_paused = isinstance(self.cause, InferenceRateLimitError) and self.probe is None and not self._is_held
            return max(0.0, self._until - monotonic()) if is_paused else 0.0

    def hold(self, for_s: float, policy: CallPolicy) -> None:
        """Close the gate where it is open, since the backend refused a call of another process.

        Args:
            for_s: For how many seconds no call is sent.
            policy: That of the calls.
        """
        with self.lock:
            if self.cause is not None:
                return
            now = monotonic()
            self.cause = InferenceRateLimitError("It refused a call of another process of the run", retry_after=for_s)
            self.is_wide_open, self._is_held = False, True
            self._closed_at, self._refusals, self._is_announced = now, 1, False
            self._closed_at_most_s = 2 * policy.max_retry_after_s
            self._refused_after_s = 0.0
            self._until = now + for_s

    def _pause_s(self, error: InferenceError, now: float) -> float:
        if not isinstance(error, InferenceConnectionError):
            return pause_s(error, self._refusals)
        longest = min(_LONGEST_PROBE_PAUSE_S, _FIRST_PROBE_S * 2 ** (self._refusals - 1))
        return min(uniform(longest / 2, longest), max(0.0, self._closed_at + self._closed_at_most_s - now))  # noqa: S311

    def _give_up(self, slot: Slot) -> None:
        """Fail all calls that wait, and let later ones try anew."""
        for pool in self.pools:
            pool.fail_all(self.named_refusal)
        slot.verdict = self.named_refusal()
        self.cause = self.probe = None
        self.is_wide_open = True

    def named_refusal(self) -> InferenceError:
        """Return the error of a call that waited for the backend in vain."""
        cause, key = self.cause, f"in [backends.{self.backend_name}]"
        waited_s = monotonic() - self._closed_at
        text = cause.message if cause is not None else ""
        error: InferenceError
        if isinstance(cause, InferenceConnectionError):
            msg = f"The backend could not be reached for {waited_s:.1f} s, by {self._refusals} attempts. {text}. "
            error = InferenceConnectionError(f"{msg}Check its endpoint, or set max_outage_s {key} to wait longer")
        else:
            delay_s = self.delay(monotonic())
            msg = f"The backend refuses calls for {waited_s:.1f} s now, and for {delay_s:.1f} s more. {text}. "
            advice = "Set requests_per_minute or tokens_per_minute, or raise deadline_s and max_retry_after_s,"
            error = InferenceRateLimitError(f"{msg}{advice} {key}", retry_after=delay_s)
        error.__cause__ = (cause.__cause__ or cause) if cause is not None else None
        return error

    def announce(self) -> None:
        """Report, once for each time that the gate was closed, that calls wait. The lock is not held."""
        observer, cause = self._limiter.on_refusal, self.cause
        if self._is_announced or observer is None or cause is None:
            return
        from pipelex.reporting.observers import notify

        self._is_announced = True
        is_outage = isinstance(cause, InferenceConnectionError)
        up_to_s = self._closed_at_most_s if is_outage else self.delay(monotonic())
        refusal = Refusal(self.backend_name, is_outage=is_outage, reason=cause.message, up_to_s=up_to_s)
        notify(observer, lambda: observer(refusal))
