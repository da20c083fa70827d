"""``pipelex chat``: a conversation at the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.cli.conversations import (
    param_option,
    read_conversation,
    tool_option,
    tools_named,
    with_named,
    write_conversation,
)
from pipelex.cli.inputs import stdin_is_terminal
from pipelex.cli.output import OK, note, write_error
from pipelex.cli.session import model_or_default, note_usage, open_pipelex
from pipelex.exceptions import PipelexError
from pipelex.plugins.raised import described
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.cogt.llm.tools import PythonTool
    from pipelex.reporting.usage_log import UsageLog

_BLOCK = '"""'
_HELP = (
    f"/save FILE, /load FILE, /usage, /help, /quit. A line that ends in a backslash goes on in the next one; so does "
    f"what stands between {_BLOCK} and {_BLOCK}. Ctrl-C ends an answer, Ctrl-D the chat."
)
_ENDINGS = {
    "length": "was cut off at the token limit: --param max_tokens=N sets another one",
    "content_filter": "was ended by a filter, or refused",
    "unfinished": "ended before it was whole",
}
"""What a user is to know of an answer, by its finish reason."""


@click.command()
@click.option("-m", "--model", help="A name of the catalogue, or backend/model-id. Default: as configured.")
@click.option("-s", "--system", help="An instruction beside the conversation.")
@tool_option
@param_option
def chat(*, model: str | None, system: str | None, tools: tuple[str, ...], named_params: tuple[str, ...]) -> int:
    """Talk with a language model: each line is a turn. Answers go to stdout as they are made.

    Type /help for what else a line may be.
    """
    from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.reporting.usage_log import UsageLog

    job = LLMJob(prompt=LLMPrompt(system_text=system), params=with_named(LLMJobParams(), named_params))
    found = tools_named(tools)
    log = UsageLog()
    with open_pipelex(log) as px:
        worker = px.llm(model_or_default(px, model, InferenceFamily.LLM))
        _Chat(worker, job, found, log).run()
    return OK


class _Chat:
    """One conversation.

    Args:
        worker: Whom to ask.
        job: The conversation so far.
        tools: What the model may call.
        log: Where its calls are reported.
    """

    def __init__(self, worker: LLMWorkerAbstract, job: LLMJob, tools: Sequence[PythonTool], log: UsageLog) -> None:
        self._worker = worker
        self._job = job
        self._tools = tools
        self._log = log

    def run(self) -> None:
        """Take turns until the input ends."""
        if stdin_is_terminal():
            note(f"note: {self._worker.inference_model.name}. {_HELP}")
        while (line := _next_turn()) is not None:
            if not line.strip():
                continue
            try:
                if line.startswith("/"):
                    if self._is_left(line):
                        return
                else:
                    self._turn(line)
            except KeyboardInterrupt:
                note("note: the answer was ended")
            except PipelexError as error:
                write_error(error, as_json=False)

    def _is_left(self, line: str) -> bool:
        """Carry out a line that is a command; return whether it ends the chat."""
        command, _, argument = line.strip().partition(" ")
        argument = argument.strip()
        if command == "/quit":
            return True
        if command == "/usage":
            note_usage(self._log)
        elif command == "/save" and argument:
            write_conversation(Path(os.path.expanduser(argument)), self._job.prompt.history)
            note(f"note: saved in {argument}")
        elif command == "/load" and argument:
            self._load(Path(os.path.expanduser(argument)))
        elif command in ("/save", "/load"):
            note(f"error: {command} needs the name of a file")
        else:
            unknown = "" if command == "/help" else f"there is no command {command}. "
            note(f"note: {unknown}{_HELP}")
        return False

    def _load(self, path: Path) -> None:
        from dataclasses import replace

        history = read_conversation(path)
        self._job = replace(self._job, prompt=replace(self._job.prompt, history=history))
        note(f"note: {len(history)} messages of {path}")

    def _turn(self, text: str) -> None:
        """Ask, write the answer, and keep both; what broke off is kept as far as it came."""
        from pipelex.cogt.llm.llm_job import AnswerDone

        asked = self._job.then(text)
        try:
            if self._tools:
                self._run_tools(asked)
            elif "streaming" in self._worker.inference_model.capabilities:
                self._stream(asked)
            else:
                answer = self._worker.gen_answer_sync(asked)
                write_text(answer.text, end="")
                _show(AnswerDone(answer=answer))
                self._job = asked.then(answer)
        finally:
            write_text("")

    def _run_tools(self, asked: LLMJob) -> None:
        """Ask with tools; where that fails, the rounds before are kept. What a tool raises ends the turn alone."""
        try:
            self._job = self._worker.run_tools_sync(asked, self._tools, on_event=_show).job
        except Exception as error:
            so_far: LLMJob | None = getattr(error, "job", None)
            if so_far is not None and len(so_far.prompt.history) > len(asked.prompt.history):
                self._job = so_far
            if isinstance(error, PipelexError):
                raise
            note(f"error: a tool raised {described(error)}")

    def _stream(self, asked: LLMJob) -> None:
        with self._worker.stream_answer_sync(asked) as stream:
            try:
                for event in stream:
                    _show(event)
            finally:
                if stream.so_far.text:
                    self._job = asked.then(stream.so_far)


def _show(event: LLMEvent) -> None:
    from pipelex.cogt.llm.llm_job import AnswerDone, PartDone, TextDelta, ToolCallPart, ToolDone

    if isinstance(event, TextDelta):
        write_text(event.text, end="")
    elif isinstance(event, PartDone) and isinstance(event.part, ToolCallPart):
        note(f"tool: {event.part.name} {event.part.arguments}")
    elif isinstance(event, ToolDone) and event.result.is_error:
        note(f"tool: {event.result.name} failed: {event.result.content}")
    elif isinstance(event, AnswerDone) and event.answer.finish_reason in _ENDINGS:
        note(f"note: the answer {_ENDINGS[event.answer.finish_reason]}")


def _next_turn() -> str | None:
    """Read a turn, of several lines where it says so; ``None`` where the input has ended. An interrupt begins anew."""
    while True:
        try:
            return _read_turn()
        except KeyboardInterrupt:
            write_text("", err=True)


def _read_turn() -> str | None:
    line = _read_line("> ")
    if line is None:
        return None
    begun = line.lstrip()
    if begun.startswith(_BLOCK):
        return "\n".join(_lines_of_block(begun.removeprefix(_BLOCK)))
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        following = _read_line("... ")
        if following is None:
            break
        lines.append(following)
    return "\n".join(lines)


def _lines_of_block(line: str | None) -> Iterator[str]:
    """Yield the lines up to the one that ends the block, or to the end of the input.

    Args:
        line: The text behind the beginning of the block.
    """
    if line == "":
        line = _read_line("... ")
    while line is not None:
        text = line.rstrip()
        if text.endswith(_BLOCK):
            if text != _BLOCK:
                yield text.removesuffix(_BLOCK)
            return
        yield line
        line = _read_line("... ")


def _read_line(prompt: str) -> str | None:
    """Read a line: with editing where it is typed."""
    if not stdin_is_terminal():
        line = sys.stdin.readline()
        return line.removesuffix("\n") if line else None
    from contextlib import suppress

    with suppress(ImportError):  # not on every platform
        import readline  # noqa: F401 - input() edits with it
    try:
        return input(prompt)
    except EOFError:
        write_text("", err=True)
        return None
