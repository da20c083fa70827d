"""Python functions as tools, and the loop that runs them."""

from __future__ import annotations

import asyncio
import functools
import time
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import pytest
from pydantic import Field

from pipelex.cogt.exceptions import (
    InferenceInvalidAnswerError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceTruncatedError,
    ToolError,
    ToolLimitError,
    UnsupportedCapabilityError,
)
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.history import sendable
from pipelex.cogt.llm.llm_job import (
    ImagePart,
    LLMAnswer,
    LLMEvent,
    LLMJob,
    LLMJobParams,
    LLMTool,
    TextPart,
    ToolCallPart,
    ToolChoiceMode,
    ToolDone,
    ToolResultPart,
)
from pipelex.cogt.llm.tools import PythonTool, ToolLimits
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from tests.cogt.llm.test_answers import Base, asking
from tests.cogt.test_returned_values import Unprintable
from tests.cogt.workers import USAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract


async def get_weather(city: Annotated[str, Field(description="The city's name.")], days: int = 1) -> dict[str, float]:
    """Tell the weather of a city.

    It may be wrong.
    """
    if city == "Atlantis":
        raise ToolError("There is no such city.")
    return {"degrees": 31.0 + days}


def now() -> str:
    """Tell the time."""
    return "12:00"


def call(id: str, name: str = "get_weather", arguments: str = '{"city": "Rome"}') -> ToolCallPart:
    return ToolCallPart(id=id, name=name, arguments=arguments)


class Scripted(Base):
    """Gives one answer after the other; the last one again and again."""

    def __init__(self, *answers: LLMAnswer, capabilities: Sequence[Capability] = tuple(Capability)) -> None:
        super().__init__(*capabilities)
        self.answers = list(answers)

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        self.jobs.append(job)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def results(self, asked: int = 1) -> list[ToolResultPart]:
        """Return the results that the model got."""
        return [part for part in self.jobs[asked].prompt.messages()[-1].parts if isinstance(part, ToolResultPart)]


def calling(*calls: ToolCallPart) -> LLMAnswer:
    return LLMAnswer(parts=calls, usage=USAGE)


MORE: list[int] = Field(default_factory=list)
DONE = LLMAnswer(text="It is warm.", usage=USAGE)
PLAIN = tuple(set(Capability) - {Capability.STRUCTURED_OUTPUT_WITH_TOOLS, Capability.STREAMING})


NESTED: Any = functools.reduce(lambda inner, _: (inner,), range(100_000), cast("Any", ()))


def ran(tool: PythonTool, arguments: str) -> object:
    async def run() -> object:
        return await tool.call(arguments)

    return asyncio.run(run())


