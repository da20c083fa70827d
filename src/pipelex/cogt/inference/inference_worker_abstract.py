"""The base of all workers, and what every model call goes through: refusal, the hook, classification, the report."""

from __future__ import annotations

from abc import ABC
from contextvars import copy_context
from functools import lru_cache
from math import isfinite
from time import perf_counter, time
from typing import TYPE_CHECKING, Generic, TypeVar, cast, final

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceTruncatedError,
    UnsupportedCapabilityError,
    request_id_of,
    say_whom,
)
from pipelex.cogt.inference.answer_parts import bare_json
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult, PartialAnswer
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.exceptions import PipelexError
from pipelex.plugins.returned_values import check_content, check_record, fields_of, origin_of
from pipelex.reporting.observers import notify
from pipelex.reporting.reporting_protocol import CallOutcome, InferenceRecord, InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from typing_extensions import TypeForm

    from pipelex.cogt.inference.limiter import Limiter
    from pipelex.cogt.inference.slots import SlotPool
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.exceptions import InvalidContributionError
    from pipelex.plugins.returned_values import Shape
    from pipelex.reporting.reporting_protocol import ReportingProtocol

__all__ = ["InferenceWorkerAbstract"]

ContentT = TypeVar("ContentT")
ObjectT = TypeVar("ObjectT")


