"""``pipelex chat``, and the options of ``pipelex llm`` for conversations, tools and parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import InferenceServerError
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, TextDelta, ToolCallPart, ToolResultPart
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.cli import fakes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob
    from tests.cli.conftest import Terminal

USAGE = InferenceUsage(input_tokens=1, output_tokens=2)
TOOLS = """
from pipelex.cogt.llm.llm_job import LLMTool


def shout(word: str) -> str:
    \"\"\"Shout a word.\"\"\"
    return word.upper()


def break_down(word: str) -> str:
    \"\"\"Break down.\"\"\"
    raise ZeroDivisionError("no luck")


nothing = 3
"""


class Talker(LLMWorkerAbstract):
    """Says how many turns there were and repeats the last one; does what a turn asks for."""

    plugin: fakes.FakePlugin

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        self.plugin.jobs.append(job)
        messages = job.prompt.messages()
        last = messages[-1].parts[-1]
        reason = None
        if isinstance(last, ToolResultPart):
            yield TextDelta(text=f"{last.name} said {last.content}")
        elif job.params.tools:
            call = ToolCallPart(id="a", name=job.params.tools[0].name, arguments='{"word": "hi"}')
            yield AnswerDone(answer=LLMAnswer(parts=(call,), usage=USAGE))
            return
        else:
            text = last.text  # type: ignore[union-attr]  # a text
            yield TextDelta(text=f"{len(messages)}: ")
            if text == "break":
                raise InferenceServerError("The line broke")
            if text == "cut":
                reason = FinishReason.LENGTH
            if text == "interrupt":
                raise KeyboardInterrupt
            yield TextDelta(text=text)
        yield AnswerDone(answer=LLMAnswer(usage=USAGE, request_id="r1", finish_reason=reason))


@pytest.fixture
def talking(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(fakes, "LLM", Talker)
    capabilities = '["streaming", "history", "tools", "system_text", "temperature", "top_p", "reasoning_effort"]'
    terminal.configure(f'[backends.fake.llm]\nsdk = "fake"\ncapabilities = {capabilities}\n')
    terminal.write("my_tools.py", TOOLS)
    terminal.write("leaving.py", "import sys\n\nsys.exit(3)\n")
    return terminal


def chat(terminal: Terminal, *lines: str, options: tuple[str, ...] = ()) -> Any:
    return terminal.run("chat", "-m", "fake/talker", *options, stdin="".join(f"{line}\n" for line in lines))


def test_each_line_is_a_turn_of_one_conversation(talking: Terminal) -> None:
    outcome = chat(talking, "hello", "", "again", options=("-s", "Be kind."))
    assert (0, "1: hello\n3: again\n", "") == (outcome.code, outcome.out, outcome.err)
    assert ["Be kind."] * 2 == [job.prompt.system_text for job in talking.plugin.jobs]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("one\\", "two"), "one\ntwo"),
        (('"""', "one", "", "/two", '"""'), "one\n\n/two"),
        (('"""', "one"), "one"),
        (('"""one', ' """ "two"', 'three"""'), 'one\n """ "two"\nthree'),
        (('"""one"""',), "one"),
    ],
)
def test_a_turn_may_have_several_lines(talking: Terminal, lines: tuple[str, ...], said: str) -> None:
    assert f"1: {said}\n" == chat(talking, *lines).out


def test_a_conversation_is_saved_and_loaded(talking: Terminal) -> None:
    saved = chat(talking, "hello", "/save talk.json")
    assert "saved in talk.json" in saved.err
    assert 2 == len(json.loads((talking.project / "talk.json").read_text())["messages"])
    outcome = chat(talking, "/load talk.json", "again", "/quit", "never")
    assert "3: again\n" == outcome.out
    assert "2 messages of talk.json" in outcome.err


@pytest.mark.parametrize("line", ["/load nope.json", "/load my_tools.py", "/save nope/talk.json", "/save", "/load"])
def test_a_file_that_is_wrong_ends_no_chat(talking: Terminal, line: str) -> None:
    outcome = chat(talking, line, "hello")
    assert (0, "1: hello\n") == (outcome.code, outcome.out)
    assert outcome.err.startswith("error: ")
    assert "Traceback" not in outcome.err


def test_usage_and_help_are_notes(talking: Terminal) -> None:
    outcome = chat(talking, "hello", "/usage", "/what", "/help")
    assert "usage: 1 tokens in, 2 tokens out" in outcome.err
    assert "there is no command /what. /save FILE" in outcome.err
    assert "note: /save FILE" in outcome.err


def test_an_answer_that_is_cut_off_has_a_note(talking: Terminal) -> None:
    outcome = chat(talking, "cut", "again")
    assert (0, "1: cut\n3: again\n") == (outcome.code, outcome.out)
    assert "note: the answer was cut off at the token limit" in outcome.err


