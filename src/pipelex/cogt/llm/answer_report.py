"""The frame around one LLM call: what is known of the answer, put together from one record or from events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceServerError, say_whom
from pipelex.cogt.inference.inference_result import FinishReason, PartialAnswer
from pipelex.cogt.inference.inference_worker_abstract import CallReport, empty_answer_error, half_answer_error
from pipelex.cogt.inference.iterators import close_iterator
from pipelex.cogt.llm.assembly import Assembler
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
    AnswerUpdate,
    ImagePart,
    LLMAnswer,
    PartDone,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    UnknownPart,
    VendorPart,
)
from pipelex.plugins.returned_values import check_record, fields_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from pipelex.cogt.exceptions import InferenceInvalidAnswerError
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent, LLMJob, TokenLogprob
    from pipelex.plugins.returned_values import Shape

_END_UNNAMED = "stream_end_unnamed"  # the extra of a model whose server sends no finish reason
_PARTS = (TextPart, ImagePart, ReasoningPart, ToolCallPart, VendorPart, UnknownPart)
_CALLS_OR_NONE = (None, FinishReason.STOP, FinishReason.TOOL_CALLS)


class AnswerReport(CallReport):
    """Measures and reports one LLM call, and puts its answer together.

    Args:
        worker: Whose call it is.
        operation: The public method.
        shape: What its hook is to return.
        job: What is asked.

    Attributes:
        hook: The hook that is run.
    """

    def __init__(self, worker: InferenceWorkerAbstract, operation: str, shape: Shape, *, job: LLMJob) -> None:
        super().__init__(worker, operation, shape, job=job)
        self.hook = shape.hook
        self._assembler = Assembler()
        self._answer_id: str | None = None
        self._logprobs: tuple[TokenLogprob, ...] = ()
        self._is_ended = False

    def take(self, event: LLMEvent) -> Sequence[LLMEvent]:
        """Take note of an event of the driver, and return those that the caller gets.

        Raises:
            InvalidContributionError: It is no event, or a field of it is of another type.
        """
        if type(event) is TextDelta and type(event.text) is str:  # most events: few steps
            assembler = self._assembler
            if self._first_piece_s is None and event.text:
                self.note_first_piece()
            if assembler.is_in_text and assembler.pieces and event.text:
                assembler.pieces.append(event.text)
                return (event,)
            return tuple(assembler.add(event))
        if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            kind: type = type(event)
            check_record(self.origin, event, kind, fields_of(kind))
            return tuple(self._assembler.add(event))
        if isinstance(event, PartDone):
            return self._take_part(event.part)
        if isinstance(event, AnswerUpdate):
            self._take_news(event)
            return ()
        if isinstance(event, AnswerDone):
            self._is_ended = True
            return self._take_answer(event.answer)
        raise self.origin.error("an LLMEvent (TextDelta, PartDone, AnswerDone, ...)", event)

    def end(self) -> Sequence[LLMEvent]:
        """Return the last events, the whole answer among them, after the driver's last one.

        Raises:
            InferenceServerError: The driver did not say that the answer has ended.
        """
        if not self._is_ended and self._worker.inference_model.extras.get(_END_UNNAMED) is not True:
            msg = "The stream ended before the answer was whole: no finish reason came. Where the server never sends "
            msg += f"one, set '{_END_UNNAMED} = true' in the model's table in .pipelex/models.toml"
            raise InferenceServerError(msg)
        closing = tuple(self._assembler.close())
        return (*closing, AnswerDone(answer=self._whole()))

    async def collect(self, open_stream: Callable[[], AsyncIterator[LLMEvent]]) -> LLMAnswer:
        """Return the answer that the events of a driver make, where the caller does not want them one by one.

        Args:
            open_stream: The hook.

        Raises:
            InferenceTimeoutError: The next event took too long.
        """
        from pipelex.cogt.inference.attempts import timed_out
        from pipelex.cogt.inference.time_limit import time_limit

        self.start_over()
        events = open_stream()
        if not hasattr(events, "__anext__"):
            raise self.origin.error("an async iterator (write it as an async generator)", events)
        limit = time_limit(self._worker.inference_model.policy.timeout_s)
        try:
            with limit:
                async for event in events:
                    self.take(event)
                    limit.restart()
        except TimeoutError as exc:
            if limit.is_over:
                raise timed_out(self._worker.inference_model) from exc
            raise
        finally:
            await close_iterator(events)
        self.end()
        return self.so_far()

    def note_answer(self, answer: LLMAnswer) -> LLMAnswer:
        """Take note of what ``_generate`` returned, and return the whole answer.

        Raises:
            InvalidContributionError: It is no LLMAnswer, or a field of it is of another type.
        """
        self.start_over()
        self._take_answer(answer)
        tuple(self._assembler.close())
        return self._whole()

    def note_text(self, result: InferenceResult[str]) -> LLMAnswer:
        """Take note of what a hook that knows texts alone returned, and return the whole answer.

        Raises:
            InvalidContributionError: The hook returned something else.
        """
        text = self.note(result)
        self._assembler.parts = [TextPart(text=text)] if text else []
        return self._whole()

    def so_far(self) -> LLMAnswer:
        """Return the answer as far as it is known: no half call, and of an unfinished thought nothing."""
        return LLMAnswer(
            parts=self._assembler.so_far(),
            usage=self.total_usage(),
            finish_reason=self.finish_reason,
            finish_detail=self.finish_detail,
            model_served=self.model_served,
            request_id=self._answer_id,
            logprobs=self._logprobs,
            backend_name=self._worker.inference_model.backend_name,
        )

    def _whole(self) -> LLMAnswer:
        """Return the whole answer, with one meaning of the finish reason for all vendors.

        Some say ``stop`` where the model calls tools, others ``tool_calls`` where it calls none.
        """
        parts = self._assembler.parts
        if self.finish_reason in _CALLS_OR_NONE:
            calls = any(isinstance(part, ToolCallPart) for part in parts)
            self.finish_reason = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
        answer = self.so_far()
        self.texts = [answer.text]
        return answer

    def _take_part(self, part: AssistantPart) -> Sequence[LLMEvent]:
        if not isinstance(part, _PARTS):
            raise self.origin.error("a part of an assistant's message (TextPart, ToolCallPart, ...)", part)
        kind: type = type(part)
        check_record(self.origin, part, kind, fields_of(kind))
        return tuple(self._assembler.add(PartDone(part=part)))

    def _take_answer(self, answer: LLMAnswer) -> Sequence[LLMEvent]:
        """Take note of an answer; its parts count where none were streamed."""
        check_record(self.origin, answer, LLMAnswer, _ANSWER_FIELDS)
        self._take_news(answer)
        if self._assembler.so_far():
            return ()
        return [event for part in answer.parts for event in self._take_part(part)]

    def _take_news(self, news: AnswerUpdate | LLMAnswer) -> None:
        self._set(news.usage, news.finish_reason, news.finish_detail)
        if news.model_served is not None:
            self.model_served = news.model_served
        if news.request_id is not None:
            self._answer_id = news.request_id
        if news.logprobs:
            self._logprobs += tuple(news.logprobs)

    def refuse_empty_answer(self) -> None:
        """Turn an answer without any text into an error that names what came in its place.

        Raises:
            InferenceInvalidAnswerError: There is no text.
        """
        if not any(self.texts):
            raise _empty_answer_error(self.so_far())

    def start_over(self) -> None:
        """Forget an answer that another one takes the place of, but not what it used."""
        super().start_over()
        self._assembler = Assembler()
        self._logprobs, self._is_ended = (), False

    def _known_answer(self, known: PartialAnswer) -> PartialAnswer | None:
        answer = self.so_far()
        if known.text not in ("", answer.text) or not answer.parts:  # the driver knows better than its pieces
            answer = replace(answer, text=known.text, parts=getattr(known, "parts", ()))
        return answer if replace(answer, backend_name=None) != _NOTHING_KNOWN else None


def _empty_answer_error(answer: LLMAnswer) -> InferenceInvalidAnswerError:
    kinds = {part.kind for part in answer.parts}
    came = [words for kind, words in (("reasoning", "reasoning"), ("tool_call", "a tool call")) if kind in kinds]
    return empty_answer_error(answer.finish_detail or answer.finish_reason, came)


def refuse_half_answer(worker: InferenceWorkerAbstract, answer: LLMAnswer) -> None:
    """Turn an answer into an error where it is not a whole text.

    Args:
        worker: Whose answer it is.
        answer: What ``gen_answer`` returned.

    Raises:
        InferenceError: It was cut off, refused or left unfinished, or has no text; ``answer`` is on the error.
    """
    error = half_answer_error(answer.finish_reason, answer.finish_detail)
    if error is None and not answer.text:
        error = _empty_answer_error(answer)
    if error is not None:
        error.answer = answer
        raise say_whom(error, provider=worker.inference_model.backend_name, model=worker.inference_model.name)


_NOTHING_KNOWN = LLMAnswer()
_ANSWER_FIELDS = {name: field for name, field in fields_of(LLMAnswer).items() if name != "parts"}