class TestTool:
    """What a function becomes."""

    def test_its_signature_is_the_schema(self) -> None:
        tool = PythonTool.of(get_weather).definition
        assert ("get_weather", "Tell the weather of a city.") == (tool.name, tool.description)
        expected = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "city": {"type": "string", "title": "City", "description": "The city's name."},
                "days": {"type": "integer", "title": "Days"},
            },
            "required": ["city"],
        }
        assert expected == tool.json_schema

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ('{"city": 3}', "city: Input should be a valid string"),
            ("{}", "city: Field required"),
            ('{"city": "Rome", "to": 1}', "to: Extra inputs are not permitted"),
            ('{"city": "secret', "arguments: Invalid JSON"),
            ('["secret"]', "arguments: Input should be an object"),
        ],
    )
    def test_arguments_that_do_not_fit_are_told_without_their_values(self, arguments: str, said: str) -> None:
        with pytest.raises(ToolError, match=said) as caught:
            ran(PythonTool.of(get_weather), arguments)
        assert "secret" not in str(caught.value)

    def test_what_it_returns_is_text_parts_or_json(self) -> None:
        picture = ImagePart(source=MediaSource(data=b"\x89PNG"))
        for returned, content in (
            ("text", "text"),
            (picture, (picture,)),
            ((TextPart(text="see"), picture), (TextPart(text="see"), picture)),
            ({"a": [1, None]}, '{"a":[1,null]}'),
            (None, "null"),
            ([TextPart(text="see"), picture, "and"], (TextPart(text="see"), picture, TextPart(text="and"))),
            ("caf\udce9", "caf\\udce9"),
            ([float("nan"), {"a": float("-inf")}], '["NaN",{"a":"-Infinity"}]'),
        ):

            def give(returned: object = returned) -> object:
                return returned

            assert content == ran(PythonTool.of(functools.partial(give)), "{}")

    @pytest.mark.parametrize("returned", [NESTED, {"a": Unprintable()}], ids=["nested", "unprintable"])
    def test_what_can_be_neither_written_nor_printed_is_a_named_error(self, returned: object) -> None:
        def give() -> object:
            return returned

        with pytest.raises(InferenceRequestError, match="The tool 'give' returned a value whose __repr__ raised"):
            ran(PythonTool.of(give), "{}")

    def test_a_default_that_is_a_pydantic_field_is_filled_in(self) -> None:
        def count(first: int = Field(3, ge=1, description="Where to begin."), more: list[int] = MORE) -> object:
            return [first, *more]

        tool = PythonTool.of(count)
        assert ("[3]", "[2,5]") == (ran(tool, "{}"), ran(tool, '{"first": 2, "more": [5]}'))
        assert "Where to begin." in str(tool.definition.json_schema)
        with pytest.raises(ToolError, match="first: Input should be greater than or equal to 1"):
            ran(tool, '{"first": 0}')

    @pytest.mark.parametrize("hint", [Scripted, "Missing"])
    def test_a_type_that_json_cannot_hold_is_a_type_error_that_names_the_tool(self, hint: object) -> None:
        def lock(key: int) -> int:
            return key

        lock.__annotations__["key"] = hint
        with pytest.raises(TypeError, match="parameter of the tool 'lock'"):
            PythonTool.of(lock)

    def test_an_object_that_can_be_called_is_one(self) -> None:
        class Counter:
            async def __call__(self, step: int) -> int:
                return step + 1

        tool = PythonTool.of(Counter())
        assert ("Counter", "3") == (tool.definition.name, ran(tool, '{"step": 2}'))

    @pytest.mark.parametrize(
        ("function", "named"),
        [
            (lambda city: city, "'city'.*has no type"),
            (lambda *cities: cities, r"\*cities"),
            (lambda **cities: cities, r"\*\*cities"),
            (3, "is no tool"),
            (str, "is no tool"),
        ],
    )
    def test_what_cannot_be_one_is_a_type_error(self, function: Any, named: str) -> None:
        with pytest.raises(TypeError, match=named):
            PythonTool.of(function)

    def test_a_function_that_blocks_runs_beside_the_loop_in_the_caller_s_context(self) -> None:
        user: ContextVar[str] = ContextVar("user")

        def who() -> str:
            time.sleep(0.01)
            return user.get()

        async def ask() -> object:
            user.set("ada")
            return await PythonTool.of(who).call("{}")

        assert "ada" == asyncio.run(ask())


