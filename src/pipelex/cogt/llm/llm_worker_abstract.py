"""The base of LLM workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar, final, overload

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.inference_worker_abstract import (
    CallReport,
    InferenceWorkerAbstract,
    not_written,
    object_adapter,
    refuse_undeclared,
)
from pipelex.cogt.inference.iterators import close_iterator
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    LLMAnswer,
    LLMJob,
    TextDelta,
    ToolChoiceMode,
    UserMessage,
)
from pipelex.cogt.llm.llm_stream import LLMObjectStream, LLMObjectStreamSync, LLMStream, LLMStreamSync
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.raised import shown
from pipelex.plugins.returned_values import Shape

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator

    from typing_extensions import TypeForm

    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.answer_report import AnswerReport
    from pipelex.cogt.llm.llm_job import LLMEvent, LLMMessage
    from pipelex.cogt.llm.object_question import ObjectQuestion
    from pipelex.cogt.llm.tools import PythonTool, ToolFunction, ToolLimits, ToolRun

__all__ = ["LLMWorkerAbstract"]

ObjectT = TypeVar("ObjectT")

_SHAPES = {hook: Shape(hook, str) for hook in ("_generate", "_stream", "_gen_text")}
_COUNT = Shape("_count_tokens", int)
_MORE_THAN_TEXT = (
    Capability.HISTORY,
    Capability.TOOLS,
    Capability.STRUCTURED_OUTPUT,
    Capability.SHOW_REASONING,
    Capability.TOP_LOGPROBS,
)


class LLMWorkerAbstract(InferenceWorkerAbstract):
    """Serves LLM calls. A driver writes one hook at least.

    ``_gen_text`` is enough for texts. ``_stream`` serves everything, streamed or not: texts, conversations, tools, JSON
    that fits a schema. ``_generate`` answers at once, for a model that cannot stream, or says more when it does not.
    """

    @final
    async def gen_text(self, job: LLMJob | Sequence[LLMMessage] | str) -> str:
        """Ask for a text.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            The whole answer.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job, texts_alone="gen_text")
        with _report(self, "gen_text", job) as report:
            answer = await _ask(self, job, report)
            report.refuse_half_answer()
            report.refuse_empty_answer()
            return answer.text

    @final
    async def gen_answer(self, job: LLMJob | Sequence[LLMMessage] | str) -> LLMAnswer:
        """Ask for an answer: its text, reasoning, tool calls, usage and what else is known of it.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            What the model answered, whatever the reason it ended for.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed; its subclass says how.
        """
        job = _accept(self, job)
        with _report(self, "gen_answer", job) as report:
            return await _ask(self, job, report)

    @final
    async def gen_object(self, job: LLMJob | Sequence[LLMMessage] | str, schema: TypeForm[ObjectT]) -> ObjectT:
        """Ask for an object.

        Args:
            job: The job, or messages, or simply the user's text.
            schema: The type of the answer: any type that pydantic can validate.

        Returns:
            An instance of exactly that type.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceRequestError: No JSON schema can be made of the type.
            InferenceInvalidAnswerError: The answer does not fit the type.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.llm.object_question import ObjectQuestion

        job = _accept(self, job, Capability.STRUCTURED_OUTPUT, texts_alone="gen_object")
        question = ObjectQuestion(self, job, schema)
        with _report(self, "gen_object", question.job) as report:
            while not question.is_answered_by(await _ask(self, question.job, report), report):
                pass
            return question.output

    @final
    async def stream_text(self, job: LLMJob | Sequence[LLMMessage] | str) -> AsyncGenerator[str, None]:
        """Ask for a text and get it in pieces as it is made.

        Args:
            job: The job, or messages, or simply the user's text.

        Yields:
            The pieces; together they are the whole answer.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceError: The call failed, before or after the first piece; its subclass says how.
        """
        job = _accept(self, job, Capability.STREAMING, texts_alone="stream_text")
        with _report(self, "stream_text", job, is_streamed=True) as report:
            events = _raw_events(self, job, report)
            try:
                async for event in events:
                    for given in report.take(event):
                        if type(given) is TextDelta:
                            yield given.text
            finally:
                await close_iterator(events)
            report.end()
            report.refuse_half_answer()
            report.refuse_empty_answer()

    @final
    def stream_answer(self, job: LLMJob | Sequence[LLMMessage] | str) -> LLMStream:
        """Ask for an answer and get its events as it is made: pieces, whole parts, the whole answer at the end.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            The stream, for ``async with``; nothing is sent before it is read.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
        """
        job = _accept(self, job, Capability.STREAMING)
        report = _report(self, "stream_answer", job, is_streamed=True)
        return LLMStream(_events(self, job, report), report.so_far)

    @final
    def stream_object(
        self, job: LLMJob | Sequence[LLMMessage] | str, schema: TypeForm[ObjectT]
    ) -> LLMObjectStream[ObjectT]:
        """Ask for an object and get it as far as it came while it is made, and validated at the end.

        An answer that does not fit is asked for again, as ``gen_object`` does: its pieces then come anew, from the
        beginning.

        Args:
            job: The job, or messages, or simply the user's text.
            schema: The type of the answer: any type that pydantic can validate.

        Returns:
            The stream, for ``async with``; nothing is sent before it is read. Reading it raises what ``gen_object``
            raises; ``answer`` of the error holds what came.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceRequestError: No JSON schema can be made of the type.
        """
        from pipelex.cogt.llm.object_question import ObjectQuestion

        job = _accept(self, job, Capability.STRUCTURED_OUTPUT, Capability.STREAMING, texts_alone="stream_object")
        question = ObjectQuestion(self, job, schema)
        report = _report(self, "stream_object", question.job, is_streamed=True)
        events = _events(self, question.job, report, question)
        return LLMObjectStream(events, report.so_far, lambda: question.output)

    @final
    async def count_tokens(self, job: LLMJob | Sequence[LLMMessage] | str) -> int:
        """Count the tokens of a job without sending it to the model.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            How many tokens the model would read.

        Raises:
            UnsupportedCapabilityError: The model does not declare ``token_counting``, or what the job asks for.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.attempts import attempted

        job = _accept(self, job, Capability.TOKEN_COUNTING)
        with CallReport(self, "count_tokens", _COUNT, job=job) as report:
            count = await attempted(self, partial(self._count_tokens, job), report)
            if type(count) is not int:
                raise report.origin.error("an int", count)
            return count

    @overload
    async def run_tools(
        self,
        job: LLMJob | Sequence[LLMMessage] | str,
        tools: Sequence[ToolFunction | PythonTool],
        *,
        schema: None = None,
        limits: ToolLimits | None = None,
        on_event: Callable[[LLMEvent], None] | None = None,
    ) -> ToolRun[str]: ...

    @overload
    async def run_tools(
        self,
        job: LLMJob | Sequence[LLMMessage] | str,
        tools: Sequence[ToolFunction | PythonTool],
        *,
        schema: TypeForm[ObjectT],
        limits: ToolLimits | None = None,
        on_event: Callable[[LLMEvent], None] | None = None,
    ) -> ToolRun[ObjectT]: ...

    @final
    async def run_tools(
        self,
        job: LLMJob | Sequence[LLMMessage] | str,
        tools: Sequence[ToolFunction | PythonTool],
        *,
        schema: TypeForm[ObjectT] | None = None,
        limits: ToolLimits | None = None,
        on_event: Callable[[LLMEvent], None] | None = None,
    ) -> ToolRun[ObjectT] | ToolRun[str]:
        """Ask, run the tools that the model calls, give it what they returned, until it answers.

        Calls of one answer run at the same time. What a ToolError says, arguments that do not fit, a name that no tool
        has and a tool that takes too long are told to the model. Whatever else a tool raises is raised here.

        Args:
            job: The job, or messages, or simply the user's text.
            tools: Python functions with typed parameters, or tools made by hand.
            schema: The type of the answer; a text where it is not given.
            limits: How far the run may go.
            on_event: Gets every event of the answers, in pieces where the model streams, and a ToolDone for each call.

        Returns:
            The output with the conversation that led to it.

        Raises:
            UnsupportedCapabilityError: The model declares no ``tools`` or no ``history``, or not what the job asks for.
            TypeError: A function cannot be a tool.
            ToolLimitError: The model goes on calling tools.
            InferenceError: A call failed, or the answer is cut off, refused or does not fit. As on every error of a
                run, ``job`` is the conversation so far.
        """
        from pipelex.cogt.llm.tool_loop import ToolLoop
        from pipelex.cogt.llm.tools import PythonTool, ToolLimits

        loop = ToolLoop(
            self,
            _job_of(job),
            [PythonTool.of(tool) for tool in tools],
            adapter=object_adapter(schema) if schema is not None else None,
            limits=limits if limits is not None else ToolLimits(),
            on_event=on_event,
        )
        return await loop.run()

    @overload
    def run_tools_sync(
        self,
        job: LLMJob | Sequence[LLMMessage] | str,
        tools: Sequence[ToolFunction | PythonTool],
        *,
        schema: None = None,
        limits: ToolLimits | None = None,
        on_event: Callable[[LLMEvent], None] | None = None,
    ) -> ToolRun[str]: ...

    @overload
    def run_tools_sync(
        self,
        job: LLMJob | Sequence[LLMMessage] | str,
        tools: Sequence[ToolFunction | PythonTool],
        *,
        schema: TypeForm[ObjectT],
        limits: ToolLimits | None = None,
        on_event: Callable[[LLMEvent], None] | None = None,
    ) -> ToolRun[ObjectT]: ...

    @final
    def run_tools_sync(
        self,
        job: LLMJob | Sequence[LLMMessage] | str,
        tools: Sequence[ToolFunction | PythonTool],
        *,
        schema: TypeForm[ObjectT] | None = None,
        limits: ToolLimits | None = None,
        on_event: Callable[[LLMEvent], None] | None = None,
    ) -> ToolRun[ObjectT] | ToolRun[str]:
        """Do what :meth:`run_tools` does, from code that runs no event loop.

        Args:
            job: The job, or messages, or simply the user's text.
            tools: Python functions with typed parameters, or tools made by hand.
            schema: The type of the answer; a text where it is not given.
            limits: How far the run may go.
            on_event: Gets every event, on the thread of the background loop.

        Returns:
            The output with the conversation that led to it.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: A call failed; as on every error of a run, ``job`` is the conversation so far.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        if schema is None:
            return call_sync(self.run_tools, job, tools, limits=limits, on_event=on_event)
        return call_sync(self.run_tools, job, tools, schema=schema, limits=limits, on_event=on_event)

    @final
    def gen_text_sync(self, job: LLMJob | Sequence[LLMMessage] | str) -> str:
        """Do what :meth:`gen_text` does, from code that runs no event loop.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            The whole answer.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.gen_text, job)

    @final
    def gen_answer_sync(self, job: LLMJob | Sequence[LLMMessage] | str) -> LLMAnswer:
        """Do what :meth:`gen_answer` does, from code that runs no event loop.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            What the model answered, whatever the reason it ended for.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.gen_answer, job)

    @final
    def gen_object_sync(self, job: LLMJob | Sequence[LLMMessage] | str, schema: TypeForm[ObjectT]) -> ObjectT:
        """Do what :meth:`gen_object` does, from code that runs no event loop.

        Args:
            job: The job, or messages, or simply the user's text.
            schema: The type of the answer: any type that pydantic can validate.

        Returns:
            An instance of exactly that type.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.gen_object, job, schema)

    @final
    def stream_text_sync(self, job: LLMJob | Sequence[LLMMessage] | str) -> Generator[str, None, None]:
        """Do what :meth:`stream_text` does, from code that runs no event loop.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            An iterator over the pieces.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import iterate_sync

        return iterate_sync("stream_text", self.stream_text(job))

    @final
    def stream_answer_sync(self, job: LLMJob | Sequence[LLMMessage] | str) -> LLMStreamSync:
        """Do what :meth:`stream_answer` does, from code that runs no event loop.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            The stream, for ``with``; nothing is sent before it is read.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
        """
        return LLMStreamSync(self.stream_answer(job))

    @final
    def stream_object_sync(
        self, job: LLMJob | Sequence[LLMMessage] | str, schema: TypeForm[ObjectT]
    ) -> LLMObjectStreamSync[ObjectT]:
        """Do what :meth:`stream_object` does, from code that runs no event loop.

        Args:
            job: The job, or messages, or simply the user's text.
            schema: The type of the answer: any type that pydantic can validate.

        Returns:
            The stream, for ``with``; nothing is sent before it is read.

        Raises:
            UnsupportedCapabilityError: The job asks for what the model does not declare.
            InferenceRequestError: No JSON schema can be made of the type.
        """
        return LLMObjectStreamSync(self.stream_object(job, schema))

    @final
    def count_tokens_sync(self, job: LLMJob | Sequence[LLMMessage] | str) -> int:
        """Do what :meth:`count_tokens` does, from code that runs no event loop.

        Args:
            job: The job, or messages, or simply the user's text.

        Returns:
            How many tokens the model would read.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.count_tokens, job)

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:  # noqa: ARG002 - for overriders
        """Answer a job with a text: the hook of drivers that know texts alone.

        Called where neither ``_generate`` nor ``_stream`` is written.

        Args:
            job: The job; the model declares everything that it asks for.

        Returns:
            The answer, with usage, finish reason and the model that served it.
        """
        raise _no_hook(self)

    def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:  # noqa: ARG002 - for overriders
        """Answer a job with the events of the answer; write it as an async generator.

        Where ``_generate`` is not written, it serves the calls that are not streamed, too.

        Args:
            job: The job; the model declares everything that it asks for. ``job.prompt.messages()`` is the whole
                conversation, ready to be sent: turns alternate, and every tool call has its result.

        Returns:
            The events, AnswerDone last: pieces as they come, PartDone for what came whole or for what pieces do not
            say, AnswerUpdate for what is known early, such as usage.
        """
        raise not_written(Capability.STREAMING)

    async def _generate(self, job: LLMJob) -> LLMAnswer:  # noqa: ARG002 - for overriders
        """Answer a job at once.

        Called for calls that are not streamed, where it is written.

        Args:
            job: The job, as for ``_stream``.

        Returns:
            The answer; the worker base completes it.
        """
        raise _no_hook(self)

    async def _count_tokens(self, job: LLMJob) -> int:  # noqa: ARG002 - for overriders
        """Count the tokens of a job, for models that declare the capability ``token_counting``.

        Args:
            job: The job, as for ``_stream``.

        Returns:
            How many tokens the model would read.
        """
        raise not_written(Capability.TOKEN_COUNTING)