def test_an_answer_that_breaks_ends_no_chat_and_what_came_is_kept(talking: Terminal) -> None:
    outcome = chat(talking, "break", "again")
    assert (0, "1: \n3: again\n") == (outcome.code, outcome.out)
    assert "The line broke" in outcome.err


def test_ctrl_c_ends_the_answer_and_not_the_chat(talking: Terminal) -> None:
    outcome = chat(talking, "interrupt", "again")
    assert (0, "1: \n3: again\n") == (outcome.code, outcome.out)
    assert "the answer was ended" in outcome.err


def test_the_model_calls_tools_of_the_working_directory(talking: Terminal) -> None:
    outcome = chat(talking, "hello", options=("--tool", "my_tools:shout"))
    assert "shout said HI\n" == outcome.out
    assert 'tool: shout {"word": "hi"}' in outcome.err


def test_what_a_tool_raises_ends_its_turn_and_not_the_chat(talking: Terminal) -> None:
    outcome = chat(talking, "hello", "/save talk.json", options=("--tool", "my_tools:break_down"))
    assert (0, "\n") == (outcome.code, outcome.out)
    assert "error: a tool raised ZeroDivisionError: no luck" in outcome.err
    roles = [message["role"] for message in json.loads((talking.project / "talk.json").read_text())["messages"]]
    assert ["user", "assistant", "user"] == roles


@pytest.mark.parametrize("command", ["chat", "llm"])
@pytest.mark.parametrize(
    ("option", "named"),
    [
        (("--tool", "shout"), "is not MODULE:FUNCTION"),
        (("--tool", "my_tools:nope"), "AttributeError"),
        (("--tool", "my_tools:nothing"), "is no tool"),
        (("--tool", "no_such_module:f"), "ModuleNotFoundError"),
        (("--tool", "leaving:f"), "SystemExit: 3"),
        (("--param", "top_p"), "NAME=VALUE with one of temperature"),
        (("--param", "tools=[]"), "NAME=VALUE with one of temperature"),
        (("--param", "top_p=warm"), "top_p: Input should be a valid number"),
        (("--param", "reasoning_effort=endless"), "reasoning_effort"),
    ],
)
def test_a_wrong_tool_or_parameter_is_misuse(
    talking: Terminal, command: str, option: tuple[str, str], named: str
) -> None:
    arguments = [command, "-m", "fake/talker", *option, *(["hi"] if command == "llm" else [])]
    outcome = talking.run(*arguments, stdin="hi\n")
    assert (2, "") == (outcome.code, outcome.out)
    assert named in " ".join(outcome.err.split())


class TestLLM:
    """The same of one call."""

    def test_parameters_are_set_by_name(self, talking: Terminal) -> None:
        options = ["--param", "top_p=0.5", "--param", "reasoning_effort=low", "--temperature=0"]
        assert talking.run("llm", "hi", "-m", "fake/talker", *options).code == 0
        params = talking.plugin.jobs[0].params
        assert (0.5, "low", 0) == (params.top_p, params.reasoning_effort, params.temperature)  # type: ignore[union-attr]

    def test_a_conversation_in_a_file_is_continued(self, talking: Terminal) -> None:
        first = talking.run("llm", "hello", "-m", "fake/talker", "--history", "talk.json")
        then = talking.run("llm", "again", "-m", "fake/talker", "--history", "talk.json", "--stream")
        assert ("1: hello\n", "3: again\n") == (first.out, then.out)
        assert 4 == len(json.loads((talking.project / "talk.json").read_text())["messages"])

    def test_what_a_tool_raises_is_named_and_the_conversation_kept(self, talking: Terminal) -> None:
        options = ("--tool", "my_tools:break_down", "--history", "talk.json")
        outcome = talking.run("llm", "hi", "-m", "fake/talker", *options)
        assert (1, "", "Error: a tool raised ZeroDivisionError: no luck") == (
            outcome.code,
            outcome.out,
            outcome.err.strip(),
        )
        assert 3 == len(json.loads((talking.project / "talk.json").read_text())["messages"])

    def test_a_tool_is_called(self, talking: Terminal) -> None:
        assert "shout said HI\n" == talking.run("llm", "hi", "-m", "fake/talker", "--tool", "my_tools:shout").out

    def test_json_holds_the_whole_answer(self, talking: Terminal) -> None:
        data = talking.run("llm", "hi", "-m", "fake/talker", "--json").data
        assert "1: hi" == data["text"] == data["parts"][0]["text"]
        assert ("r1", "stop") == (data["request_id"], data["finish_reason"])