class TestLoop:
    """Asking until there is an answer."""

    def test_tools_are_run_and_their_results_told_in_the_order_of_the_calls(self) -> None:
        worker = Scripted(calling(call("a"), call("b", "now", "{}")), DONE)
        run = worker.run_tools_sync("How warm is it?", [get_weather, now])
        assert ("It is warm.", 2, USAGE.plus(USAGE)) == (run.output, run.rounds, run.usage)
        assert [("a", '{"degrees":32.0}', False), ("b", "12:00", False)] == [
            (result.call_id, result.content, result.is_error) for result in worker.results()
        ]
        assert {"get_weather", "now"} == {tool.name for tool in worker.jobs[0].params.tools}

    def test_the_run_can_be_continued(self) -> None:
        worker = Scripted(calling(call("a")), DONE)
        run = worker.run_tools_sync("How warm is it?", [get_weather])
        assert () == run.job.params.tools
        worker.gen_answer_sync(run.job.then("And tomorrow?"))
        assert ["user", "assistant", "user", "assistant", "user"] == [
            message.role for message in worker.jobs[-1].prompt.messages()
        ]

    @pytest.mark.parametrize(
        ("made", "told"),
        [
            (call("a", arguments='{"city": "Atlantis"}'), "There is no such city."),
            (call("a", arguments='{"city": '), "arguments: Invalid JSON"),
            (call("a", "get_whether"), "no tool 'get_whether'. There are: get_weather"),
        ],
    )
    def test_what_the_model_can_mend_is_told_to_it(self, made: ToolCallPart, told: str) -> None:
        worker = Scripted(calling(made), DONE)
        assert "It is warm." == worker.run_tools_sync("x", [get_weather]).output
        (result,) = worker.results()
        assert result.is_error
        assert told in str(result.content)

    @pytest.mark.parametrize("arguments", ['{"city": ', "[1]", '"Rome"', "null"])
    def test_arguments_that_are_no_object_reach_no_tool_made_by_hand(self, arguments: str) -> None:
        called: list[str] = []

        async def note(text: str) -> str:
            called.append(text)
            return "31"

        tool = PythonTool(PythonTool.of(get_weather).definition, note)
        worker = Scripted(calling(call("a", arguments=arguments)), DONE)
        worker.run_tools_sync("x", [tool])
        (result,) = worker.results()
        assert (True, []) == (result.is_error, called)
        assert "The arguments do not fit: arguments:" in str(result.content)

    def test_a_tool_that_takes_too_long_is_told(self) -> None:
        async def sleep() -> None:
            await asyncio.Event().wait()

        worker = Scripted(calling(call("a", "sleep", "{}")), DONE)
        worker.run_tools_sync("x", [sleep], limits=ToolLimits(timeout_s=0.01))
        assert "longer than 0.01 s" in str(worker.results()[0].content)

    def test_any_other_error_of_a_tool_is_the_caller_s_after_the_others_ended(self) -> None:
        ended: list[str] = []

        async def slow() -> None:
            await asyncio.sleep(0.01)
            ended.append("slow")

        async def broken() -> None:
            raise RuntimeError("secret path")

        worker = Scripted(calling(call("a", "broken", "{}"), call("b", "slow", "{}")), DONE)
        with pytest.raises(RuntimeError, match="secret path") as caught:
            worker.run_tools_sync("x", [broken, slow])
        assert ["slow"] == ended
        job: LLMJob = caught.value.job  # type: ignore[attr-defined]  # put on every error of a run
        results = [part for part in job.prompt.messages()[-1].parts if isinstance(part, ToolResultPart)]
        assert [("a", True), ("b", False)] == [(result.call_id, result.is_error) for result in results]
        assert "secret" not in str(results)
        assert sendable(job.then("go on").prompt.messages(), backend_name="acme", has_tool_result_files=True)

    @pytest.mark.parametrize("raised", [StopIteration(), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
    @pytest.mark.parametrize("is_async", [False, True])
    def test_whatever_a_tool_raises_ends_the_run_and_not_the_loop(
        self, raised: BaseException, *, is_async: bool
    ) -> None:
        def blocking() -> None:
            raise raised

        async def waiting() -> None:
            raise raised

        tool = waiting if is_async else blocking
        exits = isinstance(raised, SystemExit | KeyboardInterrupt)
        with pytest.raises(type(raised) if exits else RuntimeError):
            Scripted(calling(call("a", tool.__name__, "{}")), DONE).run_tools_sync("x", [tool])
        assert "It is warm." == Scripted(DONE).run_tools_sync("x", [now]).output

    @pytest.mark.parametrize("returned", [object(), b"\xff", {"a": "\ud83d"}], ids=["object", "bytes", "surrogate"])
    def test_what_a_tool_returns_that_cannot_be_sent_is_named(self, returned: object) -> None:
        def give() -> object:
            return returned

        with pytest.raises(InferenceRequestError, match=r"The tool 'give' returned .* which is no JSON"):
            Scripted(calling(call("a", "give", "{}")), DONE).run_tools_sync("x", [give])

    def test_a_decorated_async_function_is_awaited(self) -> None:
        @functools.wraps(get_weather)
        def traced(*args: Any, **more: Any) -> object:
            return get_weather(*args, **more)

        worker = Scripted(calling(call("a")), DONE)
        worker.run_tools_sync("x", [traced])
        assert ['{"degrees":32.0}'] == [result.content for result in worker.results()]

    def test_a_tool_s_own_time_out_is_the_caller_s(self) -> None:
        async def late() -> None:
            raise TimeoutError("mine")

        with pytest.raises(TimeoutError, match="mine"):
            Scripted(calling(call("a", "late", "{}")), DONE).run_tools_sync("x", [late])

    @pytest.mark.parametrize(
        ("reason", "kind"),
        [(FinishReason.LENGTH, InferenceTruncatedError), (FinishReason.CONTENT_FILTER, InferenceRefusedError)],
    )
    def test_a_cut_call_is_not_carried_out(self, reason: FinishReason, kind: type[Exception]) -> None:
        ran: list[str] = []

        def run() -> None:
            ran.append("ran")

        worker = Scripted(replace(calling(call("a", "run", "{}")), finish_reason=reason))
        with pytest.raises(kind) as caught:
            worker.run_tools_sync("x", [run])
        assert [] == ran
        error: Any = caught.value
        assert (USAGE, "acme") == (error.answer.usage, error.provider)
        assert "x" == error.job.prompt.messages()[0].parts[0].text

    @pytest.mark.parametrize("limits", [ToolLimits(max_rounds=3), ToolLimits(max_calls=2)])
    def test_a_model_that_goes_on_calling_is_stopped(self, limits: ToolLimits) -> None:
        worker = Scripted(calling(call("a")))
        with pytest.raises(ToolLimitError, match="3 calls in 3 rounds") as caught:
            worker.run_tools_sync("x", [get_weather], limits=limits)
        assert 3 == len(worker.jobs)
        assert caught.value.job is not None
        assert sendable(
            caught.value.job.then("stop").prompt.messages(), backend_name="acme", has_tool_result_files=True
        )
        assert "job" not in caught.value.to_dict()

    def test_calls_run_at_once_up_to_a_limit(self) -> None:
        running, most = [0], [0]

        async def count() -> None:
            running[0] += 1
            most[0] = max(most[0], running[0])
            await asyncio.sleep(0.01)
            running[0] -= 1

        calls = calling(*(call(str(number), "count", "{}") for number in range(6)))
        Scripted(calls, DONE).run_tools_sync("x", [count], limits=ToolLimits(max_concurrency=3))
        assert 3 == most[0]

    @pytest.mark.parametrize("lacking", [Capability.TOOLS, Capability.HISTORY])
    def test_a_model_without_tools_or_history_is_refused_at_once(self, lacking: Capability) -> None:
        worker = Scripted(DONE, capabilities=tuple(set(Capability) - {lacking}))
        with pytest.raises(UnsupportedCapabilityError, match=lacking.value):
            worker.run_tools_sync("x", [now])
        assert [] == worker.jobs

    def test_tools_in_the_job_are_refused(self) -> None:
        with pytest.raises(InferenceRequestError, match="as a PythonTool"):
            Scripted(DONE).run_tools_sync(asking(tools=(LLMTool(name="a", json_schema={}),)), [now])

    def test_every_event_is_seen_and_an_observer_that_raises_changes_nothing(self) -> None:
        events: list[LLMEvent] = []

        def see(event: LLMEvent) -> None:
            events.append(event)
            raise RuntimeError("exporter down")

        worker = Scripted(calling(call("a")), DONE, capabilities=PLAIN)
        assert "It is warm." == worker.run_tools_sync("x", [get_weather], on_event=see).output
        kinds = ["part_done", "answer_done", "tool_done", "part_done", "answer_done"]
        assert kinds == [event.kind for event in events]
        assert isinstance(events[2], ToolDone)


@dataclass
class City:
    name: str


class TestTypedAnswer:
    """An object at the end of a run."""

    def test_a_model_that_takes_both_is_sent_the_schema(self) -> None:
        worker = Scripted(calling(call("a")), LLMAnswer(text='{"name": "Rome"}'))
        assert City("Rome") == worker.run_tools_sync("x", [get_weather], schema=City).output
        assert worker.jobs[0].params.structured_output is not None

    @pytest.mark.parametrize("thinks", [False, True])
    def test_else_the_answer_is_a_tool_and_forced_where_the_model_does_not_think(self, thinks: bool) -> None:
        given = call("b", "final_answer", '{"answer": [1, 2]}')
        worker = Scripted(calling(call("a")), calling(call("c"), given), capabilities=PLAIN)
        job = LLMJob(prompt=LLMJob.of("x").prompt, params=LLMJobParams(show_reasoning=thinks))
        run = worker.run_tools_sync(job, [get_weather], schema=list[int])
        assert [1, 2] == run.output
        choice = worker.jobs[0].params.tool_choice
        assert (None if thinks else ToolChoiceMode.REQUIRED) == (choice.mode if choice else None)
        assert None is worker.jobs[0].params.structured_output
        assert sendable(run.job.then("more").prompt.messages(), backend_name="acme", has_tool_result_files=True)

    def test_its_name_is_free(self) -> None:
        def final_answer() -> str:
            return "mine"

        worker = Scripted(calling(call("b", "final_answer_", '{"answer": 3}')), capabilities=PLAIN)
        assert 3 == worker.run_tools_sync("x", [final_answer], schema=int).output

    def test_an_answer_that_does_not_fit_is_told(self) -> None:
        wrong, right = (call(id, "final_answer", f'{{"answer": "{id}"}}') for id in ("a", "3"))
        worker = Scripted(calling(wrong), calling(right), capabilities=PLAIN)
        assert 3 == worker.run_tools_sync("x", [now], schema=int).output
        assert worker.results()[0].is_error
        assert "does not fit" in str(worker.results()[0].content)

    def test_a_text_in_its_place_is_asked_for_again_once(self) -> None:
        worker = Scripted(LLMAnswer(text="three"), capabilities=PLAIN)
        with pytest.raises(InferenceInvalidAnswerError) as caught:
            worker.run_tools_sync("x", [now], schema=int)
        assert 1 + CallPolicy().max_validation_retries == len(worker.jobs)
        assert caught.value.answer is not None


async def types_are_inferred(worker: LLMWorkerAbstract) -> None:
    """Checked by the type checkers, never run."""
    text: str = (await worker.run_tools("x", [now, get_weather])).output
    numbers: list[int] = (await worker.run_tools("x", [now], schema=list[int])).output
    maybe: City | None = await worker.gen_object("x", City | None)
    print(text, numbers, maybe)
