"""The call of one row: the worker of the job's family, what it reports, and the answer as JSON."""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelex.bulk.cells import encodable
from pipelex.bulk.kinds import KINDS
from pipelex.cogt.exceptions import InferenceRequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import TypeAdapter

    from pipelex.bulk.options import MapOptions
    from pipelex.cogt.model_backends.model_spec import CallPolicy, InferenceModelSpec
    from pipelex.hub import PipelexHub
    from pipelex.reporting.reporting_protocol import InferenceRecord, ReportingProtocol


_TEXT = json.JSONEncoder(ensure_ascii=False)  # kept: making one costs more than using it

current_records: ContextVar[list[InferenceRecord] | None] = ContextVar("current_records", default=None)
"""Takes the records of the calls of the row that runs in this context."""


class _RowReporter:
    """Keeps the record of a call for its row, and passes it on."""

    def __init__(self, delegate: ReportingProtocol | None) -> None:
        self._delegate = delegate

    def report_inference(self, record: InferenceRecord) -> None:
        records = current_records.get()
        if records is not None:
            records.append(record)
        if self._delegate is not None:
            self._delegate.report_inference(record)


class Caller:
    """Calls a model with the jobs of one family.

    Args:
        hub: Where the worker is made.
        job: A job of the family.
        model: A name in the catalogue, ``"backend/model-id"``, or a resolved model record.
        schema: The type of the answers; ``None`` for what the family returns by itself.
        options: The limits.

    Attributes:
        spec: The resolved model record, with the limits of the options.
        family: The family.

    Raises:
        InferenceRequestError: The job is of no family, or its family has no answers of a given type.
        PipelexError: The model cannot be resolved.
    """

    _call: Callable[..., Awaitable[object]]

    def __init__(
        self, hub: PipelexHub, job: object, *, model: InferenceModelSpec | str, schema: object, options: MapOptions
    ) -> None:
        kind = KINDS.get(type(job))
        if kind is None:
            known = ", ".join(known.__name__ for known in KINDS)
            msg = f"A job is expected ({known}, or a text for a language model), got {type(job).__name__}"
            raise InferenceRequestError(msg)
        if schema is not None and not kind.object_method:
            msg = f"Calls of the family {kind.family.words} return no object: leave the schema out"
            raise InferenceRequestError(msg)
        self.family = kind.family
        self.job_type = type(job)
        spec = hub.resolve(model, kind.family.member)[1] if isinstance(model, str) else model
        self.spec = limited(spec, options)
        self._hub = hub
        self._method = kind.method if schema is None else kind.object_method
        self._schema = schema
        self._answer = kind.answer if schema is None else schema
        self._adapter: TypeAdapter[object] | None = None

    def connect(self) -> None:
        """Make the worker, before the first call. A process that leaves the calls to others needs none, and no key.

        Raises:
            PipelexError: The worker cannot be made.
        """
        worker = self._hub.worker(self.family, self.spec)
        worker.reporting_delegate = _RowReporter(worker.reporting_delegate)
        self._call = getattr(worker, self._method)

    def call(self, job: object) -> Awaitable[object]:
        """Start the call of a job.

        Raises:
            InferenceRequestError: The job is of another family than the first one.
        """
        if type(job) is not self.job_type:
            msg = f"All jobs of a run are of one family: expected {self.job_type.__name__}, got {type(job).__name__}"
            raise InferenceRequestError(msg)
        return self._call(job) if self._schema is None else self._call(job, self._schema)

    def to_json(self, value: object) -> str:
        """Return an answer as JSON."""
        if type(value) is str and self._answer is str:
            return encodable(_TEXT.encode(value))
        return self._type_adapter().dump_json(value).decode()

    def from_json(self, text: str) -> object:
        """Return an answer that is kept as JSON."""
        if self._answer is str:
            return json.loads(text)
        return self._type_adapter().validate_json(text)

    def _type_adapter(self) -> TypeAdapter[object]:
        if self._adapter is None:
            from pydantic import TypeAdapter

            self._adapter = TypeAdapter(self._answer)  # type: ignore[arg-type]  # any type
        return self._adapter


def schema_text(schema: object) -> str:
    """Return the JSON schema of the type of the answers as text, for comparison."""
    from pipelex.cogt.inference.inference_worker_abstract import object_adapter

    return json.dumps(object_adapter(schema).json_schema(), sort_keys=True)  # type: ignore[arg-type]  # any type


def limited(spec: InferenceModelSpec, options: MapOptions) -> InferenceModelSpec:
    """Return a model's record with the limits of a run."""
    stated = {
        "max_concurrency": options.concurrency,
        "requests_per_minute": options.requests_per_minute,
        "tokens_per_minute": options.tokens_per_minute,
    }
    policy = replace(spec.policy, **{name: value for name, value in stated.items() if value is not None})
    return replace(spec, policy=replace(policy, deadline_s=policy.deadline_s + _longest_queue_s(policy)))


def _longest_queue_s(policy: CallPolicy) -> float:
    """Return how long a call may wait for its share of a minute while all others wait: no call is late for that."""
    minutes = policy.max_concurrency / policy.requests_per_minute if policy.requests_per_minute else 0.0
    if policy.tokens_per_minute:
        minutes = max(minutes, policy.max_concurrency)  # a request takes a minute's tokens at most
    return 60.0 * minutes
