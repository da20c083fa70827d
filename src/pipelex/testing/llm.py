"""What an LLM plugin has to do: derive a test class from ``LLMConformance``."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceTruncatedError,
)
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.generated.families import LLM
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.checks import check, fail, require
from pipelex.testing.conformance import new_token
from pipelex.testing.fault_kinds import EXPECTED_KINDS
from pipelex.testing.llm_conversation import ConversationConformance
from pipelex.testing.llm_jobs import CACHE_BY_TIME, COMPANIONS, StructuredAnswer, job_for
from pipelex.testing.vendor import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.testing.stage import Stage

_HALF_ANSWERS = {FinishReason.LENGTH: InferenceTruncatedError, FinishReason.CONTENT_FILTER: InferenceRefusedError}


class LLMConformance(ConversationConformance):
    """The checks of the LLM family.

    The vendor's orders are ``InferenceResult[str]``: the text to answer (JSON where a structured answer was asked
    for), the tokens used, the finish reason. Where the request asks for a stream, the text goes out in pieces.
    """

    token = LLM
    operation = "gen_text"
    usage_fields: ClassVar[frozenset[str]] = frozenset({"input_tokens", "output_tokens"})
    called_capabilities = (
        *(Capability.STRUCTURED_OUTPUT, Capability.STREAMING, Capability.TOKEN_COUNTING),
        *(Capability.TOOL_RESULT_FILES, Capability.STRUCTURED_OUTPUT_WITH_TOOLS),
    )
    unrefused_capabilities = frozenset({Capability.TOOL_RESULT_FILES})
    companions = COMPANIONS
    half_answers: ClassVar[tuple[FinishReason, ...]] = tuple(_HALF_ANSWERS)
    vendor_params: ClassVar[Mapping[str, object]] = {"conformance": 1}
    """A parameter of the vendor's request that its SDK takes and the driver does not set."""

    @check(since="1.0")
    def test_streamed_pieces_join_to_the_text(self) -> None:
        """The pieces of a stream join to the whole text, in more than one piece, and the end reports the usage."""
        self._skip_undeclared(Capability.STREAMING)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            token = new_token()
            worker = self._make(stage)
            job = self._steady(self._job(token, None), worker.inference_model.capabilities)
            pieces = [piece async for piece in worker.stream_text(job)]
            text = "".join(pieces)
            if stage.vendor.takes_orders:
                expected = self._answer(token, None).content
                require(text == expected, f"The pieces join to {text!r}; the vendor sent {expected!r}.")
                require(len(pieces) > 1, "The whole answer came in one piece: it was collected, not streamed.")
            require(text, "The stream brought no text.")
            usage = stage.log.records[0].usage
            missing = [name for name in sorted(self.usage_fields) if not getattr(usage, name, None)]
            require(not missing, f"The record of the stream has no {', '.join(missing)}: put it on the last chunk.")

        self._play(scene)

    @check(since="1.0")
    def test_a_stream_left_early_is_let_go(self) -> None:
        """A stream that is left after its first piece lets its request go, and no task goes on."""
        self._skip_undeclared(Capability.STREAMING)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            async with aclosing(self._make(stage).stream_text(self._job(new_token(), None))) as stream:
                async for _ in stream:
                    break
            await self._check_let_go(stage, "left")

        self._play(scene, fault=None if self._is_real() else Fault.STALLED, is_watched=True)

    @check(since="1.0")
    def test_a_broken_stream_is_an_error(self) -> None:
        """A stream whose connection ends in the middle ends in an error, not in half a text."""
        self._skip_undeclared(Capability.STREAMING)
        self._skip_without(Fault.TRUNCATED)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            pieces: list[str] = []
            try:
                async for piece in self._make(stage).stream_text(self._job(new_token(), None)):
                    pieces.append(piece)  # noqa: PERF401 - what came before the break is reported
            except InferenceError as exc:
                kinds = EXPECTED_KINDS[Fault.TRUNCATED]
                wanted = " or ".join(kind.__name__ for kind in kinds)
                require(isinstance(exc, kinds), f"A broken stream became {type(exc).__name__} ({exc}), not {wanted}.")
            else:
                fail(f"The connection broke and the stream ended as if it were whole: {''.join(pieces)!r}.")

        self._play(scene, fault=Fault.TRUNCATED)

    @check(since="1.0")
    def test_an_object_is_of_the_type_asked_for(self) -> None:
        """``gen_object`` returns exactly the type asked for, and the vendor is sent its schema."""
        self._skip_undeclared(Capability.STRUCTURED_OUTPUT)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            token = new_token()
            answer = await self._make(stage).gen_object(self._job(token, None), StructuredAnswer)
            require(type(answer) is StructuredAnswer, f"gen_object returned {answer!r}, not a StructuredAnswer.")
            if stage.vendor.takes_orders:
                require(answer == StructuredAnswer(word=token, number=3), f"gen_object returned {answer!r}.")
                sent = b"".join(stage.vendor.requests)
                require(b"number" in sent, "The schema was not sent: its property 'number' is in no request.")

        self._play(scene, capability=Capability.STRUCTURED_OUTPUT)

    @check(since="1.0")
    def test_tokens_are_counted_by_the_vendor(self) -> None:
        """``count_tokens`` returns what the vendor counts."""
        self._skip_undeclared(Capability.TOKEN_COUNTING)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            count = await self._make(stage).count_tokens(self._job(new_token(), None))
            require(count > 0, f"count_tokens returned {count}.")
            wanted = self._answer("", None).usage
            is_same = wanted is not None and count == wanted.input_tokens
            require(is_same or not stage.vendor.takes_orders, f"count_tokens returned {count}; the vendor sent 11.")

        self._play(scene)

    @check(since="1.0")
    def test_half_an_answer_is_an_error(self, half_answer: FinishReason) -> None:
        """An answer that was cut off at the token limit, or refused, is its own error and never returned."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            await self._check_half_answer(stage, _HALF_ANSWERS[half_answer])

        def answer(token: str) -> InferenceResult[str]:
            whole = self._answer(token, None)
            return InferenceResult(content=token, usage=whole.usage, finish_reason=half_answer)

        self._play(scene, answer=answer)

    @check(since="1.0")
    def test_an_odd_answer_costs_neither_text_nor_usage(self, is_streamed: bool) -> None:
        """A key of an answer that is null, missing or of another type costs neither the answer nor its usage."""
        capability = Capability.STREAMING if is_streamed else None
        if capability is not None:
            self._skip_undeclared(capability)
        self._meet_odd_answers(capability)

    @check(since="1.0")
    def test_concurrent_streams_do_not_mix(self) -> None:
        """Many streams at once, with one worker, each get their own answer."""
        self._skip_undeclared(Capability.STREAMING)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            worker = self._make(stage)
            tokens = [new_token() for _ in range(self.concurrency)]
            texts = await asyncio.gather(*(self._call(worker, token, Capability.STREAMING) for token in tokens))
            for token, text in zip(tokens, texts, strict=True):
                self._check_whose(text, token, stage.vendor)

        self._play(scene)

    def _answer(self, token: str, capability: Capability | None) -> InferenceResult[str]:
        text = f"You said {token}, señor: ✓ and\n  that is all. "
        if capability is Capability.STRUCTURED_OUTPUT:
            text = f'{{"word": "{token}", "number": 3}}'
        return InferenceResult(
            content=text, usage=InferenceUsage(input_tokens=11, output_tokens=7), model_served=self.model_id
        )

    async def _call(self, worker: LLMWorkerAbstract, token: str, capability: Capability | None) -> object:
        if capability is Capability.STRUCTURED_OUTPUT_WITH_TOOLS:  # without one of them, that one is refused first
            self._skip_undeclared(Capability.TOOLS)
            self._skip_undeclared(Capability.STRUCTURED_OUTPUT)
        job = self._steady(self._job(token, capability), worker.inference_model.capabilities)
        if capability is Capability.STRUCTURED_OUTPUT:
            return await worker.gen_object(job, StructuredAnswer)
        if capability is Capability.STREAMING:
            return "".join([piece async for piece in worker.stream_text(job)])
        if capability is Capability.TOKEN_COUNTING:
            return await worker.count_tokens(job)
        if capability is Capability.PROMPT_CACHE:
            with suppress(InferenceRequestError):  # its vendor knows no keys of caches
                return await worker.gen_text(job)
            job = replace(job, params=CACHE_BY_TIME)
        if job.params.tools or job.params.tool_choice is not None:
            answer = await worker.gen_answer(job)
            return answer.text or "".join(call.arguments for call in answer.tool_calls)
        return await worker.gen_text(job)

    def _call_sync(self, worker: LLMWorkerAbstract, token: str) -> object:
        return worker.gen_text_sync(self._steady(self._job(token, None), worker.inference_model.capabilities))

    def _tokens_in(self, content: object) -> str:
        return str(content)

    def _texts_in(self, content: object) -> str:
        return str(content)

    def _is_kept(self, error: InferenceError, texts: str) -> bool:
        return error.answer is not None and error.answer.text == texts

    def _check_content(self, content: object, expected: InferenceResult[str] | None) -> None:
        require(isinstance(content, str) and content, f"gen_text returned {content!r}, not a text.")
        if expected is not None:
            said = expected.content
            require(content == said, f"gen_text returned {content!r}; the vendor sent {said!r}.")

    def _check_honoured(self, content: object, capability: Capability) -> None:
        require(isinstance(content, str) and content, f"With '{capability}', gen_text returned {content!r}.")

    def _job(self, token: str, capability: Capability | None) -> LLMJob:
        return job_for(
            self.prompt(token), token, capability, declared=self.capabilities, vendor_params=self.vendor_params
        )