class InferenceWorkerAbstract(ABC):  # noqa: B024 - each family's base adds its own hooks
    """What the workers of all families have in common.

    A driver derives from the base of its family and writes the hooks, the methods that begin with one
    underscore. The public methods are templates over them: they refuse what the model does not declare,
    run the hook, turn an SDK's exception into an InferenceError, report usage and time, and return the
    content alone.

    Args:
        inference_model: The model that this worker serves.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    _plugin_name = ""  # set where a factory makes the worker, for the errors that name the plugin
    _limiter: Limiter | None = None  # set there too: that of the Pipelex instance
    _client_lease: object = None  # set there too: keeps the worker's SDK clients open as long as the worker exists

    def __init__(self, *, inference_model: InferenceModelSpec, reporting_delegate: ReportingProtocol | None) -> None:
        self.inference_model = inference_model
        self.reporting_delegate = reporting_delegate

    @final
    def cost_of(self, spent: PartialAnswer | InferenceUsage) -> float | None:
        """Return what an answer of this worker's model cost in US dollars, by the price list of its vendor.

        Args:
            spent: The answer, that of an error (``error.answer``), or what several answers used together.

        Returns:
            The cost at today's price of the standard tier; ``None`` where it is unknown: what was used, the model or
            its price. What is unknown is never zero.
        """
        from pipelex.reporting.prices import price_of

        model = self.inference_model
        if isinstance(spent, PartialAnswer):
            return price_of(spent.usage, spent.model_served or model.model_id, model.price_provider)
        return price_of(spent, model.model_id, model.price_provider)

    def _classify_error(self, error: Exception) -> InferenceError | None:  # noqa: ARG002 - for overriders
        """Name what an exception of the SDK means; override it with the vendor's table.

        Args:
            error: What the SDK raised. It becomes the cause of the error returned.

        Returns:
            The kind of inference error that it is, or ``None`` where the driver does not know it:
            the caller then gets a plain InferenceError.
        """
        return None


_RESULT_FIELDS = fields_of(InferenceResult)
_NOTHING_KNOWN = PartialAnswer()
_STRENGTH = {
    reason: strength
    for strength, reason in enumerate(
        (
            FinishReason.STOP,
            FinishReason.TOOL_CALLS,
            FinishReason.OTHER,
            FinishReason.UNFINISHED,
            FinishReason.LENGTH,
            FinishReason.CONTENT_FILTER,
        )
    )
}
"""Which of several finish reasons counts: a refusal is followed by a plain "stop" at the end of many streams."""
_CAPABILITY_OF_PARAMETER = {capability.value: capability for capability in Capability}


def refuse_undeclared(worker: InferenceWorkerAbstract, needed: Iterable[Capability], *records: object) -> None:
    """Refuse a job that needs what the model does not declare.

    Args:
        worker: Whose job it is.
        needed: What the call needs whatever its parameters.
        records: The records of the job: a parameter that is set needs the capability of the same name.

    Raises:
        UnsupportedCapabilityError: Naming the first capability that is missing.
        InferenceRequestError: A value of the job is none that any backend could be sent.
    """
    stated = [record for record in records if not _is_blank(record)]
    refuse_unsendable(worker, *stated)
    model = worker.inference_model
    for capability in (*needed, *_needed_by(stated)):
        if capability not in model.capabilities:
            raise UnsupportedCapabilityError(
                provider=model.backend_name,
                model=model.name,
                capability=capability.value,
                declared=tuple(sorted(model.capabilities)),
            )


_EMPTY: tuple[object, ...] = ()
_BLANK = frozenset(map(id, (None, False, _EMPTY)))  # by identity: 0 is a value, and equal to False


def _is_blank(record: object) -> bool:
    """Return whether nothing is set in a record, as in the parameters of most jobs; in one step, with every call."""
    return _BLANK.issuperset(map(id, vars(record).values()))


_COUNTS = {"max_tokens", "count", "max_results", "page_view_dpi"}
_EXPECTED: dict[type, str] = {
    str: "holds half of a surrogate pair, which no encoding can carry (a byte of another encoding was read as text)",
    tuple: "holds a text with half of a surrogate pair, which no encoding can carry",
    float: "has to be a finite number",
    int: "has to be at least 1; leave it out to leave it to the model",
}


def refuse_unsendable(worker: InferenceWorkerAbstract, *records: object) -> None:
    """Refuse a job with a value that no backend could be sent.

    Args:
        worker: Whose job it is.
        records: The records of the job.

    Raises:
        InferenceRequestError: Naming the value.
    """
    for record in records:
        for name, value in vars(record).items():
            if value is None or value is _EMPTY:  # nearly all of them, in every call
                continue
            if not _can_be_sent(name, value):
                model = worker.inference_model
                msg = f"{name} {_EXPECTED.get(type(value), _EXPECTED[int])}. Nothing was sent"
                raise InferenceRequestError(msg, provider=model.backend_name, model=model.name)


def _can_be_sent(name: str, value: object) -> bool:
    """Return whether a value of a job can be written into a request of any backend."""
    if isinstance(value, str):
        return value.isascii() or _is_encodable(value)
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, tuple):
        return all(_can_be_sent(name, item) for item in value if isinstance(item, str))
    return name not in _COUNTS or not isinstance(value, int) or value >= 1


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def not_written(capability: Capability) -> InferenceRequestError:
    """Return the error for a hook that a driver has not got, although the model declares what it is for."""
    msg = f"The model declares '{capability}', and its driver cannot do it: take it from 'capabilities'"
    return InferenceRequestError(msg)


def _needed_by(records: Iterable[object]) -> list[Capability]:
    return [
        _CAPABILITY_OF_PARAMETER[name]
        for record in records
        for name, value in vars(record).items()
        if value is not None and value is not _EMPTY and value is not False  # 0 is a value
        if name in _CAPABILITY_OF_PARAMETER and value != ()
    ]


def half_answer_error(reason: FinishReason | None, detail: str | None) -> InferenceError | None:
    """Return the error for an answer that was cut off, refused or left unfinished; ``None`` for a whole one.

    Args:
        reason: Why the model stopped.
        detail: The same in the vendor's own words.
    """
    if reason is FinishReason.LENGTH:
        msg = "The answer was cut off at the token limit. Raise max_tokens, or ask for less"
        return InferenceTruncatedError(msg)
    if reason is FinishReason.CONTENT_FILTER:
        about = f": {detail}" if detail and detail != FinishReason.CONTENT_FILTER else ""
        return InferenceRefusedError(f"The model or its content filter refused to answer{about}")
    if reason is FinishReason.UNFINISHED:
        about = f" (finish reason {detail!r})" if detail else ""
        return InferenceInvalidAnswerError(f"The model stopped before its answer was whole{about}")
    return None


def empty_answer_error(reason: str | None, came: Iterable[str] = ()) -> InferenceInvalidAnswerError:
    """Return the error for an answer without any text, which names what came in its place.

    Args:
        reason: Why the model stopped.
        came: What came, each with its article.
    """
    words = " and ".join(came)
    about = f"; what came is {words}" if words else ""
    return InferenceInvalidAnswerError(f"The answer holds no text (finish reason '{reason}'{about})")


class CallReport:
    """The frame around one call: measures it, names what went wrong, and reports it exactly once.

    It also puts the answer together, of one result or of the pieces of a stream, so that what is known of it is
    reported and stands on the error where the call fails.

    Args:
        worker: Whose call it is.
        operation: The public method (``"gen_text"``).
        shape: What its hook is to return; ``None`` where the record of the result alone is checked.
        job: What is asked.
    """

    def __init__(
        self, worker: InferenceWorkerAbstract, operation: str, shape: Shape | None = None, *, job: object = None
    ) -> None:
        self._worker = worker
        self._operation = operation
        self._shape = shape
        self.job = job
        self._started, self._started_at = perf_counter(), time()
        self._context = copy_context()
        self.origin = origin_of(worker, shape.hook if shape is not None else operation)
        self._spent: InferenceUsage | None = None  # by the attempts and the answers before this one
        self._counted: BaseException | None = None
        self._first_piece_s: float | None = None
        self.attempts = 0
        self.answer_headers: Mapping[str, str] | None = None
        self._reserved: tuple[SlotPool, int] | None = None
        self.usage: InferenceUsage | None = None
        self.finish_reason: FinishReason | None = None
        self.finish_detail: str | None = None
        self.model_served: str | None = None
        self.texts: list[str] = []

    def note(self, result: InferenceResult[ContentT]) -> ContentT:
        """Check a hook's result, take note of it, and return its content.

        Raises:
            InvalidContributionError: The hook returned something else.
        """
        check_record(self.origin, result, InferenceResult, _RESULT_FIELDS)
        self.start_over()
        self._set(result.usage, result.finish_reason, result.finish_detail)
        self.model_served = result.model_served
        if isinstance(result.content, str):
            self.texts.append(result.content)
        if self._shape is not None:
            check_content(self.origin, result.content, self._shape)
        return result.content

    def start_over(self) -> None:
        """Forget an answer that another one takes the place of, but not what it used."""
        self._spent = self.total_usage()
        self.usage = self.finish_reason = self.finish_detail = None
        self.texts.clear()

    def note_first_piece(self) -> None:
        """Take note that the first text or page of a stream came."""
        self._first_piece_s = perf_counter() - self._started

    def _set(self, usage: InferenceUsage | None, reason: FinishReason | None, detail: str | None) -> None:
        """Take note of counts and of a finish reason, where the stronger one stays."""
        if usage is not None:
            check_record(self.origin, usage, InferenceUsage, fields_of(InferenceUsage))
            self.usage = usage if self.usage is None else self.usage.updated_by(usage)
        if reason is None:
            return
        if not isinstance(reason, FinishReason):
            raise self.origin.error("FinishReason", reason, at=", field 'finish_reason'")
        known = self.finish_reason
        if known is None or _STRENGTH[reason] > _STRENGTH[known]:
            self.finish_reason, self.finish_detail = reason, detail
        elif reason is known is FinishReason.CONTENT_FILTER and detail and detail != self.finish_detail:
            # a refusal comes in pieces, and at the end of some streams once more as a whole
            self.finish_detail = f"{self.finish_detail or ''}{detail}"

    def count_failure(self, error: BaseException) -> None:
        """Count what a failed attempt used, where its error knows."""
        self._counted = error
        answer = getattr(error, "answer", None)
        if answer is not None and answer.usage is not None:
            self._spent = answer.usage if self._spent is None else self._spent.plus(answer.usage)

    def elapsed_s(self) -> float:
        """Return how long the call takes so far, in seconds."""
        return perf_counter() - self._started

    def reserve_tokens(self, pool: SlotPool) -> int:
        """Return how many tokens a question counts as beforehand; what it used is counted when the call is over.

        Args:
            pool: The slots of the backend, which limit the tokens of a minute.
        """
        from pipelex.cogt.inference.token_estimate import estimated_tokens

        tokens = estimated_tokens(self.job, self._worker.inference_model)
        self._reserved = pool, tokens + (self._reserved[1] if self._reserved is not None else 0)
        return tokens

    def _correct_tokens(self) -> None:
        usage = self.total_usage()
        if self._reserved is None or usage is None or usage.input_tokens is None or usage.output_tokens is None:
            return
        pool, reserved = self._reserved
        pool.correct(usage.input_tokens + usage.output_tokens - reserved)

    def total_usage(self) -> InferenceUsage | None:
        """Return what the call has used so far, with repeated attempts and questions."""
        return self.usage if self._spent is None else self._spent.plus(self.usage)

    def refuse_half_answer(self) -> None:
        """Turn an answer that was cut off, refused or left unfinished into its typed error.

        Raises:
            InferenceTruncatedError: The answer reached the token limit.
            InferenceRefusedError: The model or a filter refused.
            InferenceInvalidAnswerError: The model stopped before it was done.
        """
        error = half_answer_error(self.finish_reason, self.finish_detail)
        if error is not None:
            raise error

    def refuse_empty_answer(self) -> None:
        """Turn an answer without any text into an error that says what came in its place.

        Raises:
            InferenceInvalidAnswerError: There is no text.
        """
        if not any(self.texts):
            raise empty_answer_error(self.finish_detail or self.finish_reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Report the call."""
        if isinstance(error, PipelexError) and hasattr(error, "answer"):
            self._complete(cast("InferenceError | InvalidContributionError", error))
        if self._reserved is not None:
            self._correct_tokens()
        self._report(error)

    def _complete(self, error: InferenceError | InvalidContributionError) -> None:
        """Say whom an error of ours is about, and put on it what is known of the answer."""
        model = self._worker.inference_model
        if isinstance(error, InferenceError):
            say_whom(error, provider=model.backend_name, model=model.name)
        known = error.answer or PartialAnswer()
        if known.usage is not None and error is not self._counted:  # raised in the middle of a stream
            self.usage = known.usage if self.usage is None else self.usage.updated_by(known.usage)
        self.finish_reason = self.finish_reason or known.finish_reason
        self.finish_detail = self.finish_detail or known.finish_detail
        self.model_served = self.model_served or known.model_served
        error.answer = self._known_answer(known)

    def _known_answer(self, known: PartialAnswer) -> PartialAnswer | None:
        """Return what is known of the answer, together with what its error knows; ``None`` where that is nothing."""
        answer = PartialAnswer(
            text=known.text or "".join(self.texts),
            usage=self.total_usage(),
            finish_reason=self.finish_reason,
            finish_detail=self.finish_detail,
            model_served=self.model_served,
        )
        return answer if answer != _NOTHING_KNOWN else None

    def _report(self, error: BaseException | None) -> None:
        delegate = self._worker.reporting_delegate
        if delegate is None:
            return
        record = self._record(error)
        report = lambda: delegate.report_inference(record)  # noqa: E731 - looked up where its failure is logged
        if isinstance(error, GeneratorExit):  # a stream may be collected, and so closed, in another context
            self._context.run(notify, delegate, report)
        else:
            notify(delegate, report)

    def _record(self, error: BaseException | None) -> InferenceRecord:
        model = self._worker.inference_model
        outcome = _outcome_of(error)
        return InferenceRecord(
            operation=self._operation,
            family=model.family,
            backend_name=model.backend_name,
            sdk=model.sdk,
            model=model.name,
            duration_s=perf_counter() - self._started,
            outcome=outcome,
            started_at=self._started_at,
            first_piece_s=self._first_piece_s,
            attempts=self.attempts,
            model_id=model.model_id,
            request_id=self._request_id(error),
            model_served=self.model_served,
            usage=self.total_usage(),
            price_provider=model.price_provider,
            finish_reason=self.finish_reason,
            finish_detail=self.finish_detail,
            error=type(error).__name__ if outcome is CallOutcome.ERROR else None,
        )

    def _request_id(self, error: BaseException | None) -> str | None:
        if isinstance(error, InferenceError) and error.request_id is not None:
            return error.request_id
        if self.answer_headers is None:
            return None
        return request_id_of({name.lower(): value for name, value in self.answer_headers.items()})