def _accept(
    worker: LLMWorkerAbstract,
    source: LLMJob | Sequence[LLMMessage] | str,
    *needed: Capability,
    texts_alone: str | None = None,
) -> LLMJob:
    """Make a job of what the caller gave, fit to be sent.

    Args:
        worker: Whose model it is for.
        source: What the caller gave.
        needed: What the call needs whatever its parameters.
        texts_alone: The public method, where it returns no tool calls.

    Raises:
        UnsupportedCapabilityError: The model does not declare what the job needs.
        InferenceRequestError: The job is none that any backend could be sent.
        InferenceCapacityError: Its texts are longer than the model's context window.
    """
    job = _job_of(source)
    prompt, params = job.prompt, job.params
    refuse_undeclared(worker, needed, prompt, params)
    if params.tools and (params.structured_output is not None or Capability.STRUCTURED_OUTPUT in needed):
        refuse_undeclared(worker, (Capability.STRUCTURED_OUTPUT_WITH_TOOLS,))
    if params.tools or params.tool_choice is not None:
        from pipelex.cogt.llm.history import refuse_wrong_tools

        refuse_wrong_tools(params)
        if texts_alone and (params.tool_choice is None or params.tool_choice.mode is not ToolChoiceMode.NONE):
            msg = (
                f"{texts_alone}() returns no tool calls: use gen_answer() or run_tools(), or set tool_choice to 'none'"
            )
            raise InferenceRequestError(f"{msg}. Nothing was sent")
    if prompt.images:
        from pipelex.cogt.inference.media import expecting_images

        prompt = replace(prompt, images=expecting_images(prompt.images))
    if prompt.history:
        from pipelex.cogt.llm.history import capabilities_of, sendable

        model = worker.inference_model
        refuse_undeclared(worker, capabilities_of(prompt.history))
        history = sendable(
            prompt.messages(),
            backend_name=model.backend_name,
            has_tool_result_files=Capability.TOOL_RESULT_FILES in model.capabilities,
        )
        prompt = replace(prompt, user_text="", images=(), documents=(), history=history)
    if worker.inference_model.context_window is not None and Capability.TOKEN_COUNTING not in needed:
        from pipelex.cogt.llm.history import refuse_too_long

        refuse_too_long(prompt, worker.inference_model)
    return job if prompt is job.prompt else replace(job, prompt=prompt)


