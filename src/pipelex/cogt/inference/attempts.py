"""How a hook is run: in its turn, under its time limit, again where that is known to help.

One policy for all drivers; the retries of the SDKs themselves are switched off. Loaded with the first call.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceConnectionError,
    InferenceError,
    InferenceRateLimitError,
    InferenceRequestError,
    InferenceTimeoutError,
    say_whom,
)
from pipelex.cogt.inference.http_answers import answer_headers
from pipelex.cogt.inference.iterators import close_iterator
from pipelex.cogt.inference.media import MediaReadError
from pipelex.cogt.inference.time_limit import TimeLimit, TimeLimits
from pipelex.exceptions import PipelexError
from pipelex.generated.families import FAMILIES
from pipelex.plugins.raised import described
from pipelex.plugins.returned_values import origin_of
from pipelex.redaction import scrub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tenacity import RetryCallState

    from pipelex.cogt.inference.inference_worker_abstract import CallReport, InferenceWorkerAbstract
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")

_KNOWN_NOT_CARRIED_OUT = (InferenceConnectionError, InferenceRateLimitError)
_FIRST_PAUSE_S = 0.5  # the upper end of the first random pause; it doubles from attempt to attempt
_LONGEST_PAUSE_S = 30.0


class _Shared:
    """What the calls of one event loop share.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._limits: dict[float, TimeLimits] = {}

    def turn(self, model: InferenceModelSpec) -> asyncio.Semaphore:
        """Return what waits until the model's backend may be called once more at the same time."""
        turn = self._turns.get(model.backend_name)
        if turn is None:
            turn = self._turns[model.backend_name] = asyncio.Semaphore(model.policy.max_concurrency)
        return turn

    def limit(self, model: InferenceModelSpec) -> TimeLimit:
        """Return what ends a wait for the model's backend that takes too long."""
        limit_s = model.policy.timeout_s
        limits = self._limits.get(limit_s)
        if limits is None:
            limits = self._limits[limit_s] = TimeLimits(self._loop, limit_s)
        return TimeLimit(limits)


_by_loop: dict[asyncio.AbstractEventLoop, _Shared] = {}


def _shared() -> _Shared:
    """Return what the calls of the running loop share, and forget the loops that were closed."""
    loop = asyncio.get_running_loop()
    shared = _by_loop.get(loop)
    if shared is None:
        for closed in [known for known in list(_by_loop) if known.is_closed()]:
            _by_loop.pop(closed, None)
        shared = _by_loop[loop] = _Shared(loop)
    return shared


async def attempted(
    worker: InferenceWorkerAbstract,
    hook: Callable[[], Awaitable[ResultT]],
    report: CallReport,
) -> ResultT:
    """Run a hook until it succeeds, or fails for good.

    The first attempt is made without ceremony; the library that paces further ones loads when one is needed.

    Args:
        worker: Whose hook it is; its model's policy sets limits.
        hook: Makes one attempt; called again for each.
        report: Counts each attempt that failed, and so what it used.

    Raises:
        InferenceError: The last attempt's failure; ``attempts`` says how many there were.
    """
    started = monotonic()
    try:
        return await _attempt(worker, hook, report)
    except InferenceError as error:
        report.count_failure(error)
        if not _is_worth_repeating(error, worker.inference_model):
            raise
        first = error
    return await _repeat(worker, hook, report, first, started)


async def streamed(
    worker: InferenceWorkerAbstract,
    open_stream: Callable[[], AsyncIterator[ItemT]],
    report: CallReport,
) -> AsyncIterator[ItemT]:
    """Draw the pieces of a stream. Only the way to the first piece is repeated; the time limit is from piece to piece.

    Args:
        worker: Whose hook it is.
        open_stream: Opens the stream; called again where it broke before its first piece.
        report: Counts each attempt that failed, and so what it used.

    Raises:
        InvalidContributionError: The hook returned something else than an async iterator.
        InferenceError: The stream failed.
    """
    stream: AsyncIterator[ItemT] | None = None

    async def first() -> tuple[AsyncIterator[ItemT], ItemT] | None:
        nonlocal stream
        if stream is not None:
            await close_iterator(stream)
        opened = open_stream()
        if not hasattr(opened, "__anext__"):
            raise report.origin.error("an async iterator (write it as an async generator)", opened)
        stream = opened
        try:
            return stream, await anext(stream)
        except StopAsyncIteration:
            return None

    try:
        begun = await attempted(worker, first, report)
        if begun is None:
            return
        pieces, item = begun
        limit = _shared().limit(worker.inference_model)
        while True:
            yield item
            try:
                with limit:
                    item = await anext(pieces)
            except StopAsyncIteration:
                return
            except BaseException as exc:
                _raise_named(worker, exc, is_late=limit.is_over)
    finally:
        if stream is not None:
            await close_iterator(stream)


