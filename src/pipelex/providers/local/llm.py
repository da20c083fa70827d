"""LLM calls served by llama.cpp inside this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.engine_thread import LoopMailbox
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import AnswerDone, AnswerUpdate, LLMAnswer, PartDone, TextDelta
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.llm.token_logprobs import logprobs_of
from pipelex.providers.local.client import EngineError, LocalEngine, classify
from pipelex.providers.local.tools import answer_schema, calls_tools, instruction, messages_of, part_of
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob, TokenLogprob

_FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
_SAME_NAME = ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty")
_MAX_TOKENS = 1024  # where neither the job nor the catalogue says: a small model may never stop by itself
_RANDOM_SEED = 2**32 - 1  # means "any seed" to the engine


class LlamaCppLLMWorker(SdkWorker[LocalEngine], LLMWorkerAbstract):
    """Serves LLM calls with weights on this machine: no key, no network."""

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        by_grammar = calls_tools(job.params)
        pieces: list[str] = []
        async for event in self._events(self._request(job, by_grammar=by_grammar)):
            if not by_grammar:
                yield event
            elif isinstance(event, TextDelta):
                pieces.append(event.text)  # of the JSON around the answer, or of a call: it comes whole
            else:
                if isinstance(event, AnswerDone):
                    yield PartDone(part=part_of("".join(pieces)))
                yield event

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _request(self, job: LLMJob, *, by_grammar: bool) -> dict[str, object]:
        """Write a job in the chat completions format; what it does not set stays at the engine's default."""
        params = job.params
        self._refuse(job)
        told = [text for text in (job.prompt.system_text, instruction(params) if by_grammar else None) if text]
        system = [{"role": "system", "content": "\n\n".join(told)}] if told else []
        request: dict[str, object] = {
            "messages": [*system, *messages_of(job.prompt.messages())] or [{"role": "user", "content": ""}],
            "max_tokens": params.max_tokens or self.inference_model.max_output_tokens or _MAX_TOKENS,
            "stop": list(params.stop),
            "cache_prompt": False,  # a cached prompt changes the arithmetic, and with it the answer of a seed
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # events while a long prompt is read: moments at which to give up
            **{name: value for name in _SAME_NAME if (value := getattr(params, name)) is not None},
        }
        if params.top_logprobs is not None:
            request |= {"logprobs": True, "top_logprobs": params.top_logprobs}
        if by_grammar:
            request["response_format"] = _format(answer_schema(params))
        elif params.structured_output is not None:
            request["response_format"] = _format(dict(params.structured_output))
        return request

    def _refuse(self, job: LLMJob) -> None:
        """Refuse what the engine would quietly leave out, or take for something else."""
        params = job.params
        left_out = {
            "images": job.prompt.images,
            "documents": job.prompt.documents,
            "reasoning_effort": params.reasoning_effort,
            "show_reasoning": params.show_reasoning,
            "prompt_cache": params.prompt_cache,
            "vendor_params": params.vendor_params,
        }
        for name, given in left_out.items():
            if given:
                raise InferenceRequestError(f"The local engine knows no {name}. Take it from 'capabilities'")
        if params.max_tokens is not None and params.max_tokens < 1:
            raise InferenceRequestError(f"max_tokens is {params.max_tokens}; the least is 1")
        if params.temperature is not None and params.temperature < 0:
            raise InferenceRequestError(f"temperature is {params.temperature}; the least is 0")
        if params.seed is not None and not 0 <= params.seed < _RANDOM_SEED:
            raise InferenceRequestError(f"seed is {params.seed}; it lies from 0 to {_RANDOM_SEED - 1}")

    async def _events(self, request: dict[str, object]) -> AsyncIterator[LLMEvent]:
        """Run a request on the engine's thread and yield its events.

        Leaving early, by cancellation or by closing the generator, ends the answer at its next token.
        """
        from threading import Event

        events, is_left = LoopMailbox[dict[str, Any]](), Event()

        def receive(event: dict[str, Any]) -> bool:
            """Take an event on the engine's thread; true tells the engine that no one waits for more."""
            return is_left.is_set() or not events.put(event)

        engine = await self._client()
        call = engine.submit(model_id=self.inference_model.model_id, request=request, on_event=receive)
        call.add_done_callback(lambda _: events.end())
        usage: InferenceUsage | None = None
        reason: FinishReason | None = None
        try:
            async for event in events:
                usage = _usage(event) or usage
                text, stopped, logprobs = _first_choice(event)
                reason = stopped or reason
                if text:
                    yield TextDelta(text=text)
                if logprobs:
                    yield AnswerUpdate(logprobs=logprobs)
            if call.cancelled():
                msg = "The engine was closed before the call had its turn."
                raise EngineError(msg)
            call.result()
        finally:
            is_left.set()
            call.cancel()
        reason = reason or FinishReason.OTHER
        yield AnswerDone(
            answer=LLMAnswer(usage=usage, finish_reason=reason, model_served=self.inference_model.model_id)
        )


def _format(json_schema: dict[str, object]) -> dict[str, object]:
    """Write the schema that the grammar holds an answer to.

    Raises:
        InferenceRequestError: Nothing fits it.
    """
    from pipelex.providers.local.schema import for_grammar

    try:
        schema = for_grammar(json_schema)
    except ValueError as exc:
        raise InferenceRequestError(f"The type asked for cannot be met: {exc}") from exc
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def _first_choice(event: dict[str, Any]) -> tuple[str, FinishReason | None, tuple[TokenLogprob, ...]]:
    """Return the new text of an event, why the answer ended, where it did, and how likely its tokens were."""
    choices = event.get("choices") or []
    if not choices:
        return "", None, ()
    choice = choices[0]
    stopped = choice.get("finish_reason")
    reason = _FINISH_REASONS.get(stopped, FinishReason.OTHER) if stopped else None
    logprobs = logprobs_of(choice["logprobs"]) if choice.get("logprobs") else ()
    return choice.get("delta", {}).get("content") or "", reason, logprobs


def _usage(event: dict[str, Any]) -> InferenceUsage | None:
    counts = event.get("usage")
    if not counts:
        return None
    return InferenceUsage(input_tokens=counts["prompt_tokens"], output_tokens=counts["completion_tokens"])
