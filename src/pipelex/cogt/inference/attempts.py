"""How a hook is run: in a slot, under its time limits, again where that is known to help.

One policy for all drivers; the retries of the SDKs themselves are switched off. Loaded with the first call.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Generic, Literal, NoReturn, TypeAlias, TypeVar

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceConnectionError,
    InferenceError,
    InferenceRateLimitError,
    InferenceRequestError,
    InferenceTimeoutError,
    say_whom,
)
from pipelex.cogt.inference.gate import pause_s
from pipelex.cogt.inference.http_answers import answer_headers
from pipelex.cogt.inference.iterators import close_iterator
from pipelex.cogt.inference.limiter import limiter_of
from pipelex.cogt.inference.media import MediaReadError
from pipelex.cogt.inference.slots import KeptSlot, current_slot
from pipelex.cogt.inference.time_limit import time_limit
from pipelex.exceptions import PipelexError
from pipelex.generated.families import FAMILIES
from pipelex.plugins.raised import described
from pipelex.plugins.returned_values import origin_of
from pipelex.plugins.sdk_client_registry import ClientClosedError
from pipelex.redaction import scrub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pipelex.cogt.inference.inference_worker_abstract import CallReport, InferenceWorkerAbstract
    from pipelex.cogt.inference.slots import Slot, SlotPool
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")
TimeSetting: TypeAlias = Literal["timeout_s", "deadline_s"]

_KNOWN_NOT_CARRIED_OUT = (InferenceConnectionError, InferenceRateLimitError)


async def attempted(
    worker: InferenceWorkerAbstract,
    hook: Callable[[], Awaitable[ResultT]],
    report: CallReport,
    *,
    setting: TimeSetting = "timeout_s",
) -> ResultT:
    """Run a hook until it succeeds, or fails for good.

    Args:
        worker: Whose hook it is; its model's policy sets limits.
        hook: Makes one attempt; called again for each.
        report: Counts each attempt that failed, and so what it used; knows when the call began.
        setting: What limits the time of an attempt: the deadline alone, where the hook limits the time from piece to
            piece itself.

    Raises:
        InferenceError: The last attempt's failure; ``attempts`` says how many there were.
    """
    policy = worker.inference_model.policy
    pool = limiter_of(worker).pool(worker.inference_model)
    tokens = report.reserve_tokens(pool) if policy.tokens_per_minute is not None else 0
    slot = failed = None
    spent_s = report.elapsed_s() if report.attempts else 0.0
    if _limit_s(worker.inference_model, setting) <= policy.deadline_s - spent_s:  # else the deadline ends the attempt
        slot = pool.take(tokens)
        if slot is not None:
            try:
                return await _attempt(worker, hook, report, slot, setting)
            except InferenceError as error:
                failed = error
    return await _PatientCall(worker, hook, report, pool, setting).run(tokens, slot, failed)


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
    kept: KeptSlot | None = None

    async def first() -> tuple[AsyncIterator[ItemT], ItemT] | None:
        nonlocal stream, kept
        if stream is not None:
            await close_iterator(stream)
        opened = open_stream()
        if not hasattr(opened, "__anext__"):
            raise report.origin.error("an async iterator (write it as an async generator)", opened)
        stream = opened
        try:
            item = await anext(stream)
        except StopAsyncIteration:
            return None
        kept = KeptSlot(current_slot.get())
        return stream, item

    try:
        begun = await attempted(worker, first, report)
        if begun is None:
            return
        pieces, item = begun
        limit = time_limit(worker.inference_model.policy.timeout_s)
        while True:
            yield item
            try:
                with limit:
                    item = await anext(pieces)
            except StopAsyncIteration:
                return
            except BaseException as exc:
                _raise_named(worker, exc, late="timeout_s" if limit.is_over else None)
    finally:
        try:
            if stream is not None:
                await close_iterator(stream)
        finally:
            if kept is not None:
                kept.release()


async def _attempt(
    worker: InferenceWorkerAbstract,
    hook: Callable[[], Awaitable[ResultT]],
    report: CallReport,
    slot: Slot,
    setting: TimeSetting,
) -> ResultT:
    """Run a hook once, under its time limit, and give its slot back unless a stream or a thread keeps it."""
    limit = time_limit(_limit_s(worker.inference_model, setting))
    report.attempts += 1
    outer = current_slot.get()
    current_slot.set(slot)
    answer_headers.set(None)
    try:
        with limit:
            coming = hook()
            if type(coming) is not CoroutineType and not hasattr(coming, "__await__"):
                raise report.origin.error("an awaitable (write it with 'async def')", coming)
            result = await coming
    except BaseException as exc:
        try:
            _raise_named(worker, exc, late=setting if limit.is_over else None)
        except InferenceError as error:
            slot.note_failure(error)
            raise
    else:
        slot.note_answer()
        return result
    finally:
        report.answer_headers = answer_headers.get()
        current_slot.set(outer)
        if not slot.is_kept:
            slot.release()


def _raise_named(worker: InferenceWorkerAbstract, error: BaseException, *, late: TimeSetting | None) -> NoReturn:
    """Raise what a hook raised as one of our errors; an SDK's own exception leaves as an InferenceError."""
    if _ends_the_call(error):
        raise error
    cancelled = None if late else _cancellation_before(error)
    if cancelled is not None and _ends_the_call(cancelled):
        raise cancelled from error  # what the hook's clean-up raised does not replace the cancellation
    scrub(error)
    if late and not _states_what_came(error):
        raise _of_family(worker, timed_out(worker.inference_model, late)) from error
    if isinstance(error, PipelexError):
        raise _of_family(worker, error) from error.__cause__
    raise _of_family(worker, _classified(worker, error)) from error