def _job_of(source: LLMJob | Sequence[LLMMessage] | str) -> LLMJob:
    if isinstance(source, LLMJob):
        return source
    if isinstance(source, str):
        return LLMJob.of(source)
    messages = [message for message in _sequence(source) if isinstance(message, UserMessage | AssistantMessage)]
    if messages and len(messages) == len(source):
        return LLMJob.of(messages)
    msg = "A job is a text, an LLMJob, or a sequence of UserMessage and AssistantMessage that is not empty"
    raise InferenceRequestError(f"{msg}; got {shown(source)}. Nothing was sent")


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, Sequence) else ()


@cache
def _hook_of(kind: type[LLMWorkerAbstract]) -> str:
    """Return the hook that serves the calls that are not streamed."""
    written = (hook for hook in ("_generate", "_stream") if _is_written(kind, hook))
    return next(written, "_gen_text")


@cache
def _is_written(kind: type[LLMWorkerAbstract], hook: str) -> bool:
    return getattr(kind, hook) is not getattr(LLMWorkerAbstract, hook)


def _no_hook(worker: LLMWorkerAbstract) -> InferenceRequestError:
    return InferenceRequestError(
        f"The driver's {type(worker).__qualname__} has no hook: it has to write _gen_text, _stream or _generate"
    )


