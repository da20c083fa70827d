"""The worker: one hook per kind of call."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from acme import AcmeClient

from my_pkg.acme_errors import classify
from pipelex.cogt.inference.answer_parts import text_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, TextDelta
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from acme import Completion

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob
    from pipelex.reporting.reporting_protocol import InferenceUsage

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "refused": FinishReason.CONTENT_FILTER,
}


class AcmeLLMWorker(SdkWorker[AcmeClient], LLMWorkerAbstract):
    """Serves LLM calls through the Acme SDK."""

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        client = await self._client()
        schema = job.params.structured_output
        completion = await client.complete(
            model=self.inference_model.model_id,
            prompt=job.prompt.user_text,
            system=job.prompt.system_text,
            max_tokens=self._max_tokens(job),
            json_schema=dict(schema) if schema is not None else None,
        )
        return LLMAnswer(
            text=text_of(completion.text),
            usage=_usage(completion),
            finish_reason=_finish_reason(completion),
            finish_detail=word_of(completion.finish_reason),
            model_served=word_of(completion.model),
        )

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        client = await self._client()
        pieces = client.stream(
            model=self.inference_model.model_id,
            prompt=job.prompt.user_text,
            system=job.prompt.system_text,
            max_tokens=self._max_tokens(job),
        )
        end = LLMAnswer()
        async with aclosing(pieces):  # whoever leaves the stream early closes its connection
            async for piece in pieces:
                yield TextDelta(text=text_of(piece.text))
                if piece.finish_reason is not None:
                    end = LLMAnswer(
                        usage=_usage(piece), finish_reason=_finish_reason(piece), model_served=word_of(piece.model)
                    )
        yield AnswerDone(answer=end)

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _max_tokens(self, job: LLMJob) -> int | None:
        return job.params.max_tokens or self.inference_model.max_output_tokens


def _finish_reason(completion: Completion) -> FinishReason:
    return _FINISH_REASONS.get(word_of(completion.finish_reason) or "", FinishReason.OTHER)


def _usage(completion: Completion) -> InferenceUsage | None:
    return usage_of(completion.usage, input_tokens="input_tokens", output_tokens="output_tokens")
