"""A question for an object: asked again where the answer does not fit, read in part while the answer is streamed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from pipelex.cogt.exceptions import InferenceInvalidAnswerError
from pipelex.cogt.inference.inference_worker_abstract import object_adapter
from pipelex.cogt.model_backends.model_spec import Capability

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.llm.answer_report import AnswerReport
    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMJob

ObjectT = TypeVar("ObjectT")

_LONGEST_SHOWN = 8_000  # characters of a wrong answer that the model is shown again


class ObjectQuestion(Generic[ObjectT]):
    """Validates answers, and writes the job that asks again for one that does not fit.

    Args:
        worker: Whose model is asked.
        job: The job as the caller gave it.
        schema: The type of the answer.

    Attributes:
        job: The job to send next; it holds the JSON schema.
        output: The object, once an answer fits.

    Raises:
        InferenceRequestError: No JSON schema can be made of the type.
    """

    output: ObjectT

    def __init__(self, worker: InferenceWorkerAbstract, job: LLMJob, schema: TypeForm[ObjectT]) -> None:
        self._worker = worker
        self._adapter = object_adapter(schema)
        self._retries = worker.inference_model.policy.max_validation_retries
        self.job = replace(job, params=replace(job.params, structured_output=self._adapter.json_schema()))

    def is_answered_by(self, answer: LLMAnswer, report: AnswerReport) -> bool:
        """Return whether an answer fits, and keep its object; where it does not, ``job`` asks for it again.

        Args:
            answer: The whole answer.
            report: The frame of the call.

        Raises:
            InferenceError: The answer was cut off, refused or is empty.
            InferenceInvalidAnswerError: It does not fit, and has been asked for often enough.
        """
        report.refuse_half_answer()
        report.refuse_empty_answer()
        try:
            self.output = self._adapter.validate(answer.text)
        except InferenceInvalidAnswerError as error:
            if self._retries == 0:
                raise
            self._retries -= 1
            report.job = self.job = self._repair_job(answer, error.message)
            return False
        return True

    def _repair_job(self, answer: LLMAnswer, problems: str) -> LLMJob:
        """Show the model its answer and what is wrong with it: as turns, where it takes a conversation."""
        wish = "Answer once more, with JSON that fits and nothing else: no fence, no words before or after it."
        if Capability.HISTORY in self._worker.inference_model.capabilities:
            return self.job.then(answer, f"{problems}\n{wish}")
        prompt = self.job.prompt
        user_text = f"{prompt.user_text}\n\nYou answered:\n{answer.text[:_LONGEST_SHOWN]}\n\n{problems}\n{wish}"
        return replace(self.job, prompt=replace(prompt, user_text=user_text))


def partial_value(text: str) -> object:
    """Return the JSON value that the beginning of an answer holds: a text that has no end yet counts, half a key not.

    Args:
        text: The answer as far as it came. Words and a fence before an object or a list are skipped.

    Raises:
        ValueError: It holds no value yet.
    """
    from pydantic_core import from_json

    try:
        return cast("object", from_json(text, allow_partial="trailing-strings"))
    except ValueError:
        start = next((place for place, character in enumerate(text) if character in "{["), len(text))
        return cast("object", from_json(text[start:], allow_partial="trailing-strings"))