def _report(worker: LLMWorkerAbstract, operation: str, job: LLMJob, *, is_streamed: bool = False) -> AnswerReport:
    """Make the frame of a call, which knows the hook that is run."""
    from pipelex.cogt.llm.answer_report import AnswerReport

    hook = "_stream" if is_streamed else _hook_of(type(worker))
    return AnswerReport(worker, operation, _SHAPES[hook], job=job)


async def _ask(worker: LLMWorkerAbstract, job: LLMJob, report: AnswerReport) -> LLMAnswer:
    """Run the hook that a driver has written, and return the whole answer."""
    from pipelex.cogt.inference.attempts import attempted

    hook = report.hook
    if hook == "_generate":
        return report.note_answer(await attempted(worker, partial(worker._generate, job), report))
    if hook == "_stream":
        hook_of_pieces = partial(report.collect, partial(worker._stream, job))
        return await attempted(worker, hook_of_pieces, report, setting="deadline_s")
    _refuse_more_than_text(job)
    return report.note_text(await attempted(worker, partial(worker._gen_text, job), report))


def _refuse_more_than_text(job: LLMJob) -> None:
    """Refuse a job of which a hook that knows texts alone would lose a part, whatever the model declares.

    Raises:
        InferenceRequestError: Naming the capability.
    """
    for record in (job.prompt, job.params):
        for capability in _MORE_THAN_TEXT:
            if getattr(record, capability, None):
                raise not_written(capability)


def _raw_events(worker: LLMWorkerAbstract, job: LLMJob, report: AnswerReport) -> AsyncIterator[LLMEvent]:
    """Open a stream, and yield the events of the driver."""
    from pipelex.cogt.inference.attempts import streamed

    return streamed(worker, partial(worker._stream, job), report)


async def _events(
    worker: LLMWorkerAbstract, job: LLMJob, report: AnswerReport, question: ObjectQuestion[ObjectT] | None = None
) -> AsyncIterator[LLMEvent]:
    """Yield the events that the caller of a stream gets; an answer that does not fit its question is asked for again.

    One generator does it all: each one between the SDK and the caller costs time with every piece.
    """
    with report:
        while True:
            events = _raw_events(worker, job, report)
            try:
                async for event in events:
                    for given in report.take(event):
                        yield given
            finally:
                await close_iterator(events)
            *closing, done = report.end()
            for given in closing:
                yield given
            if question is None or question.is_answered_by(report.so_far(), report):
                yield done
                return
            job = question.job
            report.start_over()
