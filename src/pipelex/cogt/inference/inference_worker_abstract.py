"""The base of all workers, and what every model call goes through: refusal, the hook, classification, the report."""

from __future__ import annotations

from abc import ABC
from functools import lru_cache, partial
from time import perf_counter
from typing import TYPE_CHECKING, Generic, TypeVar

from pipelex.cogt.exceptions import (
    InferenceInvalidAnswerError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceTruncatedError,
    UnsupportedCapabilityError,
)
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.reporting.reporting_protocol import InferenceRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.reporting.reporting_protocol import InferenceUsage, ReportingProtocol

__all__ = ["InferenceWorkerAbstract"]

ContentT = TypeVar("ContentT")
JobT = TypeVar("JobT")
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

    def __init__(self, *, inference_model: InferenceModelSpec, reporting_delegate: ReportingProtocol | None) -> None:
        self.inference_model = inference_model
        self.reporting_delegate = reporting_delegate

    def _classify_error(self, error: Exception) -> InferenceError | None:  # noqa: ARG002 - for overriders
        """Name what an exception of the SDK means; override it with the vendor's table.

        Args:
            error: What the SDK raised. It becomes the cause of the error returned.

        Returns:
            The kind of inference error that it is, or ``None`` where the driver does not know it:
            the caller then gets a plain InferenceError.
        """
        return None


_CAPABILITY_OF_PARAMETER = {capability.value: capability for capability in Capability}


def refuse_undeclared(worker: InferenceWorkerAbstract, needed: Iterable[Capability], *records: object) -> None:
    """Refuse a job that needs what the model does not declare.

    Args:
        worker: Whose job it is.
        needed: What the call needs whatever its parameters.
        records: The records of the job: a parameter that is set needs the capability of the same name.

    Raises:
        UnsupportedCapabilityError: Naming the first capability that is missing.
    """
    model = worker.inference_model
    for capability in (*needed, *_needed_by(records)):
        if capability not in model.capabilities:
            raise UnsupportedCapabilityError(
                provider=model.backend_name,
                model=model.name,
                capability=capability.value,
                declared=tuple(sorted(model.capabilities)),
            )


def not_written(capability: Capability) -> InferenceRequestError:
    """Return the error for a hook that a driver has not got, although the model declares what it is for."""
    msg = f"The model declares '{capability}', and its driver cannot do it: take it from 'capabilities'"
    return InferenceRequestError(msg)


def _needed_by(records: tuple[object, ...]) -> list[Capability]:
    return [
        _CAPABILITY_OF_PARAMETER[name]
        for record in records
        for name, value in vars(record).items()
        if value is not None and value is not False and value != () and name in _CAPABILITY_OF_PARAMETER  # 0 is a value
    ]


