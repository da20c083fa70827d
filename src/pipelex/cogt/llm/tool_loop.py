"""The loop of ``run_tools``: ask, run the tools that the model calls, give it what they returned, until it answers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRequestError,
    ToolError,
    ToolLimitError,
    say_whom,
)
from pipelex.cogt.inference.inference_worker_abstract import half_answer_error, refuse_undeclared
from pipelex.cogt.llm.answer_report import refuse_half_answer
from pipelex.cogt.llm.answer_schemas import RootObject
from pipelex.cogt.llm.history import repair_messages
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
    LLMTool,
    PartDone,
    ReasoningEffort,
    ToolChoice,
    ToolChoiceMode,
    ToolDone,
    ToolResultPart,
)
from pipelex.cogt.llm.tools import ToolRun, refuse_broken_arguments
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.reporting.observers import notify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipelex.cogt.inference.inference_worker_abstract import ObjectAdapter
    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMEvent, LLMJob, LLMJobParams, ToolCallPart
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.cogt.llm.tools import PythonTool, ToolLimits
    from pipelex.reporting.reporting_protocol import InferenceUsage

OutputT = TypeVar("OutputT")
MadeT = TypeVar("MadeT")

_ANSWER_TOOL = "final_answer"


class ToolLoop(Generic[OutputT]):
    """One run of tools.

    Args:
        worker: Whom to ask.
        job: The job, without tools of its own.
        tools: The tools.
        adapter: The type that the last answer has to fit; ``None``: it is a text.
        limits: How far the run may go.
        on_event: Gets every event of the answers, and a ToolDone for each call.

    Raises:
        UnsupportedCapabilityError: The model declares no tools, or no history.
        InferenceRequestError: The job has tools already, or a limit is below 1.
    """

    def __init__(
        self,
        worker: LLMWorkerAbstract,
        job: LLMJob,
        tools: Sequence[PythonTool],
        *,
        adapter: ObjectAdapter[OutputT] | None,
        limits: ToolLimits,
        on_event: Callable[[LLMEvent], None] | None,
    ) -> None:
        refuse_undeclared(worker, (Capability.TOOLS, Capability.HISTORY))
        if job.params.tools:
            raise InferenceRequestError("The job has tools already: give run_tools() each of them as a PythonTool")
        if min(limits.max_rounds, limits.max_calls, limits.max_concurrency) < 1:
            raise InferenceRequestError("max_rounds, max_calls and max_concurrency of ToolLimits are at least 1")
        self._worker = worker
        self._tools = {tool.definition.name: tool for tool in tools}
        self._adapter = adapter
        self._limits = limits
        self._on_event = on_event
        self._asked_params = job.params
        self._answer_tool = self._answer_tool_for(adapter)
        self._job = replace(job, params=self._params(job.params, tools))
        self._slots = asyncio.Semaphore(limits.max_concurrency)
        self._usage: InferenceUsage | None = None
        self._rounds = self._calls = 0
        self._retries = worker.inference_model.policy.max_validation_retries

    async def run(self) -> ToolRun[OutputT] | ToolRun[str]:
        """Ask until there is an answer.

        Raises:
            ToolLimitError: The model goes on calling tools.
            InferenceError: A call failed, or the answer was cut off, refused or does not fit.
            Exception: What a tool raised that is no ToolError. Each has the conversation so far as ``job``.
        """
        try:
            while True:
                run = await self._round()
                if run is not None:
                    return run
        except Exception as error:
            self._complete(error)
            raise

    def _complete(self, error: Exception) -> None:
        """Put the conversation so far on an error, so that it can be continued."""
        job = self._ended(self._job)
        if isinstance(error, InferenceError):
            model = self._worker.inference_model
            say_whom(error, provider=model.backend_name, model=model.name)
        with suppress(AttributeError):  # an exception with slots
            error.job = job  # type: ignore[attr-defined]  # of any class

    async def _round(self) -> ToolRun[OutputT] | ToolRun[str] | None:
        """Ask once; return the run where the answer ends it."""
        self._rounds += 1
        answer = await self._ask()
        if answer.usage is not None:
            self._usage = answer.usage.plus(self._usage)
        half = half_answer_error(answer.finish_reason, answer.finish_detail)
        if half is not None:
            half.answer = answer
            raise half
        calls = answer.tool_calls
        if not calls:
            return self._last(answer)
        given = next((call for call in calls if call.name == self._answer_tool), None)
        if given is not None:
            run = self._given(answer, given)
            if run is not None:
                return run
        self._calls += len(calls)
        if self._rounds >= self._limits.max_rounds or self._calls > self._limits.max_calls:
            made = f"{self._calls} call{'s' * (self._calls != 1)} in {self._rounds} round{'s' * (self._rounds != 1)}"
            msg = f"The model still calls tools after {made}. Raise max_rounds or max_calls of ToolLimits"
            raise ToolLimitError(msg, answer=answer)
        await self._run_calls(answer)
        return None

    async def _ask(self) -> LLMAnswer:
        if self._on_event is None:
            return await self._worker.gen_answer(self._job)
        if Capability.STREAMING in self._worker.inference_model.capabilities:
            async with self._worker.stream_answer(self._job) as stream:
                async for event in stream:
                    self._notify(event)
                return await stream.answer()
        answer = await self._worker.gen_answer(self._job)
        for part in answer.parts:
            self._notify(PartDone(part=part))
        self._notify(AnswerDone(answer=answer))
        return answer

    def _notify(self, event: LLMEvent) -> None:
        on_event = self._on_event
        if on_event is not None:
            notify(on_event, lambda: on_event(event))

    async def _run_calls(self, answer: LLMAnswer) -> None:
        """Run all calls of an answer at once, and continue the conversation with their results, in their order.

        Raises:
            Exception: What a tool raised; the others have ended then.
        """
        calls = answer.tool_calls
        outcomes = await asyncio.gather(*map(self._outcome_of, calls))
        results = [outcome for outcome in outcomes if isinstance(outcome, ToolResultPart)]
        self._job = self._job.then(answer, *results)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _outcome_of(self, call: ToolCallPart) -> ToolResultPart | BaseException:
        """Return what came of a call, an exception too: raised in a task of its own, sys.exit() would end the loop."""
        try:
            return await self._run_call(call)
        except asyncio.CancelledError as exc:  # where the run itself is cancelled, this is dropped
            error = RuntimeError(f"The tool '{call.name}' was cancelled from within")
            error.__cause__ = exc
            return error
        except BaseException as exc:
            return exc

    async def _run_call(self, call: ToolCallPart) -> ToolResultPart:
        async with self._slots:
            limit = asyncio.timeout(self._limits.timeout_s)
            try:
                tool = self._tools.get(call.name)
                if tool is None:
                    raise ToolError(self._wrong_name(call))
                refuse_broken_arguments(call.arguments)
                async with limit:
                    content = await tool.call(call.arguments)
                result = ToolResultPart(call_id=call.id, name=call.name, content=content)
            except ToolError as error:
                result = ToolResultPart(call_id=call.id, name=call.name, content=str(error), is_error=True)
            except TimeoutError:
                if not limit.expired():
                    raise  # the tool's own
                text = f"The tool took longer than {self._limits.timeout_s:g} s"
                result = ToolResultPart(call_id=call.id, name=call.name, content=text, is_error=True)
        self._notify(ToolDone(result=result))
        return result

    def _wrong_name(self, call: ToolCallPart) -> str:
        if call.name == self._answer_tool and self._adapter is not None:
            return self._problem_of(call.arguments)
        return f"There is no tool '{call.name}'. There are: {', '.join(self._tools)}"

    # The last answer.

    def _last(self, answer: LLMAnswer) -> ToolRun[OutputT] | ToolRun[str] | None:
        """Return the run that an answer without calls ends; ``None`` where it does not fit and is asked for again."""
        if self._adapter is None:
            refuse_half_answer(self._worker, answer)
            return self._made(answer.text, answer, self._job.then(answer))
        try:
            return self._made(self._adapter.validate(answer.text), answer, self._job.then(answer))
        except InferenceInvalidAnswerError as error:
            if self._retries == 0 or self._rounds >= self._limits.max_rounds:
                error.answer = answer
                raise
            self._retries -= 1
            wish = f"Call the tool {self._answer_tool}." if self._answer_tool else "Answer once more, with JSON alone."
            self._job = self._job.then(answer, f"{error.message}\n{wish}")
            return None

    def _given(self, answer: LLMAnswer, given: ToolCallPart) -> ToolRun[OutputT] | None:
        """Return the run that a call of the answer's tool ends; ``None`` where its arguments do not fit."""
        if self._adapter is None or self._problem_of(given.arguments):
            return None
        results = (
            ToolResultPart(call_id=call.id, name=call.name, content="Taken." if call is given else "Not run.")
            for call in answer.tool_calls
        )
        output = self._adapter.validate(self._root().unwrapped(given.arguments))
        return self._made(output, answer, self._job.then(answer, *results))

    def _problem_of(self, arguments: str) -> str:
        """Return what is wrong with the arguments of the answer's tool; nothing where they fit."""
        if self._adapter is None:
            return ""
        try:
            self._adapter.validate(self._root().unwrapped(arguments))
        except InferenceInvalidAnswerError as error:
            return error.message
        return ""

    def _made(self, output: MadeT, answer: LLMAnswer, job: LLMJob) -> ToolRun[MadeT]:
        return ToolRun(output=output, answer=answer, job=self._ended(job), usage=self._usage, rounds=self._rounds)

    def _ended(self, job: LLMJob) -> LLMJob:
        """Return a conversation as the caller gets it: with the parameters of their job, open calls answered."""
        history = repair_messages(job.prompt.messages())
        prompt = replace(job.prompt, user_text="", images=(), documents=(), history=history)
        return replace(job, prompt=prompt, params=self._asked_params)

    # How a typed answer is asked for.

    def _answer_tool_for(self, adapter: ObjectAdapter[OutputT] | None) -> str | None:
        """Return the name of the tool that the answer is given by, where the model cannot have tools and a schema."""
        if adapter is None or Capability.STRUCTURED_OUTPUT_WITH_TOOLS in self._worker.inference_model.capabilities:
            return None
        name = _ANSWER_TOOL
        while name in self._tools:
            name += "_"
        return name

    def _params(self, params: LLMJobParams, tools: Sequence[PythonTool]) -> LLMJobParams:
        """Return the parameters of a job with the tools, and with the wish for a typed answer."""
        params = replace(params, tools=tuple(tool.definition for tool in tools))
        if self._adapter is None:
            return params
        if self._answer_tool is None:
            return replace(params, structured_output=self._adapter.json_schema())
        given_by = LLMTool(
            name=self._answer_tool, description="Give the final answer.", json_schema=self._root().schema
        )
        thinks = params.reasoning_effort not in (None, ReasoningEffort.NONE) or params.show_reasoning
        forces = Capability.TOOL_CHOICE in self._worker.inference_model.capabilities and not thinks
        choice = ToolChoice(mode=ToolChoiceMode.REQUIRED) if forces else params.tool_choice
        return replace(params, tools=(*params.tools, given_by), tool_choice=choice)

    def _root(self) -> RootObject:
        assert self._adapter is not None
        return RootObject.of(self._adapter.json_schema())