def _outcome_of(error: BaseException | None) -> CallOutcome:
    if error is None:
        return CallOutcome.OK
    from asyncio import CancelledError

    is_abandoned = isinstance(error, CancelledError | GeneratorExit | KeyboardInterrupt)
    return CallOutcome.ABANDONED if is_abandoned else CallOutcome.ERROR


async def run_call(
    worker: InferenceWorkerAbstract,
    operation: str,
    hook: Callable[[], Awaitable[InferenceResult[ContentT]]],
    *,
    job: object,
    shape: Shape | None = None,
) -> ContentT:
    """Run a hook inside its frame and return the content of its result.

    Args:
        worker: Whose hook it is.
        operation: The public method.
        hook: Makes one attempt.
        job: What is asked.
        shape: What the hook is to return.
    """
    from pipelex.cogt.inference.attempts import attempted

    with CallReport(worker, operation, shape, job=job) as report:
        content = report.note(await attempted(worker, hook, report))
        report.refuse_half_answer()
        if shape is not None and shape.content is str:
            report.refuse_empty_answer()
        return content


async def run_object_call(
    worker: InferenceWorkerAbstract,
    operation: str,
    hook: Callable[[], Awaitable[InferenceResult[str]]],
    *,
    shape: Shape,
    adapter: ObjectAdapter[ObjectT],
    job: object,
) -> ObjectT:
    """Run a hook that returns JSON text and validate it, all inside one frame.

    Args:
        worker: Whose hook it is.
        operation: The public method.
        hook: Makes one attempt.
        shape: What the hook is to return.
        adapter: The type that the answer has to fit.
        job: What is asked.
    """
    from pipelex.cogt.inference.attempts import attempted

    with CallReport(worker, operation, shape, job=job) as report:
        text = report.note(await attempted(worker, hook, report))
        report.refuse_half_answer()
        report.refuse_empty_answer()
        return adapter.validate(text)