async def _attempt(
    worker: InferenceWorkerAbstract, hook: Callable[[], Awaitable[ResultT]], report: CallReport
) -> ResultT:
    """Run a hook once, in its turn and under its time limit."""
    shared = _shared()
    turn, limit = shared.turn(worker.inference_model), shared.limit(worker.inference_model)
    await turn.acquire()
    report.attempts += 1
    answer_headers.set(None)
    try:
        with limit:
            coming = hook()
            if type(coming) is not CoroutineType and not hasattr(coming, "__await__"):
                raise report.origin.error("an awaitable (write it with 'async def')", coming)
            return await coming
    except BaseException as exc:
        _raise_named(worker, exc, is_late=limit.is_over)
    finally:
        turn.release()
        report.answer_headers = answer_headers.get()


def _raise_named(worker: InferenceWorkerAbstract, error: BaseException, *, is_late: bool) -> NoReturn:
    """Raise what a hook raised as one of our errors; an SDK's own exception leaves as an InferenceError."""
    if _ends_the_call(error):
        raise error
    if isinstance(error, PipelexError):
        raise _of_family(worker, error) from error.__cause__
    scrub(error)
    if is_late and isinstance(error, TimeoutError):
        raise _of_family(worker, _timed_out(worker.inference_model)) from error
    raise _of_family(worker, _classified(worker, error)) from error


def _ends_the_call(error: BaseException) -> bool:
    """Return whether the caller, or the user, ends the call; what third-party code raises is a failure of the hook."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


def _classified(worker: InferenceWorkerAbstract, error: BaseException) -> InferenceError:
    """Name an SDK's exception by the driver's own table; one that is not in it is of the kind *unknown*."""
    if not isinstance(error, Exception):  # a panic of Rust code, an exit
        return InferenceError(described(error))
    if isinstance(error, MediaReadError):
        return InferenceRequestError(str(error))
    origin = origin_of(worker, "_classify_error")
    try:
        named = worker._classify_error(error)
    except Exception as exc:
        raise origin.error("an InferenceError or None", exc) from error
    if named is None:
        return InferenceError(described(error))
    if not isinstance(named, InferenceError):
        raise origin.error("an InferenceError or None", named) from error
    return named


def _timed_out(model: InferenceModelSpec) -> InferenceTimeoutError:
    msg = f"No answer within {model.policy.timeout_s:g} s. Set timeout_s in [backends.{model.backend_name}] for more"
    return InferenceTimeoutError(msg)


def _of_family(worker: InferenceWorkerAbstract, error: PipelexError) -> PipelexError:
    """Say whom was called, and what a time-out means where a request is charged when it arrives: nobody can tell."""
    model = worker.inference_model
    if isinstance(error, InferenceError):
        error = say_whom(error, provider=model.backend_name, model=model.name, model_id=model.model_id)
    if FAMILIES[model.family].charged_on_arrival and isinstance(error, InferenceTimeoutError):
        msg = f"{error.message}. The answer may have been made and charged, so the request is not repeated"
        return InferenceAmbiguousError(msg, provider=model.backend_name, model=model.name, answer=error.answer)
    return error


def _is_worth_repeating(error: BaseException, model: InferenceModelSpec) -> bool:
    if not isinstance(error, InferenceError) or not error.retryable or model.policy.max_attempts <= 1:
        return False
    if FAMILIES[model.family].charged_on_arrival and not isinstance(error, _KNOWN_NOT_CARRIED_OUT):
        return False
    return error.retry_after is None or error.retry_after <= model.policy.max_retry_after_s


async def _repeat(
    worker: InferenceWorkerAbstract,
    hook: Callable[[], Awaitable[ResultT]],
    report: CallReport,
    first: InferenceError,
    started: float,
) -> ResultT:
    """Repeat a call whose first attempt failed, with a random pause before each further one."""
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_before_delay

    from pipelex.plugins.sdk_client_registry import ClientClosedError

    model = worker.inference_model
    policy = model.policy
    failed, latest = [first], first

    async def attempt() -> ResultT:
        nonlocal latest
        if failed:
            raise failed.pop()
        try:
            return await _attempt(worker, hook, report)
        except InferenceError as error:
            if isinstance(error.__cause__, ClientClosedError):
                raise
            report.count_failure(error)
            latest = error
            raise

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: _is_worth_repeating(error, model)),
        stop=stop_after_attempt(policy.max_attempts) | stop_before_delay(policy.deadline_s - (monotonic() - started)),
        wait=_pause,
        sleep=asyncio.sleep,
        reraise=True,
    )
    try:
        return await retrying(attempt)
    except InferenceError as error:
        latest.attempts = int(retrying.statistics["attempt_number"])
        if error is not latest:  # closing the client ended the call: what failed before may have been charged
            raise latest from error
        raise


def _pause(state: RetryCallState) -> float:
    """Return how long to wait: as long as the backend asks, or else a random while that grows (full jitter)."""
    from tenacity import wait_random_exponential

    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, InferenceError) and error.retry_after is not None:
        return error.retry_after
    return wait_random_exponential(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S)(state)