def _cancellation_before(error: BaseException) -> asyncio.CancelledError | None:
    """Return the cancellation during which an error was raised, however many others were raised in between."""
    before = error.__context__
    while before is not None and not isinstance(before, asyncio.CancelledError):
        before = before.__context__
    return before


def _states_what_came(error: BaseException) -> bool:
    """Return whether the error of a hook that was out of time is about an answer.

    Any other one is what its clean-up made of the end of the connection, and does not mean that the request did not
    arrive.
    """
    return isinstance(error, PipelexError) and not isinstance(error, InferenceConnectionError)


def _ends_the_call(error: BaseException) -> bool:
    """Return whether the caller, or the user, ends the call; what third-party code raises is a failure of the hook."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    if isinstance(error, GeneratorExit):  # who closes a coroutine raises a new one in each of its frames
        traceback = error.__traceback__
        return traceback is None or traceback.tb_next is None
    return isinstance(error, KeyboardInterrupt)


def _classified(worker: InferenceWorkerAbstract, error: BaseException) -> InferenceError:
    """Name an SDK's exception by the driver's own table; one that is not in it is of the kind *unknown*."""
    if not isinstance(error, Exception):  # a panic of Rust code, an exit
        return InferenceError(described(error))
    if isinstance(error, MediaReadError):
        return InferenceRequestError(str(error))
    origin = origin_of(worker, "_classify_error")
    try:
        named = worker._classify_error(error)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        raise origin.error("an InferenceError or None", exc) from error
    if named is None:
        return InferenceError(described(error))
    if not isinstance(named, InferenceError):
        raise origin.error("an InferenceError or None", named) from error
    return named


def _limit_s(model: InferenceModelSpec, setting: TimeSetting) -> float:
    return model.policy.timeout_s if setting == "timeout_s" else model.policy.deadline_s


def timed_out(model: InferenceModelSpec, setting: TimeSetting = "timeout_s") -> InferenceTimeoutError:
    """Return the error for a wait that took too long.

    Args:
        model: The model whose answer, or the next piece of it, did not come.
        setting: The setting of its backend that limits the wait.
    """
    waited = f"No answer within {_limit_s(model, setting):g} s"
    return InferenceTimeoutError(f"{waited}. Set {setting} in [backends.{model.backend_name}] for more")


def _of_family(worker: InferenceWorkerAbstract, error: PipelexError) -> PipelexError:
    """Say whom was called, and what a time-out means where a request is charged when it arrives: nobody can tell."""
    model = worker.inference_model
    if isinstance(error, InferenceError):
        error = say_whom(error, provider=model.backend_name, model=model.name, model_id=model.model_id)
    if FAMILIES[model.family].charged_on_arrival and isinstance(error, InferenceTimeoutError):
        msg = f"{error.message}. The answer may have been made and charged, so the request is not repeated"
        return InferenceAmbiguousError(msg, provider=model.backend_name, model=model.name, answer=error.answer)
    return error


def _is_worth_repeating(error: InferenceError, model: InferenceModelSpec) -> bool:
    if not error.retryable or model.policy.max_attempts <= 1:
        return False
    if FAMILIES[model.family].charged_on_arrival and not isinstance(error, _KNOWN_NOT_CARRIED_OUT):
        return False
    return error.retry_after is None or error.retry_after <= model.policy.max_retry_after_s


class _PatientCall(Generic[ResultT]):
    """A call that could not be made at once or failed at first: it waits and repeats, until its deadline.

    Args:
        worker: Whose hook it is.
        hook: Makes one attempt.
        report: Knows when the call began, and counts what failed attempts used.
        pool: The slots of the backend.
        setting: What limits the time of an attempt.
    """

    def __init__(
        self,
        worker: InferenceWorkerAbstract,
        hook: Callable[[], Awaitable[ResultT]],
        report: CallReport,
        pool: SlotPool,
        setting: TimeSetting,
    ) -> None:
        self._worker = worker
        self._hook = hook
        self._report = report
        self._pool = pool
        self._setting = setting
        self._model = worker.inference_model
        self._until = monotonic() + self._model.policy.deadline_s - report.elapsed_s()
        self._failed = self._refused = 0  # the attempts that count; those refused, since the backend answered others
        self._latest: InferenceError | None = None
        self._runs = False

    async def run(self, tokens: int, slot: Slot | None, failed: InferenceError | None) -> ResultT:
        """Make attempts until one succeeds.

        Args:
            tokens: How many tokens to count when the first slot is taken.
            slot: The slot of an attempt that failed already.
            failed: How it failed.

        Raises:
            InferenceError: The failure that ended the call.
        """
        limit = asyncio.timeout(self._until - monotonic())
        try:
            async with limit:
                while True:
                    if slot is not None and failed is not None:
                        tokens = 0
                        await self._pause_after(failed, slot)
                    slot = await self._slot(tokens, goes_first=slot is not None and not slot.is_probe)
                    self._runs = True
                    try:
                        return await _attempt(self._worker, self._hook, self._report, slot, self._setting)
                    except InferenceError as error:
                        failed = error
                    self._runs = False
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise self._past_deadline() from (self._latest or exc)

    async def _slot(self, tokens: int, *, goes_first: bool) -> Slot:
        try:
            return await self._pool.wait(tokens=tokens, goes_first=goes_first, until=self._until)
        except InferenceError as error:
            raise self._last(error) from (error.__cause__ or self._latest)

    async def _pause_after(self, error: InferenceError, slot: Slot) -> None:
        """Count a failure, and wait as long as it asks for; a refusal is waited for in the queue.

        Raises:
            InferenceError: The call is not repeated.
        """
        if self._latest is not None and isinstance(error.__cause__, ClientClosedError):
            raise self._last(self._latest) from error  # what failed before may have been charged
        self._report.count_failure(error)
        self._latest = error
        if slot.verdict is not None:
            raise self._last(slot.verdict) from (error.__cause__ or error)  # what the SDK raised, as of any error
        is_refusal = self._pool.is_refusal(error)
        if is_refusal:
            self._refused = slot.is_counted + (0 if slot.saw_answers else self._refused)
        else:
            self._failed += 1
        is_last = self._failed + self._refused >= self._model.policy.max_attempts
        if is_last or not _is_worth_repeating(error, self._model):
            raise self._last(error)
        pause = self._pool.gate.delay(monotonic()) if is_refusal else pause_s(error, self._failed)
        if monotonic() + pause > self._until:
            raise self._last(error)
        if not is_refusal:
            await asyncio.sleep(pause)

    def _last(self, error: InferenceError) -> InferenceError:
        """Complete the error that ends the call."""
        error.attempts = self._report.attempts
        return say_whom(error, provider=self._model.backend_name, model=self._model.name)

    def _past_deadline(self) -> PipelexError:
        model, sent = self._model, self._report.attempts
        latest = f"; the one before failed: {self._latest.message}" if self._latest is not None else ""
        what = f"{sent} attempt{'s' * (sent != 1)} made{latest}" if sent else "Nothing was sent"
        msg = f"The call was not over within {model.policy.deadline_s:g} s. {what}. "
        error = InferenceTimeoutError(f"{msg}Set deadline_s in [backends.{model.backend_name}] for more")
        return _of_family(self._worker, error) if self._runs else self._last(error)