class CallReport:
    """The frame around one call: measures it, names what went wrong, and reports it exactly once.

    Args:
        worker: Whose call it is.
        operation: The public method (``"gen_text"``).
    """

    def __init__(self, worker: InferenceWorkerAbstract, operation: str) -> None:
        self._worker = worker
        self._operation = operation
        self._started = perf_counter()
        self.usage: InferenceUsage | None = None
        self.finish_reason: FinishReason | None = None
        self.model_served: str | None = None

    def note(self, result: InferenceResult[ContentT]) -> ContentT:
        """Take note of a hook's result, adding up what several used, and return its content."""
        self.usage = result.usage if self.usage is None else self.usage.plus(result.usage)
        self.finish_reason = result.finish_reason
        self.model_served = result.model_served
        return result.content

    def refuse_half_answer(self) -> None:
        """Turn an answer that was cut off or refused into its typed error.

        Raises:
            InferenceTruncatedError: The answer reached the token limit.
            InferenceRefusedError: The model or a filter refused.
        """
        model = self._worker.inference_model
        if self.finish_reason is FinishReason.LENGTH:
            msg = "The answer was cut off at the token limit. Raise max_tokens, or ask for less"
            raise InferenceTruncatedError(msg, provider=model.backend_name, model=model.name)
        if self.finish_reason is FinishReason.CONTENT_FILTER:
            msg = "The model or its content filter refused to answer"
            raise InferenceRefusedError(msg, provider=model.backend_name, model=model.name)

    def __enter__(self) -> CallReport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Report the call."""
        self._report(error)

    def _report(self, error: BaseException | None) -> None:
        delegate = self._worker.reporting_delegate
        if delegate is None:
            return
        model = self._worker.inference_model
        delegate.report_inference(
            InferenceRecord(
                operation=self._operation,
                family=model.family,
                backend_name=model.backend_name,
                sdk=model.sdk,
                model=model.name,
                duration_s=perf_counter() - self._started,
                model_served=self.model_served,
                usage=self.usage,
                price_list=model.price_list,
                finish_reason=self.finish_reason,
                error=type(error).__name__ if error is not None else None,
            )
        )


async def run_call(
    worker: InferenceWorkerAbstract, operation: str, hook: Callable[[], Awaitable[InferenceResult[ContentT]]]
) -> ContentT:
    """Run a hook inside its frame and return the content of its result."""
    from pipelex.cogt.inference.attempts import attempted

    with CallReport(worker, operation) as report:
        content = report.note(await attempted(worker, hook))
        report.refuse_half_answer()
        return content


async def run_object_call(
    worker: InferenceWorkerAbstract,
    operation: str,
    hook: Callable[[JobT], Awaitable[InferenceResult[str]]],
    *,
    adapter: ObjectAdapter[ObjectT],
    job: JobT,
    ask_again: Callable[[JobT, str, str], JobT] | None = None,
) -> ObjectT:
    """Run a hook that returns JSON text and validate it, all inside one frame.

    Args:
        worker: Whose hook it is.
        operation: The public method.
        hook: Answers a job with JSON text.
        adapter: The type that the answer has to fit.
        job: The job.
        ask_again: Makes the job that shows a model its answer and what is wrong with it; ``None`` where a
            second question costs more than it is worth.
    """
    from pipelex.cogt.inference.attempts import attempted

    reasks = worker.inference_model.policy.max_reasks if ask_again is not None else 0
    with CallReport(worker, operation) as report:
        while True:
            text = report.note(await attempted(worker, partial(hook, job)))
            report.refuse_half_answer()
            try:
                return adapter.validate(worker, text)
            except InferenceInvalidAnswerError as error:
                if reasks == 0 or ask_again is None:
                    raise
                reasks -= 1
                job = ask_again(job, text, error.message)


class ObjectAdapter(Generic[ObjectT]):
    """A type that an answer has to fit: its JSON schema for the model, its validation for the answer.

    pydantic loads here, with the first structured call.

    Args:
        schema: Any type that pydantic can validate.
    """

    def __init__(self, schema: type[ObjectT]) -> None:
        import json

        from pydantic import TypeAdapter

        self._adapter: TypeAdapter[ObjectT] = TypeAdapter(schema)
        self._json_schema = json.dumps(self._adapter.json_schema())

    def json_schema(self) -> dict[str, object]:
        """Return the JSON schema that the answer has to fit; a new one each time, for drivers to change."""
        import json

        return dict(json.loads(self._json_schema))

    def validate(self, worker: InferenceWorkerAbstract, text: str) -> ObjectT:
        """Validate JSON text.

        Raises:
            InferenceInvalidAnswerError: The text is not JSON, or does not fit the type.
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(text)
        except ValidationError as exc:
            model = worker.inference_model
            problems = "; ".join(
                f"{'.'.join(str(part) for part in problem['loc']) or 'answer'}: {problem['msg']}"
                for problem in exc.errors(include_url=False, include_input=False)
            )
            msg = f"The answer does not fit the type that was asked for: {problems}"
            raise InferenceInvalidAnswerError(msg, provider=model.backend_name, model=model.name) from exc


def object_adapter(schema: type[ObjectT]) -> ObjectAdapter[ObjectT]:
    """Return the adapter of a type. Those last used are kept: making one takes longer than all else in a call."""
    try:
        kept: ObjectAdapter[ObjectT] = _kept_adapter(schema, repr(schema))  # type: ignore[arg-type]  # hashed or refused
    except TypeError:  # a type that cannot be hashed, as some annotations cannot
        return ObjectAdapter(schema)
    return kept


@lru_cache(maxsize=128)
def _kept_adapter(schema: type[ObjectT], _spelling: str) -> ObjectAdapter[ObjectT]:
    """Make an adapter; the spelling tells ``A | B`` from ``B | A``, which are equal and mean two things."""
    return ObjectAdapter(schema)
