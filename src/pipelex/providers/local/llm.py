"""LLM calls served by llama.cpp inside this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelex.cogt.exceptions import (
    InferenceRequestError,
)
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import LLMTextChunk
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.local.client import EngineError, LocalEngine, classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Queue
    from collections.abc import AsyncIterator
    from concurrent.futures import Future

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMJob

_FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
_MAX_TOKENS = 1024  # where neither the job nor the catalogue says: a small model may never stop by itself
_RANDOM_SEED = 2**32 - 1  # means "any seed" to the engine


class LlamaCppLLMWorker(SdkWorker[LocalEngine], LLMWorkerAbstract):
    """Serves LLM calls with weights on this machine: no key, no network."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._collect(self._request(job))

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        from pipelex.providers.local.schema import for_grammar

        try:
            schema = for_grammar(json_schema)
        except ValueError as exc:
            raise InferenceRequestError(f"The type asked for cannot be met: {exc}") from exc
        answer_format = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        return await self._collect({**self._request(job), "response_format": answer_format})

    def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        return self._pieces_of(self._request(job))

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _request(self, job: LLMJob) -> dict[str, object]:
        """Say a job in the chat completions format; what it does not set stays at the engine's default."""
        params = job.params
        self._refuse(job)
        system = [{"role": "system", "content": job.prompt.system_text}] if job.prompt.system_text is not None else []
        optional: dict[str, object] = {"temperature": params.temperature, "seed": params.seed}
        return {
            "messages": [*system, {"role": "user", "content": job.prompt.user_text}],
            "max_tokens": params.max_tokens or self.inference_model.max_output_tokens or _MAX_TOKENS,
            "stop": list(params.stop),
            "cache_prompt": False,  # a cached prompt changes the arithmetic, and with it the answer of a seed
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # events while a long prompt is read: moments at which to give up
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _refuse(self, job: LLMJob) -> None:
        """Refuse what the engine would quietly leave out, or take for something else."""
        params = job.params
        left_out = {
            "images": job.prompt.images,
            "documents": job.prompt.documents,
            "reasoning_effort": params.reasoning_effort,
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

    async def _collect(self, request: dict[str, object]) -> InferenceResult[str]:
        pieces: list[str] = []
        last = LLMTextChunk(text="")
        async for last in self._pieces_of(request):
            pieces.append(last.text)
        return InferenceResult(
            content="".join(pieces),
            usage=last.usage,
            finish_reason=last.finish_reason or FinishReason.OTHER,
            finish_detail=last.finish_detail,
            model_served=last.model_served,
        )

    async def _pieces_of(self, request: dict[str, object]) -> AsyncIterator[LLMTextChunk]:
        """Run a request on the engine's thread and yield its pieces; the last one carries usage and reason.

        Leaving early, by cancellation or by closing the generator, ends the answer at its next token.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        events: Queue[dict[str, Any] | None] = asyncio.Queue()
        mailbox = _Mailbox(loop, events)
        engine = await self._client()
        call = engine.submit(model_id=self.inference_model.model_id, request=request, on_event=mailbox.receive)
        call.add_done_callback(mailbox.end)
        usage: InferenceUsage | None = None
        reason: FinishReason | None = None
        try:
            while (event := await events.get()) is not None:
                usage = _usage(event) or usage
                text, stopped = _first_choice(event)
                reason = stopped or reason
                if text:
                    yield LLMTextChunk(text=text)
            if call.cancelled():
                msg = "The engine was closed before the call had its turn."
                raise EngineError(msg)
            call.result()
        finally:
            mailbox.left = True
            call.cancel()
        yield LLMTextChunk(text="", usage=usage, finish_reason=reason, model_served=self.inference_model.model_id)


class _Mailbox:
    """Brings what happens on the engine's thread to the event loop of the call."""

    def __init__(self, loop: AbstractEventLoop, events: Queue[dict[str, Any] | None]) -> None:
        self._loop = loop
        self._events = events
        self.left = False

    def receive(self, event: dict[str, Any]) -> bool:
        """Take an event; true tells the engine that nobody waits for more."""
        return self.left or not self._post(event)

    def end(self, call: Future[None]) -> None:  # noqa: ARG002 - the shape of a done callback
        """Take note that the call is over, well or badly."""
        self._post(None)

    def _post(self, event: dict[str, Any] | None) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # the loop was closed meanwhile
            return False
        return True


def _first_choice(event: dict[str, Any]) -> tuple[str, FinishReason | None]:
    """Return the new text of an event and why the answer ended, where it did."""
    choices = event.get("choices") or []
    if not choices:
        return "", None
    stopped = choices[0].get("finish_reason")
    reason = _FINISH_REASONS.get(stopped, FinishReason.OTHER) if stopped else None
    return choices[0].get("delta", {}).get("content") or "", reason


def _usage(event: dict[str, Any]) -> InferenceUsage | None:
    counts = event.get("usage")
    if not counts:
        return None
    return InferenceUsage(input_tokens=counts["prompt_tokens"], output_tokens=counts["completion_tokens"])