class ObjectAdapter(Generic[ObjectT]):
    """A type that an answer has to fit: its JSON schema for the model, its validation for the answer.

    pydantic loads here, with the first structured call.

    Args:
        schema: Any type that pydantic can validate. A class that states its JSON schema as ``__json_schema__`` sends
            that one.

    Raises:
        InferenceRequestError: pydantic can neither validate the type nor write its JSON schema.
    """

    def __init__(self, schema: TypeForm[ObjectT]) -> None:
        import json

        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

        try:
            self._adapter: TypeAdapter[ObjectT] = TypeAdapter(schema)
            stated: object = getattr(schema, "__json_schema__", None)  # pydantic follows its own references alone
            self._json_schema = json.dumps(self._adapter.json_schema() if stated is None else stated)
        except (PydanticUserError, PydanticUndefinedAnnotation) as exc:
            reason = exc.message.partition("\n")[0].partition(". ")[0]
            msg = f"No JSON schema can be made of {schema!r}: {reason}. Ask for a dataclass, a pydantic model, "
            raise InferenceRequestError(f"{msg}a TypedDict or a plain type. Nothing was sent") from exc

    def json_schema(self) -> dict[str, object]:
        """Return the JSON schema that the answer has to fit; a new one each time, for drivers to change."""
        import json

        return dict(json.loads(self._json_schema))

    def validate(self, text: str) -> ObjectT:
        """Validate JSON text; where it is wrapped in something else, the JSON inside of it.

        Raises:
            InferenceInvalidAnswerError: The text is not JSON, or does not fit the type.
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(text)
        except ValidationError as exc:
            bare = bare_json(text)
            if bare != text:
                return self.validate(bare)
            problems = "; ".join(
                f"{'.'.join(str(part) for part in problem['loc']) or 'answer'}: {problem['msg']}"
                for problem in exc.errors(include_url=False, include_input=False)
            )
            msg = f"The answer does not fit the type that was asked for: {problems}"
            raise InferenceInvalidAnswerError(msg) from exc


def object_adapter(schema: TypeForm[ObjectT]) -> ObjectAdapter[ObjectT]:
    """Return the adapter of a type. Those last used are kept: making one takes longer than all else in a call."""
    try:
        kept: ObjectAdapter[ObjectT] = _kept_adapter(schema, repr(schema))  # type: ignore[arg-type]  # hashed or refused
    except TypeError:  # a type that cannot be hashed, as some annotations cannot
        return ObjectAdapter(schema)
    return kept


@lru_cache(maxsize=128)
def _kept_adapter(schema: TypeForm[ObjectT], _spelling: str) -> ObjectAdapter[ObjectT]:
    """Make an adapter; the spelling tells ``A | B`` from ``B | A``, which are equal and mean two things."""
    return ObjectAdapter(schema)
